//! A store with a view, for tests of what is on disk.

use aleph_component::TreeId;
use aleph_store::{Store, WriteLock};
use aleph_view::{Draft, FORMAT, Generation, Kind, Launcher, Layers, View, ViewRecord, Views};

/// The right to write to a store that nobody else uses.
pub(crate) fn lock(store: &Store) -> WriteLock {
    store.lock("testing", |_| ()).unwrap()
}

/// The view `v`, with one more generation, which has a launcher.
pub(crate) fn advance(store: &Store, lock: &WriteLock) -> View {
    let record = ViewRecord { name: "v".parse().unwrap(), kind: Kind::User, owner: "somebody".into(), project: None };
    let view = Views::new(store).get_or_create(record).unwrap();
    let base: TreeId = store.write_tree(lock, &[]).unwrap();
    let generation = Generation {
        format: FORMAT,
        number: 0,
        parent: None,
        created: 0,
        by: "somebody".into(),
        reason: "a test".into(),
        requested: Vec::new(),
        packages: Vec::new(),
        bindings: Vec::new(),
        layers: Layers { base, delta: None },
        capture: None,
        warnings: Vec::new(),
    };
    let launcher = Launcher { store: store.layout().root().to_owned(), view: "v".into(), command: "/usr/bin/x".into() };
    let draft = Draft {
        generation,
        launchers: vec![("x".into(), launcher)],
        programs: Vec::new(),
        aleph: "/aleph".into(),
        lock: None,
    };
    let generation = view.write(store, lock, draft).unwrap();
    view.switch(lock, generation.number).unwrap();
    view
}
