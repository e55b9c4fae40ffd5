//! Why an archive was not imported.

use std::{
    io,
    path::{Path, PathBuf},
};

use aleph_component::{Digest, PathError};
use aleph_store::StoreError;

use super::ar::ArError;
use super::control::ControlError;

/// An archive was not imported, and left nothing in the store.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not imported", archive.display())]
pub struct ImportError {
    /// The archive.
    pub archive: PathBuf,
    /// Why not.
    #[source]
    pub reason: Box<Refusal>,
}

impl ImportError {
    pub(super) fn new(archive: &Path, reason: Refusal) -> Self {
        Self { archive: archive.to_owned(), reason: Box::new(reason) }
    }
}

/// What is wrong with an archive, or with the attempt to import it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be opened.
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    /// The outer archive is damaged.
    #[error(transparent)]
    Ar(#[from] ArError),
    /// Its members are not those of a Debian package.
    #[error("member `{member}` {problem}")]
    Member {
        /// The member of the outer archive.
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A member of a Debian package is not there.
    #[error("it has no `{member}`")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// The format version is not 2.
    #[error("it has format version {found:?}; only 2 is known")]
    Version {
        /// What `debian-binary` says.
        found: String,
    },
    /// A member does not unpack.
    #[error("`{member}` is damaged")]
    Unpack {
        /// The member of the outer archive.
        member: String,
        /// How.
        source: io::Error,
    },
    /// A member unpacks to too much.
    #[error("`{member}` unpacks to more than {limit} bytes")]
    TooLarge {
        /// The member of the outer archive.
        member: String,
        /// The most that is allowed.
        limit: u64,
    },
    /// A member holds too many names.
    #[error("`{member}` holds more than {limit} names")]
    TooMany {
        /// The member of the outer archive.
        member: String,
        /// The most that is allowed.
        limit: u64,
    },
    /// A member's names are too long in all.
    #[error("`{member}` holds names of more than {limit} bytes")]
    LongNames {
        /// The member of the outer archive.
        member: String,
        /// The most that is allowed.
        limit: u64,
    },
    /// An entry has a name that is not text.
    #[error("`{member}` holds a name that is not UTF-8: `{name}`")]
    NotUtf8 {
        /// The member of the outer archive.
        member: String,
        /// The name, with what is not UTF-8 replaced.
        name: String,
    },
    /// An entry has a name that cannot be allowed.
    #[error("`{member}` holds a name that cannot be allowed")]
    Name {
        /// The member of the outer archive.
        member: String,
        /// Which, and why.
        source: PathError,
    },
    /// An entry has a name that the store itself uses.
    #[error("`{member}` holds `{path}`, a name that is kept for the store")]
    Reserved {
        /// The member of the outer archive.
        member: String,
        /// The name.
        path: String,
    },
    /// An entry is of a kind that does not belong into a package.
    #[error("`{member}` holds {kind} `{path}`")]
    Kind {
        /// The member of the outer archive.
        member: String,
        /// The entry.
        path: String,
        /// What it is, in words: `the device node`.
        kind: &'static str,
    },
    /// An entry's header is wrong.
    #[error("`{member}` holds `{path}`, whose {field} is wrong")]
    Entry {
        /// The member of the outer archive.
        member: String,
        /// The entry.
        path: String,
        /// The field.
        field: &'static str,
    },
    /// The store did not take an entry.
    #[error("`{member}`: an entry cannot be kept")]
    Store {
        /// The member of the outer archive.
        member: String,
        /// Which, and why.
        source: StoreError,
    },
    /// The control file is wrong.
    #[error("its control file is wrong")]
    Control(#[from] ControlError),
    /// `md5sums` is not a list of MD5 sums.
    #[error("line {line} of its `md5sums` is not an MD5 sum and a path")]
    Md5Line {
        /// The line, from 1.
        line: usize,
    },
    /// A file is not what `md5sums` says.
    #[error("`{path}` has MD5 sum {found}, and its `md5sums` says {expected}")]
    Md5 {
        /// The file.
        path: String,
        /// What is listed.
        expected: String,
        /// What it has.
        found: String,
    },
    /// A file that `md5sums` lists is not there.
    #[error("`{path}` is listed in its `md5sums` and is not in it")]
    Md5Missing {
        /// The file.
        path: String,
    },
    /// The whole archive is not what was expected.
    #[error("it has SHA-256 {found}, and {expected} was expected")]
    Digest {
        /// What was expected.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// The whole archive is longer or shorter than was expected.
    #[error("it has {found} bytes, and {expected} were expected")]
    Size {
        /// What was expected.
        expected: u64,
        /// What it has.
        found: u64,
    },
}
