//! A store written under a narrow umask. Alone in its process: the umask is one for all threads.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use aleph_component::{Entry, FORMAT, Kind, Linked, Manifest, Node, Owner, Source, TreePath, Unlinked, link};
use aleph_store::{PackageSpec, Store};

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Everything in `directory` that not everybody may read, or enter.
fn closed(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let wanted = if kind.is_dir() { 0o555 } else { 0o444 };
        if !kind.is_symlink() && mode(&entry.path()) & wanted != wanted {
            found.push(entry.path().display().to_string());
        }
        if kind.is_dir() {
            closed(&entry.path(), found);
        }
    }
}

#[test]
fn a_narrow_umask_closes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let root = directory.path().join("above").join("aleph");
    let store = Store::open(&root).unwrap();
    let mut lock = store.lock("testing", |_| ()).unwrap();
    let staging = store.stage(&lock).unwrap();
    let mut tree = staging.tree().unwrap();
    tree.file(path("usr/bin/x"), (0o755, Owner::default(), 1), &mut &b"x"[..], &mut |_| ()).unwrap();
    tree.directory(path("var/local"), 0o2775, Owner::default()).unwrap();
    tree.directory(path("tmp"), 0o1777, Owner::default()).unwrap();
    tree.directory(path("var/open"), 0o755, Owner::default()).unwrap();
    tree.control(path("postinst"), 0o755, b"#!/bin/sh\n").unwrap();
    let staged = tree.finish(None, describe).unwrap();
    let manifest = staged.manifest.clone();
    let component = store.commit(&mut lock, vec![staged]).unwrap()[0];
    let linked: Vec<Linked> = link(&[Unlinked { component, slots: [].into() }]).unwrap();
    let spec = |linked| PackageSpec { name: "a".into(), version: "1".into(), architecture: "all".into(), linked };
    let specs: Vec<PackageSpec> = linked.into_iter().map(spec).collect();
    store.add_packages(&mut lock, &specs).unwrap();
    store.put_content(&lock, b"more", 0o644).unwrap();
    let id = store.write_tree(&lock, &manifest.tree).unwrap();
    store.sync(&lock).unwrap();
    drop(staging);
    let mut found = Vec::new();
    closed(&root, &mut found);
    // What only a writer needs.
    found.retain(|path| ![root.join("lock"), root.join("dirty")].iter().any(|own| path == own.to_str().unwrap()));
    assert_eq!(found, [""; 0]);
    let modes = ["usr", "var/local", "tmp", "var/open"].map(|name| mode(&store.layout().tree_root(&id).join(name)));
    assert_eq!(modes, [0o755, 0o775, 0o1777, 0o755]);
    // A user's own store is as private as he wants it.
    let private = if rustix::process::geteuid().is_root() { 0o755 } else { 0o700 };
    assert_eq!([mode(&root), mode(root.parent().unwrap())], [private, private]);
}

fn describe(tree: Vec<Entry>, control: Vec<Entry>) -> Manifest {
    assert!(tree.iter().any(|entry| matches!(entry.node, Node::Directory { mode: 0o2775 })));
    Manifest {
        format: FORMAT,
        kind: Kind::Deb,
        name: "a".into(),
        version: "1".into(),
        architecture: "all".into(),
        source: Source { name: "a".into(), version: "1".into() },
        summary: "a test".into(),
        fields: [].into(),
        conffiles: Vec::new(),
        cves: Vec::new(),
        native: None,
        tree,
        control,
    }
}
