//! What was found out is kept, and never harms.

use std::fs;

use rusqlite::Connection;

use super::{Digest, Root, add, fixture, lock};

const KIND: &str = "test";

fn record(key: &[u8], text: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    (key.to_vec(), text.as_bytes().to_vec(), format!("rest of {text}").into_bytes())
}

#[test]
fn records_are_kept_by_kind_and_key() {
    let fixture = fixture();
    fixture.store.derived().put(KIND, &[record(b"1", "one"), record(b"2", "two")]);
    fixture.store.derived().put(KIND, &[record(b"2", "new")]);
    let derived = fixture.store.derived();
    let found = derived.get(KIND, &[b"2", b"3", b"1"]);
    assert_eq!(found, [Some(b"new".to_vec()), None, Some(b"one".to_vec())]);
    assert_eq!(derived.rest(KIND, b"2"), Some(b"rest of new".to_vec()));
    assert_eq!(derived.get("other", &[b"1"]), [None]);
    assert_eq!(derived.rest("other", b"1"), None);
}

#[test]
fn who_only_looks_leaves_nothing() {
    let fixture = fixture();
    let looking = fixture.store.derived_to_read();
    looking.put(KIND, &[record(b"1", "one")]);
    assert_eq!((looking.get(KIND, &[b"1"]), looking.rest(KIND, b"1")), (vec![None], None));
    assert!(!fixture.store.layout().root().join("derived.sqlite").exists());
    fixture.store.derived().put(KIND, &[record(b"1", "one")]);
    let looking = fixture.store.derived_to_read();
    looking.put(KIND, &[record(b"2", "two")]);
    assert_eq!(looking.get(KIND, &[b"1", b"2"]), [Some(b"one".to_vec()), None]);
}

#[test]
fn what_rots_is_not_believed() {
    let fixture = fixture();
    fixture.store.derived().put(KIND, &[record(b"1", "one"), record(b"2", "two")]);
    let database = Connection::open(fixture.store.layout().root().join("derived.sqlite")).unwrap();
    let damage =
        "UPDATE derived SET head = x'00' || substr(head, 2), rest = substr(rest, 2) WHERE key = CAST('1' AS BLOB)";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    let derived = fixture.store.derived();
    assert_eq!(derived.get(KIND, &[b"1", b"2"]), [None, Some(b"two".to_vec())]);
    assert_eq!(derived.rest(KIND, b"1"), None);
}

#[test]
fn a_database_that_is_none_is_made_again() {
    let fixture = fixture();
    let path = fixture.store.layout().root().join("derived.sqlite");
    let of_another_version = || Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let no_database = || fs::write(&path, vec![b'x'; 5000]).unwrap();
    for spoil in [&no_database as &dyn Fn(), &of_another_version] {
        spoil();
        fixture.store.derived().put(KIND, &[record(b"1", "one")]);
        assert_eq!(fixture.store.derived().get(KIND, &[b"1"]), [Some(b"one".to_vec())]);
    }
}

#[test]
fn collecting_forgets_what_is_gone() {
    let fixture = fixture();
    let component = add(&fixture.store, "tool", &[("usr/bin/tool", "alive")]);
    let (alive, gone) = (Digest::of(b"alive"), Digest::of(b"gone"));
    let keys = [&alive.as_bytes()[..], component.as_bytes(), gone.as_bytes()];
    fixture.store.derived().put(KIND, &keys.map(|key| record(key, "x")));
    let roots = [Root { label: "test".into(), packages: Vec::new(), components: vec![component], trees: Vec::new() }];
    fixture.store.gc(&mut lock(&fixture.store), &roots, false).unwrap();
    assert_eq!(fixture.store.derived().get(KIND, &keys), [Some(b"x".to_vec()), Some(b"x".to_vec()), None]);
}
