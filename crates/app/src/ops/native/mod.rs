//! Native components of a store, and in a view.

mod bindings;
mod choose;
mod commands;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use aleph_audit::Quarantine;
use aleph_component::{ComponentId, Manifest, Native, StoreName};
use aleph_exchange::apt::relation::Version;
use aleph_link::{Candidate, Offers};
use aleph_store::{ComponentRow, Store};

pub(crate) use bindings::Moved;
pub(crate) use choose::{Around, Kept, Settled, moves_of, settle};
pub(crate) use commands::{COMMANDS, commands};

use crate::{
    failure::{Failure, Outcome},
    ops::build,
};

/// The native components of a store.
pub(crate) struct Natives<'a> {
    store: &'a Store,
    /// By name, the newest first.
    by_name: BTreeMap<String, Vec<Candidate>>,
    rows: HashMap<ComponentId, ComponentRow>,
    manifests: HashMap<ComponentId, (Manifest, Arc<Native>)>,
}

impl<'a> Natives<'a> {
    pub(crate) fn read(store: &'a Store) -> Outcome<Self> {
        let (mut by_name, mut rows) = (BTreeMap::<String, Vec<Candidate>>::new(), HashMap::new());
        for row in store.native_rows()? {
            let candidate = Candidate { name: row.name.clone(), version: row.version.clone(), id: row.id };
            by_name.entry(row.name.clone()).or_default().push(candidate);
            rows.insert(row.id, row);
        }
        // What is in quarantine is taken if there is nothing else, and refused then.
        let quarantine = Quarantine::read(store.layout().root())?;
        let is_held = |candidate: &Candidate| quarantine.holds(&candidate.id).is_some();
        // What was built last goes before other builds of its version.
        let built: HashSet<ComponentId> = build::latest(store)?.into_iter().collect();
        let is_older = |candidate: &Candidate| !built.contains(&candidate.id);
        by_name.values_mut().for_each(|known| {
            known.sort_by(|a, b| {
                let newest = newer(&a.version, &b.version).then(is_older(a).cmp(&is_older(b))).then(a.id.cmp(&b.id));
                is_held(a).cmp(&is_held(b)).then(newest)
            });
        });
        Ok(Self { store, by_name, rows, manifests: HashMap::new() })
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// What the store says of a component.
    pub(crate) fn row(&self, id: &ComponentId) -> Option<&ComponentRow> {
        self.rows.get(id)
    }

    /// A component's manifest, and how it is linked.
    pub(crate) fn manifest(&mut self, candidate: &Candidate) -> Outcome<&(Manifest, Arc<Native>)> {
        if !self.manifests.contains_key(&candidate.id) {
            let mut manifest = self.store.manifest_named(&StoreName::new(candidate.id, &candidate.name))?;
            let missing = || Failure::new(format!("{} {} is no native component", candidate.name, candidate.version));
            let native = *manifest.native.take().ok_or_else(missing)?;
            self.manifests.insert(candidate.id, (manifest, Arc::new(native)));
        }
        Ok(&self.manifests[&candidate.id])
    }
}

impl Offers for Natives<'_> {
    type Error = Failure;

    fn named(&self, name: &str) -> &[Candidate] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn native(&mut self, candidate: &Candidate) -> Outcome<Arc<Native>> {
        Ok(Arc::clone(&self.manifest(candidate)?.1))
    }
}

/// The newer of two versions comes first.
pub(crate) fn newer(a: &str, b: &str) -> std::cmp::Ordering {
    match (Version::new(a), Version::new(b)) {
        (Ok(a), Ok(b)) => b.cmp(&a),
        _ => b.cmp(a),
    }
}
