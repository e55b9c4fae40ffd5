//! What became of a change, in words and as JSON.

use aleph_view::{Change, Difference};
use serde_json::{Value, json};

use crate::{
    host::Host,
    ops::{
        abi::impact::Impact, apply::Applied, change::Changed, cost::Cost, native::Kept, plan::Plan, timings::Timings,
    },
    output::{Printer, bold, bytes, count, cyan, red, yellow},
};

/// Of changes with more lines than this, only those of what was asked for are shown.
const MANY: usize = 16;

/// What is said of a change.
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) data: Value,
    pub(crate) text: String,
    /// For people, beside the answer.
    warnings: Vec<String>,
    note: Option<String>,
}

impl Told {
    /// All of it, as the answer of a command.
    pub(crate) fn report(&self, printer: &Printer) {
        self.warn(printer);
        printer.answer(self.kind, &self.data, |_| self.text.clone());
        self.note.iter().for_each(|note| printer.note(note));
    }

    /// What people should look at.
    pub(crate) fn warn(&self, printer: &Printer) {
        self.warnings.iter().for_each(|warning| printer.warning(warning));
    }
}

/// Says what became of a wish.
pub(crate) fn told(changed: &Changed) -> Told {
    let plain = |kind, data, text| Told { kind, data, text, warnings: Vec::new(), note: None };
    match changed {
        Changed::Nothing(plan, timings) => {
            let view = plan.record.name.to_string();
            let generation = plan.before.as_ref().map(|before| before.number);
            let data = json!({
                "view": view, "generation": generation, "changes": [], "kept": plan.kept, "timings_ms": timings,
            });
            plain("change", data, format!("{}{} has that already", kept(plan), bold(&view)))
        }
        Changed::Planned(plan, impact, timings) => {
            let changes = plan.changes();
            let data = json!({
                "view": plan.record.name, "changes": changes, "timings_ms": timings,
                "packages": plan.chosen.iter().map(|chosen| json!({ "name": chosen.name, "version": chosen.version, "architecture": chosen.architecture })).collect::<Vec<_>>(),
                "archive_bytes": plan.chosen.iter().map(|chosen| chosen.size).sum::<u64>(),
                "judged": super::abi::impact::values(impact), "not_judged": impact.absent,
                "refused": refused(plan, impact), "kept": plan.kept, "cost": plan.cost, "estimated_seconds": plan.cost.estimate(plan).as_secs_f64(),
            });
            // There is no other place to look: all are listed.
            let lines = listed(plan, &changes, usize::MAX) + &super::abi::impact::human(impact) + &kept(plan);
            let name = bold(plan.record.name.as_str());
            let text = format!("{lines}{name} would change: {}\n{}", summed(plan, &changes), costs(plan));
            let text = match refused(plan, impact) {
                Some(why) => format!("{text}\n{} {why}: without --accept-breaks it is not done", red("refused")),
                None => text,
            };
            plain("plan", data, text)
        }
        Changed::Done(plan, applied) => done(plan, applied),
    }
}

fn done(plan: &Plan, applied: &Applied) -> Told {
    let changes = plan.changes();
    let generation = &applied.generation;
    let data = json!({
        "view": applied.view.record.name, "generation": generation.number, "changes": changes,
        "warnings": generation.warnings, "timings_ms": applied.timings, "commands": applied.view.bin(),
        "judged": super::abi::impact::values(&applied.impact), "kept": plan.kept, "cost": plan.cost,
    });
    let text = format!(
        "{}{}{}{} is now at generation {}: {}, in {}",
        listed(plan, &changes, MANY),
        super::abi::impact::human(&applied.impact),
        kept(plan),
        bold(applied.view.record.name.as_str()),
        generation.number,
        summed(plan, &changes),
        seconds(&applied.timings),
    );
    let first = plan.before.is_none() && plan.project.is_none() && !Host::path_has(&applied.view.bin());
    let note = first.then(|| {
        let line = format!("export PATH=\"{}:$PATH\"", applied.view.bin().display());
        format!("to have its commands in your shell: {}", cyan(&line))
    });
    Told { kind: "change", data, text, warnings: generation.warnings.clone(), note }
}

/// What stays although there is something newer, a line each.
fn kept(plan: &Plan) -> String {
    let line = |kept: &Kept| {
        let Kept { consumer, provider, keeps, instead_of, why, .. } = kept;
        match consumer {
            Some(consumer) => {
                format!("{} {consumer} keeps {provider} {keeps} for itself, not {instead_of}: {why}\n", yellow("held"))
            }
            None => format!("{} {provider} {keeps} stays, not {instead_of}: {why}\n", yellow("held")),
        }
    };
    plan.kept.iter().map(line).collect()
}

/// What a plan costs, in words.
fn costs(plan: &Plan) -> String {
    let Cost { archives, fetched_bytes, linked, written_bytes } = plan.cost;
    let mut parts = Vec::new();
    if archives > 0 {
        parts.push(format!("fetch {} ({})", count(archives, "archive"), bytes(fetched_bytes)));
    }
    if linked > 0 {
        parts.push(format!("link {} ({} written)", count(linked, "package"), bytes(written_bytes)));
    }
    let parts = if parts.is_empty() { "fetch nothing".to_owned() } else { parts.join(" and ") };
    format!("it would {parts}, in about {:.1} s", plan.cost.estimate(plan).as_secs_f64())
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

/// Why a plan would not be carried out.
fn refused(plan: &Plan, impact: &Impact) -> Option<String> {
    if plan.accept_breaks {
        return None;
    }
    impact.refuse_breaks(plan.policy.evidence).err().map(|failure| failure.chain().join(": "))
}

/// `3 added, 1 replaced, 12 relinked, 1 held, 40 unchanged`.
fn summed(plan: &Plan, changes: &[Difference]) -> String {
    let number = |is: fn(&Change) -> bool| changes.iter().filter(|difference| is(&difference.change)).count();
    let parts = [
        (number(|change| matches!(change, Change::Added { .. })), "added"),
        (number(|change| matches!(change, Change::Replaced { .. })), "replaced"),
        (number(|change| matches!(change, Change::Removed { .. })), "removed"),
        (number(|change| matches!(change, Change::Relinked { .. })), "relinked"),
        (plan.kept.len(), "held"),
        (plan.chosen.len() - number(|change| !matches!(change, Change::Removed { .. })), "unchanged"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if changes.is_empty() { format!("{}, {}", count(0, "change"), parts.join(", ")) } else { parts.join(", ") }
}

fn seconds(timings: &Timings) -> String {
    format!("{:.1} s", timings.total().as_secs_f64())
}
