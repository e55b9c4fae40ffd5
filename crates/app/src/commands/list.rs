//! `aleph list`.

use std::process::ExitCode;

use aleph_view::Pinned;
use serde::Serialize;

use crate::{
    failure::Outcome,
    host::Host,
    output::{Printer, table},
};

#[derive(Serialize)]
struct Row {
    name: String,
    version: String,
    architecture: String,
    id: String,
    component: String,
    requested: bool,
}

/// Lists what was asked for, or everything.
pub(crate) fn list(host: &Host, printer: &Printer, all: bool) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let packages = view.current()?.map(|generation| generation.packages).unwrap_or_default();
    let shown: Vec<&Pinned> = packages.iter().filter(|package| all || package.requested).collect();
    let row = |package: &Pinned| Row {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        id: package.id.to_string(),
        component: package.component.to_string(),
        requested: package.requested,
    };
    let rows: Vec<Row> = shown.iter().copied().map(row).collect();
    printer.answer("list", &rows, |rows| {
        let cells = |row: &Row| vec![row.name.clone(), row.version.clone(), row.architecture.clone()];
        table(&rows.iter().map(cells).collect::<Vec<_>>())
    });
    if !all && !printer.is_json() && !packages.is_empty() {
        let rest = packages.len() - shown.len();
        printer.note(&format!("and {rest} more that these need: `aleph list --all`"));
    }
    Ok(ExitCode::SUCCESS)
}
