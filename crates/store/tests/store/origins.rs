//! Where components came from, and what is left of that when the database is lost.

use std::fs;

use aleph_component::Digest;
use aleph_store::Store;

use super::{add, add_from, clean, fixture, lock};

#[test]
fn every_archive_that_gave_a_component_is_known_from_the_directory_alone() {
    let store = &fixture().store;
    let files = &[("a", "1")];
    let id = add(store, "a", files);
    for archive in ["packed otherwise", "and again", "and again"] {
        assert_eq!(add_from(store, archive, "a", files), id);
        clean(store);
    }
    let before = store.origins(&id).unwrap();
    assert_eq!(before.len(), 3);
    store.rebuild_database(&lock(store)).unwrap();
    assert_eq!(store.origins(&id).unwrap(), before);
    assert_eq!(store.component_of_archive(&Digest::of(b"packed otherwise")).unwrap(), Some(id));
    // Nor does mending the component lose one.
    let mut writer = lock(store);
    assert!(store.rewrite_component(&mut writer, &id).unwrap());
    store.rebuild_database(&writer).unwrap();
    assert_eq!(store.origins(&id).unwrap(), before);
    drop(writer);
    clean(store);
}

#[test]
fn an_opening_for_repair_that_is_killed_leaves_no_empty_store() {
    let fixture = fixture();
    let root = fixture.store.layout().root().to_owned();
    let id = add(&fixture.store, "a", &[("a", "1")]);
    drop(fixture.store);
    fs::write(root.join("db.sqlite"), "no database").unwrap();
    // It goes no further than this.
    drop(Store::open_for_repair(&root, None).unwrap());
    let store = &Store::open(&root).unwrap();
    assert_eq!(store.component_row(&id).unwrap().name, "a");
    clean(store);
}
