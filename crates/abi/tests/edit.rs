//! Edited files load and run as before, from where they were told to.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use aleph_abi::{
    edit::{Edits, INTERPRETER_ROOM, edit},
    elf,
};
use proptest::prelude::*;
use support::Workshop;

/// How many of the host's files are edited.
const FILES: usize = 240;

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The libraries that the host's dynamic linker finds by name.
fn libraries() -> BTreeMap<Vec<u8>, String> {
    let listing = Command::new("/sbin/ldconfig").arg("-p").output().expect("there is ldconfig");
    let listing = String::from_utf8(listing.stdout).unwrap();
    let one = |line: &str| {
        let (name, path) = line.split_once(" => ")?;
        let name = name.split_whitespace().next()?;
        // The dynamic linker itself is there already.
        (line.contains("x86-64") && !name.starts_with("ld-linux")).then(|| (name.as_bytes().to_vec(), path.to_owned()))
    };
    listing.lines().rev().filter_map(one).collect()
}

/// What a dynamic linker says of a file, without the addresses.
fn loaded(path: &Path) -> (bool, Vec<String>) {
    let ran = Command::new("/lib64/ld-linux-x86-64.so.2").arg("--list").arg(path).env("LD_BIND_NOW", "1").output();
    let ran = ran.expect("there is a dynamic linker");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let file = |line: &str| {
        line.split_whitespace().find(|word| word.starts_with('/')).and_then(|word| fs::canonicalize(word).ok())
    };
    let mut files: Vec<String> = text.lines().filter_map(file).map(|path| path.display().to_string()).collect();
    files.sort();
    (ran.status.success(), files)
}

/// Some of the host's files, spread over all of them.
fn some_host_files() -> Vec<PathBuf> {
    let files = support::host_files();
    let step = files.len() / FILES + 1;
    files.into_iter().step_by(step).collect()
}

#[test]
fn the_hosts_own_files_load_from_where_they_are_told_to() {
    let workshop = Workshop::new();
    let libraries = libraries();
    let files = some_host_files();
    let mut edited = 0;
    for path in &files {
        let data = fs::read(path).unwrap();
        let before = elf::read(&data).unwrap();
        if before.runpath().is_some() || before.needed().next().is_none() {
            continue;
        }
        let edits =
            Edits { paths: libraries.clone(), runpath: Some("$ORIGIN/none".to_owned()), reserve_interpreter: true };
        let Ok(result) = edit(&data, &edits) else { continue };
        edited += 1;
        let copy = workshop.path("edited");
        put(&copy, &result.bytes);
        let after = elf::read(&result.bytes).unwrap();
        let names = |facts: &elf::Facts| -> Vec<Vec<u8>> {
            facts.exports().iter().map(|symbol| facts.name(symbol).to_vec()).collect()
        };
        assert_eq!(names(&before), names(&after), "{}", path.display());
        assert_eq!((before.build_id(), before.soname()), (after.build_id(), after.soname()), "{}", path.display());
        assert_eq!(loaded(path), loaded(&copy), "{}", path.display());
        let complaints = |path: &Path| Command::new("readelf").arg("-aW").arg(path).output().unwrap().stderr;
        assert_eq!(complaints(path).len(), complaints(&copy).len(), "{}", path.display());
    }
    assert!(edited > files.len() / 2, "only {edited} of {} were edited", files.len());
}

/// The bytes without the program header that says what a note says as well, as older linkers write them.
fn without_property(mut bytes: Vec<u8>) -> Vec<u8> {
    const PT_GNU_PROPERTY: [u8; 4] = 0x6474_e553_u32.to_le_bytes();
    let at = (64..).step_by(56).take(16).find(|at| bytes[*at..*at + 4] == PT_GNU_PROPERTY).expect("there is one");
    bytes[at..at + 4].fill(0);
    bytes
}

/// A program and its library, linked with `options`, run with the library in another place.
fn check_runs(options: &str) {
    check_runs_changed(options, |bytes| bytes);
    check_runs_changed(options, without_property);
}

fn check_runs_changed(options: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let workshop = Workshop::new();
    workshop.write("a.c", "int value(void) { return 42; }");
    workshop.write("a.map", "A_1 { global: value; local: *; };");
    workshop.write("m.c", "int value(void); int main(void) { return value() != 42; }");
    workshop.run(
        "mkdir -p far/away bin && cc -shared -fPIC -Wl,-soname,liba.so.1 -Wl,--version-script=a.map -o liba.so.1 a.c",
    );
    workshop.run(&format!("cc {options} -o bin/m m.c liba.so.1 && mv liba.so.1 far/away"));
    let path = workshop.path("bin/m");
    let edits = Edits {
        paths: [(b"liba.so.1".to_vec(), "$ORIGIN/../far/away/liba.so.1".to_owned())].into(),
        runpath: Some(String::new()),
        reserve_interpreter: true,
    };
    let edited = edit(&change(fs::read(&path).unwrap()), &edits).unwrap();
    put(&path, &edited.bytes);
    workshop.run("bin/m");
    // Another interpreter is written over the one that is there.
    workshop.run("cp /lib64/ld-linux-x86-64.so.2 far/away/ld.so");
    let interpreter = format!("{}/far/away/ld.so\0", workshop.path("").display());
    let start = usize::try_from(edited.interpreter.expect("programs have interpreters")).unwrap();
    let mut bytes = edited.bytes;
    bytes[start..start + INTERPRETER_ROOM].fill(0);
    bytes[start..start + interpreter.len()].copy_from_slice(interpreter.as_bytes());
    put(&path, &bytes);
    workshop.run("bin/m && rm far/away/ld.so && ! bin/m");
}

#[test]
fn programs_of_all_kinds_run_from_where_they_are_told_to() {
    check_runs("");
    check_runs("-no-pie");
    check_runs("-Wl,--spare-dynamic-tags=0");
    check_runs("-no-pie -Wl,--spare-dynamic-tags=0 -Wl,-rpath,/opt/none/lib");
}

#[test]
fn without_edits_nothing_changes() {
    for path in some_host_files().iter().take(20) {
        let data = fs::read(path).unwrap();
        assert!(edit(&data, &Edits::default()).unwrap().bytes == data, "{}", path.display());
    }
}

#[test]
fn what_is_no_program_and_no_library_is_refused() {
    for data in [&b""[..], b"\x7fELF\x02", b"#!/bin/sh\n", &[0x7f, b'E', b'L', b'F', 1, 1, 1, 0]] {
        assert!(edit(data, &Edits::default()).is_err());
    }
}

proptest! {
    #[test]
    fn damaged_files_end_in_errors_or_files(changes in proptest::collection::vec((0_usize..4096, any::<u8>()), 1..12)) {
        let mut data = fs::read("/usr/bin/env").unwrap();
        for (at, byte) in changes {
            data[at] = byte;
        }
        let edits = Edits {
            paths: [(b"libc.so.6".to_vec(), "/none".to_owned())].into(),
            runpath: Some("/none".to_owned()),
            reserve_interpreter: true,
        };
        let _ = edit(&data, &edits);
    }
}
