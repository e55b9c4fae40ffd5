//! `aleph why`.

use std::{
    collections::{BTreeMap, VecDeque},
    process::ExitCode,
};

use aleph_view::{Generation, Pinned};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::relinked::Relinked,
    output::{Printer, bold},
};

#[derive(Serialize)]
struct Answer {
    package: String,
    version: String,
    /// From what was asked for down to the package.
    chain: Vec<String>,
    /// Everything that is bound to it directly.
    bound_by: Vec<String>,
    /// What its slots are filled with.
    bindings: Vec<Binding>,
}

#[derive(Serialize)]
struct Binding {
    slot: String,
    package: String,
    version: String,
    /// The version that it was made with, where that is known.
    made_with: Option<String>,
    /// Whether it is the very component that it was made with, where that is known.
    as_made: Option<bool>,
}

/// Says which request brought a package in, by the shortest way, what it is bound to and who is bound to it.
pub(crate) fn why(host: &Host, printer: &Printer, name: &str) -> Outcome {
    let store = host.store_to_read()?;
    let view = host.view(&store)?;
    let generation = view.current()?.ok_or_else(|| Failure::new("this view has no generation yet"))?;
    let found: Vec<&Pinned> = generation.packages.iter().filter(|p| p.name == name || p.key() == name).collect();
    if found.is_empty() {
        return Err(Failure::new(format!("`{name}` is not in view {}", view.record.name))
            .hint(format!("`aleph list --all` lists what is; `aleph add {name}` adds it")));
    }
    let relinked = Relinked::read(&store)?;
    let answers: Vec<Answer> =
        found.into_iter().map(|package| explain(&generation, package, &relinked)).collect::<Outcome<_>>()?;
    printer.answer("why", &answers, |answers| answers.iter().map(describe).collect::<Vec<_>>().join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn explain(generation: &Generation, package: &Pinned, relinked: &Relinked<'_>) -> Outcome<Answer> {
    let by_key: BTreeMap<String, &Pinned> = generation.packages.iter().map(|p| (p.key(), p)).collect();
    let key = package.key();
    let bound_by = generation.packages.iter().filter(|p| p.slots.values().any(|slot| *slot == key)).map(Pinned::key);
    let made = relinked.made_with(&package.component)?;
    let binding = |(slot, provider): (&String, &String)| {
        let provider = by_key.get(provider)?;
        let made = made.get(slot);
        Some(Binding {
            slot: slot.clone(),
            package: provider.key(),
            version: provider.version.clone(),
            made_with: made.and_then(|id| relinked.version(id)),
            as_made: made.map(|id| *id == provider.component),
        })
    };
    let bindings = package.slots.iter().filter_map(binding).collect();
    Ok(Answer {
        bindings,
        package: key.clone(),
        version: package.version.clone(),
        chain: shortest(&by_key, &key),
        bound_by: bound_by.collect(),
    })
}

/// The shortest way over bindings from anything asked for to `goal`; empty if there is none.
fn shortest(packages: &BTreeMap<String, &Pinned>, goal: &str) -> Vec<String> {
    let requested = packages.iter().filter(|(_, package)| package.requested);
    let mut came_from: BTreeMap<String, Option<String>> = requested.map(|(key, _)| (key.clone(), None)).collect();
    let mut todo: VecDeque<String> = came_from.keys().cloned().collect();
    while let Some(key) = todo.pop_front() {
        if key == goal {
            let mut chain = vec![key.clone()];
            let mut at = key;
            while let Some(Some(parent)) = came_from.get(&at) {
                chain.push(parent.clone());
                at = parent.clone();
            }
            chain.reverse();
            return chain;
        }
        for provider in packages.get(&key).into_iter().flat_map(|package| package.slots.values()) {
            if !came_from.contains_key(provider) {
                came_from.insert(provider.clone(), Some(key.clone()));
                todo.push_back(provider.clone());
            }
        }
    }
    Vec::new()
}

fn describe(answer: &Answer) -> String {
    let mut text = format!("{} {}\n", bold(&answer.package), answer.version);
    match answer.chain.as_slice() {
        [] => text.push_str("  every view holds it: it is essential to the distribution\n"),
        [_] => text.push_str("  you asked for it\n"),
        chain => text.push_str(&format!("  you asked for {}\n", chain.join(" -> "))),
    }
    let shown: Vec<&str> = answer.bound_by.iter().take(12).map(String::as_str).collect();
    if !shown.is_empty() {
        let rest = answer.bound_by.len() - shown.len();
        let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        text.push_str(&format!("  bound by {}{more}\n", shown.join(", ")));
    }
    for binding in &answer.bindings {
        text.push_str(&format!("  {}: {}\n", binding.slot, describe_binding(binding)));
    }
    text
}

/// What fills a slot, and whether it is what its package was made with.
fn describe_binding(binding: &Binding) -> String {
    let Binding { package, version, made_with, as_made, .. } = binding;
    let name = package.split(':').next().unwrap_or(package);
    match (as_made, made_with) {
        (Some(true), _) => format!("{name} {version}, which it was made with"),
        (Some(false), Some(made_with)) => format!("{name} {version}, made with {made_with}"),
        (Some(false), None) => format!("{name} {version}, made with one that is no longer in the store"),
        (None, _) => format!("{name} {version}"),
    }
}
