//! What a verification finds in directories and links, and that it is mended.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use aleph_component::{Entry, Node, Owner, TreeId};
use aleph_store::{Damage, Store};

use super::{add, clean, fixture, lock, packages, path};

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn tree(store: &Store, directories: &[(&str, u16)]) -> TreeId {
    let node = |mode: u16| Node::Directory { mode };
    let entry = |(name, mode): &(&str, u16)| Entry { path: path(name), owner: Owner::default(), node: node(*mode) };
    let writer = lock(store);
    let id = store.write_tree(&writer, &directories.iter().map(entry).collect::<Vec<_>>()).unwrap();
    store.sync(&writer).unwrap();
    id
}

fn mend(store: &Store) {
    let mut writer = lock(store);
    let report = store.verify_locked(&writer, &|_| ()).unwrap();
    let broken = store.triage(&writer, &report).unwrap();
    for id in &broken.components {
        assert!(store.rewrite_component(&mut writer, id).unwrap());
    }
    for id in &broken.packages {
        assert!(store.rewrite_package(&mut writer, id).unwrap());
    }
    for id in &broken.trees {
        assert!(store.rewrite_tree(&writer, id).unwrap());
    }
    drop(writer);
    clean(store);
}

#[test]
fn modes_of_directories_are_found_and_mended() {
    let store = &fixture().store;
    let id = add(store, "a", &[("usr/bin/x", "x")]);
    let spec = packages(store, &[("a", id, &[])]).remove(0);
    let tree = tree(store, &[("tmp", 0o1777), ("var", 0o2775), ("var/cache", 0o755)]);
    clean(store);
    let component = store.layout().store().join(format!("{id}-a"));
    let package = store.layout().store().join(format!("{}-a", spec.linked.id));
    let root = store.layout().tree_root(&tree);
    let (sealed, open_to_all) = (0o555, 0o777);
    let changed: [(PathBuf, u32, u16); 9] = [
        (component.clone(), 0o755, sealed),
        (component.join("usr/bin"), 0o700, sealed),
        (component.join(".aleph"), 0o755, sealed),
        (component.join(".aleph/control"), 0o755, sealed),
        (package.clone(), 0o755, sealed),
        (package.join(".link"), 0o755, sealed),
        (root.clone(), 0o700, 0o755),
        (root.join("tmp"), open_to_all, 0o1777),
        (root.join("var"), 0o2775, 0o775),
    ];
    changed.iter().for_each(|(path, mode, _)| open(path, *mode));
    let mut wanted: Vec<Damage> = changed.into_iter().map(|(path, _, mode)| Damage::Mode { path, mode }).collect();
    wanted.sort();
    assert_eq!(store.verify(&|_| ()).unwrap().damage, wanted);
    mend(store);
}

#[test]
fn what_is_kept_for_a_component_belongs_into_nothing_else() {
    let store = &fixture().store;
    let id = add(store, "a", &[("usr/x", "x")]);
    let tree = tree(store, &[("usr", 0o755)]);
    let control = store.layout().store().join(format!("{id}-a/.aleph/control"));
    open(&control, 0o755);
    let strays = [store.layout().tree_root(&tree).join(".aleph"), control.join(".aleph")];
    strays.iter().for_each(|stray| fs::create_dir(stray).unwrap());
    open(&control, 0o555);
    let mut wanted = strays.map(|path| Damage::Stray { path });
    wanted.sort();
    assert_eq!(store.verify(&|_| ()).unwrap().damage, wanted);
    mend(store);
}

#[test]
fn links_that_lead_astray_are_found_and_mended() {
    let store = &fixture().store;
    let (app, lib) = (add(store, "app", &[("a", "1")]), add(store, "lib", &[("b", "2")]));
    let specs = packages(store, &[("app", app, &[1]), ("lib", lib, &[])]);
    let package = store.layout().store().join(format!("{}-app", specs[0].linked.id));
    let provider = specs[1].linked.id;
    for (name, target) in [
        ("lib", format!("/elsewhere/{provider}-lib")),
        ("lib", format!("../../../{provider}-lib")),
        ("lib", format!("../../{provider}-nothing")),
        ("lib", format!("{provider}-lib")),
        ("@component", format!("../../x/{app}-app")),
    ] {
        let links = package.join(".link");
        open(&links, 0o755);
        fs::remove_file(links.join(name)).unwrap();
        symlink(&target, links.join(name)).unwrap();
        open(&links, 0o555);
        assert_eq!(store.verify(&|_| ()).unwrap().damage, [Damage::Identity { path: package.clone() }], "{target}");
        mend(store);
    }
}

#[test]
fn every_package_is_named_that_is_bound_to_what_is_not_there() {
    let store = &fixture().store;
    let names = ["lib", "one", "two", "far", "other"];
    let ids = names.map(|name| add(store, name, &[(name, name)]));
    let specs = packages(
        store,
        &[
            ("lib", ids[0], &[]),
            ("one", ids[1], &[0]),
            ("two", ids[2], &[0]),
            ("far", ids[3], &[1]),
            ("other", ids[4], &[]),
        ],
    );
    let place = |index: usize| store.layout().store().join(format!("{}-{}", specs[index].linked.id, names[index]));
    fs::rename(place(0), store.layout().root().join("gone")).unwrap();
    let damage = store.verify(&|_| ()).unwrap().damage;
    let mut wanted =
        vec![Damage::Identity { path: place(1) }, Damage::Identity { path: place(2) }, Damage::Name { path: place(0) }];
    wanted.sort();
    assert_eq!(damage, wanted);
    mend(store);
}
