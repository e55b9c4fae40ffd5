//! `aleph view`: looking at views and thinning them out.

use std::process::ExitCode;

use aleph_component::{Entry, Node, Owner};
use aleph_view::{Change, Difference, Generation, View, ViewError, Views, difference};
use serde_json::json;

use crate::{
    cli::ViewCommand,
    failure::{Failure, Outcome},
    host::Host,
    ops,
    ops::audit::journal::{self, Deed},
    output::{Printer, bold, count, red, table},
};

pub(crate) fn run(host: &Host, printer: &Printer, command: &ViewCommand) -> Outcome {
    match command {
        ViewCommand::List => list(host, printer),
        ViewCommand::Show => show(host, printer),
        ViewCommand::Diff { from, to } => diff(host, printer, *from, *to),
        ViewCommand::Captured => captured(host, printer),
        ViewCommand::Prune { keep } => prune(host, printer, *keep),
        ViewCommand::Path => {
            let store = host.store_to_read()?;
            let path = host.view(&store)?.bin();
            printer.answer("view-path", &path, |path| path.display().to_string());
            Ok(ExitCode::SUCCESS)
        }
        ViewCommand::Policy(arguments) => super::policy::run(host, printer, arguments),
        ViewCommand::Delete => delete(host, printer),
    }
}

fn list(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let mut rows = Vec::new();
    for view in Views::new(&store).list()? {
        let number = view.current_number()?;
        // One damaged view hides no other; its number of packages is null.
        let packages = match view.current() {
            Err(ViewError::Damaged { .. } | ViewError::NoGeneration { .. }) => None,
            current => Some(current?.map_or(0, |current| current.packages.len())),
        };
        rows.push(json!({
            "name": view.record.name, "kind": view.record.kind, "owner": view.record.owner,
            "project": view.record.project, "generation": number, "packages": packages,
        }));
    }
    printer.answer("views", &rows, |rows| {
        let cell = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line = |row: &serde_json::Value| {
            let generation = row["generation"].as_u64().map_or("empty".to_owned(), |n| format!("generation {n}"));
            let packages = row["packages"].as_u64().map_or_else(|| red("damaged"), |n| format!("{n} packages"));
            let place = row["project"].as_str().unwrap_or_default().to_owned();
            vec![cell(&row["name"]), cell(&row["kind"]), cell(&row["owner"]), generation, packages, place]
        };
        table(&rows.iter().map(line).collect::<Vec<_>>())
    });
    Ok(ExitCode::SUCCESS)
}

fn current(view: &View) -> Outcome<Generation> {
    view.current()?.ok_or_else(|| Failure::new(format!("view {} has no generation yet", view.record.name)))
}

fn show(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let generation = current(&view)?;
    printer.answer("generation", &generation, |generation| {
        let trees = generation.trees();
        let trees: Vec<String> =
            trees.iter().map(|tree| store.layout().tree_root(tree).display().to_string()).collect();
        let requested: Vec<&str> = generation.requested.iter().map(|request| request.0.as_str()).collect();
        let mut text = format!(
            "{} generation {}, made {} by {}: {}\nasked for: {}\nholds {}\n",
            bold(view.record.name.as_str()),
            generation.number,
            super::history::date(generation.created),
            generation.by,
            generation.reason,
            requested.join(" "),
            count(generation.packages.len(), "package"),
        );
        text.push_str(&format!("runs on, topmost first:\n  {}\n", trees.join("\n  ")));
        text.push_str(&format!("commands: {}\n", view.bin().display()));
        for warning in &generation.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

fn diff(host: &Host, printer: &Printer, from: Option<u32>, to: Option<u32>) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let now = current(&view)?;
    let to = to.map_or_else(|| Ok(now.clone()), |number| view.generation(number))?;
    let from = match from {
        Some(number) => Some(number),
        // The one that it was made from may have been pruned.
        None => super::history::before(&view, &to)?,
    };
    let from = from.map_or_else(|| Ok(Vec::new()), |number| view.generation(number).map(|from| from.packages))?;
    let differences = difference(&from, &to.packages);
    if differences.is_empty() {
        printer.note("the two hold the same packages");
    }
    printer.answer("diff", &differences, |differences| lines(differences));
    Ok(ExitCode::SUCCESS)
}

/// What changed, a line each.
pub(crate) fn lines(differences: &[Difference]) -> String {
    let line = |difference: &Difference| {
        let package = difference.package.clone();
        match &difference.change {
            Change::Added { version } => vec!["+".to_owned(), package, version.clone()],
            Change::Removed { version } => vec!["-".to_owned(), package, version.clone()],
            Change::Replaced { from, to } if from == to => {
                vec!["~".to_owned(), package, format!("{to}, another build of it")]
            }
            Change::Replaced { from, to } => vec!["~".to_owned(), package, format!("{from} -> {to}")],
            Change::Relinked { version, slots } => {
                vec!["=".to_owned(), package, format!("{version}, relinked: {}", slots.join(" "))]
            }
        }
    };
    table(&differences.iter().map(line).collect::<Vec<_>>())
}

fn captured(host: &Host, printer: &Printer) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let tree = match view.current()?.and_then(|generation| generation.capture) {
        Some(capture) => store.manifest(&capture.component)?.tree,
        None => Vec::new(),
    };
    let data: Vec<_> = tree.iter().map(described).collect();
    printer.answer("captured", &data, |_| {
        let line = |entry: &Entry| {
            let Owner { uid, gid } = entry.owner;
            let (mode, what) = match &entry.node {
                Node::Directory { mode } => (format!("d{mode:04o}"), String::new()),
                Node::File { mode, size, .. } => (format!("-{mode:04o}"), size.to_string()),
                Node::Symlink { target } => ("l".to_owned(), format!("-> {target}")),
                Node::Absent => ("removed".to_owned(), String::new()),
            };
            vec![mode, format!("{uid}:{gid}"), format!("/{}", entry.path), what]
        };
        table(&tree.iter().map(line).collect::<Vec<_>>())
    });
    Ok(ExitCode::SUCCESS)
}

/// The JSON form of an entry.
fn described(Entry { path, owner: Owner { uid, gid }, node }: &Entry) -> serde_json::Value {
    let path = path.as_str();
    match node {
        Node::Directory { mode } => json!({ "path": path, "kind": "directory", "uid": uid, "gid": gid, "mode": mode }),
        Node::File { digest, size, mode } => json!({
            "path": path, "kind": "file", "uid": uid, "gid": gid, "mode": mode, "size": size, "digest": digest,
        }),
        Node::Symlink { target } => {
            json!({ "path": path, "kind": "symlink", "uid": uid, "gid": gid, "target": target })
        }
        Node::Absent => json!({ "path": path, "kind": "absent", "uid": uid, "gid": gid }),
    }
}

fn prune(host: &Host, printer: &Printer, keep: usize) -> Outcome {
    let store = host.store_that_exists()?;
    let lock = host.lock(&store, "pruning", printer)?;
    let view = host.view(&store)?;
    let now = view.current_number()?;
    let numbers = view.numbers()?;
    let others: Vec<u32> = numbers.into_iter().filter(|number| Some(*number) != now).collect();
    let doomed = &others[..others.len().saturating_sub(keep)];
    let mut forgotten = Vec::new();
    for &number in doomed {
        let goes = if host.global.dry_run { !view.is_in_use(number) } else { view.forget(&store, &lock, number)? };
        match goes {
            true => forgotten.push(number),
            false => printer.note(&format!("programs run in generation {number}: it stays")),
        }
    }
    if !host.global.dry_run && !forgotten.is_empty() {
        let numbers: Vec<String> = forgotten.iter().map(u32::to_string).collect();
        let what = format!("generations {}", numbers.join(", "));
        let deed = Deed { did: "forget", view: Some(view.record.name.as_str()), what };
        journal::try_to_record(host, printer, &store, &lock, deed);
    }
    let verb = if host.global.dry_run { "would forget" } else { "forgot" };
    printer.answer("prune", &forgotten, |forgotten| {
        format!("{verb} {} of {}", count(forgotten.len(), "generation"), view.record.name)
    });
    Ok(ExitCode::SUCCESS)
}

fn delete(host: &Host, printer: &Printer) -> Outcome {
    if host.global.view.is_none() {
        return Err(Failure::new("name the view to delete with --view").with_code(2));
    }
    let store = host.store_that_exists()?;
    let lock = host.lock(&store, "deleting a view", printer)?;
    let view = host.view(&store)?;
    let record = view.record.clone();
    let goes = if host.global.dry_run { !ops::roots::is_used(&view)? } else { view.delete(&store, &lock)? };
    if !goes {
        return Err(Failure::new(format!("programs run in view `{}`: it stays", record.name)).hint("end them first"));
    }
    if !host.global.dry_run {
        let deed =
            Deed { did: "delete", view: Some(record.name.as_str()), what: "with all its generations".to_owned() };
        journal::try_to_record(host, printer, &store, &lock, deed);
    }
    let verb = if host.global.dry_run { "would delete" } else { "deleted" };
    printer.answer("delete", &record, |record| format!("{verb} view {}", record.name));
    Ok(ExitCode::SUCCESS)
}
