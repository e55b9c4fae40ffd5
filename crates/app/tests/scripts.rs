//! What maintainer scripts did to a package's own files goes with the files.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::path::{Path, PathBuf};

use support::{
    Who, World, granted, is_root,
    packages::{Package, program, with},
};

/// `prog` in this version, with or without a postinst that sets the mode of its program.
fn prog(directory: &Path, version: &str, sets_mode: bool) -> PathBuf {
    let package = Package::new("prog", version).file("usr/bin/prog", 0o755, program(directory, version));
    let package = if sets_mode { package.script("postinst", "#!/usr/bin/set-modes\n") } else { package };
    package.build(directory)
}

fn check(who: Who) {
    let world = World::of(who, "scripts");
    let kept = tempfile::tempdir_in(&world.directory).expect("a temporary directory");
    std::fs::set_permissions(kept.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permissions");
    let tools = program(kept.path(), "0");
    let tools = Package::new("tools", "0")
        .file("usr/bin/dpkg", 0o755, tools.clone())
        .file("usr/bin/set-modes", 0o755, tools)
        .build(kept.path());
    let captured = |world: &World| {
        let ran = world.run(["view", "captured"]).good();
        let line = ran.out.lines().find(|line| line.contains("/usr/bin/prog")).map(str::to_owned);
        line.map(|line| line.split_whitespace().next().unwrap_or_default().to_owned())
    };

    let first = prog(kept.path(), "1", true);
    world.run(with(&["add"], &[tools, first])).good();
    assert_eq!((captured(&world).as_deref(), world.prog().out.as_str()), (Some("-0750"), "prog 1\n"));

    world.run(with(&["add"], &[prog(kept.path(), "2", true)])).good();
    assert_eq!((captured(&world).as_deref(), world.prog().out.as_str()), (Some("-0750"), "prog 2\n"));

    world.run(with(&["add"], &[prog(kept.path(), "3", false)])).good();
    assert_eq!((captured(&world), world.prog().out.as_str()), (None, "prog 3\n"));

    world.run(with(&["add"], &[prog(kept.path(), "4", true)])).good();
    assert_eq!((captured(&world).as_deref(), world.prog().out.as_str()), (Some("-0750"), "prog 4\n"));

    world.run(["remove", "prog"]).good();
    assert_eq!(captured(&world), None);
    assert_ne!(world.prog().code, Some(0));
    world.is_whole();
}

#[test]
fn a_program_that_a_script_touched_is_updated_and_removed() {
    check(Who::Self_);
    if is_root() {
        check(Who::User { uid: 47_011, gid: 47_011 });
        granted().into_iter().for_each(check);
    }
}
