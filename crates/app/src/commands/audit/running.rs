//! `aleph audit running`: what runs out of the store, and what of that is not what its view has now.

use std::{collections::BTreeMap, process::ExitCode};

use aleph_component::ComponentId;
use serde::Serialize;

use super::some;
use crate::{
    failure::Outcome,
    host::Host,
    ops::audit::{Running, Stock, Uses, running as processes},
    output::{Printer, bold, count, table, yellow},
};

#[derive(Serialize)]
struct Row {
    pid: u32,
    name: String,
    uid: u32,
    view: Option<String>,
    generation: Option<u32>,
    /// The generation that its view is at.
    current: Option<u32>,
    /// What it has in its memory and its view has other versions of, or no more: name and version.
    outdated: Vec<(String, String)>,
}

pub(super) fn running(host: &Host, printer: &Printer) -> Outcome {
    let stock = Stock::read(host)?;
    let uses = Uses::read(stock.store())?;
    let (all, hidden) = processes(&stock, &uses)?;
    let rows: Vec<Row> = all.iter().map(|process| row(&stock, &uses, process)).collect();
    printer.answer("audit-running", &rows, |rows| describe(rows));
    if hidden > 0 && !printer.is_json() {
        printer.note(&format!("{} of others cannot be looked into: root can", count(hidden, "process")));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(stock: &Stock, uses: &Uses, process: &Running) -> Row {
    let at = process.at.map(|at| &uses.0[at]);
    let current = at.and_then(|at| uses.current().find(|one| one.name() == at.name()));
    // What runs from its place in the store is of whatever view has it.
    let has = |id: &ComponentId| match current {
        Some(current) => current.generation.packages.iter().any(|package| package.component == *id),
        None => uses.current().any(|one| one.generation.packages.iter().any(|package| package.component == *id)),
    };
    let outdated = process.maps.iter().filter(|id| !has(id)).filter_map(|id| {
        let row = &stock.rows[stock.position(id)?];
        Some((row.name.clone(), row.version.clone()))
    });
    Row {
        pid: process.pid,
        name: process.name.clone(),
        uid: process.uid,
        view: at.map(|at| at.name().to_owned()),
        generation: at.map(|at| at.generation.number),
        current: current.map(|current| current.generation.number),
        outdated: outdated.collect(),
    }
}

fn describe(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nothing runs out of this store".to_owned();
    }
    let line = |row: &Row| {
        let place = match (&row.view, row.generation, row.current) {
            (Some(view), Some(generation), Some(current)) if generation == current => {
                format!("{view}, generation {generation}")
            }
            (Some(view), Some(generation), Some(current)) => format!("{view}, generation {generation} of {current}"),
            (Some(view), Some(generation), None) => format!("{view}, generation {generation}"),
            _ => "from its place in the store".to_owned(),
        };
        let old: Vec<String> = row.outdated.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let old = if old.is_empty() { String::new() } else { yellow(&format!("start it anew: it has {}", some(&old))) };
        vec![row.pid.to_string(), bold(&row.name), place, old]
    };
    let lines = table(&rows.iter().map(line).collect::<Vec<_>>());
    let mut views: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.outdated.is_empty()) {
        *views.entry(row.view.as_deref().unwrap_or("the store")).or_default() += 1;
    }
    let outdated: usize = views.values().sum();
    let what = if outdated == 0 {
        "none has anything outdated".to_owned()
    } else {
        format!("{outdated} should be started anew")
    };
    format!("{lines}\n{}: {what}", count(rows.len(), "process"))
}
