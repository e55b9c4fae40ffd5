//! The manifest of a component. Its canonical bytes are the component's identity.

use std::collections::BTreeMap;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::{ComponentId, Digest, Entry, ListingError, Native, Node, read_listing, write_listing};

/// The manifest format that this version writes.
pub const FORMAT: u32 = 2;
/// The format of a manifest that says how a native component is linked.
pub const NATIVE_FORMAT: u32 = 3;

/// What kind of thing a component was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An imported Debian binary package.
    Deb,
    /// What scripts wrote while a view was composed.
    Capture,
    /// A tree that was compiled on this machine.
    Built,
    /// A tree that was made to run below a prefix.
    Native,
}

/// The source package that a component was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version, which may differ from the binary's.
    pub version: String,
}

/// Everything that is known of a component from its own bytes. Where it came from is kept beside it, not in it, so
/// that the same content has the same id from any mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`] when it was written, or [`NATIVE_FORMAT`].
    pub format: u32,
    /// What it was made from.
    pub kind: Kind,
    /// The package's name in its origin's naming.
    pub name: String,
    /// Its version in its origin's syntax.
    pub version: String,
    /// Its architecture in its origin's naming (`amd64`, `all`).
    pub architecture: String,
    /// The source package.
    pub source: Source,
    /// One line that says what it is.
    pub summary: String,
    /// Relation and property fields of the origin, verbatim: `Depends`, `Provides`, `Essential`, `Multi-Arch`, …
    pub fields: BTreeMap<String, String>,
    /// Files that an administrator may edit, absolute as the origin lists them.
    pub conffiles: Vec<String>,
    /// CVE ids that its changelog mentions, sorted.
    pub cves: Vec<String>,
    /// How it is linked, if its files know each other by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Box<Native>>,
    /// The tree, sorted by path.
    #[serde(skip)]
    pub tree: Vec<Entry>,
    /// The origin's control files (maintainer scripts and the like), sorted by path; kept under `.aleph/control/`.
    #[serde(skip)]
    pub control: Vec<Entry>,
}

/// The bytes are not a manifest that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not UTF-8.
    #[error("the manifest is no text")]
    Text(#[from] std::str::Utf8Error),
    /// Its first line is not the JSON that was expected.
    #[error("the manifest cannot be read")]
    Syntax(#[from] serde_json::Error),
    /// A listing does not read.
    #[error("the manifest cannot be read")]
    Listing(#[from] ListingError),
    /// There is no second listing.
    #[error("the manifest ends too early")]
    Short,
    /// Written by a newer version.
    #[error("the manifest has format {found}; this version reads up to {NATIVE_FORMAT}")]
    Format {
        /// The format found.
        found: u32,
    },
    /// Entries out of order or twice.
    #[error("the manifest lists `{path}` twice or out of order")]
    Order {
        /// The offending path.
        path: String,
    },
}

impl Manifest {
    /// What the canonical bytes of a native component begin with, and no others.
    pub const NATIVE_HEAD: &[u8; 12] = b"{\"format\":3,";

    /// The canonical bytes: a line of compact JSON with fields in the order of this struct, the listing of the tree, an
    /// empty line, and the listing of the control files.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = serde_json::to_string(self).expect("a manifest has only string keys");
        format!("{header}\n{}\n{}", write_listing(&self.tree), write_listing(&self.control)).into_bytes()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// If they are not a manifest, or one of a newer format, or not in canonical order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes)?;
        let (header, listings) = text.split_once('\n').unwrap_or((text, ""));
        let mut manifest: Self = serde_json::from_str(header)?;
        if manifest.format > NATIVE_FORMAT {
            return Err(ManifestError::Format { found: manifest.format });
        }
        // No line of a listing is empty.
        let end = if listings.starts_with('\n') {
            Some(0)
        } else {
            memmem::find(listings.as_bytes(), b"\n\n").map(|at| at + 1)
        };
        let end = end.ok_or(ManifestError::Short)?;
        manifest.tree = read_listing(&listings[..end])?;
        manifest.control = read_listing(&listings[end + 1..])?;
        for list in [&manifest.tree, &manifest.control] {
            if let Some(pair) = list.windows(2).find(|pair| pair[0].path >= pair[1].path) {
                return Err(ManifestError::Order { path: pair[1].path.to_string() });
            }
        }
        Ok(manifest)
    }

    /// The id that canonical `bytes` give.
    pub fn id_of(bytes: &[u8]) -> ComponentId {
        ComponentId::from_digest(Digest::of(bytes))
    }

    /// The id of this manifest.
    pub fn id(&self) -> ComponentId {
        Self::id_of(&self.to_bytes())
    }

    /// The value of an origin's field, `""` if it has none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The total length of all files, in bytes.
    pub fn size(&self) -> u64 {
        let length = |entry: &Entry| if let Node::File { size, .. } = entry.node { size } else { 0 };
        self.tree.iter().chain(&self.control).map(length).sum()
    }
}
