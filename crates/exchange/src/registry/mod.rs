//! Where cargo, pip and npm of a host get packages from, as their configuration says, and what is told there of a package.
//!
//! What is told is used to find a file, and believed only by who writes a digest down for the first time.
//!
//! Invariant: nothing here knows an address, and nothing here fetches.

pub mod cargo;
pub mod npm;
pub mod pypi;
mod settings;

use crate::net::{Uri, UriError};

/// What a host's tool or a registry says cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A tool's configuration.
    #[error("the configuration of {tool} cannot be used: {reason}")]
    Configuration {
        /// The tool.
        tool: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What was told of a package.
    #[error("what is told of {name} where {tool} has packages from cannot be understood: {reason}")]
    Answer {
        /// The tool.
        tool: &'static str,
        /// The package.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such version.
    #[error("there is no {} of {name} where {tool} has packages from", version.as_ref().map_or("version".to_owned(), |version| format!("version {version}")))]
    Missing {
        /// The tool.
        tool: &'static str,
        /// The package.
        name: String,
        /// The version, if one was named.
        version: Option<String>,
    },
    /// It is told to be somewhere where nothing can be fetched from.
    #[error(transparent)]
    Address(#[from] UriError),
}

/// A version of a package that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The version.
    pub version: String,
    /// Where its file is.
    pub uri: Uri,
    /// What the registry says that the file is.
    pub vouched: Vouched,
}

/// What a registry says that a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Nothing.
    Nothing,
    /// This SHA-256.
    Sha256(aleph_component::Digest),
    /// This SHA-512.
    Sha512(Vec<u8>),
}

impl Vouched {
    /// Whether these bytes are what was said; `true` if nothing was.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        use sha2::Digest as _;
        match self {
            Self::Nothing => true,
            Self::Sha256(digest) => aleph_component::Digest::of(bytes) == *digest,
            Self::Sha512(digest) => sha2::Sha512::digest(bytes)[..] == digest[..],
        }
    }
}
