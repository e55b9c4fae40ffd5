//! Packages against each other: ids against what they are bound to, links against where they lead.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use aleph_component::{Linked, PackageId, StoreName, Unlinked, link};

use super::{Damage, Suspicions, Unit};
use crate::{
    Store, StoreError,
    layout::{COMPONENT_LINK, LINKS},
};

/// Packages by id, with the names of their directories.
pub(super) type Packages = BTreeMap<PackageId, (String, Linked)>;

impl Store {
    /// Looks at what takes in all `packages`, by id and with their directories' names, and the whole of `entries`.
    pub(super) fn verify_whole(&self, packages: &Packages, entries: &[String]) -> Result<Suspicions, StoreError> {
        let mut wrong = BTreeSet::new();
        wrong.extend(verify_ids(packages));
        wrong.extend(self.verify_links(packages, entries));
        let identity = |name: &String| Damage::Identity { path: self.layout().store().join(name) };
        let damage = wrong.into_iter().map(identity).chain(self.verify_database(entries)?);
        Ok(damage.map(|damage| (Unit::Whole, damage)).collect())
    }

    /// Packages with a link that does not lead to where its id is: `../../<name of that directory>`, and nothing else.
    fn verify_links<'a>(&self, packages: &'a Packages, entries: &[String]) -> Vec<&'a String> {
        let split = |name: &'_ String| Some((StoreName::split(name)?.0.to_owned(), format!("../../{name}")));
        let targets: BTreeMap<String, String> = entries.iter().filter_map(split).collect();
        let is_astray = |(name, linked): &&(String, Linked)| {
            let links = self.layout().store().join(name).join(LINKS);
            let astray = |slot: &str, id: String| match (fs::read_link(links.join(slot)), targets.get(&id)) {
                (Ok(found), Some(wanted)) => found.as_os_str() != wanted.as_str(),
                // Vanished meanwhile, or bound to what is not there.
                _ => false,
            };
            astray(COMPONENT_LINK, linked.component.to_string())
                || linked.bindings.iter().any(|(slot, id)| astray(slot, id.to_string()))
        };
        packages.values().filter(is_astray).map(|(name, _)| name).collect()
    }
}

/// Links all packages again from what their directories say. Gives those that have another id then, or are bound to what
/// is not there; what those are needed by cannot be told.
fn verify_ids(packages: &Packages) -> Vec<&String> {
    let is_bound = |among: &BTreeSet<PackageId>, id: &PackageId| {
        packages.get(id).is_some_and(|(_, linked)| linked.bindings.values().all(|provider| among.contains(provider)))
    };
    let mut closed: BTreeSet<PackageId> = packages.keys().copied().collect();
    let mut wrong: Vec<&String> = Vec::new();
    wrong.extend(packages.values().filter(|(_, linked)| !is_bound(&closed, &linked.id)).map(|(name, _)| name));
    loop {
        let bound: BTreeSet<PackageId> = closed.iter().filter(|id| is_bound(&closed, id)).copied().collect();
        if bound == closed {
            break;
        }
        closed = bound;
    }
    let index: BTreeMap<&PackageId, usize> = closed.iter().enumerate().map(|(index, id)| (id, index)).collect();
    let stored: Vec<&(String, Linked)> = closed.iter().map(|id| &packages[id]).collect();
    let unlinked = |(_, linked): &&(String, Linked)| Unlinked {
        component: linked.component,
        slots: linked.bindings.iter().map(|(slot, id)| (slot.clone(), index[id])).collect(),
    };
    let computed = link(&stored.iter().map(unlinked).collect::<Vec<_>>()).expect("the set is closed");
    let differ = stored.into_iter().zip(computed).filter(|((_, stored), computed)| stored.id != computed.id);
    wrong.extend(differ.map(|((name, _), _)| name));
    wrong
}
