//! From wants to the choices that meet them.

use std::collections::BTreeSet;

use super::{Choice, ChoiceNumber, Demand, PackageNumber, Universe};
use crate::apt::{
    index::Candidate,
    relation::{Name, Version},
    solve::{
        Unsolvable, VersionChoice, Want,
        error::{Offer, Reason},
    },
};

/// What the request demands: its wants, and the essential packages if it says so.
pub(in crate::apt::solve) fn demands(universe: &mut Universe<'_>) -> Result<Vec<Demand>, Unsolvable> {
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

impl<'a> Universe<'a> {
    /// Whether a choice, which has the name that is wanted, is what is wanted in all else.
    pub(super) fn meets(&self, want: &'a Want, choice: &Choice<'a>) -> bool {
        let version = match &want.version {
            VersionChoice::Any => true,
            VersionChoice::Exact(exact) => {
                choice.version.as_str() == exact || Version::new(exact).is_ok_and(|exact| exact == choice.version)
            }
            VersionChoice::Op(operator, other) => {
                Version::new(other).is_ok_and(|other| operator.holds(choice.version, other))
            }
        };
        let architecture = want.architecture.as_deref();
        let suite = want.suite.as_ref().is_none_or(|suite| {
            let mut suites = choice.candidate.iter().flat_map(Candidate::suites);
            suites.any(|on| on.input.suite == *suite || on.input.codename == *suite)
        });
        version && suite && architecture.is_none_or(|wanted| self.real(wanted) == self.real(choice.architecture))
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
        for &package in packages.iter() {
            let meets = |&&choice: &&ChoiceNumber| self.meets(want, &self.choices[choice as usize]);
            let choices = &self.packages[package as usize].choices;
            let found: Vec<ChoiceNumber> = choices.iter().filter(meets).copied().collect();
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
            if let Some(offers) = universe.ruled_out.get(want.name.as_str()) {
                return Reason::NoSuchVersion { name: name(), wanted: want.to_string(), offers: offers.clone() };
            }
            let elsewhere = universe.index.candidates(&want.name).map(|other| other.architecture().to_owned());
            let architectures: BTreeSet<String> = elsewhere.collect();
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

    /// What is on offer under `name`.
    pub(in crate::apt::solve) fn offers(&mut self, name: &'a str) -> Vec<Offer> {
        let packages = self.named(name);
        let choices = packages.iter().flat_map(|&package| &self.packages[package as usize].choices);
        let offers = choices.map(|&choice| Offer::of(&self.choices[choice as usize]));
        offers.chain(self.ruled_out.get(name).into_iter().flatten().cloned()).collect()
    }
}

impl Want {
    /// Whether it says more than that the package is wanted.
    pub(super) fn is_specific(&self) -> bool {
        matches!(self.version, VersionChoice::Exact(_)) || self.suite.is_some()
    }
}

impl Offer {
    pub(super) fn of(choice: &Choice<'_>) -> Self {
        let suites = choice.candidate.iter().flat_map(Candidate::suites).map(|suite| {
            let input = suite.input;
            if input.codename.is_empty() { input.suite.clone() } else { input.codename.clone() }
        });
        let mut suites: Vec<String> = suites.collect();
        suites.dedup();
        Self {
            version: choice.version.as_str().to_owned(),
            architecture: choice.architecture.to_owned(),
            suites,
            pinned: (choice.priority < 0).then_some(choice.priority),
        }
    }
}
