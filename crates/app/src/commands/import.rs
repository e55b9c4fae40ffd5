//! `aleph import`.

use std::{path::PathBuf, process::ExitCode};

use aleph_component::Manifest;
use serde_json::json;

use crate::{
    cli::ImportArguments,
    failure::Outcome,
    host::Host,
    ops::{
        archives::{self, Archive},
        audit::journal::{self, Deed},
        timings::Timings,
        trees::{self, Taken, Trees},
    },
    output::{Printer, count},
};

/// Puts archives from files, or trees, into the store.
pub(crate) fn run(host: &Host, printer: &Printer, arguments: ImportArguments) -> Outcome {
    let ImportArguments { paths, prefix, name, version, host: brought, with, check, dlopen } = arguments;
    match prefix {
        Some(prefix) => {
            let trees = Trees { prefix, paths, name, version, host: brought, with, checks: check, opens: dlopen };
            native(host, printer, &trees)
        }
        None => archives(host, printer, &paths),
    }
}

/// Takes trees in as native components.
fn native(host: &Host, printer: &Printer, trees: &Trees) -> Outcome {
    if host.global.dry_run {
        let text = format!("would import {}", count(trees.paths.len().max(1), "tree"));
        printer.answer("import-plan", &json!({ "files": trees.paths }), |_| text);
        return Ok(ExitCode::SUCCESS);
    }
    let store = host.store()?;
    let mut timings = Timings::default();
    let mut lock = host.lock(&store, "importing", printer)?;
    let taken = timings.measure("import", || trees::import(host, printer, &store, &mut lock, trees))?;
    let named = taken.iter().map(|taken| format!("{} {}", taken.manifest.name, taken.manifest.version)).collect();
    journal::record(host, &store, &lock, imported(named))?;
    drop(lock);
    taken.iter().for_each(|taken| warn(printer, taken));
    let rows: Vec<serde_json::Value> = taken.iter().map(row).collect();
    printer.answer("import", &json!({ "imported": rows, "timings_ms": timings }), |_| {
        if taken.len() > MOST {
            return format!("imported {}", count(taken.len(), "tree"));
        }
        taken.iter().map(describe).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn warn(printer: &Printer, taken: &Taken) {
    let (name, native) = (&taken.manifest.name, taken.manifest.native.as_deref());
    taken.notes.iter().for_each(|note| printer.warning(&format!("{name}: {note}")));
    if let Some(fixed) = native.and_then(|native| native.fixed.as_ref()) {
        printer.warning(&format!("{name}: {fixed}; it looks there still, and is rebuilt where others are relinked"));
    }
}

fn row(taken: &Taken) -> serde_json::Value {
    let Manifest { name, version, architecture, native, .. } = &taken.manifest;
    let native = native.as_deref();
    let slots = native.map(|native| native.slots.keys().collect::<Vec<_>>());
    json!({
        "component": taken.id, "name": name, "version": version, "architecture": architecture,
        "bytes": taken.manifest.size(), "slots": slots, "holes": native.map(|native| native.holes.len()),
        "offers": native.map(|native| native.offers.len()), "host": native.map(|native| &native.host),
        "fixed": native.and_then(|native| native.fixed.as_ref()), "notes": taken.notes,
    })
}

fn describe(taken: &Taken) -> String {
    let mut text = format!("{} {} {}", taken.id, taken.manifest.name, taken.manifest.version);
    let Some(native) = taken.manifest.native.as_deref() else { return text };
    let slots: Vec<&str> = native.slots.keys().map(String::as_str).collect();
    let linked = if slots.is_empty() { "nothing".to_owned() } else { slots.join(", ") };
    text.push_str(&format!("\n  linked to {linked}; {}", count(native.holes.len(), "hole")));
    if !native.host.is_empty() {
        text.push_str(&format!("; from the host: {}", native.host.join(", ")));
    }
    text
}

/// What is put on record of an import.
fn imported(named: Vec<String>) -> Deed<'static> {
    Deed { did: "import", view: None, what: named.join(", ") }
}

/// How many components are told one by one.
const MOST: usize = 12;

/// Puts archives from files into the store.
fn archives(host: &Host, printer: &Printer, files: &[PathBuf]) -> Outcome {
    let archive = |path: &PathBuf| Archive {
        path: host.cwd.join(path),
        expect: None,
        source: format!("{}{}", archives::FILE, host.cwd.join(path).display()),
        vouched_by: None,
    };
    let archives: Vec<Archive> = files.iter().map(archive).collect();
    if host.global.dry_run {
        let text = format!("would import {}", count(archives.len(), "archive"));
        printer.answer("import-plan", &json!({ "files": files }), |_| text);
        return Ok(ExitCode::SUCCESS);
    }
    let store = host.store()?;
    let mut timings = Timings::default();
    let mut lock = host.lock(&store, "importing", printer)?;
    let ids = timings.measure("import", || archives::import(host, printer, &store, &mut lock, &archives))?;
    let mut rows = Vec::new();
    for (id, file) in ids.iter().zip(files) {
        let row = store.component_row(id)?;
        rows.push(json!({ "file": file, "component": id, "name": row.name, "version": row.version, "architecture": row.architecture, "bytes": row.size }));
    }
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let named = rows.iter().map(|row| format!("{} {}", text(row, "name"), text(row, "version"))).collect();
    journal::record(host, &store, &lock, imported(named))?;
    // Not before: what nothing needs yet may be collected as soon as the lock is free.
    drop(lock);
    let data = json!({ "imported": rows, "timings_ms": timings });
    printer.answer("import", &data, |_| {
        if rows.len() > MOST {
            return format!("imported {}", count(rows.len(), "archive"));
        }
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let line = |row: &serde_json::Value| {
            format!("{} {} {}", text(&row["component"]), text(&row["name"]), text(&row["version"]))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}
