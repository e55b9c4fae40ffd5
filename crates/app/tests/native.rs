//! Trees that were made for a prefix run from the store, wherever that is, and are relinked without new data.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use support::{
    Who, World, granted,
    trees::{Greet, PREFIX, Trees},
};

/// A world with the library in its first version and the programs, in a view.
fn linked(world: &World) -> Trees<'_> {
    let trees = Trees { world };
    trees.import(&trees.greet("1", Greet::Says("hello"))).good();
    trees.import(&trees.prog()).good();
    world.run(["add", "store:prog"]).good();
    trees
}

/// The same with another program, which uses less of the library.
fn with_simple(world: &World) -> Trees<'_> {
    let trees = linked(world);
    trees.import(&trees.simple()).good();
    world.run(["add", "store:simple"]).good();
    trees
}

#[track_caller]
fn prints(world: &World, program: &str, words: &str) {
    assert_eq!(world.run(["run", "--", program]).good().out.trim(), words, "{program}");
}

/// Where the view's command is in the store.
fn command(world: &World, name: &str) -> PathBuf {
    let mut views = fs::read_dir(world.store.join("views")).unwrap().flatten().map(|view| view.path());
    let view = views.find(|view| !view.ends_with("another")).expect("a view");
    fs::read_link(view.join("current/bin").join(name)).unwrap()
}

fn package(world: &World, program: &str) -> PathBuf {
    command(world, program).parent().and_then(Path::parent).unwrap().to_owned()
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).ino()
}

#[track_caller]
fn says(world: &World, words: &str) {
    for program in ["prog", "link"] {
        assert_eq!(world.run(["run", "--", program]).good().out.trim(), words, "{program}");
    }
    let first = words.split(' ').next().unwrap();
    assert_eq!(world.run(["run", "--", "plain"]).good().out.trim(), first);
    assert_eq!(world.run(["run", "--", "script"]).good().out.trim(), "world");
}

#[test]
fn an_update_relinks_and_compiles_nothing() {
    let world = World::new();
    let trees = linked(&world);
    says(&world, "hello world");
    world.run(["run", "--pure", "--", "prog"]).failed(1, &["cannot be cut off"]);
    world.is_whole();
    let first = package(&world, "prog");
    let greet = |package: &Path| fs::read_link(package.join(".link/greet")).unwrap();
    assert!(fs::symlink_metadata(first.join("share")).unwrap().is_symlink(), "nothing in it depends on its place");
    let plain = inode(&first.join("bin/plain"));

    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    let planned = world.run(["update", "-n"]).good();
    for part in ["greet:x86_64", "1 -> 2", "relinked: greet", "relink (by symbols, types, static)"] {
        assert!(planned.out.contains(part), "{part}: {planned:?}");
    }
    says(&world, "hello world");
    world.run(["update"]).good();
    says(&world, "welcome world");
    let second = package(&world, "prog");
    assert_ne!((greet(&first), &first), (greet(&second), &second));
    assert_eq!(inode(&second.join("bin/plain")), plain, "what has no hole is shared");
    world.is_whole();
    world.is_tidy();

    // What a program was made with is what it is linked to first; an update leads to the same from anywhere.
    let another = || fs::read_link(world.store.join("views/another/current/bin/prog")).unwrap();
    world.run(["--view", "another", "add", "store:prog"]).good();
    assert!(another().starts_with(&first), "{}", another().display());
    world.run(["--view", "another", "update"]).good();
    assert!(another().starts_with(&second), "{}", another().display());
    world.run(["rollback"]).good();
    says(&world, "hello world");
    assert_eq!(package(&world, "prog"), first);
}

#[test]
fn a_c_library_of_the_store_brings_its_dynamic_linker() {
    let world = World::new();
    let trees = Trees { world: &world };
    for tree in trees.own_libc() {
        world.run(["import", "--prefix", PREFIX, tree.to_str().expect("a path in UTF-8")]).good();
    }
    world.run(["add", "store:libc", "store:user"]).good();
    for name in ["own", "user"] {
        prints(&world, name, "with its own");
        // Which files it runs with, from the dynamic linker that is written down in it.
        let mut traced = std::process::Command::new(command(&world, name));
        let traced = traced.env("LD_TRACE_LOADED_OBJECTS", "1").output().expect("it starts");
        let traced = String::from_utf8_lossy(&traced.stdout).into_owned();
        let files: Vec<&str> = traced.lines().filter_map(|line| line.split(" => ").last()).collect();
        let in_store = |soname: &str| {
            let file = files.iter().find(|file| file.contains(soname)).unwrap_or_else(|| panic!("{soname}: {traced}"));
            let file = file.split_whitespace().next().expect("a path");
            fs::canonicalize(file).expect("it is there").starts_with(&world.store)
        };
        assert!(in_store("libc.so.6") && in_store("ld-linux-x86-64.so.2"), "{name}: {traced}");
    }
    world.is_whole();
}

#[test]
fn what_would_break_is_refused() {
    let world = World::new();
    let trees = linked(&world);
    let refused = [
        ("2", Greet::Lacks, "greet_count"),
        ("3", Greet::Grown, "greeting"),
        ("4", Greet::Moved, "libgreet.so.1 at lib/libgreet.so.1"),
    ];
    for (version, how, reason) in refused {
        trees.import(&trees.greet(version, how)).good();
        world.run(["update"]).failed(3, &[reason]);
        says(&world, "hello world");
    }
    // Nor is it linked to that from the beginning.
    world.run(["--view", "strict", "view", "policy", "--together", "yes"]).good();
    world.run(["--view", "strict", "add", "store:prog", "store:greet=2"]).failed(3, &["greet_count"]);
    let added = world.run(["--view", "another", "add", "store:prog", "store:greet=2"]).good();
    assert!(added.out.contains("prog keeps greet 1 for itself"), "{added:?}");
    assert_eq!(world.run(["--view", "another", "run", "--", "prog"]).good().out.trim(), "hello world");
    world.run(["abi", "check"]).good();
    // The promise is kept by the next one.
    trees.import(&trees.greet("5", Greet::Says("hi"))).good();
    world.run(["update", "greet"]).good();
    says(&world, "hi world");
    world.is_whole();
    world.run(["--view", "another", "add", "store:prog", "store:greet=5"]).good();
}

#[test]
fn who_cannot_move_keeps_what_it_has_for_itself() {
    let world = World::new();
    let trees = with_simple(&world);
    let says = |program: &str, words: &str| prints(&world, program, words);
    trees.import(&trees.greet("2", Greet::Lacks)).good();
    let planned = world.run(["update", "-n"]).good();
    for part in ["prog keeps greet 1 for itself, not 2", "greet_count", "greet@prog:x86_64"] {
        assert!(planned.out.contains(part), "{part}: {planned:?}");
    }
    world.run(["view", "policy", "--together", "yes"]).good();
    world.run(["update"]).failed(3, &["greet_count"]);
    says("simple", "hello");
    world.run(["view", "policy", "--together", "no"]).good();
    world.run(["update"]).good();
    says("prog", "hello world");
    says("simple", "changed");
    world.run(["abi", "check"]).good();
    let why = world.run(["why", "prog"]).good().out;
    assert!(why.contains("greet@prog 1, which it was made with"), "{why}");
    world.is_whole();
    // There is nothing more to be had, and that is no secret.
    world.run(["update"]).failed(3, &["prog cannot move from greet 1 to 2", "greet_count"]);
    // What works for all brings them together again.
    trees.import(&trees.greet("3", Greet::Says("hi"))).good();
    let drawn = world.directory.join("plan.svg");
    world.run(["update", "--graph", drawn.to_str().unwrap()]).good();
    says("prog", "hi world");
    says("simple", "hi");
    let packages = world.run(["list", "--all"]).good().out;
    assert!(!packages.contains('@'), "{packages}");
    let drawn = fs::read_to_string(drawn).unwrap();
    assert!(["2 → 3", ">prog<", ">simple<", "relink: symbols"].iter().all(|part| drawn.contains(part)), "{drawn}");
    // A version can be named, older ones, too.
    world.run(["update", "greet=1"]).good();
    says("simple", "hello");
    world.run(["update", "greet=7"]).failed(3, &["greet 7", "3, 2, 1"]);
}

#[test]
fn what_fails_a_check_is_found_and_pinned_back() {
    let world = World::new();
    let trees = with_simple(&world);
    let says = |program: &str, words: &str| prints(&world, program, words);
    world.run(["view", "policy", "--check", "prog | grep -q '^h'"]).good();
    trees.import(&trees.greet("2", Greet::Says("broken"))).good();
    let updated = world.run(["update"]).good();
    for part in ["the check `prog | grep -q '^h'` fails", "greet of prog (1) is pinned back"] {
        assert!(updated.err.contains(part), "{part}: {updated:?}");
    }
    assert!(updated.out.contains("prog keeps greet 1 for itself, not 2"), "{updated:?}");
    says("prog", "hello world");
    says("simple", "broken");
    let numbers = || world.run(["history"]).good().out.lines().count();
    assert_eq!(numbers(), 3, "what was tried is not kept");
    assert!(world.run(["why", "prog"]).good().out.contains("pinned back: with 2"));
    assert!(world.run(["update"]).good().out.contains("has that already"));
    world.is_whole();
    world.is_tidy();
    // Something newer is tried.
    trees.import(&trees.greet("3", Greet::Says("hi"))).good();
    world.run(["update"]).good();
    says("prog", "hi world");
    // Where nothing is left to move, the view stays.
    world.run(["view", "policy", "--check", "simple | grep -q '^h'"]).good();
    trees.import(&trees.greet("4", Greet::Says("bad"))).good();
    world.run(["update"]).failed(1, &["the check", "the view stays"]);
    says("simple", "hi");
    // What was broken before is not to blame.
    world.run(["view", "policy", "--check", "false", "--unpin", "prog"]).good();
    world.run(["view", "policy", "--no-check", "prog | grep -q '^h'"]).good();
    world.run(["view", "policy", "--no-check", "simple | grep -q '^h'", "--unpin", "simple"]).good();
    let updated = world.run(["update"]).good();
    assert!(updated.err.contains("that does not count"), "{updated:?}");
    says("prog", "bad world");
}

#[test]
fn programs_of_a_views_tree_find_those_that_run_from_the_store() {
    for who in [Some(Who::Self_), granted()].into_iter().flatten() {
        let world = World::of(who, "both");
        let trees = Trees { world: &world };
        trees.import(&trees.still()).good();
        let package = support::packages::Package::new("runner", "1").file("usr/bin/runner", 0o755, trees.runner());
        let package = package.build(&world.directory);
        world.run([std::ffi::OsStr::new("add"), package.as_os_str()]).good();
        world.run(["run", "--", "runner", "still"]).failed(9, &[]);
        world.run(["add", "store:still"]).good();
        assert_eq!(world.run(["run", "--", "runner", "still"]).good().out, "still here\n");
        world.run(["run", "--pure", "--", "runner", "still"]).failed(9, &[]);
        // Its own come first, and a record that was lost says the same again.
        let current = fs::read_dir(world.store.join("views")).unwrap().flatten().next().unwrap().path().join("current");
        fs::remove_file(current.join("run.json")).unwrap();
        world.run(["store", "repair"]).good();
        assert_eq!(world.run(["run", "--", "runner", "still"]).good().out, "still here\n");
    }
}

#[test]
fn what_is_opened_late_is_found_where_it_is_declared() {
    let world = World::new();
    let trees = Trees { world: &world };
    trees.import(&trees.greet("1", Greet::Says("hello"))).good();
    let tree = trees.late();
    let import = |more: &[&str]| {
        let host = ["--host", "libc.so.6", "--host", "ld-linux-x86-64.so.2"];
        let tree = ["import", "--prefix", support::trees::PREFIX, tree.to_str().unwrap()];
        world.run(tree.into_iter().chain(host).chain(more.iter().copied()))
    };
    import(&["--dlopen", "libabsent.so.1"]).failed(1, &["libabsent.so.1"]);
    import(&["--dlopen", "libgreet.so.1"]).good();
    world.run(["add", "store:late"]).good();
    assert_eq!(world.run(["run", "--", "late"]).good().out.trim(), "hello");
    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    world.run(["update"]).good();
    assert_eq!(world.run(["run", "--", "late"]).good().out.trim(), "welcome");
}

#[test]
fn what_a_component_demands_is_checked_wherever_it_is_linked() {
    let world = World::new();
    let trees = Trees { world: &world };
    trees.import(&trees.greet("1", Greet::Says("hello"))).good();
    let (host, tree) = (["--host", "libc.so.6", "--host", "ld-linux-x86-64.so.2"], trees.simple());
    let import =
        ["import", "--prefix", support::trees::PREFIX, tree.to_str().unwrap(), "--check", "simple | grep -q hello"];
    world.run(import.into_iter().chain(host)).good();
    world.run(["add", "store:simple"]).good();
    trees.import(&trees.greet("2", Greet::Says("broken"))).good();
    world.run(["update"]).failed(1, &["simple | grep -q hello", "the view stays"]);
    assert_eq!(world.run(["run", "--", "simple"]).good().out.trim(), "hello");
    world.run(["--view", "another", "add", "store:simple", "store:greet=2"]).failed(1, &["simple | grep -q hello"]);
}

#[test]
fn what_is_not_linked_as_it_was_made_is_told() {
    let world = World::new();
    let trees = linked(&world);
    let bindings = |world: &World| world.run(["why", "prog"]).good().out;
    assert!(bindings(&world).contains("greet 1, which it was made with"), "{}", bindings(&world));
    assert!(world.run(["store", "relinked"]).good().out.contains("as it was made"));
    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    world.run(["update"]).good();
    assert!(bindings(&world).contains("greet 2, made with 1"), "{}", bindings(&world));
    let relinked = world.run(["store", "relinked"]).good().out;
    assert!(["prog", "greet", "1 -> 2"].iter().all(|part| relinked.contains(part)), "{relinked}");
}

#[test]
fn a_tree_whose_prefix_is_too_short_is_linked_once() {
    let world = World::new();
    let trees = linked(&world);
    let tree = trees.prog();
    let text = fs::read(tree.join("bin/prog")).unwrap();
    let short = b"/opt/x";
    let long = support::trees::PREFIX.as_bytes();
    // The same program as if it had been made for another prefix.
    let mut bytes = text;
    while let Some(at) = bytes.windows(long.len()).position(|window| window == long) {
        bytes[at..at + short.len()].copy_from_slice(short);
        bytes[at + short.len()..at + long.len()].fill(b'/');
    }
    fs::write(tree.join("bin/prog"), bytes).unwrap();
    let host = ["--host", "libc.so.6", "--host", "ld-linux-x86-64.so.2"];
    let tree = tree.to_str().unwrap();
    let arguments = ["import", "--prefix", "/opt/x", "--name", "short", "--version", "1", tree];
    let imported = world.run(arguments.into_iter().chain(host)).good();
    assert!(imported.err.contains("no room for a longer path than /opt/x"), "{imported:?}");
    world.run(["add", "store:short"]).good();
    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    let updated = world.run(["update"]).good();
    assert!(updated.out.contains("short keeps greet 1 for itself, not 2"), "{updated:?}");
    world.run(["update"]).failed(3, &["short", "rebuilt", "no room"]);
}

#[test]
fn what_is_bound_to_the_wrong_library_from_the_beginning_is_refused() {
    let world = World::new();
    let trees = Trees { world: &world };
    // It is compiled with this one, and taken in with another.
    trees.greet("1", Greet::Says("hello"));
    trees.import(&trees.greet("2", Greet::Lacks)).good();
    trees.import(&trees.prog()).good();
    world.run(["add", "store:prog"]).failed(3, &["greet_count", "bin/pl"]);
    world.run(["list"]);
    world.run(["add", "--accept-breaks", "store:prog"]).good();
}

#[test]
fn what_nobody_offers_is_named() {
    let world = World::new();
    let trees = Trees { world: &world };
    trees.greet("1", Greet::Says("hello"));
    trees.import(&trees.prog()).failed(1, &["libgreet.so.1", "bin/"]);
    world.run(["import", "--prefix", "/opt/none/x-1"]).failed(1, &["/opt/none/x-1"]);
    world.run(["add", "store:prog"]).failed(3, &["prog"]);
    world.run(["import", "--prefix", "relative", "."]).failed(2, &["absolute"]);
}

#[test]
fn damage_to_a_package_is_found_and_mended() {
    let world = World::new();
    linked(&world);
    let package = package(&world, "prog");
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for damaged in ["bin/prog", "bin/plain", "share"] {
        let path = package.join(damaged);
        open(path.parent().unwrap());
        fs::remove_file(&path).unwrap();
        let found = world.run(["store", "verify"]);
        assert!(found.code == Some(4) && found.out.contains(damaged), "{found:?}");
        world.run(["store", "repair"]).good();
        world.is_whole();
        says(&world, "hello world");
    }
}

#[test]
fn a_damaged_policy_is_found_and_set_anew() {
    let world = World::new();
    linked(&world);
    world.run(["view", "policy", "--check", "false"]).good();
    let view = fs::read_dir(world.store.join("views")).unwrap().flatten().next().unwrap().path();
    fs::write(view.join("policy.json"), "{\"checks\":").unwrap();
    world.run(["add", "store:greet"]).failed(4, &["policy.json", "is damaged"]);
    let found = world.run(["store", "verify"]);
    assert!(found.code == Some(4) && found.out.contains("policy.json"), "{found:?}");
    let repaired = world.run(["store", "repair"]);
    assert!(repaired.out.contains("policy.json") && repaired.out.contains("view policy"), "{repaired:?}");
    world.is_whole();
    assert!(!world.run(["view", "policy"]).good().out.contains("must succeed"));
    world.run(["add", "store:greet"]).good();
}

#[test]
fn an_ordinary_user_links_into_a_home_with_a_long_path() {
    let Some(who) = granted() else { return };
    let world = World::of(who, "a-home-whose-path-is-rather-long-as-they-are-on-clusters/where/users");
    assert_ne!(who, Who::Self_);
    let trees = linked(&world);
    says(&world, "hello world");
    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    world.run(["update"]).good();
    says(&world, "welcome world");
    world.is_whole();
}
