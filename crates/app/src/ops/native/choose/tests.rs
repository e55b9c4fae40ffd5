//! Choices in random worlds.

use std::collections::BTreeSet;

use aleph_component::{Kind, NATIVE_FORMAT, Native, PackageId, Source, TreePath, Unlinked, link, native::Slot};

use aleph_store::Store;

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
        kept_for: chosen_one.kept_for.clone(),
        slots: chosen_one.slots.iter().map(|(slot, &at)| (slot.clone(), chosen[at].key())).collect(),
    };
    chosen.iter().zip(linked).map(one).collect()
}

fn ids(pinned: &[Pinned]) -> BTreeSet<PackageId> {
    pinned.iter().map(|pinned| pinned.id).collect()
}

/// Chooses with everything allowed but what `forbids` says of a consumer and what it would be bound to.
fn choice(
    store: &Store,
    requested: &[Request],
    before: Option<&[Pinned]>,
    upgrade: &Upgrade,
    forbids: &dyn Fn(&Candidate, &Candidate) -> bool,
) -> Outcome<(Vec<Pinned>, Vec<Kept>)> {
    let mut natives = Natives::read(store)?;
    let held: Vec<&Pinned> = before.unwrap_or_default().iter().collect();
    let generation = before.map(|packages| Generation {
        format: 0,
        number: 1,
        parent: None,
        created: 0,
        by: String::new(),
        reason: String::new(),
        requested: requested.to_vec(),
        packages: packages.to_vec(),
        bindings: Vec::new(),
        layers: aleph_view::Layers { base: aleph_component::TreeId::from_digest(Digest::of(b"")), delta: None },
        capture: None,
        warnings: Vec::new(),
    });
    let policy = Policy::default();
    let around = Around { before: generation.as_ref(), policy: &policy, holds: &[], at: &[], accept_breaks: false };
    let judge = |_: &mut Natives<'_>, members: &[Member], moved: &[Moved]| {
        let one = |moved: &Moved| {
            let is_bad = forbids(&members[moved.consumer].candidate, &moved.new);
            let verdict = if is_bad { Verdict::Rebuild } else { Verdict::Relink };
            Some(Judgement { verdict, evidence: Vec::new(), reasons: Vec::new(), is_used: true })
        };
        Ok(moved.iter().map(one).collect())
    };
    let settled = settle(&mut natives, requested, &held, upgrade, &around, &judge)?;
    let chosen = settled.chosen(&mut natives, 0)?;
    Ok((pinned(store, &chosen), settled.kept))
}

fn requests(state: &mut u64) -> Vec<Request> {
    (2..6).filter(|_| below(state, 2) == 0).map(|name| Request(format!("store:n{name}"))).collect()
}

#[test]
fn an_update_of_any_world_is_what_is_linked_from_nothing() {
    for seed in 0..40 {
        let mut state = seed;
        let directory = tempfile::tempdir().unwrap();
        let store = world(directory.path(), &mut state);
        let requested = requests(&mut state);
        let choose = |held: &[Pinned], upgrade: &Upgrade| {
            let chosen = choice(&store, &requested, Some(held), upgrade, &|_, _| false);
            let (chosen, kept) = chosen.unwrap_or_else(|failure| panic!("seed {seed}: {:?}", failure.chain()));
            assert!(kept.is_empty(), "seed {seed}");
            let keys: BTreeSet<String> = chosen.iter().map(Pinned::key).collect();
            assert_eq!(keys.len(), chosen.len(), "seed {seed}: a key twice");
            for one in &chosen {
                assert!(one.slots.iter().all(|(slot, key)| *key == format!("{slot}:any")), "seed {seed}");
            }
            chosen
        };
        let first = choose(&[], &Upgrade::None);
        assert_eq!(ids(&choose(&first, &Upgrade::None)), ids(&first), "seed {seed}: what is held stays");
        let updated = choose(&first, &Upgrade::All);
        assert_eq!(ids(&updated), ids(&choose(&[], &Upgrade::All)), "seed {seed}: from nothing");
        assert!(updated.iter().all(|pinned| pinned.version == "3"), "seed {seed}");
    }
}

#[test]
fn what_a_verdict_forbids_is_never_bound_and_the_rest_moves() {
    let (mut moved, mut refused, mut held) = (0, 0, 0);
    for seed in 0..120_u64 {
        let mut state = seed;
        let directory = tempfile::tempdir().unwrap();
        let store = world(directory.path(), &mut state);
        let requested = requests(&mut state);
        let salt = below(&mut state, 1 << 30);
        let forbids = |consumer: &Candidate, provider: &Candidate| {
            let text = format!("{salt} {} {} {} {}", consumer.name, consumer.version, provider.name, provider.version);
            Digest::of(text.as_bytes()).as_bytes()[0] < 60
        };
        let Ok((first, _)) = choice(&store, &requested, None, &Upgrade::None, &forbids) else {
            refused += 1;
            continue;
        };
        let bindings = |packages: &[Pinned]| -> BTreeSet<(ComponentId, String, ComponentId)> {
            let of = |key: &String| packages.iter().find(|one| one.key() == *key).unwrap().component;
            let slots = |one: &Pinned| {
                let component = one.component;
                one.slots.iter().map(|(slot, key)| (component, slot.clone(), of(key))).collect::<Vec<_>>()
            };
            packages.iter().flat_map(slots).collect()
        };
        let Ok((updated, kept)) = choice(&store, &requested, Some(&first), &Upgrade::All, &forbids) else {
            refused += 1;
            continue;
        };
        let mut natives = Natives::read(&store).ok().unwrap();
        let before = bindings(&first);
        for (consumer, slot, provider) in bindings(&updated) {
            let find = |natives: &Natives<'_>, id: &ComponentId| {
                let row = natives.row(id).unwrap();
                natives.with_id(&row.name, id).unwrap()
            };
            let (consumer, provider) = (find(&natives, &consumer), find(&natives, &provider));
            let made_with = natives.native(&consumer).ok().unwrap().slots[&slot].built_with;
            let is_old = made_with == Some(provider.id) || before.contains(&(consumer.id, slot, provider.id));
            assert!(is_old || !forbids(&consumer, &provider), "seed {seed}: {consumer:?} with {provider:?}");
        }
        let keys: BTreeSet<String> = updated.iter().map(Pinned::key).collect();
        assert_eq!(keys.len(), updated.len(), "seed {seed}: a key twice");
        match kept.is_empty() {
            true => assert!(updated.iter().all(|one| one.version == "3"), "seed {seed}"),
            false => held += 1,
        }
        moved += 1;
    }
    assert!(moved > 30 && refused > 5 && held > 10, "{moved} {refused} {held}");
}
