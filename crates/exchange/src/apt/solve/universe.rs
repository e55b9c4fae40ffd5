//! Packages, their choices and their relations, read from the index as they are needed.

mod relate;
mod want;

use std::{collections::HashMap, rc::Rc};

use aleph_component::Digest;

pub(super) use want::demands;

use super::{Offer, Request, Want};
use crate::apt::{
    index::{Candidate, PreparedIndex, field},
    relation::{MultiArch, Provided, Version, parse_provides},
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
    pub(super) priority: i32,
}

impl Choice<'_> {
    /// The digest of its archive, where a source gives one.
    fn archive(&self) -> Option<Digest> {
        self.candidate.and_then(|candidate| candidate.sha256())
    }
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
    /// What comes along if it can: what is recommended, as far as the request wants that.
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
    /// The positions in [`Request::keep`] of what has a name.
    kept: HashMap<&'a str, Vec<usize>>,
    /// What kept packages that are on offer no more provide.
    kept_provides: Vec<(usize, Provided<'a>)>,
    /// What is on offer and ruled out by its priority, by name.
    ruled_out: HashMap<&'a str, Vec<Offer>>,
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
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, kept) in request.keep.iter().enumerate() {
            names.entry(&kept.name).or_default().push(number);
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
            kept: names,
            kept_provides,
            ruled_out: HashMap::new(),
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
            for &number in self.kept.get(name).into_iter().flatten() {
                let kept = &self.request.keep[number];
                let same = |choice: &&mut Choice<'_>| {
                    choice.version.as_str() == kept.version
                        && choice.architecture == kept.architecture
                        && kept.archive.is_none_or(|archive| choice.archive() == Some(archive))
                };
                match found.iter_mut().find(same) {
                    Some(choice) => choice.kept = Some(number),
                    None => found.extend(self.kept_only(number)),
                }
            }
        }
        let request = self.request;
        // As in apt: a version of negative priority is only taken where it is asked for as such, or there already.
        let is_out = |choice: &mut Choice<'a>| {
            let named = |want: &Want| want.name == name && want.is_specific() && self.meets(want, choice);
            choice.priority < 0 && choice.kept.is_none() && !request.wanted.iter().any(named)
        };
        let ruled_out: Vec<Offer> = found.extract_if(.., is_out).map(|choice| Offer::of(&choice)).collect();
        if !ruled_out.is_empty() {
            self.ruled_out.insert(name, ruled_out);
        }
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
}
