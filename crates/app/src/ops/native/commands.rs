//! What native packages put on `PATH`.

use std::{collections::BTreeMap, path::PathBuf};

use aleph_component::{Entry, Manifest, Node, StoreName};
use aleph_store::Store;
use aleph_view::Pinned;

/// The directories of a native package whose programs are its commands.
pub(crate) const COMMANDS: [&str; 6] = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/games", "usr/local/bin"];

/// The commands that native packages put on `PATH`: names with their paths in the store. `manifests` are theirs.
pub(crate) fn commands(store: &Store, pinned: &[Pinned], manifests: &[Manifest]) -> Vec<(String, PathBuf)> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (package, manifest) in pinned.iter().zip(manifests).filter(|(package, _)| package.requested) {
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
    found.into_iter().collect()
}
