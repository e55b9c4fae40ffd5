//! `aleph add`, `aleph remove` and `aleph update`.

use std::{path::PathBuf, process::ExitCode};

use aleph_exchange::apt::solve::Upgrade;

use super::{changed::told, picture};
use crate::{
    cli::UpdateArguments,
    failure::{Failure, Outcome},
    host::{Host, Target},
    ops::{
        build,
        change::{self, Wish},
    },
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
    let UpdateArguments { packages, accept_breaks, graph, rebuild, recipes, .. } = arguments;
    let reason = format!("update {}", packages.join(" "));
    let target = host.target()?;
    let wish = upgrade(packages, accept_breaks);
    if rebuild && !self::rebuild(host, printer, &target, &wish, recipes)? {
        return Ok(ExitCode::FAILURE);
    }
    let changed = change::change(host, printer, &target, &wish, reason.trim())?;
    if let Some(path) = graph {
        let path = host.cwd.join(path);
        std::fs::write(&path, picture::of(&changed).to_svg())
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    told(&changed).report(printer);
    Ok(ExitCode::SUCCESS)
}

/// Builds what would have to keep what it has, as far as there are recipes for it. Gives whether all of it could be built.
fn rebuild(host: &Host, printer: &Printer, target: &Target, wish: &Wish, recipes: Option<PathBuf>) -> Outcome<bool> {
    let tree = build::recipes(host, recipes.as_ref())?;
    let (names, unknown): (Vec<String>, Vec<String>) =
        change::to_rebuild(host, printer, target, wish)?.into_iter().partition(|name| tree.recipes.contains_key(name));
    unknown.iter().for_each(|name| printer.warning(&format!("there is no recipe to rebuild {name} with")));
    if names.is_empty() {
        return Ok(true);
    }
    printer.note(&format!("rebuilding {}", names.join(", ")));
    let rows = build::build(host, printer, &build::Wanted { recipes, names, ..build::Wanted::default() })?;
    printer.progress().clear();
    let told = |what| rows.iter().filter(|row| row.what == what).count();
    printer.note(&format!("rebuilt {}, relinked {}", told(build::What::Built), told(build::What::Relinked)));
    Ok(!rows.iter().any(|row| row.what.is_missing()))
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
