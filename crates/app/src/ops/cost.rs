//! What a plan costs, before it is carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aleph_component::{
    Node, PackageId, Unlinked, link,
    native::{Place, layout},
};
use aleph_link::{Candidate, Member};
use aleph_store::Store;
use serde::Serialize;

use super::{
    native::{Natives, Settled},
    plan::{Chosen, Plan},
};
use crate::failure::Outcome;

/// What is fetched and written for a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    /// Archives that the store does not have, and their lengths in bytes.
    pub(crate) archives: usize,
    pub(crate) fetched_bytes: u64,
    /// Native packages that are linked anew, and how many bytes of files with paths in them that writes.
    pub(crate) linked: usize,
    pub(crate) written_bytes: u64,
}

/// What things took where BENCHMARKS.md was measured, from archives that are on the disk: a guide, not a promise.
const START: Duration = Duration::from_millis(50);
const COMPOSING: Duration = Duration::from_millis(400);
const ONE_ARCHIVE: Duration = Duration::from_millis(15);
const ONE_LINKED: Duration = Duration::from_micros(700);
const FETCHED_PER_SECOND: u64 = 10 << 20;
const WRITTEN_PER_SECOND: u64 = 400 << 20;

impl Cost {
    /// What the foreign packages of a plan cost.
    pub(crate) fn fetched(store: Option<&Store>, chosen: &[Chosen]) -> Outcome<Self> {
        let mut cost = Self::default();
        for one in chosen.iter().filter(|one| !one.is_native()) {
            let is_there = match store {
                Some(store) => store.component_of_archive(&one.archive)?.is_some(),
                None => false,
            };
            if !is_there {
                cost.archives += 1;
                cost.fetched_bytes += one.size;
            }
        }
        Ok(cost)
    }

    /// Adds what linking native packages costs: those with an id that the view has not.
    pub(crate) fn add_linked(
        &mut self,
        natives: &mut Natives<'_>,
        settled: &Settled,
        has: &BTreeSet<PackageId>,
    ) -> Outcome<()> {
        let unlinked = |member: &Member| Unlinked { component: member.candidate.id, slots: member.slots.clone() };
        let linked = link(&settled.members.iter().map(unlinked).collect::<Vec<_>>())?;
        let mut known: BTreeMap<&Candidate, u64> = BTreeMap::new();
        for (member, linked) in settled.members.iter().zip(&linked) {
            if has.contains(&linked.id) {
                continue;
            }
            let candidate = &member.candidate;
            if !known.contains_key(candidate) {
                let (manifest, native) = natives.manifest(candidate)?;
                let filled = layout(native, &manifest.tree).into_iter().filter_map(|placed| match placed.place {
                    Place::Filled(Node::File { size, .. }, _) => Some(*size),
                    _ => None,
                });
                known.insert(candidate, filled.sum());
            }
            self.linked += 1;
            self.written_bytes += known[candidate];
        }
        Ok(())
    }

    /// How long that may take.
    pub(crate) fn estimate(&self, plan: &Plan) -> Duration {
        let seconds = |bytes: u64, rate: u64| Duration::from_millis(bytes.saturating_mul(1000) / rate);
        let times = |one: Duration, number: usize| one * u32::try_from(number).unwrap_or(u32::MAX);
        let composed = if plan.chosen.iter().all(Chosen::is_native) { Duration::ZERO } else { COMPOSING };
        START
            + composed
            + times(ONE_ARCHIVE, self.archives)
            + seconds(self.fetched_bytes, FETCHED_PER_SECOND)
            + times(ONE_LINKED, self.linked)
            + seconds(self.written_bytes, WRITTEN_PER_SECOND)
    }
}
