//! Several processes at one store: writers queue and do a thing once, readers neither wait nor fail.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{
    Ran, World,
    packages::{Package, Set, with},
};

/// Starts a command whose output is wanted later.
fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("aleph starts")
}

fn end(child: Child) -> Ran {
    let output: Output = child.wait_with_output().expect("a child ends");
    output.into()
}

/// Packages named `<prefix><number>`, each with a command of that name.
fn many(directory: &std::path::Path, prefix: &str, number: usize) -> Vec<PathBuf> {
    let chance = support::chance::Chance::new(7);
    let one = |index: usize| {
        let name = format!("{prefix}{index}");
        Package::new(&name, "1")
            .file(format!("usr/bin/{name}"), 0o755, "#!/bin/sh\n")
            .file(format!("usr/share/{name}/data"), 0o644, chance.bytes(200_000))
            .build(directory)
    };
    (0..number).map(one).collect()
}

#[test]
fn two_that_import_the_same_do_it_once() {
    let set = Set::make(8);
    let world = World::new();
    let import = || world.aleph(with(&["import"], &set.old));
    let both = [start(import()), start(import())].map(end).map(Ran::good);
    assert_eq!(both[0].out, both[1].out);
    let waited = both.iter().filter(|ran| ran.err.contains("waiting for another aleph")).count();
    assert!(waited <= 1, "{both:?}");
    let info = world.run(["--format", "json", "store", "info"]).good().out;
    assert!(info.replace(' ', "").contains("\"components\":3"), "{info}");
    world.is_whole();
    world.is_tidy();
}

#[test]
fn one_that_has_to_wait_says_for_whom() {
    let set = Set::make(1);
    let world = World::new();
    world.run(with(&["import"], &set.old)).good();
    // A writer that takes its time.
    let lock = std::fs::File::options().write(true).open(world.store.join("lock")).expect("the lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("nobody has it");
    std::fs::write(world.store.join("lock"), "4711 knitting").expect("it can be written");
    let waiting = start(world.aleph(with(&["import"], &set.new)));
    thread::sleep(Duration::from_millis(400));
    world.run(["list"]);
    world.is_whole();
    drop(lock);
    let ran = end(waiting).good();
    assert!(ran.err.contains("waiting for another aleph (process 4711, knitting)"), "{ran:?}");
}

#[test]
fn two_additions_to_one_view_both_count() {
    let set = Set::make(4);
    let world = World::new();
    let kept = tempfile::tempdir().expect("a temporary directory");
    let other = many(kept.path(), "other", 3);
    let first = start(world.aleph(with(&["add"], &set.old)));
    let second = start(world.aleph(with(&["add"], &other)));
    let both = [end(first).good(), end(second).good()];
    let list = world.run(["list"]).good().out;
    for name in ["prog", "libthing", "other0", "other1", "other2"] {
        assert!(list.contains(name), "no {name} in {list}\n{both:?}");
    }
    let history = world.run(["history"]).good().out;
    assert!(history.contains("prog_1.deb") && history.contains("other2_1.deb"), "{history}");
    assert_eq!(world.prog().good().out, "prog 1\n");
    world.is_whole();
    world.is_tidy();
}

/// While writers of every kind follow each other, readers look.
#[test]
fn readers_neither_wait_nor_fail() {
    let set = Set::make(3);
    let world = World::new();
    world.run(with(&["add"], &set.old)).good();
    let kept = tempfile::tempdir().expect("a temporary directory");
    let other = many(kept.path(), "other", 6);
    let done = std::sync::atomic::AtomicBool::new(false);
    let finished = || done.load(std::sync::atomic::Ordering::Relaxed);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..4 {
                let archives = if round % 2 == 0 { &set.new } else { &set.old };
                world.run(with(&["add"], archives)).good();
                world.run(with(&["import"], &other)).good();
                world.run(["view", "prune"]).good();
                world.run(["store", "gc"]).good();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let looks: [fn(&World); 4] = [
            |world| drop(world.run(["list"]).good()),
            |world| drop(world.run(["store", "info"]).good()),
            |world| {
                let prog = world.prog().good().out;
                assert!(["prog 1\n", "prog 2\n"].contains(&prog.as_str()), "{prog}");
            },
            World::is_whole,
        ];
        let readers = looks.map(|look| {
            let world = &world;
            scope.spawn(move || {
                let mut number = 0;
                while !finished() {
                    look(world);
                    number += 1;
                }
                number
            })
        });
        let ended = readers.map(|reader| reader.join());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().expect("writers succeed");
        let numbers = ended.map(|ended| ended.expect("readers succeed"));
        assert!(numbers.iter().all(|number| *number >= 3), "{numbers:?}");
    });
    world.is_tidy();
}

/// What is being imported is not collected, and an addition survives collections at any moment.
#[test]
fn collections_beside_imports_and_additions() {
    let set = Set::make(2);
    let world = World::new();
    let kept = tempfile::tempdir().expect("a temporary directory");
    let other = many(kept.path(), "other", 4);
    world.run(with(&["add"], &other[..1])).good();
    for round in 0..4 {
        let archives = if round % 2 == 0 { &set.old } else { &set.new };
        let add = start(world.aleph(with(&["add"], archives)));
        let import = start(world.aleph(with(&["import"], &other)));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            world.run(["store", "gc"]).good();
        }
        end(add).good();
        end(import).good();
        let wanted = if round % 2 == 0 { "prog 1\n" } else { "prog 2\n" };
        assert_eq!(world.prog().good().out, wanted);
        world.is_whole();
        world.is_tidy();
    }
}
