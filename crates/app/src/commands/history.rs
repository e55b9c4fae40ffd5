//! `aleph history` and `aleph rollback`.

use std::process::ExitCode;

use aleph_view::{Generation, View, ViewError, difference};
use serde::Serialize;

use crate::{
    failure::{DAMAGED, Failure, Outcome},
    host::Host,
    ops::{
        abi::impact,
        audit::{
            journal::{self, Deed},
            quarantine,
        },
    },
    output::{Printer, bold, count, red, table},
};

#[derive(Serialize)]
struct Row {
    generation: u32,
    current: bool,
    created: i64,
    by: String,
    reason: String,
    packages: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
}

/// Lists the view's generations, newest first.
pub(crate) fn history(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let current = view.current_number()?;
    let mut rows = Vec::new();
    for number in view.numbers()?.into_iter().rev().filter(|number| !view.is_trial(*number)) {
        let current = current == Some(number);
        rows.push(match readable(&view, number)? {
            Some(Generation { created, by, reason, packages, .. }) => {
                Row { generation: number, current, created, by, reason, packages: packages.len(), damaged: false }
            }
            None => {
                let (by, reason) = (String::new(), String::new());
                Row { generation: number, current, created: 0, by, reason, packages: 0, damaged: true }
            }
        });
    }
    printer.answer("history", &rows, |rows| table(&rows.iter().map(describe).collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

/// A generation, if its record can be read.
fn readable(view: &View, number: u32) -> Outcome<Option<Generation>> {
    match view.generation(number) {
        Ok(generation) => Ok(Some(generation)),
        Err(ViewError::Damaged { .. } | ViewError::NoGeneration { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn describe(row: &Row) -> Vec<String> {
    let mark = if row.current { "->" } else { "  " };
    if row.damaged {
        return vec![format!("{mark} {}", row.generation), red("damaged")];
    }
    let packages = count(row.packages, "package");
    vec![format!("{mark} {}", row.generation), date(row.created), row.by.clone(), packages, row.reason.clone()]
}

/// A time for people, in the host's time zone.
pub(crate) fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Points the view to an earlier generation. The current one may be damaged: this is the way out.
pub(crate) fn rollback(host: &Host, printer: &Printer, wanted: Option<u32>) -> Outcome {
    let store = host.store_that_exists()?;
    let view = host.view(&store)?;
    let from = view.current_number()?.ok_or_else(|| Failure::new("this view has no generation yet"))?;
    let current = readable(&view, from)?;
    let before = match (wanted, &current) {
        (Some(number), _) => Some(number),
        (None, Some(current)) => before(&view, current)?,
        (None, None) => {
            let whole = |number: &u32| *number < from && !view.is_trial(*number) && view.damaged(*number).is_empty();
            view.numbers()?.into_iter().rfind(whole)
        }
    };
    let number = before.ok_or_else(|| match &current {
        Some(_) => Failure::new(format!("generation {from} is the first that is left"))
            .hint("`aleph history` lists the generations"),
        None => Failure::new(format!("generation {from} is damaged, and none before it is whole"))
            .with_code(DAMAGED)
            .hint(format!("`aleph --view {} view delete` removes the view", view.record.name)),
    })?;
    if view.is_trial(number) {
        return Err(ViewError::NoGeneration { view: view.record.name.clone(), number }.into());
    }
    let target = view.generation(number)?;
    // The way back is always open.
    let components = target.packages.iter().map(|package| package.component).collect();
    let held = quarantine::held(&store, &components).unwrap_or_else(|failure| vec![failure.chain().join(": ")]);
    held.iter().for_each(|held| printer.warning(held));
    if !host.global.dry_run {
        let lock = host.lock(&store, "rolling back", printer)?;
        view.switch(&lock, number)?;
        let what = format!("generation {from} -> {number}");
        let deed = Deed { did: "rollback", view: Some(view.record.name.as_str()), what };
        journal::try_to_record(host, printer, &store, &lock, deed);
        crate::ops::project::follow(host, &view, &target)?;
    }
    let verb = if host.global.dry_run { "would go back" } else { "went back" };
    // A dry run has time: what stays is judged in this direction, too.
    let told = match current.as_ref().filter(|_| host.global.dry_run) {
        Some(current) => {
            let holdings = [&current.packages, &target.packages].map(|packages| impact::holding(packages));
            let impact = impact::judge(host, &holdings[0], &holdings[1], view.policy()?.evidence)?;
            let lines = super::view::lines(&difference(&current.packages, &target.packages));
            format!("{}\n{}", lines.trim_end(), super::abi::impact::human(&impact)).trim_start().to_owned()
        }
        None => String::new(),
    };
    printer.answer("rollback", &target.number, |number| {
        let changed = match &current {
            Some(current) => {
                format!("{} changed", count(difference(&current.packages, &target.packages).len(), "package"))
            }
            None => format!("generation {from} is damaged"),
        };
        format!("{told}{} {verb} from generation {from} to {number}; {changed}", bold(view.record.name.as_str()))
    });
    Ok(ExitCode::SUCCESS)
}

/// The generation that the current one was made from, or else the newest that is older.
pub(crate) fn before(view: &View, current: &Generation) -> Result<Option<u32>, ViewError> {
    let numbers = view.numbers()?;
    let parent = current.parent.filter(|parent| numbers.contains(parent));
    Ok(parent.or_else(|| numbers.into_iter().rfind(|number| *number < current.number)))
}
