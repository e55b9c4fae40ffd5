//! `aleph store`: what is there, whether it is whole, what can go.

use std::{collections::BTreeSet, process::ExitCode};

use aleph_store::{Damage, Store, VerifyReport};
use aleph_view::Views;
use serde_json::json;

use crate::{
    cli::StoreCommand,
    failure::{DAMAGED, Outcome},
    host::Host,
    ops::{
        self,
        audit::journal::{self, Deed},
        relinked::{Moved, Relinked},
    },
    output::{Printer, bold, bytes, count, green, red, table},
};

pub(crate) fn run(host: &Host, printer: &Printer, command: &StoreCommand) -> Outcome {
    match command {
        StoreCommand::Info => info(host, printer),
        StoreCommand::Verify => verify(host, printer),
        StoreCommand::Gc => gc(host, printer),
        StoreCommand::Repair => repair(host, printer),
        StoreCommand::Quarantine(arguments) => super::quarantine::quarantine(host, printer, arguments),
        StoreCommand::Relinked => relinked(host, printer),
    }
}

fn info(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let info = store.info()?;
    let data = json!({
        "root": store.layout().root(), "components": info.components, "packages": info.packages, "files": info.files,
        "apparent_bytes": info.apparent_size, "contents": info.contents, "stored_bytes": info.stored_size,
    });
    printer.answer("store-info", &data, |_| {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        table(&[
            row("store", bold(&store.layout().root().display().to_string())),
            row("components", info.components.to_string()),
            row("packages", info.packages.to_string()),
            row("files", format!("{} with {}", info.files, bytes(info.apparent_size))),
            row("on disk", format!("{} contents with {}", info.contents, bytes(info.stored_size))),
        ])
    });
    Ok(ExitCode::SUCCESS)
}

/// Lists what is not linked as it was made: what a rebuild would confirm, or raise an alarm about.
fn relinked(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let moved = Relinked::read(&store)?.all()?;
    printer.answer("store-relinked", &moved, |moved| {
        if moved.is_empty() {
            return "every native package is linked as it was made".to_owned();
        }
        let row = |one: &Moved| {
            let made_with = one.made_with.as_deref().unwrap_or("one that is gone");
            vec![
                one.package.clone(),
                one.version.clone(),
                one.slot.clone(),
                format!("{made_with} -> {}", one.linked_to),
            ]
        };
        let rebuilds = count(moved.iter().map(|one| &one.id).collect::<BTreeSet<_>>().len(), "package");
        let rows: Vec<Vec<String>> = moved.iter().map(row).collect();
        format!("{}\n{rebuilds} would be confirmed by a rebuild: `aleph build --confirm`", table(&rows))
    });
    Ok(ExitCode::SUCCESS)
}

fn verify(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let report = look(&store, printer)?;
    let data = json!({
        "components": report.components, "packages": report.packages, "trees": report.trees,
        "contents": report.contents, "bytes": report.bytes,
        "damage": report.damage.iter().map(describe).collect::<Vec<_>>(),
    });
    printer.answer("store-verify", &data, |_| summary(&report));
    Ok(if report.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn look(store: &Store, printer: &Printer) -> Outcome<VerifyReport> {
    // How much there is takes a while to count: only if somebody sees it.
    let total = if printer.progress().is_shown() { store.info()?.stored_size } else { 0 };
    let bar = printer.progress().bytes("verifying", total);
    let report = store.verify(&|done| bar.set_position(done));
    printer.progress().clear();
    let mut report = report?;
    let records = Views::new(store).damaged()?;
    if !records.is_empty() {
        // What the views need can be told when they can be listed.
        report.damage.extend(records.into_iter().map(|(_, path)| Damage::Record { path }));
        return Ok(report);
    }
    let policies = Views::new(store).list()?.into_iter().filter_map(|view| view.damaged_policy());
    report.damage.extend(policies.map(|path| Damage::Record { path }));
    report.damage.extend(ops::roots::damaged(store)?.into_iter().map(|(.., path)| Damage::Record { path }));
    report.damage.extend(ops::roots::missing(store)?.into_iter().map(|missing| Damage::Missing { what: missing.what }));
    Ok(report)
}

fn summary(report: &VerifyReport) -> String {
    let looked = format!(
        "{}, {}, {}: {} with {} read",
        count(report.components, "component"),
        count(report.packages, "package"),
        count(report.trees, "tree"),
        count(usize::try_from(report.contents).unwrap_or(usize::MAX), "content"),
        bytes(report.bytes),
    );
    if report.damage.is_empty() {
        return format!("{}: {looked}", green("whole"));
    }
    let lines: Vec<String> = report.damage.iter().map(|damage| format!("  {}", describe(damage))).collect();
    format!("{}: {looked}\n{}\n  try: `aleph store repair`", red("damaged"), lines.join("\n"))
}

fn describe(damage: &Damage) -> String {
    match damage {
        Damage::Content { path, digest, .. } => {
            format!("{} does not hold what it should (sha256 {digest})", path.display())
        }
        Damage::Mode { path, mode } => format!("{} should have mode {mode:o}", path.display()),
        Damage::Name { path } => format!("{} is missing or of another kind", path.display()),
        Damage::Stray { path } => format!("{} does not belong there", path.display()),
        Damage::Identity { path } => format!("{} is not what its name says", path.display()),
        Damage::Record { path } => format!("{} is missing or cannot be read", path.display()),
        Damage::Missing { what } => format!("{what}, which is not there"),
        Damage::Database { what } => format!("database: {what}"),
    }
}

fn gc(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_that_exists()?;
    let mut lock = host.lock(&store, "collecting", printer)?;
    let roots = ops::roots::all(&store, &lock, host.global.dry_run)?;
    let report = store.gc(&mut lock, &roots, host.global.dry_run)?;
    if !host.global.dry_run {
        ops::build::forget_gone(&store)?;
        let what = format!("{}, {}", count(report.components.len(), "component"), bytes(report.bytes));
        journal::try_to_record(host, printer, &store, &lock, Deed { did: "gc", view: None, what });
    }
    let data = json!({
        "removed_components": report.components, "removed_packages": report.packages, "removed_trees": report.trees,
        "bytes": report.bytes,
        "kept": report.kept.iter().map(|kept| json!({ "root": kept.label, "packages": kept.packages, "bytes": kept.bytes })).collect::<Vec<_>>(),
    });
    printer.answer("store-gc", &data, |_| {
        let verb = if host.global.dry_run { "would remove" } else { "removed" };
        let mut lines: Vec<String> = report
            .kept
            .iter()
            .map(|kept| {
                format!("keeps {} with {} for {}", count(kept.packages, "package"), bytes(kept.bytes), kept.label)
            })
            .collect();
        lines.extend(report.components.iter().map(|component| format!("{verb} {component}")));
        lines.push(format!(
            "{verb} {}, {} and {}: {}",
            count(report.components.len(), "component"),
            count(report.packages, "package"),
            count(report.trees, "tree"),
            bytes(report.bytes),
        ));
        lines.join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn repair(host: &Host, printer: &Printer) -> Outcome {
    if host.global.dry_run {
        let report = look(&host.store_to_read()?, printer)?;
        let damage: Vec<String> = report.damage.iter().map(describe).collect();
        printer.answer("store-repair-plan", &json!({ "damage": damage }), |_| match damage.as_slice() {
            [] => "nothing to mend; would make the database anew".to_owned(),
            _ => format!("would try to mend:\n  {}", damage.join("\n  ")),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let store = host.store_to_repair()?;
    let outcome = ops::repair::repair(host, printer, &store)?;
    printer.answer("store-repair", &outcome, |outcome| {
        let mut lines: Vec<String> = outcome.mended.iter().map(|path| format!("mended {path}")).collect();
        lines.extend(outcome.lost.iter().map(|path| format!("{} {path}", red("cannot mend"))));
        lines.push(format!("database made anew: {} components, {} packages", outcome.components, outcome.packages));
        lines.join("\n")
    });
    Ok(if outcome.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}
