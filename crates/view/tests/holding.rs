//! Programs take hold of generations that writers remove.

#![allow(clippy::disallowed_methods, reason = "tests, not a library")]

mod support;

use std::{fs, thread, time::Duration};

use aleph_store::Store;
use aleph_view::{ViewError, Views};
use rustix::fs::{FlockOperation, flock};
use support::{advance, lock};

#[test]
fn what_is_held_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let lock = lock(&store);
    let view = advance(&store, &lock);
    let (views, layers) = (Views::new(&store), view.run_layers().unwrap().unwrap());
    advance(&store, &lock);
    let held = views.hold(&layers).unwrap().unwrap();
    assert!(view.is_in_use(1) && !view.is_in_use(2));
    assert!(!view.forget(&store, &lock, 1).unwrap());
    assert!(!view.delete(&store, &lock).unwrap());
    assert_eq!(view.numbers().unwrap(), [1, 2]);
    drop(held);
    assert!(view.forget(&store, &lock, 1).unwrap());
    assert!(matches!(views.hold(&layers), Err(ViewError::Gone { number: 1, .. })));
    assert!(view.delete(&store, &lock).unwrap());
    assert!(views.list().unwrap().is_empty());
}

#[test]
fn nobody_holds_what_was_removed_while_he_waited() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let lock = lock(&store);
    let view = advance(&store, &lock);
    let (views, layers) = (Views::new(&store), view.run_layers().unwrap().unwrap());
    let path = store.layout().views().join("v/generations/1");
    // As a writer does it who removes the generation; another takes its place.
    let claim = fs::File::open(path.join("run.json")).unwrap();
    flock(&claim, FlockOperation::NonBlockingLockExclusive).unwrap();
    thread::scope(|scope| {
        let holder = scope.spawn(|| views.hold(&layers));
        thread::sleep(Duration::from_millis(30));
        fs::rename(&path, directory.path().join("aside")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::copy(directory.path().join("aside/run.json"), path.join("run.json")).unwrap();
        drop(claim);
        assert!(matches!(holder.join().unwrap(), Err(ViewError::Gone { .. })));
    });
}

#[test]
fn what_is_there_under_the_same_number_must_be_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let lock = lock(&store);
    let view = advance(&store, &lock);
    let mut layers = view.run_layers().unwrap().unwrap();
    layers.trees.clear();
    assert!(matches!(Views::new(&store).hold(&layers), Err(ViewError::Gone { .. })));
}

#[test]
fn either_it_is_removed_or_it_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let lock = lock(&store);
    for _ in 0..100 {
        let view = advance(&store, &lock);
        let (views, layers) = (Views::new(&store), view.run_layers().unwrap().unwrap());
        let (held, removed) = thread::scope(|scope| {
            let holder = scope.spawn(|| views.hold(&layers));
            let removed = view.delete(&store, &lock).unwrap();
            (holder.join().unwrap(), removed)
        });
        assert_eq!(held.is_err(), removed, "{held:?}");
    }
}
