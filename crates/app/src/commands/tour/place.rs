//! Where the tour takes place: a store of its own below the cache directory, emptied when a tour begins.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aleph_store::FsError;
use rustix::fs::{FlockOperation, flock};

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::Printer,
};

/// The tour's directories.
pub(super) struct Place {
    /// The store.
    pub(super) store: PathBuf,
    /// Where the tour compiles packages of its own.
    pub(super) workshop: PathBuf,
    lock: PathBuf,
}

/// Nobody else begins a tour here while this lives.
pub(super) struct Guard(#[expect(dead_code, reason = "held for its lock")] fs::File);

impl Place {
    pub(super) fn new(host: &Host) -> Self {
        let below = |name: &str| host.cache.join(name);
        Self { store: below("tour"), workshop: below("tour-workshop"), lock: below("tour.lock") }
    }

    /// What a tour would do.
    pub(super) fn intention(&self) -> String {
        format!(
            "would empty {}, make a store there, add packages to the views alice and bob, run programs in them, \
             update one view, roll it back, offer the view carol a broken update, and verify the store",
            self.store.display()
        )
    }

    /// Removes what an earlier tour left, whole or half done.
    pub(super) fn clear(&self, printer: &Printer) -> Outcome<Guard> {
        let at = |action, path: &PathBuf| {
            let path = path.clone();
            move |source| FsError { action, path, source }
        };
        if let Some(parent) = self.lock.parent() {
            fs::create_dir_all(parent).map_err(at("create", &parent.to_owned()))?;
        }
        let file = fs::File::create(&self.lock).map_err(at("open", &self.lock))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::new("another tour is under way").hint("wait for it; both would use the same store")
        })?;
        let _shown = printer.progress().busy("clearing");
        let removed = [&self.store, &self.workshop].into_iter().try_for_each(|path| remove(path));
        printer.progress().clear();
        removed?;
        Ok(Guard(file))
    }
}

/// Moves a directory out of sight, then removes it: half a store must not look like one.
fn remove(path: &Path) -> Result<(), FsError> {
    let aside = path.with_extension("old");
    aleph_store::remove_tree(&aside)?;
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FsError { action: "remove", path: path.to_owned(), source }),
        Ok(()) => aleph_store::remove_tree(&aside),
    }
}
