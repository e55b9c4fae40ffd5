//! What is kept beside a component's manifest: where it came from.

use aleph_component::Digest;
use serde::{Deserialize, Serialize};

/// Where a component came from. Not part of its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// SHA-256 of the archive.
    pub archive: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its file name.
    pub file_name: String,
    /// The source that offered it, in words: `apt bookworm-security/main`, `local file`.
    pub source: String,
    /// Who vouched for its digest: a key's fingerprint, or nothing for a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_by: Option<String>,
    /// Who put it here, by user name.
    pub imported_by: String,
    /// When, in seconds since the epoch.
    pub imported_at: i64,
}
