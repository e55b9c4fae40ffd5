//! What native packages put on `PATH`.

use std::collections::BTreeMap;

use aleph_component::{Entry, Node, StoreName};
use aleph_store::Store;
use aleph_view::Pinned;

use crate::failure::Outcome;

/// The directories of a native package whose programs are its commands.
pub(crate) const COMMANDS: [&str; 6] = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/games", "usr/local/bin"];

/// The commands that native packages put on `PATH`: names with their paths in the store.
pub(crate) fn commands(store: &Store, pinned: &[Pinned]) -> Outcome<Vec<(String, std::path::PathBuf)>> {
    let mut found: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    for package in pinned.iter().filter(|pinned| pinned.is_native() && pinned.requested) {
        let manifest = store.manifest_named(&StoreName::new(package.component, &package.name))?;
        let root = store.layout().entry(&StoreName::new(package.id, &package.name));
        let runs = |entry: &&Entry| match entry.node {
            Node::File { mode, .. } => mode & 0o111 != 0,
            Node::Symlink { .. } => true,
            Node::Directory { .. } | Node::Absent => false,
        };
        let is_command = |entry: &&Entry| entry.path.parent().is_some_and(|parent| COMMANDS.contains(&parent));
        for entry in manifest.tree.iter().filter(is_command).filter(runs) {
            found.insert(entry.path.file_name().to_owned(), root.join(&entry.path));
        }
    }
    Ok(found.into_iter().collect())
}
