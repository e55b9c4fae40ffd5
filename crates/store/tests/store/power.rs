//! What a power failure leaves: names without their bytes.

use std::fs;

use aleph_component::{Digest, Entry, Node, Owner};
use aleph_store::Store;

use super::{clean, fixture, lock, path};

/// Makes a file what it is when its name was written and its bytes were not.
fn cut_short(path: &std::path::Path) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1).unwrap();
}

fn listing(digest: Digest) -> Vec<Entry> {
    let node = Node::File { digest, size: 7, mode: 0o444 };
    vec![Entry { path: path("file"), owner: Owner::default(), node }]
}

#[test]
fn a_content_cut_short_is_not_taken_for_whole() {
    let store = &fixture().store;
    let writer = lock(store);
    let digest = store.put_content(&writer, b"content", 0o444).unwrap();
    let object = store.objects().path(&digest, 0o444);
    cut_short(&object);
    store.put_content(&writer, b"content", 0o444).unwrap();
    assert_eq!(fs::read(&object).unwrap(), b"content");
    let entries = listing(digest);
    let tree = store.write_tree(&writer, &entries).unwrap();
    store.sync(&writer).unwrap();
    cut_short(&object);
    assert!(!store.replace_tree(&writer, &tree, &entries).unwrap());
}

#[test]
fn a_tree_that_was_not_synced_does_not_outlive_its_writer() {
    let store = &fixture().store;
    let root = store.layout().root().to_owned();
    let writer = lock(store);
    let digest = store.put_content(&writer, b"content", 0o444).unwrap();
    let synced = store.write_tree(&writer, &listing(digest)).unwrap();
    store.sync(&writer).unwrap();
    let other = store.put_content(&writer, b"another", 0o444).unwrap();
    let lost = store.write_tree(&writer, &listing(other)).unwrap();
    let file = store.layout().tree_root(&lost).join("file");
    cut_short(&file);
    // Killed: nothing is dropped, and the kernel gives the lock back.
    let copy = tempfile::tempdir().unwrap();
    assert!(std::process::Command::new("cp").arg("-a").arg(&root).arg(copy.path()).status().unwrap().success());

    let store = &Store::open(&copy.path().join("aleph")).unwrap();
    assert!(store.layout().tree_root(&synced).exists());
    assert!(!store.layout().tree_root(&lost).exists());
    let writer = lock(store);
    store.put_content(&writer, b"another", 0o444).unwrap();
    store.write_tree(&writer, &listing(other)).unwrap();
    store.sync(&writer).unwrap();
    drop(writer);
    clean(store);
}

#[test]
fn a_tree_outlives_a_writer_that_ended_without_a_sync() {
    let store = &fixture().store;
    let writer = lock(store);
    let digest = store.put_content(&writer, b"content", 0o444).unwrap();
    let tree = store.write_tree(&writer, &listing(digest)).unwrap();
    drop(writer);
    assert!(!store.layout().root().join("dirty").exists());
    drop(lock(store));
    assert!(store.layout().tree_root(&tree).exists());
    clean(store);
}
