//! A project's files may come from anybody, and so do archives that are named as files.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{fs, path::Path};

use support::{
    Ran, World,
    packages::{Package, program},
};

/// `aleph` in the project's directory, on a store of this name.
fn aleph(world: &World, project: &Path, store: &str, arguments: &[&str]) -> Ran {
    let mut command = world.aleph(arguments);
    Ran::of(command.current_dir(project).env("ALEPH_STORE", world.directory.join(store)))
}

#[test]
fn a_lock_file_does_not_make_this_hosts_files_into_packages() {
    let world = World::new();
    let project = world.directory.join("project");
    fs::create_dir(&project).expect("a directory");
    Package::new("prog", "1").file("usr/bin/prog", 0o755, program(&project, "1")).build(&project);

    aleph(&world, &project, "one", &["init"]).good();
    aleph(&world, &project, "one", &["add", "./prog_1.deb"]).good();
    assert_eq!(aleph(&world, &project, "one", &["run", "--", "prog"]).good().out, "prog 1\n");

    let ran = aleph(&world, &project, "two", &["run", "--", "prog"]);
    ran.failed(1, &["prog 1 was added from a local file", "/prog_1.deb", "`aleph add ./prog_1.deb`"]);
    aleph(&world, &project, "two", &["add", "./prog_1.deb"]).good();
    assert_eq!(aleph(&world, &project, "two", &["run", "--", "prog"]).good().out, "prog 1\n");

    let lock = project.join("aleph.lock");
    let text = fs::read_to_string(&lock).expect("a lock file");
    fs::write(&lock, text.replace("name = \"prog\"", "name = \"../prog\"")).expect("it is written");
    aleph(&world, &project, "one", &["run", "--", "prog"]).failed(1, &["is not a package's name"]);
}

#[test]
fn a_file_that_was_built_again_is_another() {
    let world = World::new();
    let build = |content: &str| {
        let program = program(&world.directory, content);
        Package::new("prog", "1").file("usr/bin/prog", 0o755, program).build(&world.directory);
    };
    let once = || world.run(["run", "--with", "./prog_1.deb", "--", "prog"]).good().out;
    build("first");
    assert_eq!(once(), "prog first\n");
    world.run(["add", "./prog_1.deb"]).good();
    build("second");
    assert_eq!(once(), "prog second\n");
    assert_eq!(world.prog().out, "prog first\n");
    world.run(["add", "./prog_1.deb"]).good();
    assert_eq!(world.prog().out, "prog second\n");
    assert!(world.run(["add", "./prog_1.deb"]).good().out.contains("has that already"));
}
