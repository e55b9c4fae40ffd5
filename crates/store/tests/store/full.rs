//! A disk without room: on a small file system of its own, in a mount namespace.

use std::{env, fs, io::Write as _, path::Path, process::Command};

use aleph_store::{Root, Store};

use super::{add, clean, forget_in_database, lock};

const DISK: &str = "ALEPH_TEST_DISK";

/// Runs `inside`, the rest of the test called `name`, on a disk of 4 MiB.
fn on_small_disk(name: &str, inside: fn(&Path)) {
    if let Some(disk) = env::var_os(DISK) {
        return inside(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let flags: &[&str] =
        if rustix::process::geteuid().is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", &format!("mount -t tmpfs -o size=4m none \"${DISK}\" && {script}")]);
        command.arg(env::current_exe().unwrap()).env(DISK, disk.path()).status().is_ok_and(|status| status.success())
    };
    if !in_namespace("true") {
        return eprintln!("SKIPPED: no file system can be mounted here, not even in a namespace");
    }
    assert!(in_namespace(&format!("exec \"$0\" --exact full::{name} --nocapture")));
}

fn fill(disk: &Path) {
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn a_full_disk_keeps_nobody_from_making_room() {
    on_small_disk("a_full_disk_keeps_nobody_from_making_room", |disk| {
        let root = disk.join("aleph");
        let store = Store::open(&root).unwrap();
        let id = add(&store, "a", &[("a", "1")]);
        add(&store, "big", &[("big", &"x".repeat(1 << 20))]);
        // A writer that was killed before it could record what it had moved in.
        drop(store);
        forget_in_database(&root, id);
        fs::write(root.join("dirty"), "").unwrap();
        fill(disk);

        let store = Store::open(&root).unwrap();
        assert_eq!(store.component_rows(None).unwrap().len(), 1);
        let mut writer = lock(&store);
        let kept = Root { components: vec![id], ..Root::default() };
        let report = store.gc(&mut writer, &[kept], false).unwrap();
        assert_eq!(report.components, ["big 1"]);
        assert!(report.bytes >= 1 << 20);
        drop(writer);
        assert!(root.join("dirty").exists());
        drop(store);

        let store = Store::open(&root).unwrap();
        assert_eq!(store.component_rows(None).unwrap()[0].id, id);
        assert!(!root.join("dirty").exists());
        clean(&store);
    });
}

#[test]
fn a_full_disk_keeps_an_old_database_from_being_changed_not_from_being_used() {
    on_small_disk("a_full_disk_keeps_an_old_database_from_being_changed_not_from_being_used", |disk| {
        let root = disk.join("aleph");
        add(&Store::open(&root).unwrap(), "big", &[("big", &"x".repeat(1 << 20))]);
        let db = rusqlite::Connection::open(root.join("db.sqlite")).unwrap();
        db.execute_batch("ALTER TABLE file ADD COLUMN digest BLOB; PRAGMA user_version = 1").unwrap();
        drop(db);
        fill(disk);
        let store = Store::open(&root).unwrap();
        store.gc(&mut lock(&store), &[], false).unwrap();
        drop(store);
        let store = Store::open(&root).unwrap();
        add(&store, "a", &[("a", "1")]);
        clean(&store);
    });
}
