//! What a change will do, complete, before any of it is done.

use std::collections::BTreeMap;

use aleph_component::Digest;
use aleph_exchange::deb::Expected;
use aleph_view::{Difference, Generation, Pinned, Policy, Project, Request, ViewRecord, difference, key};

use super::{
    abi::impact::Impact,
    cost::Cost,
    native::{Kept, Settled},
};
use crate::failure::{Failure, UNSATISFIABLE};

/// A package that the view is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// SHA-256 of its archive.
    pub(crate) archive: Digest,
    /// The archive's length in bytes.
    pub(crate) size: u64,
    /// Where a source has it, relative to the source's address; the path of a local file.
    pub(crate) file: String,
    /// Its whole address, if a source offers it now.
    pub(crate) uri: Option<String>,
    /// Whether it was named as a file on this command line.
    pub(crate) named: bool,
    /// The source in words.
    pub(crate) source: String,
    /// The key that vouched for its digest.
    pub(crate) vouched_by: Option<String>,
    pub(crate) requested: bool,
    /// Who keeps it ([`Pinned::kept_for`]).
    pub(crate) kept_for: Option<String>,
    /// Slot to the index of its provider in the plan.
    pub(crate) slots: BTreeMap<String, usize>,
}

impl Chosen {
    /// What names it among the packages of one view.
    pub(crate) fn key(&self) -> String {
        key(&self.name, self.kept_for.as_deref(), &self.architecture)
    }

    /// Whether it runs from where it is in the store.
    pub(crate) fn is_native(&self) -> bool {
        self.file.starts_with(Request::STORE)
    }

    /// What its archive must be.
    pub(crate) fn expected(&self) -> Expected {
        Expected { sha256: self.archive, size: self.size }
    }
}

/// A change of a view.
pub(crate) struct Plan {
    pub(crate) record: ViewRecord,
    pub(crate) project: Option<Project>,
    /// The generation that the plan starts from.
    pub(crate) before: Option<Generation>,
    pub(crate) requested: Vec<Request>,
    pub(crate) chosen: Vec<Chosen>,
    /// The packages of the lock file that the plan is made from, if it is.
    pub(crate) locked: Vec<Pinned>,
    /// The command, as it is shown in the history.
    pub(crate) reason: String,
    /// Whether it is carried out although packages that stay would not work any more.
    pub(crate) accept_breaks: bool,
    /// What is demanded of the view.
    pub(crate) policy: Policy,
    /// What moves among the native packages, with what that means.
    pub(crate) native: Settled,
    /// What stays although there is something newer.
    pub(crate) kept: Vec<Kept>,
    /// What it costs.
    pub(crate) cost: Cost,
}

impl Plan {
    /// Whether the view has all this already.
    pub(crate) fn is_nothing(&self) -> bool {
        let Some(before) = &self.before else { return false };
        before.requested == self.requested
            && before.packages.len() == self.chosen.len()
            && self.changes().is_empty()
            && self.chosen.iter().all(|chosen| {
                before.packages.iter().any(|p| p.key() == chosen.key() && p.requested == chosen.requested)
            })
    }

    /// Why nothing moves, if something would and may not.
    pub(crate) fn blocked(&self) -> Option<Failure> {
        let forbidden: Vec<&Kept> = self.kept.iter().filter(|kept| kept.is_forbidden).collect();
        let first = forbidden.first()?;
        let others = if forbidden.len() == 1 { String::new() } else { format!(" (and {} more)", forbidden.len() - 1) };
        let Kept { consumer, provider, keeps, instead_of, why, .. } = first;
        let consumer = consumer.as_deref().unwrap_or("the view");
        let message = format!("{consumer}{others} cannot move from {provider} {keeps} to {instead_of}: {why}");
        Some(
            Failure::new(message)
                .with_code(UNSATISFIABLE)
                .hint(format!(
                    "it has to be rebuilt against {provider} {instead_of}: where there is a recipe for it, \
                     `aleph update --rebuild` does that"
                ))
                .hint("`--accept-breaks` changes the view all the same"),
        )
    }

    /// Who keeps what it has because it would not work with something newer: it has to be rebuilt.
    pub(crate) fn to_rebuild(&self) -> Vec<String> {
        let forbidden = self.kept.iter().filter(|kept| kept.is_forbidden);
        let mut names: Vec<String> = forbidden.filter_map(|kept| kept.consumer.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Adds what the plan means for native packages.
    pub(crate) fn add_native(&self, impact: &mut Impact) {
        let native: Vec<&Chosen> = self.chosen.iter().filter(|chosen| chosen.is_native()).collect();
        for (moved, judgement) in &self.native.judged {
            let Some(consumer) = native.get(moved.consumer) else { continue };
            impact.add(&consumer.key(), (moved.slot.clone(), moved.new.id), judgement.clone());
        }
        impact.affected.sort_by(|a, b| a.package.cmp(&b.package));
    }

    /// What will change. Package ids are not known before the import, so relinking is told by components.
    pub(crate) fn changes(&self) -> Vec<Difference> {
        let before = self.before.as_ref().map(|before| before.packages.as_slice()).unwrap_or_default();
        difference(&by_archive(before.iter().cloned()), &by_archive(self.chosen.iter().map(|c| self.pinned(c))))
    }

    fn pinned(&self, chosen: &Chosen) -> Pinned {
        let slots = chosen.slots.iter().map(|(slot, &index)| (slot.clone(), self.chosen[index].key()));
        Pinned {
            name: chosen.name.clone(),
            version: chosen.version.clone(),
            architecture: chosen.architecture.clone(),
            id: aleph_component::PackageId::from_digest(chosen.archive),
            component: aleph_component::ComponentId::from_digest(chosen.archive),
            archive: chosen.archive,
            size: chosen.size,
            file: chosen.file.clone(),
            requested: chosen.requested,
            kept_for: chosen.kept_for.clone(),
            slots: slots.collect(),
        }
    }
}

/// Packages that are told apart by their archives alone.
fn by_archive(packages: impl Iterator<Item = Pinned>) -> Vec<Pinned> {
    packages
        .map(|package| Pinned { component: aleph_component::ComponentId::from_digest(package.archive), ..package })
        .collect()
}
