//! `aleph why`.

use std::{collections::BTreeMap, process::ExitCode};

use aleph_view::{Generation, Pinned, Policy, View};
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
    /// Who decided it.
    chosen_by: String,
    /// The verdict that it rests on, where it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    /// What that rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
}

/// Who decided on a binding that is what it was when its package was made.
const AS_MADE: &str = "as it was made";

/// A view, and who made its generations.
struct Told<'a> {
    view: &'a View,
    generation: &'a Generation,
    policy: Policy,
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
    let told = Told { view: &view, generation: &generation, policy: view.policy()? };
    let answers: Vec<Answer> =
        found.into_iter().map(|package| explain(&told, package, &relinked)).collect::<Outcome<_>>()?;
    printer.answer("why", &answers, |answers| answers.iter().map(describe).collect::<Vec<_>>().join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn explain(told: &Told<'_>, package: &Pinned, relinked: &Relinked<'_>) -> Outcome<Answer> {
    let generation = told.generation;
    let by_key: BTreeMap<String, &Pinned> = generation.packages.iter().map(|p| (p.key(), p)).collect();
    let key = package.key();
    let bound_by = generation.packages.iter().filter(|p| p.slots.values().any(|slot| *slot == key)).map(Pinned::key);
    let made = relinked.made_with(&package.component)?;
    let binding = |(slot, provider): (&String, &String)| {
        let provider = by_key.get(provider)?;
        let made = made.get(slot);
        let as_made = made.map(|id| *id == provider.component);
        let moved = told.moved(package, provider);
        Some(Binding {
            chosen_by: told.chosen_by(package, provider, as_made, moved),
            verdict: moved.map(|moved| moved.verdict.clone()),
            evidence: moved.map(|moved| moved.evidence.clone()).unwrap_or_default(),
            slot: slot.clone(),
            package: provider.key(),
            version: provider.version.clone(),
            made_with: made.and_then(|id| relinked.version(id)),
            as_made,
        })
    };
    let bindings = package.slots.iter().filter_map(binding).collect();
    Ok(Answer {
        bindings,
        package: key.clone(),
        version: package.version.clone(),
        chain: generation.way_to(&key),
        bound_by: bound_by.collect(),
    })
}

impl Told<'_> {
    /// What is on record of a binding that was moved.
    fn moved(&self, package: &Pinned, provider: &Pinned) -> Option<&aleph_view::Binding> {
        let key = package.key();
        let is = |moved: &&aleph_view::Binding| {
            moved.package == key && moved.provider == provider.name && moved.to == provider.component
        };
        self.generation.bindings.iter().find(is)
    }

    /// Who decided what fills a slot, in words.
    fn chosen_by(
        &self,
        package: &Pinned,
        provider: &Pinned,
        as_made: Option<bool>,
        moved: Option<&aleph_view::Binding>,
    ) -> String {
        let pin = self.policy.pins.iter().find(|pin| {
            let is_whose = pin.consumer.as_ref().is_none_or(|consumer| *consumer == package.name);
            is_whose && pin.provider == provider.name && pin.keeps.component == provider.component
        });
        let asked = self.generation.requested.iter().find(|request| request.name() == provider.name);
        match (pin, &provider.kept_for, moved, asked) {
            (Some(pin), ..) => format!("pinned back: with {} `{}` failed", pin.instead_of.version, pin.check),
            (_, Some(who), ..) => format!("kept for {who}"),
            (.., Some(moved), _) => match self.view.generation(moved.generation) {
                Ok(made) => format!("moved by `{}` of {} in generation {}", made.reason, made.by, made.number),
                Err(_) => format!("moved in generation {}", moved.generation),
            },
            (.., Some(request)) => format!("you asked for {}", request.0),
            _ if as_made == Some(true) => AS_MADE.to_owned(),
            _ if package.is_native() => "the newest in the store".to_owned(),
            _ => "the solver's choice".to_owned(),
        }
    }
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

/// What fills a slot, whether it is what its package was made with, who chose it and on which evidence.
fn describe_binding(binding: &Binding) -> String {
    let Binding { package, version, made_with, as_made, chosen_by, verdict, evidence, .. } = binding;
    let name = package.split(':').next().unwrap_or(package);
    let mut text = match (as_made, made_with) {
        (Some(true), _) => format!("{name} {version}, which it was made with"),
        (Some(false), Some(made_with)) => format!("{name} {version}, made with {made_with}"),
        (Some(false), None) => format!("{name} {version}, made with one that is no longer in the store"),
        (None, _) => format!("{name} {version}"),
    };
    if chosen_by != AS_MADE {
        text.push_str(&format!("; {chosen_by}"));
    }
    if let Some(verdict) = verdict {
        let by = if evidence.is_empty() { String::new() } else { format!(" by {}", evidence.join(", ")) };
        text.push_str(&format!("; {verdict}{by}"));
    }
    text
}
