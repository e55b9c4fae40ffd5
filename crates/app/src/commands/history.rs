//! `aleph history` and `aleph rollback`.

use std::process::ExitCode;

use aleph_view::{Generation, View, ViewError, difference};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::{Printer, bold, count, table},
};

#[derive(Serialize)]
struct Row {
    generation: u32,
    current: bool,
    created: i64,
    by: String,
    reason: String,
    packages: usize,
}

/// Lists the view's generations, newest first.
pub(crate) fn history(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let current = view.current_number()?;
    let mut rows = Vec::new();
    for number in view.numbers()?.into_iter().rev() {
        let Generation { created, by, reason, packages, .. } = view.generation(number)?;
        let current = current == Some(number);
        rows.push(Row { generation: number, current, created, by, reason, packages: packages.len() });
    }
    printer.answer("history", &rows, |rows| table(&rows.iter().map(describe).collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

fn describe(row: &Row) -> Vec<String> {
    let mark = if row.current { "->" } else { "  " };
    let packages = count(row.packages, "package");
    vec![format!("{mark} {}", row.generation), date(row.created), row.by.clone(), packages, row.reason.clone()]
}

/// A time for people, in the host's time zone.
pub(crate) fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Points the view to an earlier generation.
pub(crate) fn rollback(host: &Host, printer: &Printer, wanted: Option<u32>) -> Outcome {
    let store = host.store_that_exists()?;
    let view = host.view(&store)?;
    let current = view.current()?.ok_or_else(|| Failure::new("this view has no generation yet"))?;
    let number = match wanted {
        Some(number) => number,
        None => before(&view, &current)?.ok_or_else(|| {
            Failure::new(format!("generation {} is the first that is left", current.number))
                .hint("`aleph history` lists the generations")
        })?,
    };
    let target = view.generation(number)?;
    if !host.global.dry_run {
        let lock = host.lock(&store, "rolling back", printer)?;
        view.switch(&lock, number)?;
        crate::ops::project::follow(host, &view, &target)?;
    }
    let verb = if host.global.dry_run { "would go back" } else { "went back" };
    let changes = difference(&current.packages, &target.packages);
    printer.answer("rollback", &target.number, |number| {
        let changed = count(changes.len(), "package");
        format!(
            "{} {verb} from generation {} to {number}; {changed} changed",
            bold(view.record.name.as_str()),
            current.number
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// The generation that the current one was made from, or else the newest that is older.
pub(crate) fn before(view: &View, current: &Generation) -> Result<Option<u32>, ViewError> {
    let numbers = view.numbers()?;
    let parent = current.parent.filter(|parent| numbers.contains(parent));
    Ok(parent.or_else(|| numbers.into_iter().rfind(|number| *number < current.number)))
}
