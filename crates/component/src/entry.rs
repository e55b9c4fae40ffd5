//! One name in a tree, and its wire form.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Digest, TreePath};

/// Reads JSON, quicker than [`serde_json::from_slice`], which checks each string by itself to be UTF-8.
///
/// # Errors
/// If it is not what was expected.
pub fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

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

/// The JSON form: `digest` makes a file, `target` a symbolic link, `absent` a removal, none of them a directory.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<u16>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    absent: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    uid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    gid: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            path: self.path.as_str().into(),
            digest: None,
            size: None,
            mode: None,
            target: None,
            absent: false,
            uid: self.owner.uid,
            gid: self.owner.gid,
        };
        match &self.node {
            Node::Directory { mode } => wire.mode = Some(*mode),
            Node::File { digest, size, mode } => {
                (wire.digest, wire.size, wire.mode) = (Some(*digest), Some(*size), Some(*mode));
            }
            Node::Symlink { target } => wire.target = Some(Cow::Borrowed(target)),
            Node::Absent => wire.absent = true,
        }
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let node = match (wire.digest, wire.size, wire.mode, wire.target, wire.absent) {
            (None, None, Some(mode), None, false) => Node::Directory { mode },
            (Some(digest), Some(size), Some(mode), None, false) => Node::File { digest, size, mode },
            (None, None, None, Some(target), false) => Node::Symlink { target: target.into() },
            (None, None, None, None, true) => Node::Absent,
            _ => return Err(de::Error::custom(format!("entry `{}` mixes kinds of node", wire.path))),
        };
        let path = TreePath::new(&wire.path).map_err(de::Error::custom)?;
        Ok(Self { path, owner: Owner { uid: wire.uid, gid: wire.gid }, node })
    }
}
