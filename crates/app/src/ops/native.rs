//! Native components in a view: which are chosen, and what their slots are filled with.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::{ComponentId, Digest, Entry, Manifest, Native, Node, StoreName};
use aleph_exchange::apt::{relation::Version, solve::Upgrade};
use aleph_store::{ComponentRow, Store};
use aleph_view::{Pinned, Request};

use super::plan::Chosen;
use crate::failure::{Failure, Outcome, UNSATISFIABLE};

/// The directories of a native package whose programs are its commands.
const COMMANDS: [&str; 6] = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/games", "usr/local/bin"];

/// The native components of a store.
pub(crate) struct Natives<'a> {
    store: &'a Store,
    /// By name, the newest first.
    by_name: BTreeMap<String, Vec<ComponentRow>>,
    manifests: BTreeMap<ComponentId, (Manifest, Native)>,
}

impl<'a> Natives<'a> {
    pub(crate) fn read(store: &'a Store) -> Outcome<Self> {
        let mut by_name: BTreeMap<String, Vec<ComponentRow>> = BTreeMap::new();
        for row in store.native_rows()? {
            by_name.entry(row.name.clone()).or_default().push(row);
        }
        by_name.values_mut().for_each(|rows| rows.sort_by(|a, b| newer(&a.version, &b.version).then(a.id.cmp(&b.id))));
        Ok(Self { store, by_name, manifests: BTreeMap::new() })
    }

    /// All that have a name, the newest first.
    pub(crate) fn named(&self, name: &str) -> &[ComponentRow] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// All of them.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &ComponentRow> {
        self.by_name.values().flatten()
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// How a component is linked.
    pub(crate) fn native(&mut self, row: &ComponentRow) -> Outcome<&(Manifest, Native)> {
        if !self.manifests.contains_key(&row.id) {
            let mut manifest = self.store.manifest_named(&StoreName::new(row.id, &row.name))?;
            let missing = || Failure::new(format!("{} {} is no native component", row.name, row.version));
            let native = *manifest.native.take().ok_or_else(missing)?;
            self.manifests.insert(row.id, (manifest, native));
        }
        Ok(&self.manifests[&row.id])
    }

    fn row(&self, name: &str, id: &ComponentId) -> Option<ComponentRow> {
        self.named(name).iter().find(|row| row.id == *id).cloned()
    }
}

/// The newer of two versions comes first.
fn newer(a: &str, b: &str) -> std::cmp::Ordering {
    match (Version::new(a), Version::new(b)) {
        (Ok(a), Ok(b)) => b.cmp(&a),
        _ => b.cmp(a),
    }
}

/// Chooses the native components of a view, and what fills their slots: one component for each name. What the view holds
/// stays, unless it is to move on; else it is what the consumers were made with, and of several the newest.
pub(crate) fn choose(
    store: Option<&Store>,
    requested: &[Request],
    held: &[&Pinned],
    upgrade: &Upgrade,
) -> Outcome<Vec<Chosen>> {
    let wanted: Vec<(&str, Option<&str>)> = requested.iter().filter_map(Request::native).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let nowhere = || Failure::new("there is no store yet, so no native component");
    let mut natives = Natives::read(store.ok_or_else(nowhere)?)?;
    let moves = |name: &str| match upgrade {
        Upgrade::None => false,
        Upgrade::All => true,
        Upgrade::Names(names) => names.iter().any(|wanted| wanted == name),
    };
    let kept = |natives: &Natives<'_>, name: &str| {
        let held = held.iter().find(|held| held.name == name).filter(|_| !moves(name))?;
        natives.row(name, &held.component)
    };
    let mut picked: BTreeMap<String, ComponentRow> = BTreeMap::new();
    let mut todo: Vec<ComponentRow> = Vec::new();
    for (name, version) in &wanted {
        let newest = || natives.named(name).first().cloned();
        let row = match version {
            Some(version) => natives.named(name).iter().find(|row| row.version == *version).cloned(),
            None => kept(&natives, name).or_else(newest),
        };
        let row = row.ok_or_else(|| unknown(&natives, name, *version))?;
        picked.insert((*name).to_owned(), row.clone());
        todo.push(row);
    }
    let settled: BTreeSet<&str> = wanted.iter().map(|(name, _)| *name).collect();
    while let Some(consumer) = todo.pop() {
        let slots = natives.native(&consumer)?.1.slots.clone();
        for (name, slot) in slots {
            let built_with = slot.built_with.and_then(|id| natives.row(&name, &id));
            let newest = || natives.named(&name).first().cloned();
            let row = kept(&natives, &name).or(if moves(&name) { None } else { built_with }).or_else(newest);
            let row = row.ok_or_else(|| unfilled(&consumer, &name))?;
            let is_better = picked.get(&name).is_none_or(|known| newer(&known.version, &row.version).is_gt());
            if is_better && !(settled.contains(name.as_str()) && picked.contains_key(&name)) {
                picked.insert(name, row.clone());
                todo.push(row);
            }
        }
    }
    reachable(&mut natives, picked, &settled)
}

/// The components that are reached from what was asked for, with their slots filled.
fn reachable(
    natives: &mut Natives<'_>,
    picked: BTreeMap<String, ComponentRow>,
    settled: &BTreeSet<&str>,
) -> Outcome<Vec<Chosen>> {
    let mut order: Vec<&str> = settled.iter().copied().collect();
    let mut index: BTreeMap<&str, usize> = order.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut at = 0;
    while at < order.len() {
        for name in natives.native(&picked[order[at]])?.1.slots.keys() {
            let (name, _) = picked.get_key_value(name).expect("every slot was filled");
            if !index.contains_key(name.as_str()) {
                index.insert(name, order.len());
                order.push(name);
            }
        }
        at += 1;
    }
    let mut chosen = Vec::with_capacity(order.len());
    for name in &order {
        let consumer = &picked[*name];
        let (manifest, native) = natives.native(consumer)?.clone();
        for (slot, filled) in &native.slots {
            let provider = picked[slot].clone();
            let built_with = filled.built_with.is_none_or(|id| id == provider.id);
            let of = &natives.native(&provider)?.1;
            let lost = filled.libraries.iter().find(|(soname, path)| of.library(soname) != Some(path));
            if let Some((soname, path)) = lost {
                return Err(rebuild(consumer, &provider, &format!("it has no {soname} at {path}")));
            }
            if let Some(why) = native.fixed.as_ref().filter(|_| !built_with) {
                return Err(rebuild(consumer, &provider, why));
            }
        }
        chosen.push(Chosen {
            name: consumer.name.clone(),
            version: consumer.version.clone(),
            architecture: consumer.architecture.clone(),
            archive: Digest::of(&Manifest { native: Some(Box::new(native.clone())), ..manifest }.to_bytes()),
            size: consumer.size,
            file: format!("{}{name}={}", Request::STORE, consumer.version),
            uri: None,
            named: false,
            source: "this store".to_owned(),
            vouched_by: None,
            requested: settled.contains(name),
            slots: native.slots.keys().map(|slot| (slot.clone(), index[slot.as_str()])).collect(),
        });
    }
    Ok(chosen)
}

fn rebuild(consumer: &ComponentRow, provider: &ComponentRow, why: &str) -> Failure {
    let (name, version) = (&provider.name, &provider.version);
    let message = format!("{} {} cannot be linked to {name} {version}: {why}", consumer.name, consumer.version);
    Failure::new(message)
        .with_code(UNSATISFIABLE)
        .hint(format!("it has to be rebuilt against {name} {version} and imported again"))
}

fn unknown(natives: &Natives<'_>, name: &str, version: Option<&str>) -> Failure {
    let there: Vec<&str> = natives.named(name).iter().map(|row| row.version.as_str()).collect();
    let failure = match version {
        Some(version) if !there.is_empty() => {
            let message = format!("the store has no native {name} {version}");
            return Failure::new(message).with_code(UNSATISFIABLE).hint(format!("it has {}", there.join(", ")));
        }
        _ => Failure::new(format!("the store has no native component `{name}`")).with_code(UNSATISFIABLE),
    };
    let known: Vec<&str> = natives.names().take(12).collect();
    match known.as_slice() {
        [] => failure.hint("`aleph import --prefix PREFIX DIR` takes a tree in"),
        known => failure.hint(format!("it has {}", known.join(", "))),
    }
}

fn unfilled(consumer: &ComponentRow, slot: &str) -> Failure {
    let message = format!("nothing in the store fills the slot `{slot}` of {} {}", consumer.name, consumer.version);
    Failure::new(message).with_code(UNSATISFIABLE).hint(format!("import a native {slot} first"))
}

/// The commands that native packages put on `PATH`: names with their paths in the store.
pub(crate) fn commands(store: &Store, pinned: &[Pinned]) -> Outcome<Vec<(String, std::path::PathBuf)>> {
    let mut found: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    for package in pinned.iter().filter(|pinned| pinned.is_native() && pinned.requested) {
        let manifest = store.manifest_named(&StoreName::new(package.component, &package.name))?;
        let root = store.layout().entry(&StoreName::new(package.id, &package.name));
        let runs = |entry: &&Entry| match entry.node {
            Node::File { mode, .. } => mode & 0o111 != 0,
            Node::Symlink { .. } => true,
            Node::Directory { .. } | Node::Absent => false,
        };
        let is_command = |entry: &&Entry| entry.path.parent().is_some_and(|parent| COMMANDS.contains(&parent));
        for entry in manifest.tree.iter().filter(is_command).filter(runs) {
            found.insert(entry.path.file_name().to_owned(), root.join(&entry.path));
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use aleph_component::{Kind, NATIVE_FORMAT, PackageId, Source, TreePath, Unlinked, link, native::Slot};

    use super::*;

    /// A random number below a limit, from a state that it moves on.
    fn below(state: &mut u64, limit: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % limit
    }

    /// A store with components `n0` to `n5` in three versions each; one is made with some version of some of those before
    /// it.
    fn world(directory: &std::path::Path, state: &mut u64) -> Store {
        let store = Store::open(directory).unwrap();
        let mut lock = store.lock("test", |_| ()).unwrap();
        let library = |name: u64| (format!("lib{name}.so.1"), TreePath::new(&format!("lib/lib{name}.so.1")).unwrap());
        let mut made: Vec<Vec<ComponentId>> = Vec::new();
        for name in 0..6_u64 {
            let mut versions = Vec::new();
            for version in 1..4_u64 {
                let mut native = Native { offers: [library(name)].into(), ..Native::default() };
                for (other, components) in (0..name).zip(&made) {
                    if below(state, 2) == 0 {
                        let built_with = Some(components[below(state, 3) as usize]);
                        let slot = Slot { built_with, libraries: [library(other)].into() };
                        native.slots.insert(format!("n{other}"), slot);
                    }
                }
                let staging = store.stage(&lock).unwrap();
                let staged = staging.tree().unwrap().finish(None, |tree, control| Manifest {
                    format: NATIVE_FORMAT,
                    kind: Kind::Native,
                    name: format!("n{name}"),
                    version: version.to_string(),
                    architecture: "any".to_owned(),
                    source: Source { name: format!("n{name}"), version: version.to_string() },
                    summary: String::new(),
                    fields: BTreeMap::new(),
                    conffiles: Vec::new(),
                    cves: Vec::new(),
                    native: Some(Box::new(native)),
                    tree,
                    control,
                });
                versions.push(store.commit(&mut lock, vec![staged.unwrap()]).unwrap()[0]);
            }
            made.push(versions);
        }
        store
    }

    /// What was chosen, as a view holds it.
    fn pinned(store: &Store, chosen: &[Chosen]) -> Vec<Pinned> {
        let component = |chosen: &Chosen| {
            let rows = store.component_rows(Some(&chosen.name)).unwrap();
            rows.into_iter().find(|row| row.version == chosen.version).expect("it was chosen from there").id
        };
        let unlinked = |chosen: &Chosen| Unlinked { component: component(chosen), slots: chosen.slots.clone() };
        let linked = link(&chosen.iter().map(unlinked).collect::<Vec<_>>()).unwrap();
        let one = |(chosen_one, linked): (&Chosen, aleph_component::Linked)| Pinned {
            name: chosen_one.name.clone(),
            version: chosen_one.version.clone(),
            architecture: chosen_one.architecture.clone(),
            id: linked.id,
            component: linked.component,
            archive: chosen_one.archive,
            size: chosen_one.size,
            file: chosen_one.file.clone(),
            requested: chosen_one.requested,
            slots: chosen_one.slots.iter().map(|(slot, &at)| (slot.clone(), chosen[at].key())).collect(),
        };
        chosen.iter().zip(linked).map(one).collect()
    }

    fn ids(pinned: &[Pinned]) -> BTreeSet<PackageId> {
        pinned.iter().map(|pinned| pinned.id).collect()
    }

    #[test]
    fn an_update_of_any_world_is_what_is_linked_from_nothing() {
        for seed in 0..40 {
            let mut state = seed;
            let directory = tempfile::tempdir().unwrap();
            let store = world(directory.path(), &mut state);
            let requested: Vec<Request> =
                (2..6).filter(|_| below(&mut state, 2) == 0).map(|name| Request(format!("store:n{name}"))).collect();
            let choose = |held: &[Pinned], upgrade: &Upgrade| {
                let held: Vec<&Pinned> = held.iter().collect();
                let chosen = choose(Some(&store), &requested, &held, upgrade);
                let chosen = chosen.unwrap_or_else(|failure| panic!("seed {seed}: {:?}", failure.chain()));
                let names: BTreeSet<&str> = chosen.iter().map(|chosen| chosen.name.as_str()).collect();
                assert_eq!(names.len(), chosen.len(), "seed {seed}: a name twice");
                for one in &chosen {
                    assert!(one.slots.iter().all(|(slot, &at)| chosen[at].name == *slot), "seed {seed}");
                }
                pinned(&store, &chosen)
            };
            let first = choose(&[], &Upgrade::None);
            assert_eq!(ids(&choose(&first, &Upgrade::None)), ids(&first), "seed {seed}: what is held stays");
            let updated = choose(&first, &Upgrade::All);
            assert_eq!(ids(&updated), ids(&choose(&[], &Upgrade::All)), "seed {seed}: from nothing");
            assert!(updated.iter().all(|pinned| pinned.version == "3"), "seed {seed}");
        }
    }
}
