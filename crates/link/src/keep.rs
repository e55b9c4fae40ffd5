//! Consumers that keep what a slot was filled with while everybody else moves on.
//!
//! No process may have two providers of one slot in it. So whatever reaches such a consumer keeps the old provider in its
//! whole closure: it lives in a world of its own, in which that name is filled with the old one. What two worlds see alike
//! is one package in both.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::ComponentId;

use crate::{ChooseError, Offers, choose::Picks};

/// A binding that stays as it is, whatever else moves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// The name of the consumer.
    pub consumer: String,
    /// Its slot.
    pub slot: String,
    /// What fills it.
    pub provider: ComponentId,
}

/// What is filled otherwise than for everybody else, by name.
pub(crate) type World = BTreeMap<String, ComponentId>;

/// The world of what a root reaches, `known` and more.
pub(crate) fn world_of<O: Offers>(
    offers: &mut O,
    root: &str,
    picks: &Picks,
    holds: &[Hold],
    known: &World,
) -> Result<World, ChooseError<O::Error>> {
    let mut world = known.clone();
    if holds.is_empty() {
        return Ok(world);
    }
    let reached = reached(offers, root, picks)?;
    for hold in holds.iter().filter(|hold| reached.contains(&hold.consumer)) {
        if let Some(other) = world.insert(hold.slot.clone(), hold.provider).filter(|other| *other != hold.provider) {
            let version = |id: &ComponentId| {
                offers.with_id(&hold.slot, id).map_or_else(|| id.to_string(), |candidate| candidate.version)
            };
            let versions = [version(&other), version(&hold.provider)];
            return Err(ChooseError::Apart { root: root.to_owned(), slot: hold.slot.clone(), versions });
        }
    }
    Ok(world)
}

/// The part of a world that something in it can tell from the common one.
pub(crate) fn seen_from<O: Offers>(
    offers: &mut O,
    name: &str,
    picks: &Picks,
    world: &World,
) -> Result<World, O::Error> {
    if world.is_empty() {
        return Ok(World::new());
    }
    let reached = reached(offers, name, picks)?;
    Ok(world.iter().filter(|(name, _)| reached.contains(*name)).map(|(name, id)| (name.clone(), *id)).collect())
}

/// The names that are reached over slots, the first included.
fn reached<O: Offers>(offers: &mut O, from: &str, picks: &Picks) -> Result<BTreeSet<String>, O::Error> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        let Some(candidate) = picks.get(&name) else { continue };
        for slot in offers.native(candidate)?.slots.keys() {
            if reached.insert(slot.clone()) {
                todo.push(slot.clone());
            }
        }
    }
    Ok(reached)
}
