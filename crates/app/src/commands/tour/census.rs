//! Counts what is in a store's directory, so that the tour can say what a step really made.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt as _, path::PathBuf};

use aleph_store::Layout;

/// What there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    /// Names: files, links and directories of components, packages and trees.
    pub(super) names: u64,
    /// The length of all distinct files, in bytes, however many names each has.
    pub(super) bytes: u64,
}

impl Census {
    /// Walks components, packages, trees and contents.
    pub(super) fn take(layout: &Layout) -> io::Result<Self> {
        let mut census = Self::default();
        let mut seen = HashSet::new();
        let mut todo: Vec<PathBuf> = vec![layout.store(), layout.trees(), layout.objects()];
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                census.names += 1;
                if metadata.is_dir() {
                    todo.push(entry.path());
                } else if metadata.is_file() && seen.insert(metadata.ino()) {
                    census.bytes += metadata.len();
                }
            }
        }
        Ok(census)
    }

    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self { names: self.names.saturating_sub(before.names), bytes: self.bytes.saturating_sub(before.bytes) }
    }
}
