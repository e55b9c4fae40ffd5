//! `aleph search`.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    failure::{Outcome, UNSATISFIABLE},
    host::Host,
    ops::sources,
    output::{Printer, table},
};

/// More lines than these nobody reads.
const MOST: usize = 60;

/// Searches names and summaries.
pub(crate) fn search(host: &Host, printer: &Printer, words: &[String]) -> Outcome {
    let index = sources::offers(host, printer)?.index;
    let found = index.search(&words.join(" "));
    let rows: Vec<serde_json::Value> = found
        .iter()
        .map(|found| {
            let candidate = &found.candidate;
            json!({ "name": candidate.name(), "version": candidate.version(), "summary": candidate.summary() })
        })
        .collect();
    printer.answer("search", &rows, |rows| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let line = |row: &serde_json::Value| vec![text(&row["name"]), text(&row["version"]), text(&row["summary"])];
        table(&rows.iter().take(MOST).map(line).collect::<Vec<_>>())
    });
    if rows.is_empty() {
        printer.note("nothing found");
        return Ok(ExitCode::from(UNSATISFIABLE));
    }
    if rows.len() > MOST && !printer.is_json() {
        printer.note(&format!("and {} more; another word narrows it down", rows.len() - MOST));
    }
    Ok(ExitCode::SUCCESS)
}
