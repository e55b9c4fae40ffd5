//! Whether what was built with other libraries works with these as it is. Then it is linked to them, and not built again.

use std::{collections::BTreeMap, path::Path};

use aleph_abi::{Effect, Judgement, Verdict};
use aleph_build::{Dependency, Record, Use};
use aleph_component::{ComponentId, StoreName};
use aleph_store::ComponentRow;

use super::session::Around;
use crate::{
    failure::Outcome,
    ops::abi::{
        around::library_directories,
        judging::{TypesFrom, Work, combine},
        side::{Binary, Side},
        stored::Stored,
        types::PublicHeaders,
    },
};

/// Judges whether what `record` built works with these dependencies: `Ok` says on what that rests, `Err` why not.
pub(crate) fn judge(
    around: Around<'_>,
    record: &Record,
    dependencies: &BTreeMap<String, Dependency>,
) -> Outcome<Result<String, String>> {
    let stored = Stored::open(around.host)?;
    let mut kept = Vec::new();
    for (name, now) in dependencies.iter().filter(|(_, now)| now.how == Use::Linked) {
        let Some(was) = record.dependencies.get(name) else {
            return Ok(Err(format!("it was not built with {name}")));
        };
        if was.interface == now.interface {
            continue;
        }
        let changed = format!("the interface of {name} changed");
        if was.component == now.component {
            return Ok(Err(format!("{changed}: that of what is seen through its headers")));
        }
        let Some(rows) = rows(around, [record.component, was.component, now.component]) else {
            return Ok(Err(format!("{changed}, and what it was built with is gone")));
        };
        let others: Vec<ComponentId> = dependencies.values().map(|other| other.component).collect();
        let judgement = verdict(around, &stored, &rows, &others)?;
        match judgement {
            Some(Judgement { verdict: Verdict::Relink, evidence, .. }) => {
                let evidence: Vec<&str> = evidence.iter().map(|one| one.as_str()).collect();
                kept.push(format!("{name} changed in nothing that it uses ({})", evidence.join(", ")));
            }
            Some(judgement) => return Ok(Err(format!("{changed}: {}", reason(&judgement)))),
            None => return Ok(Err(format!("{changed}, and what it uses of that does not show"))),
        }
    }
    if record.dependencies.iter().any(|(name, was)| was.how == Use::Linked && !dependencies.contains_key(name)) {
        return Ok(Err("it was built with more".to_owned()));
    }
    Ok(Ok(kept.join("; ")))
}

fn reason(judgement: &Judgement) -> String {
    let worst = judgement.reasons.iter().find(|change| change.effect != Effect::Compatible);
    worst.map_or_else(|| judgement.verdict.as_str().to_owned(), |change| change.text.clone())
}

/// The components with these ids, if the store has them all.
fn rows<const N: usize>(around: Around<'_>, ids: [ComponentId; N]) -> Option<[ComponentRow; N]> {
    let rows: Vec<ComponentRow> = ids.iter().filter_map(|id| around.store.component_row(id).ok()).collect();
    rows.try_into().ok()
}

/// What one consumer makes of another provider. Nothing if it has no file that needs it: then it may use what shows nowhere.
fn verdict(
    around: Around<'_>,
    stored: &Stored,
    [consumer, old, new]: &[ComponentRow; 3],
    others: &[ComponentId],
) -> Outcome<Option<Judgement>> {
    let consumer = stored.sides(std::slice::from_ref(consumer))?.pop().expect("there is one for each component");
    let others: Vec<ComponentRow> =
        others.iter().filter(|id| **id != new.id).filter_map(|id| around.store.component_row(id).ok()).collect();
    let others = stored.sides(&others)?;
    let headers = |row: &ComponentRow| around.store.layout().entry(&StoreName::new(row.id, &row.name)).join("include");
    let headers = match (headers(old), headers(new)) {
        (old, new) if old.is_dir() && new.is_dir() => Some(PublicHeaders::read(&old, &new)?),
        _ => None,
    };
    // Archives were not there when the consumer was built.
    let (old, new) = (stored.provider(old)?.shared_only(), stored.provider(new)?.shared_only());
    let consumers: Vec<(&Side, &Binary)> =
        consumer.consumers().filter(|(_, binary)| crate::ops::abi::impact::needs(binary, &old)).collect();
    if consumers.is_empty() {
        return Ok(None);
    }
    let with = |provider| others.iter().chain([provider]).collect::<Vec<&Side>>();
    let (before, after) = (with(&old), with(&new));
    let work = Work {
        old: &old,
        new: &new,
        consumers: &consumers,
        others: [&before, &after],
        places: &library_directories(Path::new("/")),
        types: TypesFrom::DebugInformation(&[]),
        headers: headers.as_ref(),
        known: &[],
        accept_symbols: false,
    };
    let judged = work.judge();
    Ok(Some(combine(judged.iter().map(|judged| &judged.judgement))))
}
