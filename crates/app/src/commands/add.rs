//! `aleph add`, `aleph remove` and `aleph update`.

use std::process::ExitCode;

use aleph_exchange::apt::solve::Upgrade;
use aleph_view::{Change, Difference};
use serde_json::json;

use crate::{
    failure::Outcome,
    host::Host,
    ops::{
        apply::Applied,
        change::{self, Changed, Wish},
        plan::Plan,
        timings::Timings,
    },
    output::{Printer, bold, count, cyan},
};

/// Of changes with more lines than this, only those of what was asked for are shown.
const MANY: usize = 16;

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
    let upgrade = if packages.is_empty() { Upgrade::All } else { Upgrade::Names(packages) };
    run(host, printer, &Wish { upgrade, accept_breaks, ..Wish::default() }, reason.trim())
}

fn run(host: &Host, printer: &Printer, wish: &Wish, reason: &str) -> Outcome {
    let target = host.target()?;
    let changed = change::change(host, printer, &target, wish, reason)?;
    report(printer, &changed);
    Ok(ExitCode::SUCCESS)
}

/// Says what became of a wish.
pub(crate) fn report(printer: &Printer, changed: &Changed) {
    match changed {
        Changed::Nothing(plan, timings) => {
            let view = plan.record.name.to_string();
            let generation = plan.before.as_ref().map(|before| before.number);
            let data = json!({ "view": view, "generation": generation, "changes": [], "timings_ms": timings });
            printer.answer("change", &data, |_| format!("{} has that already", bold(&view)));
        }
        Changed::Planned(plan, impact, timings) => {
            let changes = plan.changes();
            let data = json!({
                "view": plan.record.name, "changes": changes, "timings_ms": timings,
                "packages": plan.chosen.iter().map(|chosen| json!({ "name": chosen.name, "version": chosen.version, "architecture": chosen.architecture })).collect::<Vec<_>>(),
                "archive_bytes": plan.chosen.iter().map(|chosen| chosen.size).sum::<u64>(),
                "judged": super::abi::impact::values(impact), "not_judged": impact.absent,
            });
            printer.answer("plan", &data, |_| {
                format!(
                    "{}{}{} would change: {}",
                    // There is no other place to look: all are listed.
                    listed(plan, &changes, usize::MAX),
                    super::abi::impact::human(impact),
                    bold(plan.record.name.as_str()),
                    summed(&changes)
                )
            });
        }
        Changed::Done(plan, applied) => done(printer, plan, applied),
    }
}

fn done(printer: &Printer, plan: &Plan, applied: &Applied) {
    let changes = plan.changes();
    let generation = &applied.generation;
    let data = json!({
        "view": applied.view.record.name, "generation": generation.number, "changes": changes,
        "warnings": generation.warnings, "timings_ms": applied.timings, "commands": applied.view.bin(),
        "judged": super::abi::impact::values(&applied.impact),
    });
    for warning in &generation.warnings {
        printer.warning(warning);
    }
    printer.answer("change", &data, |_| {
        format!(
            "{}{}{} is now at generation {}: {}, in {}",
            listed(plan, &changes, MANY),
            super::abi::impact::human(&applied.impact),
            bold(applied.view.record.name.as_str()),
            generation.number,
            summed(&changes),
            seconds(&applied.timings),
        )
    });
    let first = plan.before.is_none() && plan.project.is_none();
    if first && !Host::path_has(&applied.view.bin()) {
        let line = format!("export PATH=\"{}:$PATH\"", applied.view.bin().display());
        printer.note(&format!("to have its commands in your shell: {}", cyan(&line)));
    }
}

/// The lines of a change; of more than `most`, those that were asked for.
fn listed(plan: &Plan, changes: &[Difference], most: usize) -> String {
    let (loud, relinked): (Vec<Difference>, Vec<Difference>) =
        changes.iter().cloned().partition(|difference| !matches!(difference.change, Change::Relinked { .. }));
    let asked_for = |difference: &&Difference| {
        let name = difference.package.split(':').next();
        plan.requested.iter().any(|request| Some(request.name()) == name)
    };
    let shown: Vec<Difference> =
        if loud.len() > most { loud.iter().filter(asked_for).cloned().collect() } else { loud.clone() };
    let mut text = super::view::lines(&shown);
    if shown.len() < loud.len() {
        text.push_str(&format!("\nand {} that these need: `aleph view diff` lists them", loud.len() - shown.len()));
    }
    if relinked.len() <= MANY && !relinked.is_empty() {
        text.push_str(&format!("\n{}", super::view::lines(&relinked)));
    }
    let text = text.trim_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// `3 added, 1 replaced, 12 relinked`.
fn summed(changes: &[Difference]) -> String {
    let number = |is: fn(&Change) -> bool| changes.iter().filter(|difference| is(&difference.change)).count();
    let parts = [
        (number(|change| matches!(change, Change::Added { .. })), "added"),
        (number(|change| matches!(change, Change::Replaced { .. })), "replaced"),
        (number(|change| matches!(change, Change::Removed { .. })), "removed"),
        (number(|change| matches!(change, Change::Relinked { .. })), "relinked"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if parts.is_empty() { count(0, "change") } else { parts.join(", ") }
}

fn seconds(timings: &Timings) -> String {
    format!("{:.1} s", timings.total().as_secs_f64())
}
