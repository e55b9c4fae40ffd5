//! Bindings that are not what they were.

use std::collections::HashMap;

use aleph_component::ComponentId;
use aleph_link::{Candidate, Member, Offers as _};
use aleph_view::{Generation, Pinned};

use super::Natives;
use crate::failure::Outcome;

/// A binding that a consumer was neither made with nor has now.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    /// The index of the consumer among the members.
    pub(crate) consumer: usize,
    pub(crate) slot: String,
    /// What it was made with, or else has now. `None`: that is no longer in the store.
    pub(crate) old: Option<Candidate>,
    pub(crate) new: Candidate,
    /// The libraries that the slot is used for, by the names that are asked for.
    pub(crate) libraries: Vec<String>,
}

/// What a view's native packages are bound to now.
pub(super) struct Before<'a> {
    by_component: HashMap<ComponentId, Vec<&'a Pinned>>,
    components: HashMap<String, ComponentId>,
}

impl<'a> Before<'a> {
    pub(super) fn new(generation: Option<&'a Generation>) -> Self {
        let mut before = Self { by_component: HashMap::new(), components: HashMap::new() };
        for package in generation.iter().flat_map(|before| &before.packages).filter(|package| package.is_native()) {
            before.by_component.entry(package.component).or_default().push(package);
            before.components.insert(package.key(), package.component);
        }
        before
    }

    /// What is in a slot of the very same component.
    pub(super) fn bound(&self, member: &Member, slot: &str) -> Option<ComponentId> {
        // One may be there twice: once for everybody, once for who keeps something.
        let there = self.by_component.get(&member.candidate.id)?;
        let exact = there.iter().find(|package| package.kept_for == member.kept_for);
        self.components.get(exact.or(there.first())?.slots.get(slot)?).copied()
    }
}

/// What a view's members are bound to and were not, in the view or when they were made.
pub(crate) fn moved(natives: &mut Natives<'_>, members: &[Member], before: &Before<'_>) -> Outcome<Vec<Moved>> {
    let mut all = Vec::new();
    for (consumer, member) in members.iter().enumerate() {
        let native = natives.native(&member.candidate)?;
        for (slot, &provider) in &member.slots {
            let new = &members[provider].candidate;
            let of = native.slots.get(slot);
            let made_with = of.and_then(|slot| slot.built_with);
            let was = before.bound(member, slot);
            // Of components that need each other in a circle one does not know what it was made with.
            if [made_with, was].contains(&Some(new.id)) || (made_with.is_none() && was.is_none()) {
                continue;
            }
            let offered = |id: Option<ComponentId>| id.and_then(|id| natives.with_id(slot, &id));
            let old = offered(made_with).or_else(|| offered(was));
            let libraries = of.map(|of| of.libraries.keys().cloned().collect()).unwrap_or_default();
            all.push(Moved { consumer, slot: slot.clone(), old, new: new.clone(), libraries });
        }
    }
    Ok(all)
}
