//! What is found of one component, each weakness of each thing once.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::ComponentId;

use super::{Certainty, Evidence, Finding, Thing};
use crate::{Advisory, Affected, Answer};

/// That something is fixed, and who says so.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) fixed: Vec<String>,
    pub(super) evidence: Evidence,
}

/// A weakness by its id, and what has it: ecosystem, name and version. A component may hold several versions of something.
type Key = (String, String, String, String);

fn key(id: &str, thing: &Thing<'_>) -> Key {
    (id.to_owned(), thing.ecosystem.to_owned(), thing.name.to_owned(), thing.version.to_owned())
}

pub(super) struct Findings {
    component: ComponentId,
    found: BTreeMap<Key, Finding>,
    /// What advisories say does not affect it.
    cleared: BTreeSet<Key>,
}

impl Findings {
    pub(super) fn of(component: ComponentId) -> Self {
        Self { component, found: BTreeMap::new(), cleared: BTreeSet::new() }
    }

    /// Takes what changelogs claim.
    pub(super) fn add(&mut self, thing: &Thing<'_>, claims: Vec<Claim>) {
        for claim in claims {
            self.find(thing, claim);
        }
    }

    /// Takes what an advisory says of a thing.
    pub(super) fn hear(&mut self, thing: &Thing<'_>, advisory: &Advisory) {
        let answers: Vec<Answer> =
            advisory.affected.iter().filter(|one| is_about(one, thing)).map(|one| one.affects(thing.version)).collect();
        let yes = answers.iter().find_map(|answer| match answer {
            Answer::Yes(fixed) => Some((fixed.clone(), thing.certainty)),
            Answer::No | Answer::Unknown => None,
        });
        let unknown = || answers.contains(&Answer::Unknown).then(|| (Vec::new(), Certainty::Possible));
        let Some((fixed, certainty)) = yes.or_else(unknown) else {
            if !answers.is_empty() {
                self.cleared.extend(advisory.known_as().into_iter().map(|id| key(id, thing)));
            }
            return;
        };
        for id in advisory.known_as() {
            let evidence = Evidence::Advisory(advisory.id.clone());
            let claim = Claim { id: id.to_owned(), fixed: fixed.clone(), evidence };
            let finding = self.find(&Thing { certainty, ..*thing }, claim);
            if finding.summary.is_empty() {
                finding.summary.clone_from(&advisory.summary);
            }
            finding.severity = finding.severity.or(advisory.severity);
        }
    }

    fn find(&mut self, thing: &Thing<'_>, claim: Claim) -> &mut Finding {
        let finding = self.found.entry(key(&claim.id, thing)).or_insert_with(|| Finding {
            id: claim.id,
            summary: String::new(),
            severity: None,
            component: self.component,
            what: (thing.name.to_owned(), thing.version.to_owned()),
            inside: thing.inside.cloned(),
            certainty: thing.certainty,
            fixed: Vec::new(),
            evidence: Vec::new(),
        });
        finding.certainty = finding.certainty.min(thing.certainty);
        if !finding.evidence.contains(&claim.evidence) {
            // An advisory's versions are for this release; a changelog's may be another branch's.
            match claim.evidence {
                Evidence::Advisory(_) if !claim.fixed.is_empty() => finding.fixed = claim.fixed,
                _ if finding.fixed.is_empty() => finding.fixed = claim.fixed,
                _ => {}
            }
            finding.evidence.push(claim.evidence);
        }
        finding
    }

    /// What is found, without what only a changelog says and an advisory denies.
    pub(super) fn finish(self) -> impl Iterator<Item = Finding> {
        let Self { found, cleared, .. } = self;
        let is_heard = |finding: &Finding| finding.evidence.iter().any(|one| matches!(one, Evidence::Advisory(_)));
        found
            .into_iter()
            .filter(move |(key, finding)| is_heard(finding) || !cleared.contains(key))
            .map(|(_, finding)| finding)
    }
}

/// Whether a part of an advisory is about a thing: by name, ecosystem and, where both are told, release.
fn is_about(affected: &Affected, thing: &Thing<'_>) -> bool {
    let (ecosystem, release) = match affected.ecosystem.split_once(':') {
        Some((ecosystem, release)) => (ecosystem, Some(release)),
        None => (affected.ecosystem.as_str(), None),
    };
    let same_release = release.is_none() || thing.release.is_none() || release == thing.release;
    ecosystem == thing.ecosystem && affected.name == thing.name && same_release
}
