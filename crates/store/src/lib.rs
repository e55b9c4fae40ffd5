//! Where bytes live: components, packages, the object pool, composed trees, the database, and their upkeep.
//!
//! Invariant: the store knows nothing of views and builds nothing. What is alive is told to it ([`Store::gc`]).
//! Invariant: nothing below `store/`, `objects/` or `trees/` is ever changed in place; everything is written beside,
//! synced and renamed. `FORMAT.md` in this crate specifies what is on disk.

mod collect;
mod commit;
mod db;
mod derived;
mod error;
mod format;
mod fs;
mod layout;
mod lock;
mod mend;
mod native;
mod objects;
pub mod parallel;
mod query;
mod record;
mod recover;
mod remove;
mod stage;
mod tree;
mod verify;

pub use collect::{GcReport, Kept, Root};
pub use commit::PackageSpec;
pub use derived::Derived;
pub use error::{FsError, StoreError};
pub use format::{Features, FormatError};
pub use fs::{make_directory, replace};
pub use layout::Layout;
pub use lock::{Holder, WriteLock};
pub use mend::Broken;
pub use objects::Objects;
pub use query::{ComponentRow, Info};
pub use record::Origin;
pub use recover::RepairReport;
pub use remove::remove_tree;
pub use stage::{Staged, Staging, TreeBuilder};
pub use tree::tree_mode;
pub use verify::{Damage, VerifyReport};

use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Removes a tree that this process may not touch: one in which a script that was killed made things that belong to
/// others of its users.
pub type Remover = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// An open store. Cheap to open; several processes may have one open at once.
pub struct Store {
    layout: Layout,
    objects: Objects,
    db: db::Db,
    remover: Option<Remover>,
    /// Where `store/` really is, once somebody asked.
    real_path: OnceLock<PathBuf>,
}

impl Store {
    /// Opens the store at `root`, making an empty one if there is nothing.
    ///
    /// What a killed process left half done is cleaned up first, unless another process is writing.
    ///
    /// # Errors
    /// If the directory cannot be made or read, or its format has features that this version does not know.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, None)
    }

    /// The same; what cannot be removed otherwise is given to `remover`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(root: &Path, remover: Option<Remover>) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        format::prepare(&layout)?;
        // The database would only say that it cannot be opened.
        let database =
            db::Db::open(&layout).or_else(|error| lock::may_write(&layout).map_err(Into::into).and(Err(error)));
        let store = Self { db: database?, objects: Objects::new(&layout), layout, remover, real_path: OnceLock::new() };
        store.recover_if_abandoned()?;
        Ok(store)
    }

    /// The same for [`Store::rebuild_database`]: a database that cannot be used is put away and made anew, empty.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_for_repair(root: &Path, remover: Option<Remover>) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        if format::check(&layout).is_ok() && db::Db::is_damaged(&layout) {
            let _alone = lock::wait(&layout)?;
            // An empty database looks like an empty store: whoever opens it next fills it again.
            lock::mark(&layout)?;
            db::Db::remove(&layout)?;
        }
        Self::open_with(root, remover)
    }

    /// Opens the store at `root` for reading, without making or mending anything.
    ///
    /// # Errors
    /// If there is no store, or one that this version cannot read.
    pub fn open_existing(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        format::check(&layout)?;
        Ok(Self {
            db: db::Db::open_read_only(&layout)?,
            objects: Objects::new(&layout),
            layout,
            remover: None,
            real_path: OnceLock::new(),
        })
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
