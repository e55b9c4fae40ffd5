//! `aleph audit log`: who did what.

use std::process::ExitCode;

use aleph_audit::{Entry, Journal};
use serde_json::json;

use crate::{
    commands::date,
    failure::{DAMAGED, Outcome},
    host::Host,
    output::{Printer, bold, count, green, red, table},
};

pub(super) fn log(host: &Host, printer: &Printer, last: Option<usize>) -> Outcome {
    let store = host.store_to_read()?;
    let journal = Journal::read(store.layout().root())?;
    let shown = &journal.entries[journal.entries.len().saturating_sub(last.unwrap_or(usize::MAX))..];
    let data = json!({
        "entries": shown, "count": journal.head.entries, "digest": journal.head.digest, "broken": journal.broken,
    });
    printer.answer("audit-log", &data, |_| {
        let row = |entry: &Entry| {
            let view = entry.view.clone().unwrap_or_default();
            vec![date(entry.at), entry.by.clone(), bold(&entry.did), view, entry.what.clone()]
        };
        let rows = table(&shown.iter().map(row).collect::<Vec<_>>());
        let whole = match &journal.broken {
            None => format!("{}: {}, the last with digest {}", green("whole"), number(&journal), journal.head.digest),
            Some(why) => red(&format!("the record is not what it was: {why}")),
        };
        format!("{rows}\n{whole}").trim_start().to_owned()
    });
    Ok(if journal.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn number(journal: &Journal) -> String {
    match usize::try_from(journal.head.entries) {
        Ok(number) => count(number, "entry"),
        Err(_) => journal.head.entries.to_string(),
    }
}
