//! What a disk, a hand or a full file system does to a store is found, named and, where that is possible, mended.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use support::{
    Ran, Who, World, flip, granted, is_root,
    packages::{Package, Set, with},
};

/// Makes something writable, for a moment, to harm it.
fn open_up<T>(directory: &Path, harm: impl FnOnce() -> T) -> T {
    let permissions = fs::metadata(directory).expect("it is there").permissions();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("permissions");
    let result = harm();
    fs::set_permissions(directory, permissions).expect("permissions");
    result
}

/// The entry of `store/store` that ends in this name and has a file at `inside`.
fn entry(world: &World, name: &str, inside: &str) -> PathBuf {
    let entries = fs::read_dir(world.store.join("store")).expect("a store").flatten();
    let mut entries = entries.map(|entry| entry.path());
    let found = entries.find(|path| {
        path.to_string_lossy().ends_with(&format!("-{name}")) && path.join(inside).symlink_metadata().is_ok()
    });
    found.unwrap_or_else(|| panic!("no {name} with {inside}"))
}

/// The tree that has a file at `inside`.
fn tree(world: &World, inside: &str) -> PathBuf {
    let mut trees = fs::read_dir(world.store.join("trees")).expect("trees").flatten().map(|entry| entry.path());
    trees.find(|tree| tree.join("root").join(inside).exists()).expect("some tree has it")
}

/// A record of a generation of the only view.
fn record(world: &World, number: u32, name: &str) -> PathBuf {
    let view = fs::read_dir(world.store.join("views")).expect("views").flatten().next().expect("a view");
    view.path().join("generations").join(number.to_string()).join(name)
}

/// One way to harm a store, and what verification must say of it.
struct Harm {
    name: &'static str,
    harm: fn(&World),
    said: &'static [&'static str],
}

const BIG: &str = "usr/share/thing/large-0";

const HARMS: &[Harm] = &[
    Harm {
        name: "a flipped byte in a file",
        harm: |world| flip(&entry(world, "thing-data", BIG).join(BIG), 4321),
        said: &[BIG, "does not hold what it should", "objects/"],
    },
    Harm {
        name: "a flipped byte in a manifest",
        harm: |world| flip(&entry(world, "libthing", ".aleph").join(".aleph/manifest"), 200),
        said: &["-libthing is not what its name says"],
    },
    Harm {
        name: "a truncated content",
        harm: |world| {
            let path = entry(world, "prog", "usr/bin/prog").join("usr/bin/prog");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(100)).expect("truncated");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).expect("permissions");
        },
        said: &["usr/bin/prog does not hold what it should"],
    },
    Harm {
        name: "a changed mode",
        harm: |world| {
            let path = entry(world, "libthing", ".aleph").join("usr/lib/libthing.so.1");
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("permissions");
        },
        said: &["libthing.so.1 does not hold what it should"],
    },
    Harm {
        name: "a file missing from a component",
        harm: |world| {
            let directory = entry(world, "libthing", ".aleph").join("usr/lib");
            open_up(&directory, || fs::remove_file(directory.join("libthing.so.1")).expect("removed"));
        },
        said: &["usr/lib/libthing.so.1 is missing"],
    },
    Harm {
        name: "a file missing from a tree",
        harm: |world| {
            let path = tree(world, "usr/bin/prog").join("root/usr/bin/prog");
            open_up(path.parent().expect("it is in a directory"), || fs::remove_file(&path).expect("removed"));
        },
        said: &["usr/bin/prog is missing"],
    },
    Harm {
        name: "a file missing from the pool",
        harm: |world| {
            for shard in fs::read_dir(world.store.join("objects")).expect("objects").flatten() {
                for object in fs::read_dir(shard.path()).expect("a shard").flatten() {
                    fs::remove_file(object.path()).expect("removed");
                }
            }
        },
        said: &["objects/", "is missing"],
    },
    Harm {
        name: "strays everywhere",
        harm: |world| {
            for directory in ["store", "trees", "objects"] {
                fs::write(world.store.join(directory).join("stray-file"), "x").expect("a stray");
                fs::create_dir_all(world.store.join(directory).join("ff/stray")).expect("a stray");
            }
            let component = entry(world, "libthing", ".aleph");
            open_up(&component, || fs::write(component.join("stray-1"), "x").expect("a stray"));
            let meta = component.join(".aleph");
            open_up(&meta, || fs::write(meta.join("stray-2"), "x").expect("a stray"));
            let package = entry(world, "libthing", ".link");
            open_up(&package, || fs::write(package.join("stray-3"), "x").expect("a stray"));
            let tree = tree(world, "usr/bin/prog");
            fs::write(tree.join("stray-4"), "x").expect("a stray");
            fs::write(tree.join("root/stray-5"), "x").expect("a stray");
        },
        said: &[
            "store/store/stray-file",
            "store/store/ff does",
            "trees/stray-file",
            "objects/stray-file",
            "objects/ff/stray",
            "stray-1",
            "stray-2",
            "stray-3",
            "stray-4",
            "stray-5",
        ],
    },
    Harm {
        name: "a tree without its listing",
        harm: |world| fs::remove_file(tree(world, "usr/bin/prog").join("listing")).expect("removed"),
        said: &["is not what its name says"],
    },
    Harm {
        name: "a tree that is gone",
        harm: |world| support::remove(&tree(world, "usr/bin/prog")),
        said: &["generation 1 of view", "needs the tree"],
    },
    Harm {
        name: "what scripts wrote is gone",
        harm: |world| support::remove(&tree(world, "var/lib/box")),
        said: &["generation 1 of view", "needs the tree"],
    },
    Harm {
        name: "a component that is gone",
        harm: |world| support::remove(&entry(world, "libthing", ".aleph")),
        said: &["-libthing is missing"],
    },
    Harm {
        name: "a package that is gone",
        harm: |world| support::remove(&entry(world, "libthing", ".link")),
        said: &["-libthing is missing"],
    },
    Harm {
        name: "a binding that points elsewhere",
        harm: |world| {
            let links = entry(world, "prog", ".link").join(".link");
            let mut slots = fs::read_dir(&links).expect("links").flatten().map(|entry| entry.path());
            let slot = slots.find(|path| !path.ends_with("@component")).expect("a slot");
            open_up(&links, || {
                let other = slots.find(|path| !path.ends_with("@component")).expect("another slot");
                let target = fs::read_link(&other).expect("a link");
                fs::remove_file(&slot).and_then(|()| symlink(target, &slot)).expect("a link");
            });
        },
        said: &["-prog is not what its name says"],
    },
    Harm {
        name: "a view's record is cut off",
        harm: |world| fs::write(record(world, 1, "../../view.json"), "{").expect("written"),
        said: &["/view.json is missing or cannot be read"],
    },
    Harm {
        name: "a view's record is gone",
        harm: |world| fs::remove_file(record(world, 1, "../../view.json")).expect("removed"),
        said: &["/view.json is missing or cannot be read"],
    },
    Harm {
        name: "what entering needs is cut off",
        harm: |world| fs::write(record(world, 1, "run.json"), "{").expect("written"),
        said: &["generations/1/run.json is missing or cannot be read"],
    },
    Harm {
        name: "what entering needs is gone",
        harm: |world| fs::remove_file(record(world, 1, "run.json")).expect("removed"),
        said: &["generations/1/run.json is missing or cannot be read"],
    },
    Harm {
        name: "no database",
        harm: |world| {
            for suffix in ["sqlite", "sqlite-wal", "sqlite-shm"] {
                let _ = fs::remove_file(world.store.join("db").with_extension(suffix));
            }
        },
        said: &["is in the store and not in it"],
    },
    Harm {
        name: "rubbish for a database",
        harm: |world| fs::write(world.store.join("db.sqlite"), vec![b'x'; 8192]).expect("rubbish"),
        said: &["not a database"],
    },
    Harm {
        name: "rows that are gone",
        harm: |world| {
            let database = rusqlite::Connection::open(world.store.join("db.sqlite")).expect("it opens");
            let gone = "DELETE FROM component WHERE name = 'libthing'; DELETE FROM package; DELETE FROM binding;";
            database.execute_batch(gone).expect("rows go");
        },
        said: &["-libthing` is in the store and not in it"],
    },
];

#[test]
fn every_harm_is_found_named_and_mended() {
    let set = Set::make(1);
    let world = World::new();
    world.run(with(&["add"], &[&set.old[..], &set.scripted[..1]].concat())).good();
    let kept = world.directory.join("kept");
    support::copy(&world.store, &kept);
    for Harm { name, harm, said } in HARMS {
        eprintln!("{name}");
        support::remove(&world.store);
        support::copy(&kept, &world.store);
        harm(&world);
        let found = world.run(["store", "verify"]);
        if said.is_empty() {
            assert_eq!(found.code, Some(0), "{name}: {found:?}");
        } else {
            assert_eq!(found.code, Some(4), "{name}: {found:?}");
            let text = format!("{}{}", found.out, found.err);
            said.iter().for_each(|said| assert!(text.contains(said), "{name}: no `{said}` in {text}"));
        }
        let repaired = world.run(["store", "repair"]);
        assert_eq!(repaired.code, Some(0), "{name}: {repaired:?} {found:?}");
        let again = world.run(["store", "verify"]);
        assert_eq!(again.code, Some(0), "{name}: {again:?} {repaired:?} {found:?}");
        assert_eq!(world.prog().good().out, "prog 1\n", "{name}");
        world.is_tidy();
        // And it can go on.
        world.run(with(&["add"], &set.new)).good();
        assert_eq!(world.prog().good().out, "prog 2\n", "{name}");
        world.is_whole();
    }
}

#[test]
fn what_cannot_be_had_again_is_named_as_lost() {
    let set = Set::make(1);
    let world = World::new();
    let kept = tempfile::tempdir().expect("a temporary directory");
    let only = Package::new("only", "1").file("usr/share/only", 0o644, "irreplaceable\n").build(kept.path());
    world.run(with(&["add"], &set.old)).good();
    world.run([std::ffi::OsStr::new("add"), only.as_os_str()]).good();
    fs::remove_file(&only).expect("removed");
    flip(&entry(&world, "only", ".aleph").join("usr/share/only"), 3);
    assert_eq!(world.run(["store", "verify"]).code, Some(4));
    let repaired = world.run(["store", "repair"]);
    assert_eq!(repaired.code, Some(4), "{repaired:?}");
    assert!(repaired.out.contains("cannot mend component only 1"), "{repaired:?}");
    let still = world.run(["store", "verify"]);
    assert!(still.code == Some(4) && still.out.contains("usr/share/only"), "{still:?}");
    // The rest is not worse for it.
    assert_eq!(world.prog().good().out, "prog 1\n");
}

#[test]
fn a_generation_that_does_not_read_is_left_by_a_rollback() {
    let set = Set::make(1);
    let world = World::new();
    world.run(with(&["add"], &set.old)).good();
    world.run(with(&["add"], &set.new)).good();
    for name in ["generation.json", "run.json"] {
        fs::write(record(&world, 2, name), "{").expect("written");
    }
    let found = world.run(["store", "verify"]);
    assert!(found.code == Some(4) && found.out.contains("generations/2/generation.json"), "{found:?}");
    world.run(["list"]).failed(4, &["generation.json` is damaged", "aleph rollback", "aleph store repair"]);
    let repaired = world.run(["store", "repair"]);
    assert!(repaired.code == Some(4) && repaired.out.contains("rollback` and `view prune`"), "{repaired:?}");
    // What is whole can still be seen, and is the way back.
    let history = world.run(["history"]).good().out;
    assert!(history.contains("-> 2  damaged\n   1  ".trim_end()) && history.contains("packages"), "{history}");
    assert!(world.run(["view", "list"]).good().out.contains("generation 2  damaged"));
    let back = world.run(["rollback"]).good().out;
    assert!(back.contains("from generation 2 to 1; generation 2 is damaged"), "{back}");
    assert_eq!(world.prog().good().out, "prog 1\n");
    world.run(["view", "prune"]).good();
    world.run(["store", "gc"]).good();
    world.is_whole();

    // The only one: there is nothing to go back to, and the view can go.
    fs::write(record(&world, 1, "generation.json"), "{").expect("written");
    world.run(["rollback"]).failed(4, &["generation 1 is damaged, and none before it is whole", "view delete"]);
    assert!(world.run(["store", "repair"]).out.contains("view delete` removes the view"));
    assert_eq!(world.prog().good().out, "prog 1\n");
    let view = world.run(["--format", "json", "view", "list"]).good().out;
    let view: serde_json::Value = serde_json::from_str(&view).expect("it is JSON");
    assert!(view["data"][0]["packages"].is_null(), "{view}");
    let name = view["data"][0]["name"].as_str().expect("a name");
    world.run(["--view", name, "view", "delete"]).good();
    world.is_whole();
}

/// A store on a small file system of its own, in a mount namespace: `aleph` is run by the script there.
fn on_small_disk(world: &World, size: &str, script: &str) -> Ran {
    let mount = format!("mount -t tmpfs -o size={size} none \"$DISK\" && cd \"$DISK\" && {script}");
    let disk = world.directory.join("disk");
    fs::create_dir_all(&disk).expect("a directory");
    let mut command = world.command("unshare");
    let flags: &[&str] = if is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
    command.args(flags).args(["sh", "-c", &mount]).env("DISK", &disk).env("ALEPH", env!("CARGO_BIN_EXE_aleph"));
    command.env("ALEPH_STORE", disk.join("store")).env("ALEPH_CACHE", disk.join("cache"));
    Ran::of(&mut command)
}

#[test]
fn a_full_disk_is_named_and_harms_nothing() {
    let set = Set::make(6);
    let world = World::new();
    let quoted = |archives: &[PathBuf]| {
        archives.iter().map(|path| format!("'{}'", path.display())).collect::<Vec<_>>().join(" ")
    };
    let (old, new) = (quoted(&set.old), quoted(&set.new));
    // Room for one version, not for two.
    let ran = on_small_disk(
        &world,
        "13m",
        &format!(
            "$ALEPH add {old} >/dev/null || exit 50
             $ALEPH import {new}; echo \"import: $?\"
             ls -A store/tmp | sed 's/^/left: /'
             $ALEPH store verify || exit 51
             $ALEPH add {new}; echo \"add: $?\"
             ls -A store/tmp | sed 's/^/left: /'
             $ALEPH store verify || exit 52
             $ALEPH run -- prog || exit 53
             head -c 100m /dev/zero > filler 2>/dev/null
             $ALEPH store repair; echo \"repair: $?\"
             $ALEPH store gc || exit 54
             rm filler
             mount -o remount,size=40m . || exit 55
             $ALEPH add {new} >/dev/null || exit 56
             $ALEPH run -- prog || exit 57
             $ALEPH store verify || exit 58"
        ),
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for failed in ["import: 1", "add: 1", "repair: 1"] {
        assert!(ran.out.contains(failed), "{ran:?}");
    }
    assert!(!ran.out.contains("left: "), "{ran:?}");
    assert!(ran.out.contains("prog 1\n") && ran.out.contains("prog 2\n"), "{ran:?}");
    assert_eq!(ran.out.matches("whole:").count(), 3, "{ran:?}");
    let of_repair = "something else has to go first";
    for said in
        ["No space left on device", "store/tmp/", "aleph store gc", "nothing was changed", "disk is full", of_repair]
    {
        assert!(ran.err.contains(said), "no `{said}` in {ran:?}");
    }
}

#[test]
fn a_store_may_be_anywhere() {
    let set = Set::make(1);
    let world = World::of(Who::Self_, "ein Lädchen für 'alles' \"hier\" $HOME");
    world.run(with(&["add"], &set.old)).good();
    assert_eq!(world.prog().good().out, "prog 1\n");
    world.run(with(&["add"], &set.new)).good();
    world.run(["rollback"]).good();
    assert_eq!(world.prog().good().out, "prog 1\n");
    let bin = world.run(["view", "path"]).good().out;
    let launcher = Path::new(bin.trim()).join("prog");
    let launched = Ran::of(world.command(&launcher).env_remove("ALEPH_STORE"));
    assert_eq!(launched.good().out, "prog 1\n");
    world.run(["store", "gc"]).good();
    world.is_whole();
    world.is_tidy();
}

#[test]
fn a_path_that_is_too_long_is_named() {
    let world = World::new();
    let long: PathBuf = std::iter::repeat_n("x".repeat(150), 4).collect();
    let ran = Ran::of(world.aleph(["add", "x"]).env("ALEPH_STORE", world.directory.join(long)));
    ran.failed(1, &["too long for a database", "--store DIR"]);
}

#[test]
fn no_home_is_no_hindrance() {
    let set = Set::make(1);
    let world = World::new();
    let ran = Ran::of(world.aleph(with(&["add"], &set.old)).env_remove("HOME"));
    ran.good();
    let prog = Ran::of(world.aleph(["run", "--", "prog"]).env_remove("HOME"));
    assert_eq!(prog.good().out, "prog 1\n");
}

/// A read-only file system below a store: reading works, writing says why not.
#[test]
fn a_read_only_store_can_be_read() {
    let set = Set::make(1);
    let world = World::new();
    world.run(with(&["add"], &set.old)).good();
    let store = world.store.display().to_string();
    let script = format!(
        "mount --bind '{store}' '{store}' && mount -o remount,bind,ro '{store}' || exit 50
         $ALEPH list || exit 51
         $ALEPH store verify || exit 52
         $ALEPH run -- prog || exit 53
         $ALEPH history || exit 54
         $ALEPH import '{}'; echo \"import: $?\"",
        set.new[0].display()
    );
    let mut command = world.command("unshare");
    let flags: &[&str] = if is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
    command.args(flags).args(["sh", "-c", &script]).env("ALEPH", env!("CARGO_BIN_EXE_aleph"));
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("whole:") && ran.out.contains("prog 1\n") && ran.out.contains("import: 1"), "{ran:?}");
    assert!(ran.err.contains("Read-only file system") && ran.err.contains("--store DIR"), "{ran:?}");
}

/// Root's store as an ordinary user sees it.
#[test]
fn the_store_of_another_user_can_be_read() {
    // Only root can be two users.
    let Some(other) = granted().or_else(|| is_root().then_some(Who::User { uid: 65534, gid: 65534 })) else { return };
    let set = Set::make(1);
    let world = World::new();
    world.run(with(&["--view", "shared", "add"], &set.old)).good();
    let reader = World::of(other, "reader");
    let run = |arguments: &[&str]| {
        let mut command = reader.aleph(["--view", "shared"]);
        Ran::of(command.args(arguments).env("ALEPH_STORE", &world.store))
    };
    for arguments in [&["list"][..], &["history"], &["store", "info"], &["store", "verify"], &["why", "libthing"]] {
        run(arguments).good();
    }
    assert_eq!(run(&["run", "--", "prog"]).good().out, "prog 1\n");
    // Also while its owner writes, and after he was killed.
    let mut writer = world.aleph(with(&["--view", "shared", "add"], &set.new)).spawn().expect("aleph starts");
    run(&["list"]).good();
    run(&["store", "verify"]).good();
    let _ = writer.kill();
    let _ = writer.wait();
    run(&["list"]).good();
    run(&["store", "info"]).good();
    for arguments in [&["import"][..], &["add"]] {
        let archive = set.new[0].to_string_lossy();
        let refused = run(&[arguments, &[&*archive]].concat());
        refused.failed(1, &["Permission denied", "store of your own"]);
    }
    for arguments in [&["store", "gc"][..], &["store", "repair"], &["rollback"]] {
        assert_ne!(run(arguments).code, Some(0), "{arguments:?}");
    }
    world.is_whole();
}

/// Root's store is for everybody, also if root closes what he makes.
#[test]
fn a_store_made_under_a_narrow_umask_serves_other_users() {
    if !is_root() {
        return;
    }
    let set = Set::make(1);
    let world = World::new();
    let narrow = |arguments: Vec<&std::ffi::OsStr>| {
        let mut command = world.command("sh");
        command.args(["-c", "umask 077; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_aleph"), "--view", "system"]);
        Ran::of(command.args(arguments)).good()
    };
    narrow(with(&["add"], &set.old));
    narrow(with(&["add"], &set.new));
    let reader = World::of(Who::User { uid: 65534, gid: 65534 }, "reader");
    let run = |arguments: &[&str]| {
        let mut command = reader.aleph(["--view", "system"]);
        Ran::of(command.args(arguments).env("ALEPH_STORE", &world.store)).good().out
    };
    assert_eq!(run(&["run", "--", "prog"]), "prog 2\n");
    let launcher = world.store.join("views/system/current/bin/prog");
    assert_eq!(Ran::of(&mut reader.command(launcher)).good().out, "prog 2\n");
    for arguments in [&["list"][..], &["history"], &["store", "verify"]] {
        run(arguments);
    }
    narrow(with(&["rollback"], &[]));
    assert_eq!(run(&["run", "--", "prog"]), "prog 1\n");
}
