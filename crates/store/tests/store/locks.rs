//! Who may lock the store, and how the others get by.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread, time::Duration};

use aleph_store::Store;
use rustix::thread::set_thread_res_uid;

use super::{add, fixture, lock};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn only_its_owner_can_open_the_lock() {
    let store = &fixture().store;
    let file = store.layout().root().join("lock");
    assert_eq!(mode(&file), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    drop(lock(store));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn who_may_not_open_the_lock_waits_for_a_writer_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: only root can be somebody else");
    }
    let fixture = fixture();
    let store = &fixture.store;
    let root = store.layout().root().to_owned();
    fs::set_permissions(root.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let id = add(store, "a", &[("a", "1")]);
    // In the midst of it something is not where it should be.
    let writer = lock(store);
    let (place, aside) = (store.layout().store().join(format!("{id}-a")), root.join("tmp/aside"));
    fs::rename(&place, &aside).unwrap();
    let reader = thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65534);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        assert!(fs::File::open(root.join("lock")).is_err());
        Store::open_existing(&root).unwrap().verify(&|_| ()).unwrap().damage
    });
    thread::sleep(Duration::from_millis(500));
    assert!(!reader.is_finished());
    fs::rename(&aside, &place).unwrap();
    drop(writer);
    assert_eq!(reader.join().unwrap(), []);
}
