//! `aleph abi check`.

use aleph_abi::Effect;
use serde_json::json;

use super::{code, coloured, effect_name, evidence_names, reason};
use crate::{
    commands::history,
    failure::{Failure, Outcome},
    host::Host,
    ops::abi::{
        check::{Checked, check as check_view},
        stored::Stored,
    },
    output::{Printer, bold, count},
};

pub(super) fn check(host: &Host, printer: &Printer, number: Option<u32>) -> Outcome {
    let stored = Stored::open(host)?;
    let view = host.view(stored.store())?;
    let generation = match number {
        Some(number) => view.generation(number)?,
        None => view.current()?.ok_or_else(|| Failure::new("this view has no generation yet"))?,
    };
    let before = history::before(&view, &generation)?.map(|number| view.generation(number)).transpose()?;
    let checked = check_view(&stored, &generation, before.as_ref())?;
    let before = before.map(|before| before.number);
    let data = json!({
        "view": view.record.name, "generation": generation.number, "before": before,
        "programs": checked.programs, "libraries": checked.libraries,
    });
    let head = json!({
        "verdict": checked.verdict.as_str(),
        "evidence": evidence_names(&checked.evidence),
        "reasons": checked.reasons.iter().map(reason).collect::<Vec<_>>(),
    });
    printer.headed_answer("abi-check", &head, &data, |_| {
        let before = before.map(|number| format!(", compared with generation {number}")).unwrap_or_default();
        format!("{} generation {}{before}: {}", bold(view.record.name.as_str()), generation.number, human(&checked))
    });
    Ok(code(checked.verdict))
}

fn human(checked: &Checked) -> String {
    let mut text = format!("{} and {}\n", count(checked.programs, "program"), count(checked.libraries, "library"));
    for change in &checked.reasons {
        let effect = if change.effect == Effect::Compatible { "note" } else { effect_name(change.effect) };
        text.push_str(&format!("  - {effect}: {}\n", change.text));
    }
    let said = if checked.reasons.is_empty() { ": everything that they need is there" } else { "" };
    text.push_str(&format!("{}{said}\n", coloured(checked.verdict)));
    text
}
