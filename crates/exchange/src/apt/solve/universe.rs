//! Packages, their choices and their relations, read from the index as they are needed.

use std::{collections::HashMap, rc::Rc};

use super::{
    Request, Unsolvable, VersionChoice, Want,
    error::{Offer, Reason},
};
use crate::apt::{
    index::{Candidate, PreparedIndex, field},
    relation::{MultiArch, Name, Provided, Qualifier, Relation, Version, parse_provides, parse_relations},
};

/// The number of a package: a name on an architecture.
pub(super) type PackageNumber = u32;
/// The number of a choice: a package in a version.
pub(super) type ChoiceNumber = u32;

/// A package in a version.
pub(super) struct Choice<'a> {
    pub(super) package: PackageNumber,
    /// Nothing if only the view has it.
    pub(super) candidate: Option<Candidate<'a>>,
    /// Its position in [`Request::keep`], if it is one of these.
    pub(super) kept: Option<usize>,
    pub(super) stanza: &'a str,
    pub(super) version: Version<'a>,
    /// As its control file says, `all` included.
    pub(super) architecture: &'a str,
    pub(super) multi_arch: MultiArch,
    pub(super) essential: bool,
    pub(super) important: bool,
    pub(super) importance: u8,
    pub(super) sequence: u32,
    priority: i32,
}

/// A name on an architecture; `all` counts as the native one.
pub(super) struct Package<'a> {
    pub(super) name: &'a str,
    pub(super) architecture: &'a str,
    /// The best first.
    pub(super) choices: Vec<ChoiceNumber>,
    /// Whether the view has it in some version.
    pub(super) kept: bool,
}

/// What satisfies a group of alternatives.
pub(super) struct Group<'a> {
    /// As it was written.
    pub(super) text: &'a str,
    /// The first alternative's name.
    pub(super) slot: &'a str,
    /// In the order of preference: alternatives, then packages, then versions.
    pub(super) solutions: Vec<ChoiceNumber>,
}

/// What a negative relation excludes.
pub(super) struct Exclusion<'a> {
    /// `Conflicts`, `Breaks`, or nothing if it follows from the architectures.
    pub(super) field: &'static str,
    /// As it was written.
    pub(super) text: &'a str,
    pub(super) choices: Rc<[ChoiceNumber]>,
}

/// The relations of a choice.
#[derive(Default)]
pub(super) struct Relations<'a> {
    /// `Pre-Depends` and `Depends`.
    pub(super) hard: Vec<Rc<Group<'a>>>,
    pub(super) recommends: Vec<Rc<Group<'a>>>,
    pub(super) excludes: Vec<Exclusion<'a>>,
    /// Set if a field cannot be read: then the choice cannot be used.
    pub(super) malformed: Option<String>,
}

/// Everything that was read so far.
pub(super) struct Universe<'a> {
    pub(super) index: &'a PreparedIndex,
    pub(super) request: &'a Request<'a>,
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) packages: Vec<Package<'a>>,
    names: HashMap<&'a str, Rc<[PackageNumber]>>,
    relations: Vec<Option<Rc<Relations<'a>>>>,
    groups: HashMap<(&'a str, &'a str), Result<Rc<Group<'a>>, String>>,
    exclusions: HashMap<&'a str, Result<Rc<[ChoiceNumber]>, String>>,
    /// What kept packages that are on offer no more provide.
    kept_provides: Vec<(usize, Provided<'a>)>,
}

/// Something that the set must contain one of.
pub(super) struct Demand {
    /// As people write it.
    pub(super) text: String,
    /// What meets it, the best first; all of one package.
    pub(super) choices: Vec<ChoiceNumber>,
    /// Whether it was asked for, or is there because it is essential.
    pub(super) requested: bool,
}

impl<'a> Universe<'a> {
    pub(super) fn new(index: &'a PreparedIndex, request: &'a Request<'a>) -> Self {
        let mut kept_provides = Vec::new();
        for (number, kept) in request.keep.iter().enumerate() {
            let provides = kept.stanza.as_deref().and_then(|stanza| field(stanza, "Provides"));
            let provides = provides.and_then(|text| parse_provides(text).ok()).unwrap_or_default();
            kept_provides.extend(provides.into_iter().map(|provided| (number, provided)));
        }
        Self {
            index,
            request,
            choices: Vec::new(),
            packages: Vec::new(),
            names: HashMap::new(),
            relations: Vec::new(),
            groups: HashMap::new(),
            exclusions: HashMap::new(),
            kept_provides,
        }
    }

    /// The real architecture of a control file's `architecture`.
    fn real(&self, architecture: &'a str) -> &'a str {
        if architecture == "all" { &self.request.native } else { architecture }
    }

    /// The packages called `name`, the native one first.
    pub(super) fn named(&mut self, name: &'a str) -> Rc<[PackageNumber]> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let mut found: Vec<Choice<'a>> = Vec::new();
        if !self.request.forbidden.contains(name) {
            found.extend(self.index.candidates(name).filter_map(|candidate| self.offered(candidate)));
            for (number, kept) in self.request.keep.iter().enumerate().filter(|(_, kept)| kept.name == name) {
                let same = |choice: &&mut Choice<'_>| {
                    choice.version.as_str() == kept.version && choice.architecture == kept.architecture
                };
                match found.iter_mut().find(same) {
                    Some(choice) => choice.kept = Some(number),
                    None => found.extend(self.kept_only(number)),
                }
            }
        }
        let request = self.request;
        let architectures = std::iter::once(&request.native).chain(&request.foreign);
        let mut packages = Vec::new();
        for architecture in architectures {
            let mine: Vec<Choice<'a>> =
                found.extract_if(.., |choice| self.real(choice.architecture) == *architecture).collect();
            if !mine.is_empty() {
                packages.push(self.add_package(name, architecture, mine));
            }
        }
        let packages: Rc<[PackageNumber]> = packages.into();
        self.names.insert(name, packages.clone());
        packages
    }

    /// The choice that a candidate of the index is.
    fn offered(&self, candidate: Candidate<'a>) -> Option<Choice<'a>> {
        Some(Choice {
            package: 0,
            candidate: Some(candidate),
            kept: None,
            stanza: candidate.stanza(),
            version: candidate.debian_version()?,
            architecture: candidate.architecture(),
            multi_arch: candidate.multi_arch(),
            essential: candidate.essential(),
            important: candidate.important(),
            importance: candidate.importance(),
            sequence: candidate.sequence(),
            priority: self.request.pins.map_or_else(|| candidate.priority(), |pin| pin(&candidate)),
        })
    }

    /// The choice that a kept package is which nobody offers any more.
    fn kept_only(&self, number: usize) -> Option<Choice<'a>> {
        let kept = &self.request.keep[number];
        let stanza = kept.stanza.as_deref()?;
        Some(Choice {
            package: 0,
            candidate: None,
            kept: Some(number),
            stanza,
            version: Version::new(&kept.version).ok()?,
            architecture: &kept.architecture,
            multi_arch: MultiArch::from_field(field(stanza, "Multi-Arch")),
            essential: field(stanza, "Essential") == Some("yes"),
            important: false,
            importance: 4,
            sequence: u32::MAX,
            // What apt gives to a version that is only installed.
            priority: 100,
        })
    }

    fn add_package(&mut self, name: &'a str, architecture: &'a str, mut choices: Vec<Choice<'a>>) -> PackageNumber {
        let number = self.packages.len() as PackageNumber;
        let stays = self.request.stays(name);
        let kept = choices.iter().find(|choice| choice.kept.is_some()).map(|choice| choice.version);
        let rank = |choice: &Choice<'a>| {
            // As apt: a package is not taken back to an older version unless its priority demands it.
            let forward = choice.priority >= 1000 || kept.is_none_or(|kept| choice.version >= kept);
            (stays && choice.kept.is_some(), forward, choice.priority, choice.version)
        };
        choices.sort_by(|a, b| rank(b).cmp(&rank(a)));
        let first = self.choices.len() as ChoiceNumber;
        let numbers = (first..).take(choices.len()).collect();
        self.choices.extend(choices.into_iter().map(|choice| Choice { package: number, ..choice }));
        self.relations.resize(self.choices.len(), None);
        self.packages.push(Package { name, architecture, choices: numbers, kept: kept.is_some() });
        number
    }

    pub(super) fn package_of(&self, choice: ChoiceNumber) -> &Package<'a> {
        &self.packages[self.choices[choice as usize].package as usize]
    }

    /// What a package is called in messages.
    pub(super) fn label(&self, package: PackageNumber) -> String {
        let package = &self.packages[package as usize];
        match package.architecture == self.request.native {
            true => package.name.to_owned(),
            false => format!("{}:{}", package.name, package.architecture),
        }
    }

    /// What is on offer under `name`.
    pub(super) fn offers(&mut self, name: &'a str) -> Vec<Offer> {
        let packages = self.named(name);
        let choices = packages.iter().flat_map(|&package| &self.packages[package as usize].choices);
        choices
            .map(|&choice| {
                let choice = &self.choices[choice as usize];
                let suites = choice.candidate.iter().flat_map(Candidate::suites).map(|suite| {
                    let input = suite.input;
                    if input.codename.is_empty() { input.suite.clone() } else { input.codename.clone() }
                });
                let mut suites: Vec<String> = suites.collect();
                suites.dedup();
                let architecture = choice.architecture.to_owned();
                Offer { version: choice.version.as_str().to_owned(), architecture, suites }
            })
            .collect()
    }

    /// The relations of a choice.
    pub(super) fn relations(&mut self, choice: ChoiceNumber) -> Rc<Relations<'a>> {
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
        let mut fields = [""; 5];
        const NAMES: [&str; 5] = ["Pre-Depends", "Depends", "Recommends", "Conflicts", "Breaks"];
        for (name, value) in crate::apt::index::fields(stanza) {
            if let Some(at) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                fields[at] = value;
            }
        }
        for group in groups(fields[0]).chain(groups(fields[1])) {
            relations.hard.extend(self.group(group, architecture)?);
        }
        // What is only recommended must not make a package unusable.
        for group in groups(fields[2]) {
            relations.recommends.extend(self.group(group, architecture).ok().flatten());
        }
        for (field, text) in [("Conflicts", fields[3]), ("Breaks", fields[4])] {
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
                let message = format!("{error}");
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
    #[allow(clippy::type_complexity)]
    fn provisions(&mut self, name: Name<'a>) -> Vec<(ChoiceNumber, Option<Version<'a>>, Option<&'a str>)> {
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
            (
                !package.kept,
                package.name != target,
                !best.essential,
                !best.important,
                architectures().position(|architecture| architecture == package.architecture),
                best.importance,
                // apt tries what it read last first.
                std::cmp::Reverse(best.sequence),
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
        let result = parse_relations(text).map_err(|error| error.to_string());
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

    /// The choices that meet a want.
    fn wanted(&mut self, want: &'a Want) -> Result<Vec<ChoiceNumber>, Reason> {
        if self.request.forbidden.contains(&want.name) {
            return Err(Reason::Forbidden { name: want.name.clone() });
        }
        let packages = self.named(&want.name);
        if packages.is_empty() {
            return self.wanted_by_provision(want);
        }
        let meets = |&&number: &&ChoiceNumber| {
            let choice = &self.choices[number as usize];
            let version = match &want.version {
                VersionChoice::Any => true,
                VersionChoice::Exact(exact) => {
                    choice.version.as_str() == exact || Version::new(exact).is_ok_and(|exact| exact == choice.version)
                }
                VersionChoice::Op(operator, other) => {
                    Version::new(other).is_ok_and(|other| operator.holds(choice.version, other))
                }
            };
            let suite = want.suite.as_ref().is_none_or(|suite| {
                let mut suites = choice.candidate.iter().flat_map(Candidate::suites);
                suites.any(|on| on.input.suite == *suite || on.input.codename == *suite)
            });
            version && suite
        };
        for &package in packages.iter() {
            let package = &self.packages[package as usize];
            if want.architecture.as_deref().is_some_and(|wanted| self.real(wanted) != package.architecture) {
                continue;
            }
            let found: Vec<ChoiceNumber> = package.choices.iter().filter(meets).copied().collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let offers = self.offers(&want.name);
        Err(Reason::NoSuchVersion { name: want.name.clone(), wanted: want.to_string(), offers })
    }

    /// The choices of the only package that provides a wanted virtual name.
    fn wanted_by_provision(&mut self, want: &'a Want) -> Result<Vec<ChoiceNumber>, Reason> {
        let name = || want.name.clone();
        let not_found = |universe: &Self| {
            let elsewhere = universe.index.candidates(&want.name).map(|other| other.architecture().to_owned());
            let architectures: std::collections::BTreeSet<String> = elsewhere.collect();
            if !architectures.is_empty() {
                return Reason::OtherArchitecture { name: name(), architectures: architectures.into_iter().collect() };
            }
            let similar = universe.index.similar(&want.name, 3).into_iter().map(str::to_owned).collect();
            Reason::NotFound { name: name(), similar }
        };
        let Ok(virtual_name) = Name::new(&want.name) else { return Err(not_found(self)) };
        let provisions = self.provisions(virtual_name);
        let mut packages: Vec<PackageNumber> =
            provisions.iter().map(|&(number, ..)| self.choices[number as usize].package).collect();
        packages.sort_unstable();
        packages.dedup();
        match (&*packages, &want.version) {
            ([], _) => Err(not_found(self)),
            ([_], VersionChoice::Any) => Ok(provisions.into_iter().map(|(number, ..)| number).collect()),
            (packages, _) => {
                let mut providers: Vec<String> = packages.iter().map(|&package| self.label(package)).collect();
                providers.sort();
                Err(Reason::Virtual { name: name(), providers })
            }
        }
    }
}

/// The groups of a field, unparsed.
fn groups(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|group| !group.is_empty())
}

/// What the request demands: its wants, and the essential packages if it says so.
pub(super) fn demands(universe: &mut Universe<'_>) -> Result<Vec<Demand>, Unsolvable> {
    let request = universe.request;
    let mut demands = Vec::new();
    let mut reasons = Vec::new();
    for want in &request.wanted {
        match universe.wanted(want) {
            Ok(choices) => demands.push(Demand { text: want.to_string(), choices, requested: true }),
            Err(reason) => reasons.push(reason),
        }
    }
    if !reasons.is_empty() {
        return Err(Unsolvable { reasons });
    }
    if request.essential {
        let essential = universe.index.all().filter(Candidate::essential);
        let mut names: Vec<&str> = essential.map(|candidate| candidate.name()).collect();
        names.dedup();
        for name in names {
            // What an older version was, the best one need not be.
            let native = universe.named(name).first().copied().filter(|&package| {
                let package = &universe.packages[package as usize];
                package.architecture == request.native && universe.choices[package.choices[0] as usize].essential
            });
            if let Some(package) = native {
                let choices = universe.packages[package as usize].choices.clone();
                demands.push(Demand { text: name.to_owned(), choices, requested: false });
            }
        }
    }
    Ok(demands)
}
