//! Looking and dry runs leave no trace, and every answer can be had as JSON.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{fs, io::Read as _, process::Stdio};

use support::{
    Ran, World,
    packages::{Package, program, with},
};

#[test]
fn looking_makes_no_store() {
    let world = World::new();
    for arguments in [
        ["list"].as_slice(),
        &["history"],
        &["rollback"],
        &["why", "x"],
        &["view", "list"],
        &["view", "show"],
        &["view", "prune"],
        &["store", "info"],
        &["store", "verify"],
        &["store", "gc"],
        &["store", "repair"],
    ] {
        let ran = world.run(arguments);
        ran.failed(1, &["there is no store at", "`aleph add PACKAGE` makes a store"]);
    }
    world.run(["import", "-n", "x.deb"]).good();
    let prog = Package::new("prog", "1").file("usr/bin/prog", 0o755, "").build(&world.directory);
    let planned = world.run(with(&["add", "-n"], &[prog])).good().out;
    assert!(planned.contains("prog") && planned.contains("would change: 1 added"), "{planned}");
    assert!(!world.store.exists());
}

#[test]
fn a_dry_run_runs_nothing_and_answers_are_json() {
    let world = World::new();
    let json = |arguments: &[&str]| {
        let ran = world.run([["--format", "json"].as_slice(), arguments].concat()).good();
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        answer["data"].clone()
    };
    let prog = |version: &str| {
        let program = program(&world.directory, version);
        let package = Package::new("prog", version).file("usr/bin/prog", 0o755, program.clone());
        package.file("bin/sh", 0o755, program).build(&world.directory)
    };
    world.run(with(&["add"], &[prog("1")])).good();
    let newer = [prog("2")];
    let imported = || json(&["store", "info"])["components"].clone();
    assert_eq!(world.run(with(&["add", "-n"], &newer)).good().out.matches("1 replaced").count(), 1);
    assert_eq!(imported(), 1);
    world.run(with(&["add"], &newer)).good();

    assert_eq!(world.run(["-n", "run", "--", "prog", "x"]).good().out.split(" in ").next(), Some("would run prog x"));
    assert!(world.run(["-n", "shell"]).good().out.starts_with("would run /bin/sh in "));
    assert_eq!(json(&["-n", "run", "--", "prog"])["command"][0], "prog");
    let database =
        || std::fs::metadata(world.store.join("db.sqlite")).and_then(|found| found.modified()).expect("it is");
    let before = database();
    assert_eq!(json(&["-n", "store", "repair"])["damage"].as_array().map(Vec::len), Some(0));
    assert_eq!(database(), before);

    assert_eq!(json(&["view", "diff"])[0]["kind"], "replaced");
    world.run(["view", "prune", "--keep", "0"]).good();
    assert_eq!(json(&["view", "diff"])[0]["kind"], "added");

    assert!(json(&["view", "path"]).as_str().is_some_and(|path| path.ends_with("/bin")));
    assert_eq!(json(&["-n", "import", "x.deb"])["files"][0], "x.deb");
    world.run(["remove", "prog"]).good();
    assert_eq!(json(&["list"]).as_array().map(Vec::len), Some(0));
    assert_eq!(json(&["view", "captured"]).as_array().map(Vec::len), Some(0));
    assert!(json(&["-n", "init"])["directory"].is_string());
    assert!(json(&["init"])["manifest"].as_str().is_some_and(|path| path.ends_with("/aleph.toml")));
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let world = World::new();
    let package = Package::new("prog", "1").file("usr/bin/prog", 0o755, program(&world.directory, "1"));
    world.run(with(&["add"], &[package.build(&world.directory)])).good();
    for arguments in [["list"].as_slice(), &["--format", "json", "list"], &["store", "verify"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        Ran::of(world.aleph(arguments).stdout(full)).failed(1, &["the answer could not be written: No space left"]);
    }
}

#[test]
fn hints_name_what_can_be_done() {
    let world = World::new();
    // A variable that is set to nothing is not set.
    let store = world.store.as_os_str();
    let mut emptied = world.aleph([std::ffi::OsStr::new("--store"), store, "list".as_ref()]);
    let emptied = Ran::of(emptied.env("ALEPH_STORE", "").env("ALEPH_TARGET_VIEW", ""));
    emptied.failed(1, &["there is no store at"]);
    let typo = world.run(["ad"]);
    typo.failed(2, &["'add'"]);
    assert!(!typo.err.contains("worker"), "{typo:?}");
    let one = Package::new("one", "1").fields("Conflicts: two\n").build(&world.directory);
    let two = Package::new("two", "1").build(&world.directory);
    world.run(with(&["add"], &[one, two])).failed(3, &["one 1 conflicts with two", "into another view"]);
}

#[test]
fn what_programs_run_in_is_not_collected() {
    let world = World::new();
    let waiter = Package::new("waiter", "1").file("usr/bin/waiter", 0o755, program(&world.directory, "1"));
    waiter.build(&world.directory);
    let mut command = world.aleph(["run", "--with", "./waiter_1.deb", "--", "waiter"]);
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("aleph starts");
    let mut said = [0; 8];
    running.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("it says so");
    let has_once = || {
        world.run(["store", "gc"]).good();
        world.run(["view", "list"]).good().out.contains("once-")
    };
    assert!(has_once());
    let list = world.run(["view", "list"]).good().out;
    let name = list.split_whitespace().find(|word| word.starts_with("once-")).expect("its view is listed");
    for flags in [&["-n"][..], &[]] {
        let arguments = [flags, &["--view", name, "view", "delete"]].concat();
        world.run(arguments).failed(1, &["programs run in view `once-", "end them first"]);
    }
    drop(running.stdin.take());
    assert!(running.wait().expect("it ends").success());
    assert!(!has_once());
}

#[test]
fn a_program_whose_generation_is_removed_as_it_starts_does_not_start() {
    let world = World::new();
    let prog = Package::new("prog", "1").file("usr/bin/prog", 0o755, program(&world.directory, "1"));
    let archive = prog.build(&world.directory);
    world.run(with(&["--view", "v", "add"], &[archive])).good();
    let path = world.store.join("views/v/generations/1/run.json");
    // As a writer does it who removes the view.
    let claim = fs::File::open(&path).expect("it is there");
    rustix::fs::flock(&claim, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("nobody runs");
    let mut command = world.aleph(["--view", "v", "run", "--", "prog"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("aleph starts");
    let descriptors = format!("/proc/{}/fd", running.id());
    let is_waiting = || {
        let entries = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == path)
    };
    while !is_waiting() {
        assert!(running.try_wait().expect("it can be asked").is_none());
    }
    fs::rename(world.store.join("views/v"), world.directory.join("aside")).expect("it can be moved");
    drop(claim);
    let ran = support::Ran::from(running.wait_with_output().expect("it ends"));
    ran.failed(1, &["generation 1 of view `v` was just removed", "run this again"]);
}
