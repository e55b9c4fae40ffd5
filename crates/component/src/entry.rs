//! One name in a tree.

use crate::{Digest, TreePath};

/// One name in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// Whose it is meant to be. On disk everything belongs to the owner of the store.
    pub owner: Owner,
    /// What it is.
    pub node: Node,
}

/// Numeric owner and group, as the origin recorded them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// User id; 0 is root.
    pub uid: u32,
    /// Group id; 0 is root.
    pub gid: u32,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory with its recorded mode (12 bits).
    Directory {
        /// Permission bits as recorded, set-id and sticky bits included.
        mode: u16,
    },
    /// A regular file.
    File {
        /// SHA-256 of its content.
        digest: Digest,
        /// Content length in bytes.
        size: u64,
        /// Permission bits as recorded, set-id bits included; the store itself never grants set-id or write bits.
        mode: u16,
    },
    /// A symbolic link.
    Symlink {
        /// The target, verbatim.
        target: Box<str>,
    },
    /// In a capture: the name was removed from the tree below.
    Absent,
}

impl Node {
    /// The bits that the store gives a file recorded with `mode`: readable or not and executable or not, by class;
    /// never writable, never set-id; always readable by its owner.
    pub const fn stored_mode(mode: u16) -> u16 {
        (mode & 0o555) | 0o400
    }
}
