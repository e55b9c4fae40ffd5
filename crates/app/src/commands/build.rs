//! `aleph build`.

use std::{collections::BTreeMap, process::ExitCode};

use crate::{
    cli::{BuildArguments, BuildCommand},
    failure::Outcome,
    host::Host,
    ops::build::{self, Row, Wanted, What},
    output::{Printer, count, table},
};

pub(crate) fn run(host: &Host, printer: &Printer, arguments: BuildArguments) -> Outcome {
    match arguments.command {
        Some(BuildCommand::Schema) => {
            printer.line(&aleph_build::schema());
            Ok(ExitCode::SUCCESS)
        }
        Some(BuildCommand::New { name, source, version, debian, recipes }) => {
            let tree = build::recipes(host, recipes.as_ref())?;
            let path = build::begin(host, printer, &tree.directory, &build::Begun { name, version, source, debian })?;
            printer.answer("recipe", &path, |path| format!("{} is a beginning; say in it what it is", path.display()));
            Ok(ExitCode::SUCCESS)
        }
        Some(BuildCommand::Shell { name, with, without, recipes }) => {
            let wanted = Wanted { names: vec![name], recipes, with: said(&with, &without), ..Wanted::default() };
            match build::shell(host, printer, &wanted)? {}
        }
        None => self::build(host, printer, arguments),
    }
}

fn build(host: &Host, printer: &Printer, arguments: BuildArguments) -> Outcome {
    let wanted = Wanted {
        recipes: arguments.recipes,
        names: arguments.names,
        with: said(&arguments.with, &arguments.without),
        builds: arguments.builds,
        jobs: arguments.jobs,
        tests: arguments.test,
        keep: arguments.keep,
        verbose: arguments.verbose,
        update_tools: arguments.update_tools,
        same_tools: arguments.same_tools,
        repeat: arguments.check,
        moved: arguments.check_prefix,
        confirm: arguments.confirm,
        closed: arguments.closed,
        fail_fast: arguments.fail_fast,
        executor: arguments.executor,
    };
    let rows = build::build(host, printer, &wanted)?;
    printer.progress().clear();
    for row in &rows {
        row.notes.iter().for_each(|note| printer.warning(&format!("{}: {note}", row.name)));
    }
    printer.answer("build", &rows, |rows| shown(rows));
    let failed = rows.iter().any(|row| row.what.is_bad());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is said of options: `NAME`, `NAME=VALUE`, or that there is to be none of it.
fn said(with: &[String], without: &[String]) -> BTreeMap<String, String> {
    let with = with.iter().map(|one| one.split_once('=').unwrap_or((one, "yes")));
    let without = without.iter().map(|one| (one.as_str(), "no"));
    with.chain(without).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn shown(rows: &[Row]) -> String {
    let told: Vec<&Row> = rows.iter().filter(|row| row.what != What::Unchanged).collect();
    let unchanged = rows.len() - told.len();
    let mut lines = Vec::new();
    if !told.is_empty() {
        lines.push(table(&told.iter().map(|row| cells(row)).collect::<Vec<_>>()));
    }
    for row in &told {
        lines.extend(row.differences.iter().map(|difference| format!("  {}: {difference}", row.name)));
    }
    let mut counts = Vec::new();
    for (what, word) in [
        (What::Built, "built"),
        (What::Relinked, "relinked"),
        (What::Reproduced, "reproduced"),
        (What::Differs, "that differ"),
        (What::Confirmed, "confirmed"),
        (What::Alarm, "that are not what was linked"),
        (What::Planned, "to be built"),
        (What::Open, "that may be built"),
        (What::Failed, "failed"),
        (What::Skipped, "skipped"),
    ] {
        let number = rows.iter().filter(|row| row.what == what).count();
        if number > 0 {
            counts.push(format!("{number} {word}"));
        }
    }
    if unchanged > 0 {
        counts.push(format!("{unchanged} unchanged"));
    }
    lines.push(format!("{}: {}", count(rows.len(), "recipe"), counts.join(", ")));
    lines.join("\n")
}

fn cells(row: &Row) -> Vec<String> {
    let what = match row.what {
        What::Built => "built",
        What::Relinked => "relinked",
        What::Reproduced => "same",
        What::Differs => "differs",
        What::Confirmed => "confirmed",
        What::Alarm => "alarm",
        What::Planned => "build",
        What::Open => "perhaps",
        What::Failed => "failed",
        What::Skipped => "skipped",
        What::Unchanged => "unchanged",
    };
    let mut took = if row.wall.is_zero() { String::new() } else { format!("{:.1} s", row.wall.as_secs_f64()) };
    if let Some(executor) = &row.executor {
        took.push_str(&format!(" on {executor}"));
    }
    let options = row.options.iter().map(|(option, value)| format!(" {option}={value}"));
    let version = std::iter::once(row.version.clone()).chain(options).collect();
    vec![what.to_owned(), row.name.clone(), version, took, row.why.clone()]
}
