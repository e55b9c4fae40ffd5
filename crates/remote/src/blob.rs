//! Contents by digest and length, and where they are before they travel.

use std::{fmt, path::PathBuf};

use aleph_component::Digest;
use bazel_remote_apis::build::bazel::remote::execution::v2 as proto;

/// A content: SHA-256 and length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
}

/// Where a content is that may have to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// In memory: messages and small files.
    Bytes(Vec<u8>),
    /// On disk. It is read when the cluster asks for it.
    File(PathBuf),
}

impl Blob {
    /// The blob of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    pub(crate) fn to_proto(self) -> proto::Digest {
        let size_bytes = i64::try_from(self.size).unwrap_or(i64::MAX);
        proto::Digest { hash: self.digest.to_string(), size_bytes }
    }

    /// Nothing if it is no digest of ours.
    pub(crate) fn from_proto(digest: &proto::Digest) -> Option<Self> {
        Some(Self { digest: digest.hash.parse().ok()?, size: digest.size_bytes.try_into().ok()? })
    }
}

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.digest, self.size)
    }
}
