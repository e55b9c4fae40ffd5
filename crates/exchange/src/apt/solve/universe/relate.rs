//! What satisfies and what excludes: relations turned into choices.

use std::rc::Rc;

use super::{Choice, ChoiceNumber, Exclusion, Group, Package, Relations, Universe};
use crate::apt::{
    index::fields,
    relation::{MultiArch, Name, Qualifier, Relation, RelationError, Version, parse_relations},
};

impl<'a> Universe<'a> {
    /// The relations of a choice.
    pub(in crate::apt::solve) fn relations(&mut self, choice: ChoiceNumber) -> Rc<Relations<'a>> {
        if let Some(known) = &self.relations[choice as usize] {
            return known.clone();
        }
        let mut relations = Relations::default();
        if let Err(message) = self.read_relations(choice, &mut relations) {
            relations.malformed = Some(message);
        }
        let relations = Rc::new(relations);
        self.relations[choice as usize] = Some(relations.clone());
        relations
    }

    fn read_relations(&mut self, number: ChoiceNumber, relations: &mut Relations<'a>) -> Result<(), String> {
        let stanza = self.choices[number as usize].stanza;
        let architecture = self.package_of(number).architecture;
        let mut values = [""; 5];
        const NAMES: [&str; 5] = ["Pre-Depends", "Depends", "Recommends", "Conflicts", "Breaks"];
        for (name, value) in fields(stanza) {
            if let Some(at) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                values[at] = value;
            }
        }
        for group in groups(values[0]).chain(groups(values[1])) {
            relations.hard.extend(self.group(group, architecture)?);
        }
        let filled = self.filled(number);
        if self.request.recommends || !filled.is_empty() {
            let hard: Vec<&str> = relations.hard.iter().map(|group| group.slot).collect();
            let all = self.request.recommends;
            let follow = |slot: &&str| all || (filled.contains(slot) && !hard.contains(slot));
            // What is only recommended must not make a package unusable.
            let found = groups(values[2]).filter_map(|group| self.group(group, architecture).ok().flatten());
            relations.recommends = found.filter(|group| follow(&group.slot)).collect();
        }
        for (field, text) in [("Conflicts", values[3]), ("Breaks", values[4])] {
            for group in groups(text) {
                let choices = self.exclusion(group)?;
                let own = self.package_of(number).name;
                // A package never excludes itself, in whatever version.
                let others = |&choice: &ChoiceNumber| self.package_of(choice).name != own;
                let choices: Rc<[ChoiceNumber]> = match choices.iter().all(others) {
                    true => choices,
                    false => choices.iter().copied().filter(others).collect(),
                };
                if !choices.is_empty() {
                    relations.excludes.push(Exclusion { field, text: group, choices });
                }
            }
        }
        relations.excludes.extend(self.siblings(number));
        Ok(())
    }

    /// The slots that the view fills for a package, in whatever version.
    fn filled(&self, choice: ChoiceNumber) -> Vec<&'a str> {
        let package = self.package_of(choice);
        let kept = self.kept.get(package.name).into_iter().flatten().map(|&at| &self.request.keep[at]);
        let own = kept.filter(|kept| self.real(&kept.architecture) == package.architecture);
        own.flat_map(|kept| &kept.slots).map(String::as_str).collect()
    }

    /// What a choice excludes of its own name on other architectures: everything, or all but its own version if both
    /// are `Multi-Arch: same`.
    fn siblings(&mut self, number: ChoiceNumber) -> Option<Exclusion<'a>> {
        if self.request.foreign.is_empty() {
            return None;
        }
        let (own, name) = (self.choices[number as usize].package, self.package_of(number).name);
        let packages = self.named(name);
        let choice = &self.choices[number as usize];
        let fits = |other: &Choice<'a>| {
            choice.multi_arch == MultiArch::Same
                && other.multi_arch == MultiArch::Same
                && other.version == choice.version
        };
        let others = packages.iter().filter(|&&package| package != own);
        let excluded = others
            .flat_map(|&package| self.packages[package as usize].choices.iter().copied())
            .filter(|&other| !fits(&self.choices[other as usize]));
        let choices: Rc<[ChoiceNumber]> = excluded.collect();
        (!choices.is_empty()).then_some(Exclusion { field: "", text: name, choices })
    }

    /// What satisfies a group of a package of `architecture`; nothing if the group does not apply there.
    fn group(&mut self, text: &'a str, architecture: &'a str) -> Result<Option<Rc<Group<'a>>>, String> {
        if let Some(known) = self.groups.get(&(text, architecture)) {
            return known.clone().map(Some);
        }
        let parsed = match parse_relations(text) {
            Ok(mut parsed) if parsed.len() == 1 => parsed.remove(0),
            Ok(_) => return Ok(None),
            Err(error) => {
                let message = message(&error);
                self.groups.insert((text, architecture), Err(message.clone()));
                return Err(message);
            }
        };
        let alternatives: Vec<_> = parsed.into_iter().filter(|one| one.applies(architecture, &[])).collect();
        let Some(first) = alternatives.first() else { return Ok(None) };
        let slot = first.name.as_str();
        let mut solutions = Vec::new();
        for alternative in &alternatives {
            self.alternative(alternative, architecture, &mut solutions);
        }
        let group = Rc::new(Group { text, slot, solutions });
        self.groups.insert((text, architecture), Ok(group.clone()));
        Ok(Some(group))
    }

    /// Adds what satisfies one alternative, in apt's order.
    fn alternative(&mut self, relation: &Relation<'a>, architecture: &str, solutions: &mut Vec<ChoiceNumber>) {
        let native = self.request.native.as_str();
        let mut found: Vec<ChoiceNumber> = Vec::new();
        for &package in self.named(relation.name.as_str()).iter() {
            let Package { choices, architecture: theirs, .. } = &self.packages[package as usize];
            let fits = |&&number: &&ChoiceNumber| {
                let choice = &self.choices[number as usize];
                relation.crosses(architecture, native, theirs, choice.multi_arch) && relation.admits(choice.version)
            };
            found.extend(choices.iter().filter(fits));
        }
        for (number, provided, explicit) in self.provisions(relation.name) {
            let theirs = self.package_of(number).architecture;
            let crosses = match explicit {
                // `Provides: name:any` answers relations that say `:any`.
                Some("any") => matches!(relation.qualifier, Some(Qualifier::Any)),
                Some("native") => relation.crosses(architecture, native, native, MultiArch::No),
                Some(explicit) => relation.crosses(architecture, native, explicit, MultiArch::No),
                None => relation.crosses(architecture, native, theirs, self.choices[number as usize].multi_arch),
            };
            if crosses && relation.admits_provided(provided) && !found.contains(&number) {
                found.push(number);
            }
        }
        self.sort_like_apt(relation.name.as_str(), &mut found);
        found.retain(|number| !solutions.contains(number));
        solutions.extend(found);
    }

    /// The choices that provide a name: with the version provided and an explicit architecture.
    pub(super) fn provisions(&mut self, name: Name<'a>) -> Vec<Provision<'a>> {
        let mut found = Vec::new();
        for provider in self.index.providers(name.as_str()) {
            let packages = self.named(provider.candidate.name());
            let choices = packages.iter().flat_map(|&package| &self.packages[package as usize].choices);
            let same = |&&number: &&ChoiceNumber| self.choices[number as usize].candidate == Some(provider.candidate);
            if let Some(&number) = choices.clone().find(same) {
                found.push((number, provider.version, provider.architecture));
            }
        }
        for at in 0..self.kept_provides.len() {
            let (kept, provided) = self.kept_provides[at];
            if provided.name != name {
                continue;
            }
            let packages = self.named(&self.request.keep[kept].name);
            let choices = packages.iter().flat_map(|&package| &self.packages[package as usize].choices);
            // One that is still on offer has been found above.
            let same = |&&number: &&ChoiceNumber| {
                let choice = &self.choices[number as usize];
                choice.kept == Some(kept) && choice.candidate.is_none()
            };
            if let Some(&number) = choices.clone().find(same) {
                let explicit = match provided.qualifier {
                    Some(Qualifier::Any) => Some("any"),
                    Some(Qualifier::Native) => Some("native"),
                    Some(Qualifier::Architecture(architecture)) => Some(architecture),
                    None => None,
                };
                found.push((number, provided.version, explicit));
            }
        }
        found
    }

    /// Puts what satisfies a relation to `target` in the order in which apt tries it.
    fn sort_like_apt(&self, target: &str, found: &mut [ChoiceNumber]) {
        let architectures = || std::iter::once(&self.request.native).chain(&self.request.foreign);
        let key = |&number: &ChoiceNumber| {
            let (choice, package) = (&self.choices[number as usize], self.package_of(number));
            let best = &self.choices[package.choices[0] as usize];
            // A newer version in another suite does not make a package new.
            let first_read = package.choices.iter().map(|&one| self.choices[one as usize].sequence).min();
            (
                !package.kept,
                package.name != target,
                !best.essential,
                !best.important,
                architectures().position(|architecture| architecture == package.architecture),
                best.importance,
                // apt tries the package that it came upon last first.
                std::cmp::Reverse(first_read),
                choice.package,
                // A choice's number falls with its rank.
                number,
            )
        };
        found.sort_by_cached_key(key);
    }

    /// What a negative relation excludes, its owner included.
    fn exclusion(&mut self, text: &'a str) -> Result<Rc<[ChoiceNumber]>, String> {
        if let Some(known) = self.exclusions.get(text) {
            return known.clone();
        }
        let result = parse_relations(text).map_err(|error| message(&error));
        let result = result.map(|groups| {
            let mut found = Vec::new();
            for relation in groups.iter().flatten() {
                self.excluded(relation, &mut found);
            }
            found.into()
        });
        self.exclusions.insert(text, result.clone());
        result
    }

    fn excluded(&mut self, relation: &Relation<'a>, found: &mut Vec<ChoiceNumber>) {
        let native = self.request.native.as_str();
        for &package in self.named(relation.name.as_str()).iter() {
            let Package { choices, architecture, .. } = &self.packages[package as usize];
            let fits = |&&number: &&ChoiceNumber| relation.admits(self.choices[number as usize].version);
            if relation.excludes(native, architecture) {
                found.extend(choices.iter().filter(fits));
            }
        }
        for (number, provided, _) in self.provisions(relation.name) {
            let reaches = relation.excludes(native, self.package_of(number).architecture);
            if reaches && relation.admits_provided(provided) && !found.contains(&number) {
                found.push(number);
            }
        }
    }
}

/// A choice that provides a name: in which version, and for which architecture where it says so.
pub(super) type Provision<'a> = (ChoiceNumber, Option<Version<'a>>, Option<&'a str>);

/// An error with its cause.
fn message(error: &RelationError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{source}, {error}"),
        None => error.to_string(),
    }
}

/// The groups of a field, unparsed.
fn groups(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|group| !group.is_empty())
}
