//! `aleph update --all-views`: every view of the store, one after the other, each atomically.

use std::process::ExitCode;

use aleph_view::{Generation, Kind, Request, View, Views};
use serde_json::{Value, json};

use super::{
    add::{named, upgrade},
    changed::told,
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::change::{self, Changed},
    output::{Printer, bold, count, table, yellow},
};

/// A view afterwards.
struct After {
    view: String,
    fate: Fate,
    /// Of what was named, what it holds now: name and version.
    now: Vec<(String, String)>,
    /// The requests that hold one of these at a version.
    holds: Vec<String>,
}

/// What became of one view.
enum Fate {
    Changed(Value),
    Planned(Value),
    Unchanged(Value),
    /// Nothing was tried, for this reason.
    Left(String),
    Failed(Failure),
}

/// Takes newer versions in every view, or in those that hold what is named. A view that cannot go keeps its generation and
/// stops no other; the exit code is that of the first.
pub(crate) fn update_all(host: &Host, printer: &Printer, packages: &[String], accept_breaks: bool) -> Outcome {
    let store = host.store_that_exists()?;
    let views = Views::new(&store);
    let names: Vec<String> = packages.iter().map(|text| named(text).to_owned()).collect();
    let (mut all, mut code) = (Vec::new(), None);
    for view in views.list()? {
        let Some(current) = view.current()? else { continue };
        if !names.is_empty() && versions(&current, &names).is_empty() {
            continue;
        }
        let fate = update(host, printer, &view, packages, accept_breaks);
        if let Fate::Failed(failure) = &fate {
            printer.failure(failure);
            code.get_or_insert(failure.code());
        }
        let current = view.current()?.unwrap_or(current);
        let (now, holds) = (versions(&current, &names), holds(&current, &names));
        all.push(After { view: view.record.name.to_string(), fate, now, holds });
    }
    let answers: Vec<Value> = all.iter().map(answer).collect();
    printer.answer("changes", &json!({ "views": answers }), |_| summary(&all));
    Ok(code.unwrap_or(ExitCode::SUCCESS))
}

fn update(host: &Host, printer: &Printer, view: &View, packages: &[String], accept_breaks: bool) -> Fate {
    if view.record.kind == Kind::Project {
        let place = view.record.project.as_ref().map(|place| place.display().to_string()).unwrap_or_default();
        return Fate::Left(format!("its lock file decides: `aleph update` in {place}"));
    }
    let host = host.with_view(view.record.name.as_str());
    let reason = format!("update --all-views {}", packages.join(" "));
    let wish = upgrade(packages.to_vec(), accept_breaks);
    let changed = host.target().and_then(|target| change::change(&host, printer, &target, &wish, reason.trim_end()));
    let changed = match changed {
        Err(failure) => return Fate::Failed(failure),
        Ok(changed) => changed,
    };
    let told = told(&changed);
    told.warn(printer);
    let fate = match changed {
        Changed::Nothing(..) => return Fate::Unchanged(told.data),
        Changed::Planned(..) => Fate::Planned,
        Changed::Done(..) => Fate::Changed,
    };
    if !printer.is_json() {
        printer.line(&told.text);
    }
    fate(told.data)
}

/// Of these packages, what a generation holds.
fn versions(generation: &Generation, packages: &[String]) -> Vec<(String, String)> {
    let is_named = |name: &String| packages.iter().any(|package| package == name);
    let held = generation.packages.iter().filter(|held| is_named(&held.name));
    held.map(|held| (held.name.clone(), held.version.clone())).collect()
}

/// The requests that hold one of these packages at a version.
fn holds(generation: &Generation, packages: &[String]) -> Vec<String> {
    let is_one =
        |request: &&Request| request.0.contains(['=', '/']) && packages.iter().any(|package| package == request.name());
    generation.requested.iter().filter(is_one).map(|request| request.0.clone()).collect()
}

fn answer(after: &After) -> Value {
    let (fate, details) = match &after.fate {
        Fate::Changed(data) => ("changed", data.clone()),
        Fate::Planned(data) => ("planned", data.clone()),
        Fate::Unchanged(data) => ("unchanged", data.clone()),
        Fate::Left(why) => ("left", json!({ "why": why })),
        Fate::Failed(failure) => ("failed", json!({ "message": failure.chain().join(": "), "hints": failure.hints() })),
    };
    let now: Vec<Value> = after.now.iter().map(|(name, version)| json!({ "name": name, "version": version })).collect();
    json!({ "view": after.view, "fate": fate, "now": now, "holds": after.holds, "details": details })
}

/// A line for each view: what became of it, and what it has of what was named.
fn summary(all: &[After]) -> String {
    if all.is_empty() {
        return "no view holds that".to_owned();
    }
    let row = |after: &After| {
        let fate = match &after.fate {
            Fate::Changed(_) => "changed".to_owned(),
            Fate::Planned(_) => "would change".to_owned(),
            Fate::Unchanged(_) if after.holds.is_empty() => "as it was".to_owned(),
            Fate::Unchanged(_) => format!("as it was: it asks for {}", after.holds.join(", ")),
            Fate::Left(why) => format!("{}: {why}", yellow("left alone")),
            Fate::Failed(failure) => format!("{}: {}", yellow("not changed"), failure.chain().join(": ")),
        };
        let now: Vec<String> = after.now.iter().map(|(name, version)| format!("{name} {version}")).collect();
        vec![bold(&after.view), now.join(", "), fate]
    };
    format!("{}\n{}", count(all.len(), "view"), table(&all.iter().map(row).collect::<Vec<_>>()))
}
