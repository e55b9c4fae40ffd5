//! The store from outside: what goes in comes out, damage is found, rubbish goes.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod deep;
mod derived;
mod full;
mod locks;
mod origins;
mod power;
mod verify;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use aleph_component::{
    ComponentId, Digest, Entry, FORMAT, Kind, Linked, Manifest, Node, Owner, Source, TreePath, Unlinked, link,
};
use aleph_store::{Damage, Origin, PackageSpec, Root, Store, StoreError, WriteLock};
use tempfile::TempDir;

struct Fixture {
    store: Store,
    _directory: TempDir,
}

fn fixture() -> Fixture {
    let directory = TempDir::new().unwrap();
    Fixture { store: Store::open(&directory.path().join("aleph")).unwrap(), _directory: directory }
}

fn lock(store: &Store) -> WriteLock {
    store.lock("testing", |_| panic!("nobody else has the lock")).unwrap()
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// A component called `name` whose tree has `files` (path, content).
fn add(store: &Store, name: &str, files: &[(&str, &str)]) -> ComponentId {
    add_from(store, name, name, files)
}

/// The same, from the archive of this content.
fn add_from(store: &Store, archive: &str, name: &str, files: &[(&str, &str)]) -> ComponentId {
    let mut lock = lock(store);
    let staging = store.stage(&lock).unwrap();
    let mut tree = staging.tree().unwrap();
    for (file, content) in files {
        let size = content.len() as u64;
        tree.file(path(file), (0o4755, Owner::default(), size), &mut content.as_bytes(), &mut |_| ()).unwrap();
    }
    tree.symlink(path("etc/link"), "../usr", Owner::default()).unwrap();
    tree.control(path("postinst"), 0o755, b"#!/bin/sh\n").unwrap();
    let origin = Origin {
        archive: Digest::of(archive.as_bytes()),
        size: 1,
        file_name: format!("{name}.deb"),
        source: "test".into(),
        vouched_by: None,
        imported_by: "tester".into(),
        imported_at: 7,
    };
    let staged = tree.finish(Some(origin), |tree, control| manifest(name, tree, control)).unwrap();
    store.commit(&mut lock, vec![staged]).unwrap()[0]
}

fn manifest(name: &str, tree: Vec<Entry>, control: Vec<Entry>) -> Manifest {
    Manifest {
        format: FORMAT,
        kind: Kind::Deb,
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        source: Source { name: name.into(), version: "1".into() },
        summary: "a test".into(),
        fields: BTreeMap::new(),
        conffiles: Vec::new(),
        cves: vec!["CVE-2015-0235".into()],
        native: None,
        tree,
        control,
    }
}

fn clean(store: &Store) {
    assert_eq!(store.verify(&|_| ()).unwrap().damage, []);
}

#[test]
fn a_component_is_kept_unmodified_read_only_and_without_set_id() {
    let Fixture { store, .. } = &fixture();
    let id = add(store, "a", &[("usr/bin/su", "#!x")]);
    let manifest = store.manifest(&id).unwrap();
    assert_eq!(manifest.id(), id);
    let directory = store.layout().store().join(format!("{id}-a"));
    let metadata = fs::metadata(directory.join("usr/bin/su")).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.mtime()), (0o555, 1));
    assert_eq!(fs::metadata(directory.join("usr/bin")).unwrap().permissions().mode() & 0o777, 0o555);
    assert!(matches!(manifest.tree.last().unwrap().node, Node::File { mode: 0o4755, .. }));
    assert_eq!(store.component_of_archive(&Digest::of(b"a")).unwrap(), Some(id));
    assert_eq!(store.components_mentioning("CVE-2015-0235").unwrap().len(), 1);
    clean(store);
}

#[test]
fn equal_files_share_one_inode_and_equal_components_are_one() {
    let Fixture { store, .. } = &fixture();
    let large = "x".repeat(3 << 20);
    let one = add(store, "a", &[("usr/one", "same"), ("usr/large", &large)]);
    let two = add(store, "b", &[("usr/two", "same"), ("usr/large", &large)]);
    let inode = |id: ComponentId, name: &str, file: &str| {
        fs::metadata(store.layout().store().join(format!("{id}-{name}")).join(file)).unwrap().ino()
    };
    assert_eq!(inode(one, "a", "usr/one"), inode(two, "b", "usr/two"));
    assert_eq!(inode(one, "a", "usr/large"), inode(two, "b", "usr/large"));
    assert_eq!(add(store, "a", &[("usr/one", "same"), ("usr/large", &large)]), one);
    assert_eq!(store.info().unwrap().components, 2);
    clean(store);
}

#[test]
fn names_that_cannot_be_are_refused() {
    let Fixture { store, .. } = &fixture();
    let lock = lock(store);
    let staging = store.stage(&lock).unwrap();
    let mut tree = staging.tree().unwrap();
    let owner = Owner::default();
    tree.symlink(path("escape"), "/etc", owner).unwrap();
    let mut file =
        |name: &str, size: u64| tree.file(path(name), (0o644, owner, size), &mut &b"abc"[..], &mut |_| ()).unwrap_err();
    assert!(matches!(file("escape/passwd", 3), StoreError::NotADirectory { .. }));
    assert!(matches!(file("escape", 3), StoreError::Duplicate { .. }));
    assert!(matches!(file(".aleph/manifest", 3), StoreError::Duplicate { .. }));
    assert!(matches!(file(".link/x", 3), StoreError::Duplicate { .. }));
    assert!(matches!(file("short", 4), StoreError::Length { found: 3, .. }));
    assert!(matches!(file("long", 2), StoreError::Length { .. }));
    assert!(matches!(tree.hard_link(path("hard"), "escape"), Err(StoreError::HardLink { .. })));
}

#[test]
fn more_links_than_an_inode_can_have() {
    let Fixture { store, .. } = &fixture();
    let id = add(store, "a", &[("usr/popular", "popular")]);
    let Node::File { digest, mode, .. } = store.manifest(&id).unwrap().tree.last().unwrap().node else { panic!() };
    let farm = store.layout().root().join("farm");
    fs::create_dir(&farm).unwrap();
    let directory = fs::File::open(&farm).unwrap();
    for number in 0..66_000 {
        let name = number.to_string();
        let link = store.objects().link(&digest, mode, std::os::fd::AsFd::as_fd(&directory), Path::new(&name));
        link.unwrap();
    }
    assert_eq!(fs::read(farm.join("65999")).unwrap(), b"popular");
    add(store, "b", &[("usr/popular", "popular")]);
    clean(store);
}

#[test]
fn every_kind_of_damage_is_found_and_named() {
    let Fixture { store, .. } = &fixture();
    let id = add(store, "a", &[("usr/bin/x", "content"), ("usr/share/y", "other")]);
    let directory = store.layout().store().join(format!("{id}-a"));
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(&directory.join("usr/bin/x"), 0o755);
    fs::write(directory.join("usr/bin/x"), "CONTENT").unwrap();
    open(&directory.join("usr/bin/x"), 0o555);
    open(&directory.join("usr/share"), 0o755);
    fs::remove_file(directory.join("usr/share/y")).unwrap();
    fs::write(directory.join("usr/share/z"), "").unwrap();
    let damage = store.verify(&|_| ()).unwrap().damage;
    let found = |path: &str, kind: fn(&Damage) -> bool| {
        damage.iter().any(|damage| kind(damage) && format!("{damage:?}").contains(path))
    };
    assert!(found("usr/bin/x", |damage| matches!(damage, Damage::Content { .. })), "{damage:#?}");
    assert!(found("objects", |damage| matches!(damage, Damage::Content { .. })));
    assert!(found("usr/share/y", |damage| matches!(damage, Damage::Name { .. })));
    assert!(found("usr/share/z", |damage| matches!(damage, Damage::Stray { .. })));
    assert!(found("usr/share\"", |damage| matches!(damage, Damage::Mode { mode: 0o555, .. })));
    assert_eq!(damage.len(), 5);
}

fn spec(name: &str, linked: Linked) -> PackageSpec {
    PackageSpec { name: name.into(), version: "1".into(), architecture: "all".into(), linked }
}

fn packages(store: &Store, components: &[(&str, ComponentId, &[usize])]) -> Vec<PackageSpec> {
    let set: Vec<Unlinked> = components
        .iter()
        .map(|(_, component, slots)| Unlinked {
            component: *component,
            slots: slots.iter().map(|&slot| (components[slot].0.to_owned(), slot)).collect(),
        })
        .collect();
    let linked = link(&set).unwrap();
    let named = components.iter().zip(linked);
    let specs: Vec<PackageSpec> = named.map(|((name, ..), linked)| spec(name, linked)).collect();
    store.add_packages(&mut lock(store), &specs).unwrap();
    specs
}

#[test]
fn a_component_that_is_not_what_it_was_chosen_as_becomes_no_package() {
    let Fixture { store, .. } = &fixture();
    let component = add(store, "a", &[("a", "1")]);
    let linked = link(&[Unlinked { component, slots: [].into() }]).unwrap().remove(0);
    let good = spec("a", linked);
    let mut writer = lock(store);
    for wrong in [
        PackageSpec { name: "b".into(), ..good.clone() },
        PackageSpec { version: "2".into(), ..good.clone() },
        PackageSpec { architecture: "amd64".into(), ..good.clone() },
    ] {
        let error = store.add_packages(&mut writer, std::slice::from_ref(&wrong)).unwrap_err();
        assert!(matches!(error, StoreError::Mistaken { .. }), "{wrong:?}");
        assert!(error.to_string().contains("says that it is `a 1 all`"), "{error}");
    }
    assert!(store.packages().unwrap().is_empty());
    store.add_packages(&mut writer, std::slice::from_ref(&good)).unwrap();
    let wrong = PackageSpec { name: "b".into(), ..good };
    assert!(store.add_packages(&mut writer, &[wrong]).is_err(), "nor is one that is there already");
}

#[test]
fn collection_keeps_what_a_root_reaches_and_removes_the_rest() {
    let Fixture { store, .. } = &fixture();
    let (app, lib, other) =
        (add(store, "app", &[("a", "1")]), add(store, "lib", &[("b", "2")]), add(store, "other", &[("c", "3")]));
    // `app` and `lib` need each other.
    let specs = packages(store, &[("app", app, &[1]), ("lib", lib, &[0]), ("other", other, &[])]);
    clean(store);
    let tree = store.write_tree(&lock(store), &store.manifest(&other).unwrap().tree).unwrap();
    clean(store);
    let root = Root { label: "test".into(), packages: vec![specs[0].linked.id], ..Root::default() };
    let dry = store.gc(&mut lock(store), std::slice::from_ref(&root), true).unwrap();
    assert_eq!((dry.components.as_slice(), dry.packages, dry.trees), (&["other 1".to_owned()][..], 1, 1));
    assert!(store.layout().tree_root(&tree).exists());
    let wet = store.gc(&mut lock(store), std::slice::from_ref(&root), false).unwrap();
    assert_eq!((wet.kept[0].packages, wet.bytes), (2, 1));
    assert!(!store.layout().tree_root(&tree).exists());
    assert_eq!(store.component_rows(None).unwrap().len(), 2);
    clean(store);
}

#[test]
fn the_database_can_be_made_from_the_directory_alone() {
    let Fixture { store, .. } = &fixture();
    let (app, lib) = (add(store, "app", &[("a", "1")]), add(store, "lib", &[("b", "2")]));
    packages(store, &[("app", app, &[1]), ("lib", lib, &[])]);
    let before = (store.packages().unwrap(), store.component_rows(None).unwrap(), store.origins(&app).unwrap());
    let root = store.layout().root().to_owned();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(root.join(format!("db.sqlite{suffix}")));
    }
    let store = &Store::open(&root).unwrap();
    assert_ne!(store.verify(&|_| ()).unwrap().damage, []);
    let report = store.rebuild_database(&lock(store)).unwrap();
    assert_eq!((report.components, report.packages), (2, 2));
    assert_eq!((store.packages().unwrap(), store.component_rows(None).unwrap(), store.origins(&app).unwrap()), before);
    clean(store);
}

#[test]
fn what_a_killed_writer_left_is_cleaned_up_by_the_next_opening() {
    let Fixture { store, .. } = &fixture();
    let id = add(store, "a", &[("a", "1")]);
    let root = store.layout().root().to_owned();
    // As a writer leaves it that was killed after one rename and before the database knew, with more on the way.
    let killed = lock(store);
    let staging = store.stage(&killed).unwrap();
    let mut tree = staging.tree().unwrap();
    tree.file(path("b"), (0o644, Owner::default(), 4), &mut &b"left"[..], &mut |_| ()).unwrap();
    drop(tree);
    std::mem::forget(staging);
    forget_in_database(&root, id);
    drop(killed);
    fs::write(root.join("dirty"), "").unwrap();

    let store = Store::open(&root).unwrap();
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert_eq!(store.component_rows(None).unwrap()[0].id, id);
    assert!(!root.join("dirty").exists());
    assert_eq!(store.info().unwrap().contents, 2);
    clean(&store);
}

fn forget_in_database(root: &Path, id: ComponentId) {
    let db = rusqlite::Connection::open(root.join("db.sqlite")).unwrap();
    db.execute_batch("DELETE FROM origin; DELETE FROM file; DELETE FROM advisory_mention").unwrap();
    assert_eq!(db.execute("DELETE FROM component WHERE id = ?", [id.as_bytes()]).unwrap(), 1);
}

#[test]
fn there_is_one_writer_at_a_time_and_the_others_are_told() {
    let Fixture { store, .. } = &fixture();
    let held = lock(store);
    let root = store.layout().root().to_owned();
    let (told, tell) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let store = Store::open(&root).unwrap();
        let lock = store.lock("waiting", |holder| told.send(holder.clone()).unwrap()).unwrap();
        drop(lock);
    });
    let holder = tell.recv().unwrap();
    assert_eq!((holder.pid, holder.purpose.as_str()), (Some(std::process::id()), "testing"));
    drop(held);
    waiter.join().unwrap();
}
