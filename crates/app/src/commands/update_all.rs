//! `aleph update --all-views`: every view of the store, one after the other, each atomically.

use std::process::ExitCode;

use aleph_view::{Generation, Kind, Request, View, Views};
use serde_json::{Value, json};

use super::{add::upgrade, changed::told};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::change::{self, Changed},
    output::{Printer, bold, count, table, yellow},
};

/// What became of one view.
enum Fate {
    Changed(Value),
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
    let (mut fates, mut code) = (Vec::new(), None);
    for view in views.list()? {
        let Some(current) = view.current()? else { continue };
        if !packages.is_empty() && versions(&current, packages).is_empty() {
            continue;
        }
        let fate = update(host, printer, &view, packages, accept_breaks);
        if let Fate::Failed(failure) = &fate {
            printer.failure(failure);
            code.get_or_insert(failure.code());
        }
        fates.push((view, fate));
    }
    let mut answers = Vec::new();
    for (view, fate) in &fates {
        answers.push(answer(view, fate, view.current()?.as_ref(), packages));
    }
    printer.answer("changes", &json!({ "views": answers }), |_| summary(&fates, &answers));
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
    match changed {
        Err(failure) => Fate::Failed(failure),
        Ok(changed) => {
            let told = told(&changed);
            told.warn(printer);
            if !printer.is_json() && !matches!(changed, Changed::Nothing(..)) {
                printer.line(&told.text);
            }
            if matches!(changed, Changed::Nothing(..)) { Fate::Unchanged(told.data) } else { Fate::Changed(told.data) }
        }
    }
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

fn answer(view: &View, fate: &Fate, current: Option<&Generation>, packages: &[String]) -> Value {
    let (fate, more) = match fate {
        Fate::Changed(data) => ("changed", data.clone()),
        Fate::Unchanged(data) => ("unchanged", data.clone()),
        Fate::Left(why) => ("left", json!({ "why": why })),
        Fate::Failed(failure) => ("failed", json!({ "message": failure.chain().join(": "), "hints": failure.hints() })),
    };
    let now = current.map(|current| versions(current, packages)).unwrap_or_default();
    let now: Vec<Value> = now.iter().map(|(name, version)| json!({ "name": name, "version": version })).collect();
    let holds = current.map(|current| holds(current, packages)).unwrap_or_default();
    json!({ "view": view.record.name, "fate": fate, "now": now, "holds": holds, "details": more })
}

/// A line for each view: what became of it, and what it has of what was named.
fn summary(fates: &[(View, Fate)], answers: &[Value]) -> String {
    if fates.is_empty() {
        return "no view holds that".to_owned();
    }
    let rows = fates.iter().zip(answers).map(|((view, fate), answer)| {
        let fate = match fate {
            Fate::Changed(data) if data["generation"].is_null() => "would change".to_owned(),
            Fate::Changed(_) => "changed".to_owned(),
            Fate::Unchanged(_) => {
                let holds = answer["holds"].as_array().into_iter().flatten();
                let holds: Vec<&str> = holds.filter_map(Value::as_str).collect();
                let why = if holds.is_empty() { String::new() } else { format!(": it asks for {}", holds.join(", ")) };
                format!("as it was{why}")
            }
            Fate::Left(why) => format!("{}: {why}", yellow("left alone")),
            Fate::Failed(failure) => format!("{}: {}", yellow("not changed"), failure.chain().join(": ")),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let now = answer["now"].as_array().into_iter().flatten();
        let now: Vec<String> = now.map(|one| format!("{} {}", text(&one["name"]), text(&one["version"]))).collect();
        vec![bold(view.record.name.as_str()), now.join(", "), fate]
    });
    format!("{}\n{}", count(fates.len(), "view"), table(&rows.collect::<Vec<_>>()))
}
