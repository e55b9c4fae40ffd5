//! Tests of whole archives: real ones that dpkg made, hostile ones made by hand, and broken ones made by chance.

mod build;
mod chance;
mod good;
mod hostile;
mod model;

use std::{
    error::Error,
    fs,
    path::PathBuf,
    sync::{LazyLock, Mutex},
};

use aleph_component::Manifest;
use aleph_store::Store;

use super::{Expected, ImportError, Limits, OriginInput, import_with};

/// A store in a directory of its own, with something beside it that must not change.
pub(super) struct Bench {
    directory: tempfile::TempDir,
    store: Store,
}

/// One store for all cases of the tests by chance.
static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| Mutex::new(Bench::new()));

impl Bench {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bystander"), "untouched").unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        Self { directory, store }
    }

    /// Imports an archive and commits it.
    pub(super) fn import(
        &self,
        archive: &[u8],
        expect: Option<&Expected>,
        limits: &Limits,
    ) -> Result<Manifest, ImportError> {
        self.import_vouched(archive, expect, None, limits)
    }

    /// The same for an archive whose digest somebody may have vouched for.
    pub(super) fn import_vouched(
        &self,
        archive: &[u8],
        expect: Option<&Expected>,
        vouched_by: Option<&str>,
        limits: &Limits,
    ) -> Result<Manifest, ImportError> {
        let path = self.directory.path().join("x.deb");
        fs::write(&path, archive).unwrap();
        let origin = OriginInput {
            file_name: "x.deb".to_owned(),
            source: "local file".to_owned(),
            vouched_by: vouched_by.map(str::to_owned),
            imported_by: "nobody".to_owned(),
            imported_at: 0,
        };
        let mut lock = self.store.lock("test", |_| ()).unwrap();
        let staging = self.store.stage(&lock).unwrap();
        let staged = import_with(&staging, &path, expect, origin, limits)?;
        let ids = self.store.commit(&mut lock, vec![staged]).unwrap();
        Ok(self.store.manifest(&ids[0]).unwrap())
    }

    /// Where a component's files are.
    pub(super) fn place(&self, manifest: &Manifest) -> PathBuf {
        self.store.layout().entry(&aleph_component::StoreName::new(manifest.id(), &manifest.name))
    }

    /// Checks that a refused archive left nothing: not in the store, not in its scratch space, not outside.
    pub(super) fn check_nothing_left(&self) {
        let names = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names(self.store.layout().store()).count(), 0);
        assert_eq!(names(self.store.layout().tmp()).count(), 0);
        let mut beside: Vec<_> = names(self.directory.path().to_owned()).collect();
        beside.sort();
        assert_eq!(beside, ["bystander", "store", "x.deb"]);
        assert_eq!(fs::read_to_string(self.directory.path().join("bystander")).unwrap(), "untouched");
        assert!(self.store.verify(&|_| ()).unwrap().damage.is_empty());
    }
}

/// The error and its sources, as a person reads them.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
