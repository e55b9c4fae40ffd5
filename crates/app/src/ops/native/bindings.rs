//! Bindings that are not what they were.

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
}

/// What a view's members are bound to and were not, in the view or when they were made.
pub(crate) fn moved(natives: &mut Natives<'_>, members: &[Member], before: Option<&Generation>) -> Outcome<Vec<Moved>> {
    let mut all = Vec::new();
    for (consumer, member) in members.iter().enumerate() {
        let slots = natives.native(&member.candidate)?.slots.clone();
        for (slot, &provider) in &member.slots {
            let new = members[provider].candidate.clone();
            let made_with = slots.get(slot).and_then(|slot| slot.built_with);
            let was = bound(before, member, slot);
            if was == Some(new.id) || made_with == Some(new.id) {
                continue;
            }
            let offered = |id: Option<ComponentId>| id.and_then(|id| natives.with_id(slot, &id));
            // Of components that need each other in a circle one does not know what it was made with.
            if made_with.is_none() && was.is_none() {
                continue;
            }
            all.push(Moved { consumer, slot: slot.clone(), old: offered(made_with).or_else(|| offered(was)), new });
        }
    }
    Ok(all)
}

/// What the view has in a slot of the very same component.
pub(super) fn bound(before: Option<&Generation>, member: &Member, slot: &str) -> Option<ComponentId> {
    let before = before?;
    let same = |package: &&Pinned| package.component == member.candidate.id && package.is_native();
    let has = |package: &Pinned| {
        let key = package.slots.get(slot)?;
        before.packages.iter().find(|provider| provider.key() == *key).map(|provider| provider.component)
    };
    // One may be there twice: once for everybody, once for who keeps something.
    let mut there = before.packages.iter().filter(same);
    let exact = there.clone().find(|package| package.kept_for == member.kept_for);
    exact.or_else(|| there.next()).and_then(has)
}
