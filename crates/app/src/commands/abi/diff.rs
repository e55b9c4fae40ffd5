//! `aleph abi diff`.

use aleph_abi::{Change, Effect, Judgement};
use serde_json::json;

use super::{by, code, coloured, effect_name, evidence_names, reason};
use crate::{
    failure::Outcome,
    host::Host,
    ops::abi::diff::{Judged, Report, Request, diff as compare},
    output::{Printer, bold, count},
};

/// How many differences that do no harm are shown to people, of one library.
const SHOWN: usize = 12;
/// Of more consumers with one verdict, people are told the number and one of them.
const NAMED: usize = 6;

pub(super) fn diff(host: &Host, printer: &Printer, request: &Request<'_>) -> Outcome {
    let report = compare(host, request)?;
    let data = json!({
        "old": request.old, "new": request.new, "timings_ms": report.timings,
        "verdicts": report.judged.iter().map(|judged| json!({
            "library": judged.library, "consumer": judged.consumer,
            "verdict": judged.judgement.verdict.as_str(),
            "evidence": evidence_names(&judged.judgement.evidence),
            "reasons": judged.judgement.reasons.iter().map(reason).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    let head = json!({
        "verdict": report.overall.verdict.as_str(),
        "evidence": evidence_names(&report.overall.evidence),
        "reasons": report.overall.reasons.iter().map(reason).collect::<Vec<_>>(),
    });
    printer.headed_answer("abi-diff", &head, &data, |_| human(&report));
    Ok(code(report.overall.verdict))
}

fn human(report: &Report) -> String {
    let mut text = String::new();
    for group in report.judged.chunk_by(|a, b| a.library == b.library) {
        text.push_str(&format!("{}\n", bold(&group[0].library)));
        // Consumers that meet the same differences are told together.
        let mut told: Vec<(&Judgement, Vec<&Judged>)> = Vec::new();
        for judged in group {
            match told.iter_mut().find(|(judgement, _)| **judgement == judged.judgement) {
                Some((_, alike)) => alike.push(judged),
                None => told.push((&judged.judgement, vec![judged])),
            }
        }
        for (judgement, alike) in told {
            let by = by(judgement);
            text.push_str(&format!("  {}{}{by}\n", coloured(judgement.verdict), consumers(&alike)));
            text.push_str(&reasons(&judgement.reasons));
        }
    }
    if report.judged.len() > 1 {
        text.push_str(&format!("in all: {}\n", coloured(report.overall.verdict)));
    }
    text
}

fn consumers(alike: &[&Judged]) -> String {
    let names: Vec<&str> = alike.iter().filter_map(|judged| judged.consumer.as_deref()).collect();
    match names.len() {
        0 => String::new(),
        1..=NAMED => format!(" {}", names.join(", ")),
        more => format!(" {}, such as {}", count(more, "consumer"), names[0]),
    }
}

fn reasons(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut harmless = 0;
    for change in changes {
        if change.effect == Effect::Compatible {
            harmless += 1;
            if harmless > SHOWN {
                continue;
            }
        }
        text.push_str(&format!("  - {}: {}\n", effect_name(change.effect), change.text));
    }
    if harmless > SHOWN {
        let more = count(harmless - SHOWN, "more difference");
        text.push_str(&format!("  - compatible: {more}; --format json has all\n"));
    }
    text
}
