//! Looking and dry runs leave no trace, and every answer can be had as JSON.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{io::Read as _, process::Stdio};

use support::{
    World,
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
    world.run(with(&["add"], &[prog("2")])).good();

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
    drop(running.stdin.take());
    assert!(running.wait().expect("it ends").success());
    assert!(!has_once());
}
