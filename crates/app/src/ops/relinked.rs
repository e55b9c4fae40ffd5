//! Packages that are not linked to what they were made with: a rebuild would prove what a verdict says.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use aleph_component::{ComponentId, StoreName};
use aleph_store::{ComponentRow, Store};
use serde::Serialize;

use super::build;
use crate::failure::Outcome;

/// What a store knows of how its components were made.
pub(crate) struct Relinked<'a> {
    store: &'a Store,
    rows: HashMap<ComponentId, ComponentRow>,
}

/// A slot of a package that is filled otherwise than when its component was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Moved {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) slot: String,
    /// The version that it was made with, if the store still has that.
    pub(crate) made_with: Option<String>,
    /// The version that it is linked to.
    pub(crate) linked_to: String,
    pub(crate) id: String,
}

impl<'a> Relinked<'a> {
    pub(crate) fn read(store: &'a Store) -> Outcome<Self> {
        Ok(Self { store, rows: store.native_rows()?.into_iter().map(|row| (row.id, row)).collect() })
    }

    /// What the slots of a component were filled with when it was made, as far as that is known: nothing of one that is
    /// not native.
    pub(crate) fn made_with(&self, component: &ComponentId) -> Outcome<BTreeMap<String, ComponentId>> {
        let Some(row) = self.rows.get(component) else { return Ok(BTreeMap::new()) };
        let manifest = self.store.manifest_named(&StoreName::new(row.id, &row.name))?;
        let slots = manifest.native.map(|native| native.slots).unwrap_or_default();
        Ok(slots.into_iter().filter_map(|(name, slot)| Some((name, slot.built_with?))).collect())
    }

    /// The version of a native component, if the store has it.
    pub(crate) fn version(&self, id: &ComponentId) -> Option<String> {
        self.rows.get(id).map(|row| row.version.clone())
    }

    /// All packages of the store that are linked otherwise than they were made, sorted.
    pub(crate) fn all(&self) -> Outcome<Vec<Moved>> {
        let packages = self.store.packages()?;
        let confirmed = build::confirmed(self.store)?;
        let mut moved = Vec::new();
        let mut known: HashMap<ComponentId, BTreeMap<String, ComponentId>> = HashMap::new();
        for package in packages.values() {
            let Some(row) = self.rows.get(&package.component) else { continue };
            let made = match known.entry(row.id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.made_with(&row.id)?),
            };
            for (slot, made_with) in &*made {
                let bound = package.bindings.get(slot).and_then(|id| packages.get(id)).map(|bound| bound.component);
                let is_moved = |bound: &ComponentId| bound != made_with && !confirmed.contains(&(row.id, *bound));
                if let Some(bound) = bound.filter(is_moved) {
                    moved.push(Moved {
                        package: row.name.clone(),
                        version: row.version.clone(),
                        slot: slot.clone(),
                        made_with: self.version(made_with),
                        linked_to: self.version(&bound).unwrap_or_default(),
                        id: package.id.to_string(),
                    });
                }
            }
        }
        moved.sort();
        Ok(moved)
    }
}
