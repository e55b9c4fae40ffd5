//! A disk without room: on a small file system of its own, in a mount namespace.

use std::{env, fs, io::Write as _, path::Path, process::Command};

use aleph_store::{Root, Store};

use super::{add, clean, forget_in_database, lock};

const DISK: &str = "ALEPH_TEST_DISK";

#[test]
fn a_full_disk_keeps_nobody_from_making_room() {
    if let Some(disk) = env::var_os(DISK) {
        return on_small_disk(Path::new(&disk));
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
    assert!(in_namespace("exec \"$0\" --exact full::a_full_disk_keeps_nobody_from_making_room --nocapture"));
}

fn on_small_disk(disk: &Path) {
    let root = disk.join("aleph");
    let store = Store::open(&root).unwrap();
    let id = add(&store, "a", &[("a", "1")]);
    add(&store, "big", &[("big", &"x".repeat(1 << 20))]);
    // A writer that was killed before it could record what it had moved in.
    drop(store);
    forget_in_database(&root, id);
    fs::write(root.join("dirty"), "").unwrap();
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}

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
}
