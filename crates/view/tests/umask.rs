//! A view written under a narrow umask. Alone in its process: the umask is one for all threads.

#![allow(clippy::disallowed_methods, reason = "tests, not a library")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use aleph_store::Store;
use support::{advance, lock};

/// What is in `directory` and not for everybody, with its mode.
fn closed(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let wanted =
            if kind.is_dir() || path.parent().is_some_and(|parent| parent.ends_with("bin")) { 0o755 } else { 0o644 };
        if !kind.is_symlink() && mode != wanted {
            found.push(format!("{} {mode:o}", path.display()));
        }
        if kind.is_dir() {
            closed(&path, found);
        }
    }
}

#[test]
fn a_narrow_umask_closes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let store = Store::open(&directory.path().join("store")).unwrap();
    let lock = lock(&store);
    let view = advance(&store, &lock);
    assert!(view.bin().join("x").is_file());
    let mut found = Vec::new();
    closed(&store.layout().views(), &mut found);
    assert_eq!(found, [""; 0]);
}
