//! What a change of a view means for packages that stay, as `aleph add` and `aleph update` tell it.

use std::collections::BTreeMap;

use aleph_abi::{Effect, Verdict};
use serde_json::{Value, json};

use super::{by, coloured, effect_name, evidence_names, reason};
use crate::{
    ops::abi::impact::{Affected, Impact},
    output::count,
};

/// How many packages, and how many reasons of each, are shown to people.
const SHOWN: usize = 8;

/// All of it.
pub(in crate::commands) fn values(impact: &Impact) -> Vec<Value> {
    let one = |affected: &Affected| {
        json!({
            "package": affected.package, "verdict": affected.judgement.verdict.as_str(),
            "evidence": evidence_names(&affected.judgement.evidence),
            "reasons": affected.judgement.reasons.iter().map(reason).collect::<Vec<_>>(),
        })
    };
    impact.affected.iter().map(one).collect()
}

/// Lines, or nothing if nobody is concerned.
pub(in crate::commands) fn human(impact: &Impact) -> String {
    let mut text = String::new();
    let (fine, others): (Vec<&Affected>, Vec<&Affected>) =
        impact.affected.iter().partition(|affected| affected.judgement.verdict == Verdict::Relink);
    let mut by_evidence: BTreeMap<String, usize> = BTreeMap::new();
    for affected in fine {
        *by_evidence.entry(by(&affected.judgement)).or_default() += 1;
    }
    for (by, number) in by_evidence {
        let use_it = if number == 1 { "package that stays uses" } else { "packages that stay use" };
        text.push_str(&format!("{number} {use_it} what changes: {}{by}\n", coloured(Verdict::Relink)));
    }
    for Affected { package, judgement, .. } in others.iter().take(SHOWN) {
        text.push_str(&format!("{} {package}{}\n", coloured(judgement.verdict), by(judgement)));
        for change in judgement.reasons.iter().filter(|change| change.effect != Effect::Compatible).take(SHOWN) {
            text.push_str(&format!("  - {}: {}\n", effect_name(change.effect), change.text));
        }
    }
    if others.len() > SHOWN {
        text.push_str(&format!("and {} like that: --format json has all\n", count(others.len() - SHOWN, "package")));
    }
    if !impact.absent.is_empty() {
        let names = impact.absent.join(", ");
        text.push_str(&format!("judged when it is fetched, and refused if it breaks anything: {names}\n"));
    }
    text
}
