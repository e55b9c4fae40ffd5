//! `aleph add`, `aleph remove` and `aleph update`.

use std::process::ExitCode;

use aleph_exchange::apt::solve::Upgrade;

use super::changed::told;
use crate::{
    failure::Outcome,
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
pub(crate) fn update(host: &Host, printer: &Printer, packages: Vec<String>, accept_breaks: bool) -> Outcome {
    let reason = format!("update {}", packages.join(" "));
    run(host, printer, &upgrade(packages, accept_breaks), reason.trim())
}

/// Takes newer versions of everything, or of what is named.
pub(super) fn upgrade(packages: Vec<String>, accept_breaks: bool) -> Wish {
    let upgrade = if packages.is_empty() { Upgrade::All } else { Upgrade::Names(packages) };
    Wish { upgrade, accept_breaks, ..Wish::default() }
}

fn run(host: &Host, printer: &Printer, wish: &Wish, reason: &str) -> Outcome {
    let target = host.target()?;
    let changed = change::change(host, printer, &target, wish, reason)?;
    told(&changed).report(printer);
    Ok(ExitCode::SUCCESS)
}
