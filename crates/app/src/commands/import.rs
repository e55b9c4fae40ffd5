//! `aleph import`.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use crate::{
    failure::Outcome,
    host::Host,
    ops::{
        archives::{self, Archive},
        timings::Timings,
    },
    output::{Printer, count},
};

/// Puts archives from files into the store.
pub(crate) fn import(host: &Host, printer: &Printer, files: &[PathBuf]) -> Outcome {
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
    // Not before: what nothing needs yet may be collected as soon as the lock is free.
    drop(lock);
    let data = json!({ "imported": rows, "timings_ms": timings });
    printer.answer("import", &data, |_| {
        if rows.len() > 12 {
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
