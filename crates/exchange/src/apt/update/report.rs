//! How the update of one source went.

use super::super::{
    release::{ClearsignError, KeyringError, ReleaseError, VerifyError},
    sources::Place,
};
use super::index::IndexError;
use crate::net::{FetchError, UriError};

/// How the update of one archive and suite went.
#[derive(Debug)]
pub struct SourceReport {
    /// The archive, without user name and password.
    pub uri: String,
    /// The suite as the source names it.
    pub suite: String,
    /// Where the sources are written that name it.
    pub places: Vec<Place>,
    /// How it ended.
    pub outcome: SourceOutcome,
    /// What is odd about it.
    pub warnings: Vec<SourceWarning>,
}

/// How the update of one source ended.
#[derive(Debug)]
pub enum SourceOutcome {
    /// There is nothing new.
    Unchanged,
    /// There is something new.
    Updated {
        /// How many bytes of indices were fetched.
        transferred: u64,
    },
    /// It could not be updated.
    Failed {
        /// Why.
        reason: SourceFailure,
        /// True if what there was before can still be used.
        kept: bool,
    },
}

/// Why a source could not be updated.
#[derive(Debug, thiserror::Error)]
pub enum SourceFailure {
    /// Its address is of a kind that cannot be fetched.
    #[error("its address cannot be used")]
    Address(#[from] UriError),
    /// It has no address: the list of mirrors cannot be read, or is empty.
    #[error("its list of mirrors {path} cannot be used")]
    Mirrors {
        /// The list.
        path: std::path::PathBuf,
        /// Why, unless it is empty.
        #[source]
        source: Option<std::io::Error>,
    },
    /// Something could not be fetched.
    #[error("it could not be fetched")]
    Fetch(#[from] FetchError),
    /// The keys that it should be signed with cannot be read.
    #[error("the keys that should vouch for it cannot be used")]
    Keyring(#[from] KeyringError),
    /// apt trusts no key at all, or none of those named.
    #[error("none of the keys that should vouch for it is known to apt")]
    NoKeys,
    /// It has no signature.
    #[error("it is not signed")]
    Unsigned,
    /// Its signature is not good.
    #[error("its signature cannot be accepted")]
    Verify(#[from] VerifyError),
    /// Its unsigned text is malformed.
    #[error("its InRelease file is malformed")]
    Malformed(#[from] ClearsignError),
    /// Its Release file cannot be used.
    #[error("its Release file cannot be used")]
    Release(#[from] ReleaseError),
    /// It says that it is another archive or suite than it was.
    #[error("it is not what it was: {}", list(.changes))]
    Changed {
        /// In what it differs.
        changes: Vec<InfoChange>,
    },
    /// The source says `trusted=no`.
    #[error("the source says that it is not to be trusted")]
    Distrusted,
    /// Two sources name it with different keys, or differ in whether it is to be trusted.
    #[error("its sources contradict each other in their Signed-By or Trusted")]
    Contradiction,
    /// It has none of the components and architectures wanted.
    #[error("it has none of the components and architectures wanted")]
    NoIndex,
    /// An index could not be unpacked.
    #[error("an index could not be unpacked")]
    Index(#[from] IndexError),
}

/// A field of a Release file that is not what it was at the last update.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {field} was `{was}` and is `{is}`")]
pub struct InfoChange {
    /// The field, as apt calls it.
    pub field: &'static str,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
}

fn list(changes: &[InfoChange]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Something odd about a source that was updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceWarning {
    /// It has no such component for this architecture.
    #[error("there is no component `{component}` for {architecture}")]
    NoIndex {
        /// The component.
        component: String,
        /// The architecture.
        architecture: String,
    },
    /// Nobody vouches for it.
    #[error("nobody vouches for it: the source says that it is trusted without a signature")]
    Unverified,
    /// Something that may change did.
    #[error("{0}")]
    Changed(InfoChange),
    /// It says that it is another suite.
    #[error("it should be `{expected}` and says that it is `{suite}` (`{codename}`)")]
    OtherSuite {
        /// What the source names.
        expected: String,
        /// `Suite` of the Release file.
        suite: String,
        /// `Codename` of the Release file.
        codename: String,
    },
}
