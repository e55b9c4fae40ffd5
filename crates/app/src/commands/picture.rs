//! `aleph update --graph`: what changes, and who uses it.

use std::collections::BTreeMap;

use aleph_abi::{Effect, Verdict};
use aleph_link::{Card, Picture, Tone};
use aleph_view::Change;

use crate::ops::{
    abi::impact::{Affected, Impact},
    change::Changed,
    native::Kept,
    plan::Plan,
};

/// How many letters of a reason are shown.
const SHOWN: usize = 70;

/// What became of a wish, or would.
pub(super) fn of(changed: &Changed) -> Picture {
    match changed {
        Changed::Nothing(plan, _) => draw(plan, &Impact::default()),
        Changed::Planned(plan, impact, _) => draw(plan, impact),
        Changed::Done(plan, applied) => draw(plan, &applied.impact),
    }
}

fn draw(plan: &Plan, impact: &Impact) -> Picture {
    let mut picture = Picture { title: format!("{}: {}", plan.record.name, plan.reason), ..Picture::default() };
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for difference in plan.changes() {
        let text = match difference.change {
            Change::Replaced { from, to } => format!("{from} → {to}"),
            Change::Added { version } => format!("{version}, new"),
            Change::Removed { version } => format!("{version}, removed"),
            Change::Relinked { .. } => continue,
        };
        let name = difference.package.split(':').next().unwrap_or_default().to_owned();
        at.insert(name.clone(), picture.providers.len());
        picture.providers.push(Card { name, text, tone: Tone::Changed });
    }
    for affected in &impact.affected {
        let consumer = picture.consumers.len();
        picture.consumers.push(card(affected));
        let used = affected.uses.iter().filter_map(|(provider, ..)| at.get(provider));
        picture.uses.extend(used.map(|&provider| (provider, consumer)));
    }
    for Kept { consumer, provider, keeps, why, .. } in &plan.kept {
        let name = consumer.clone().unwrap_or_else(|| provider.clone());
        let text = shortened(&format!("keeps {provider} {keeps}: {why}"));
        picture.uses.extend(at.get(provider).map(|&provider| (provider, picture.consumers.len())));
        picture.consumers.push(Card { name, text, tone: Tone::Kept });
    }
    picture
}

fn card(affected: &Affected) -> Card {
    let judgement = &affected.judgement;
    let tone = match judgement.verdict {
        Verdict::Relink => Tone::Relink,
        Verdict::Rebuild => Tone::Rebuild,
        Verdict::Unknown => Tone::Unknown,
    };
    let reason = judgement.reasons.iter().find(|change| change.effect != Effect::Compatible);
    let why = match reason.filter(|_| judgement.verdict != Verdict::Relink) {
        Some(reason) => reason.text.clone(),
        None => super::abi::evidence_names(&judgement.evidence).join(", "),
    };
    let name = affected.package.split(':').next().unwrap_or_default().to_owned();
    Card { name, text: shortened(&format!("{}: {why}", judgement.verdict.as_str())), tone }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
