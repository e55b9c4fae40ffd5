//! `aleph add`, `aleph remove` and `aleph update`.

use std::process::ExitCode;

use aleph_exchange::apt::solve::Upgrade;

use super::{changed::told, picture};
use crate::{
    cli::UpdateArguments,
    failure::{Failure, Outcome},
    host::Host,
    ops::change::{self, Wish},
    output::Printer,
};

/// Adds packages to the view.
pub(crate) fn add(host: &Host, printer: &Printer, wish: &Wish) -> Outcome {
    run(host, printer, wish, &format!("add {}", wish.add.join(" ")))
}

/// Removes packages from the view.
pub(crate) fn remove(host: &Host, printer: &Printer, packages: Vec<String>) -> Outcome {
    let reason = format!("remove {}", packages.join(" "));
    // What was asked for goes even if another package would miss it.
    run(host, printer, &Wish { remove: packages, accept_breaks: true, ..Wish::default() }, &reason)
}

/// Takes newer versions.
pub(crate) fn update(host: &Host, printer: &Printer, arguments: UpdateArguments) -> Outcome {
    let UpdateArguments { packages, accept_breaks, graph, .. } = arguments;
    let reason = format!("update {}", packages.join(" "));
    let target = host.target()?;
    let changed = change::change(host, printer, &target, &upgrade(packages, accept_breaks), reason.trim())?;
    if let Some(path) = graph {
        let path = host.cwd.join(path);
        std::fs::write(&path, picture::of(&changed).to_svg())
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    told(&changed).report(printer);
    Ok(ExitCode::SUCCESS)
}

/// Takes newer versions of everything, or of what is named.
pub(super) fn upgrade(packages: Vec<String>, accept_breaks: bool) -> Wish {
    let at = packages.iter().filter_map(|text| text.split_once('='));
    let at = at.map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
    let names: Vec<String> = packages.iter().map(|text| named(text).to_owned()).collect();
    let upgrade = if names.is_empty() { Upgrade::All } else { Upgrade::Names(names) };
    Wish { upgrade, at, accept_breaks, ..Wish::default() }
}

/// The name in `NAME` or `NAME=VERSION`.
pub(super) fn named(text: &str) -> &str {
    text.split_once('=').map_or(text, |(name, _)| name)
}

fn run(host: &Host, printer: &Printer, wish: &Wish, reason: &str) -> Outcome {
    let target = host.target()?;
    let changed = change::change(host, printer, &target, wish, reason)?;
    told(&changed).report(printer);
    Ok(ExitCode::SUCCESS)
}
