//! Where bytes live: components, packages, the object pool, composed trees, the database, and their upkeep.
//!
//! Invariant: the store knows nothing of views and builds nothing. What is alive is told to it ([`Store::gc`]).
//! Invariant: nothing below `store/`, `objects/` or `trees/` is ever changed in place; everything is written beside,
//! synced and renamed. `FORMAT.md` in this crate specifies what is on disk.

mod collect;
mod commit;
mod db;
mod error;
mod format;
mod fs;
mod layout;
mod lock;
mod mend;
mod objects;
mod query;
mod record;
mod recover;
mod stage;
mod tree;
mod verify;

pub use collect::{GcReport, Kept, Root};
pub use commit::PackageSpec;
pub use error::{FsError, StoreError};
pub use format::{Features, FormatError};
pub use fs::remove_tree;
pub use layout::Layout;
pub use lock::{Holder, WriteLock};
pub use mend::Broken;
pub use objects::Objects;
pub use query::{ComponentRow, Info};
pub use record::Origin;
pub use recover::RepairReport;
pub use stage::{Staged, Staging, TreeBuilder};
pub use verify::{Damage, VerifyReport};

use std::path::Path;

/// An open store. Cheap to open; several processes may have one open at once.
pub struct Store {
    layout: Layout,
    objects: Objects,
    db: db::Db,
}

impl Store {
    /// Opens the store at `root`, making an empty one if there is nothing.
    ///
    /// What a killed process left half done is cleaned up first, unless another process is writing.
    ///
    /// # Errors
    /// If the directory cannot be made or read, or its format has features that this version does not know.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        format::prepare(&layout)?;
        let store = Self { db: db::Db::open(&layout)?, objects: Objects::new(&layout), layout };
        store.recover_if_abandoned()?;
        Ok(store)
    }

    /// Opens the store at `root` for reading, without making or mending anything.
    ///
    /// # Errors
    /// If there is no store, or one that this version cannot read.
    pub fn open_existing(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        format::check(&layout)?;
        Ok(Self { db: db::Db::open_read_only(&layout)?, objects: Objects::new(&layout), layout })
    }

    /// Where things are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The pool of file contents.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}
