//! What is kept beside a component's manifest: where it came from, one object for each archive that gave it.

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

/// Reads `origin.json`, as far as it reads.
pub(crate) fn parse_origins(bytes: &[u8]) -> Vec<Origin> {
    serde_json::Deserializer::from_slice(bytes).into_iter().map_while(Result::ok).collect()
}

/// What `origin.json` holds.
pub(crate) fn origins_text(origins: &[Origin]) -> String {
    let line = |origin: &Origin| serde_json::to_string(origin).expect("an origin serialises");
    origins.iter().map(line).collect::<Vec<_>>().join("\n")
}
