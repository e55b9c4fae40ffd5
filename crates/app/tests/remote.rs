//! Builds on a real cluster: the same comes of them as here, whatever happens to workers, server and contents meanwhile.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{collections::BTreeMap, fs, process::Stdio, thread};

use support::{
    Ran, Who,
    cluster::Cluster,
    farm::{Farm, HEADER, greet},
};

/// The row of each recipe, by name.
type Rows = BTreeMap<String, serde_json::Value>;

#[track_caller]
fn rows(ran: &Ran) -> Rows {
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let rows = answer["data"].as_array().expect("rows").iter();
    rows.map(|row| (row["name"].as_str().expect("a name").to_owned(), row.clone())).collect()
}

#[track_caller]
fn build(farm: &Farm, more: &[&str]) -> (Rows, Ran) {
    let ran = farm.run(&[["--format", "json", "build", "world"].as_slice(), more].concat()).good();
    (rows(&ran), ran)
}

/// What came of each recipe.
fn components(rows: &Rows) -> Vec<(String, String)> {
    let component = |row: &serde_json::Value| row["component"].as_str().expect("a component").to_owned();
    rows.iter().map(|(name, row)| (name.clone(), component(row))).collect()
}

#[track_caller]
fn is_built_on(rows: &Rows, executor: &str) {
    for (name, row) in rows {
        assert_eq!(row["what"], "built", "{name}: {row}");
        let on = row["executor"].as_str().unwrap_or("this machine");
        assert!(on.contains(executor), "{name} was built on {on}");
    }
}

/// The store forgets that anything was built.
fn forget(farm: &Farm) {
    for entry in fs::read_dir(farm.real.0.store.join("builds")).expect("builds").flatten() {
        if entry.path().is_file() {
            fs::remove_file(entry.path()).expect("a record");
        }
    }
}

/// A library with all that a cluster does not carry by itself: modes, links that lead anywhere, a directory with nothing in it.
/// `prog` is linked to it.
fn sample() -> Farm {
    let farm = Farm::new(Who::Self_);
    farm.library("greet", "", HEADER, &greet("hello", ""));
    let path = "recipes/greet/recipe.toml";
    let install = "mkdir -p $DESTDIR$PREFIX/lib $DESTDIR$PREFIX/share/empty\n\
                   ln -s /etc/passwd $DESTDIR$PREFIX/share/absolute\nln -s ../../../../x $DESTDIR$PREFIX/share/outside\n\
                   cp -p /usr/share/common-licenses/BSD $DESTDIR$PREFIX/share/kept\n\
                   cp /etc/debian_version $DESTDIR$PREFIX/share/\n\
                   echo 1 > $DESTDIR$PREFIX/share/private\nchmod 600 $DESTDIR$PREFIX/share/private\n\
                   find /etc /usr/include /usr/lib/gcc /sources /aleph -printf '%p %m %U %s %l %y\\n' 2>&1 | grep -v ' d$' | sort \
                   > $DESTDIR$PREFIX/share/seen\n\
                   env | grep -v -e JOBS -e MAKEFLAGS -e CMAKE_BUILD_PARALLEL_LEVEL | sort > $DESTDIR$PREFIX/share/environment\n\
                   chmod 1755 $DESTDIR$PREFIX/share/empty\n";
    let recipe = fs::read_to_string(farm.path(path)).expect("a recipe");
    farm.write(
        path,
        &recipe.replace("mkdir -p $DESTDIR$PREFIX/lib ", &format!("{install}mkdir -p $DESTDIR$PREFIX/lib ")),
    );
    std::os::unix::fs::symlink("/nowhere", farm.path("recipes/greet/src/absolute")).expect("a link");
    farm.program(
        "prog",
        "greet",
        "#include <greet.h>\n#include <stdio.h>\nint main(void) { struct greeting g; puts(greet(&g)); return 0; }\n",
    );
    farm
}

#[test]
fn the_same_comes_of_it_there_and_here() {
    let farm = sample();
    let (here, _) = build(&farm, &[]);
    farm.real.keep();
    let mut cluster = Cluster::new();
    cluster.add_worker("w1");
    farm.write(".config/aleph/executors.toml", &cluster.settings());
    let on = ["--executor", "farm"];

    forget(&farm);
    let (there, ran) = build(&farm, &on);
    is_built_on(&there, "(w1)");
    assert_eq!(components(&there), components(&here), "{ran:?}\n{}", cluster.said("w1"));
    farm.real.0.is_whole();
    farm.run(&["add", "store:prog"]).good();
    farm.prints("hello");

    // Again: the cluster knows what came of it.
    forget(&farm);
    let (known, ran) = build(&farm, &on);
    is_built_on(&known, "(known there)");
    assert_eq!(components(&known), components(&here));
    assert!(ran.err.contains("2 actions, 2 of them known there; 0 contents sent"), "{ran:?}");

    // Built once more because that is what was asked for: nothing has to be sent for it.
    let (again, ran) = build(&farm, &[&on[..], &["--check"]].concat());
    assert!(again.values().all(|row| row["what"] == "reproduced"), "{ran:?}");
    assert!(ran.err.contains("2 actions, 0 of them known there; 0 contents sent"), "{ran:?}");

    // Contents are lost, of what is sent and of what came: they are sent and made again.
    let lost = lose(&cluster);
    forget(&farm);
    let (after, ran) = build(&farm, &on);
    assert_eq!(components(&after), components(&here), "{ran:?}");
    assert!(after.values().all(|row| row["executor"].as_str().is_some_and(|on| on.contains("(w1)"))), "{ran:?}");
    assert!(lost > 100 && !ran.err.contains(" 0 contents sent"), "{lost} lost: {ran:?}");

    // A build that fails there has failed, and its log is here.
    farm.write("recipes/prog/src/prog.c", "int main(void) { return missing; }\n");
    let failed = farm.run(&["build", "prog", on[0], on[1]]);
    failed.failed(1, &["prog 1 could not be built: build exited with", "undeclared"]);
    assert!(!failed.err.contains("built here"), "{failed:?}");

    // Without workers it waits; without a server it is built here, if the cluster was there in the beginning.
    farm.run(&["build", "prog", "--executor", "grpc://127.0.0.1:1"]).failed(1, &["cluster at grpc://127.0.0.1:1"]);
    farm.run(&["build", "prog", "--executor", "none"]).failed(2, &["there is no executor `none`", "(there: farm)"]);
}

/// Removes every second content that a server keeps. Gives how many.
fn lose(cluster: &Cluster) -> usize {
    let mut todo = vec![cluster.contents()];
    let mut files = Vec::new();
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).expect("contents").flatten() {
            match entry.path().is_dir() {
                true => todo.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    let lost = files.iter().step_by(2);
    lost.clone().for_each(|path| fs::remove_file(path).expect("a content"));
    lost.count()
}

#[test]
fn what_is_on_its_way_arrives() {
    let farm = sample();
    let path = "recipes/greet/recipe.toml";
    let recipe = fs::read_to_string(farm.path(path)).expect("a recipe");
    farm.write(path, &recipe.replace("build = '''\n", "build = '''\nsleep 6\n"));
    let (here, _) = build(&farm, &[]);
    let mut cluster = Cluster::new();
    farm.write(".config/aleph/executors.toml", &cluster.settings());
    let begin = |farm: &Farm| {
        let mut command = farm.real.aleph(&["--format", "json", "build", "world", "--executor", "farm"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        thread::spawn(move || Ran::from(child.wait_with_output().expect("it ends")))
    };

    // A worker dies in the middle of it: another one does it.
    forget(&farm);
    cluster.add_worker("w1");
    let running = begin(&farm);
    cluster.wait_for_lease("w1");
    cluster.kill_workers();
    cluster.add_worker("w2");
    let ran = running.join().expect("no panic").good();
    is_built_on(&rows(&ran), "(w2)");
    assert_eq!(components(&rows(&ran)), components(&here));
    cluster.kill_workers();

    // The server is started again, and knows of nothing: it is told again.
    forget(&farm);
    farm.write("recipes/greet/src/more.h", "/* another action */\n");
    let (changed, _) = build(&farm, &[]);
    forget(&farm);
    cluster.add_worker("w3");
    let running = begin(&farm);
    cluster.wait_for_lease("w3");
    cluster.kill_server();
    cluster.start();
    let ran = running.join().expect("no panic").good();
    is_built_on(&rows(&ran), "(w3)");
    assert_eq!(components(&rows(&ran)), components(&changed));

    // It is not started again: it is built here.
    forget(&farm);
    farm.write("recipes/greet/src/more.h", "/* and another */\n");
    cluster.kill_workers();
    cluster.add_worker("w4");
    let running = begin(&farm);
    cluster.wait_for_lease("w4");
    cluster.kill_server();
    let ran = running.join().expect("no panic").good();
    assert!(ran.err.contains("greet is built here, and so is what follows"), "{ran:?}");
    assert!(rows(&ran).values().all(|row| row["what"] == "built" && row["executor"].is_null()), "{ran:?}");
}
