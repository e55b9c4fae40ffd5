//! `aleph store quarantine`.

use std::process::ExitCode;

use aleph_audit::{Quarantine, Quarantined};
use aleph_store::{ComponentRow, Store};
use serde_json::json;

use crate::{
    cli::QuarantineArguments,
    failure::{Failure, Outcome},
    host::Host,
    ops::audit::{Uses, quarantine as keeping},
    output::{Printer, bold, count, table, yellow},
};

/// Lists what is in quarantine, or puts something there, or ends that.
pub(super) fn quarantine(host: &Host, printer: &Printer, arguments: &QuarantineArguments) -> Outcome {
    let store = host.store_to_read()?;
    let (Some(component), Some(because)) = (&arguments.component, &arguments.because) else {
        return list(&store, printer);
    };
    let rows = meant(&store, component)?;
    let named: Vec<String> = rows.iter().map(|row| format!("{} {}", row.name, row.version)).collect();
    if !host.global.dry_run {
        match arguments.lift {
            true => keeping::end(host, printer, &store, &rows, because)?,
            false => keeping::begin(host, printer, &store, &rows, because)?,
        }
    }
    let uses = Uses::read(&store)?;
    let ids = rows.iter().map(|row| row.id).collect();
    let used: Vec<(String, u32)> = uses
        .current()
        .filter(|one| one.of(&ids).next().is_some())
        .map(|one| (one.name().to_owned(), one.generation.number))
        .collect();
    let data = json!({
        "components": rows.iter().map(|row| json!({ "id": row.id, "name": row.name, "version": row.version })).collect::<Vec<_>>(),
        "because": because, "lifted": arguments.lift, "used": used.iter().map(|(view, _)| view).collect::<Vec<_>>(),
    });
    printer.answer("store-quarantine", &data, |_| {
        let what = named.join(", ");
        if arguments.lift {
            return format!("{} may be used again", bold(&what));
        }
        let mut text = format!("{} enters no new generation and no build any more", bold(&what));
        for (view, generation) in &used {
            text.push_str(&format!(
                "\n  {} has it, in generation {generation}, until it is updated or goes back",
                yellow(view)
            ));
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

fn list(store: &Store, printer: &Printer) -> Outcome {
    let quarantine = Quarantine::read(store.layout().root())?;
    let uses = Uses::read(store)?;
    printer.answer("store-quarantine", &quarantine.records, |records| {
        let held: Vec<&Quarantined> = records.iter().filter(|record| record.lifted.is_none()).collect();
        if held.is_empty() {
            return "nothing is in quarantine".to_owned();
        }
        let row = |record: &&Quarantined| {
            let ids = [record.component].into();
            let used = uses.current().filter(|one| one.of(&ids).next().is_some()).count();
            let used =
                if used == 0 { "not in use".to_owned() } else { yellow(&format!("used by {}", count(used, "view"))) };
            vec![
                bold(&record.name),
                record.version.clone(),
                format!("{}: {}", super::date(record.at), record.because),
                record.by.clone(),
                used,
            ]
        };
        table(&held.iter().map(row).collect::<Vec<_>>())
    });
    Ok(ExitCode::SUCCESS)
}

/// The components that a text means.
fn meant(store: &Store, text: &str) -> Outcome<Vec<ComponentRow>> {
    if let Ok(id) = text.parse()
        && let Ok(row) = store.component_row(&id)
    {
        return Ok(vec![row]);
    }
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
    let rows = store.component_rows(Some(name))?;
    let rows: Vec<ComponentRow> =
        rows.into_iter().filter(|row| version.is_none_or(|version| row.version == version)).collect();
    let versions: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.version.as_str()).collect();
    match versions.len() {
        0 => Err(Failure::new(format!("the store has no `{text}`"))
            .hint("`aleph list --all` lists the packages of your view")),
        1 => Ok(rows),
        _ => {
            let named: Vec<String> = versions.iter().map(|version| format!("{name}={version}")).collect();
            Err(Failure::new(format!("`{text}` is in the store in several versions"))
                .hint(format!("say which: {}", named.join(", "))))
        }
    }
}
