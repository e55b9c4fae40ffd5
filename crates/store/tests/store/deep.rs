//! Trees that are deeper than a process may have files open, or than a path may be long.

use std::{fs, os::fd::OwnedFd, path::Path};

use aleph_component::Owner;
use aleph_store::{Store, StoreError, remove_tree};
use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};

use super::{fixture, lock, path};

/// Makes `depth` directories below `top`, each in the other and with more in it, and the modes that are hardest.
fn dig(top: &Path, depth: usize) {
    fs::create_dir(top).unwrap();
    let open = |parent: &OwnedFd, name: &str| -> OwnedFd {
        openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    };
    let mut here: OwnedFd = fs::File::open(top).unwrap().into();
    for _ in 0..depth {
        let below = "d".repeat(200);
        mkdirat(&here, &below, Mode::RWXU).unwrap();
        mkdirat(&here, "closed", Mode::empty()).unwrap();
        mkdirat(&here, "deep-1", Mode::RUSR | Mode::XUSR).unwrap();
        symlinkat("/", &here, "out").unwrap();
        let next = open(&here, &below);
        rustix::fs::fchmod(&here, Mode::RUSR | Mode::XUSR).unwrap();
        here = next;
    }
}

#[test]
fn a_tree_of_any_depth_is_removed_and_no_link_in_it_followed() {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().join("top");
    let kept = directory.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "").unwrap();
    dig(&top, 1050);
    std::os::unix::fs::symlink(&kept, directory.path().join("link")).unwrap();
    remove_tree(&top).unwrap();
    remove_tree(&directory.path().join("link")).unwrap();
    remove_tree(&directory.path().join("nothing")).unwrap();
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names, ["kept"]);
    assert!(kept.join("file").exists());
}

#[test]
fn a_deep_left_over_keeps_nobody_out() {
    let store = &fixture().store;
    let root = store.layout().root().to_owned();
    dig(&root.join("tmp/left"), 1050);
    fs::write(root.join("dirty"), "").unwrap();
    Store::open(&root).unwrap();
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert!(!root.join("dirty").exists());
}

#[test]
fn names_that_lie_too_deep_are_refused() {
    let store = &fixture().store;
    let lock = lock(store);
    let staging = store.stage(&lock).unwrap();
    let mut tree = staging.tree().unwrap();
    let parts = |count: usize| path(&vec!["d"; count].join("/"));
    tree.directory(parts(128), 0o755, Owner::default()).unwrap();
    let deeper = tree.directory(parts(129), 0o755, Owner::default());
    assert!(matches!(deeper, Err(StoreError::TooDeep { .. })));
    // Each of its 2,000 parents would have been made.
    let deepest = tree.symlink(parts(2000), "x", Owner::default());
    assert!(matches!(deepest, Err(StoreError::TooDeep { .. })));
}

#[test]
fn a_listing_deeper_than_files_may_be_open_is_verified() {
    let store = &fixture().store;
    let entries: Vec<_> = (1..=1050)
        .map(|depth| aleph_component::Entry {
            path: path(&vec!["d"; depth].join("/")),
            owner: Owner::default(),
            node: aleph_component::Node::Directory { mode: 0o755 },
        })
        .collect();
    let writer = lock(store);
    let tree = store.write_tree(&writer, &entries).unwrap();
    store.sync(&writer).unwrap();
    drop(writer);
    super::clean(store);
    let lost = store.layout().tree_root(&tree).join(&entries[1048].path);
    fs::remove_dir(lost.join("d")).unwrap();
    assert_eq!(store.verify(&|_| ()).unwrap().damage.len(), 1);
}
