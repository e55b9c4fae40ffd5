//! Where things are below a store's root.

use std::path::{Path, PathBuf};

pub(crate) use aleph_component::native::{COMPONENT_LINK, LINKS};
use aleph_component::{StoreName, TreeId};

/// The directory inside a component that holds what is known of it.
pub(crate) const META: &str = ".aleph";
/// The file inside [`META`] that says where a component came from.
pub(crate) const ORIGIN: &str = "origin.json";

/// The paths of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that names the format.
    pub fn format(&self) -> PathBuf {
        self.root.join("format.json")
    }

    /// The database.
    pub fn db(&self) -> PathBuf {
        self.root.join("db.sqlite")
    }

    /// What was found out about contents.
    pub(crate) fn derived(&self) -> PathBuf {
        self.root.join("derived.sqlite")
    }

    /// The directory of components and packages.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The directory of a component or package.
    pub fn entry(&self, name: &StoreName) -> PathBuf {
        self.root.join("store").join(name.as_str())
    }

    /// The pool of file contents.
    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// Trees that views run in.
    pub fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// The directory that a tree's names are in.
    pub fn tree_root(&self, id: &TreeId) -> PathBuf {
        self.tree(id).join("root")
    }

    /// The directory of a tree and its listing.
    pub(crate) fn tree(&self, id: &TreeId) -> PathBuf {
        self.trees().join(id.to_string())
    }

    /// Views, kept by the room of that name.
    pub fn views(&self) -> PathBuf {
        self.root.join("views")
    }

    /// Logs of scripts.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Work in progress; anything here whose owner is gone is rubbish.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The file that a writer locks.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Exists while a writer is at work, or was when it was killed.
    pub(crate) fn dirty(&self) -> PathBuf {
        self.root.join("dirty")
    }
}
