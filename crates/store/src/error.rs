//! What can go wrong with a store.

use std::{io, path::PathBuf};

use aleph_component::{ComponentId, ManifestError, PathError};

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FsError {
    /// What was tried, as a verb: `create`, `read`.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Why an operation on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The database said no.
    #[error("the database `{}` cannot be used", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// There is no store at this path.
    #[error("there is no store at `{}`", root.display())]
    Missing {
        /// The path.
        root: PathBuf,
    },
    /// The store is of a kind that this version does not know.
    #[error(transparent)]
    Format(#[from] crate::FormatError),
    /// A component that was asked for is not there.
    #[error("component {id} is not in the store")]
    NoComponent {
        /// Its id.
        id: ComponentId,
    },
    /// A component is not what it was chosen as.
    #[error("component {id} was chosen as `{chosen}`, and its archive says that it is `{found}`")]
    Mistaken {
        /// Its id.
        id: ComponentId,
        /// Name, version and architecture that it was chosen by.
        chosen: String,
        /// Those that it has.
        found: String,
    },
    /// A manifest on disk does not read.
    #[error("the manifest of `{}` is damaged", path.display())]
    Manifest {
        /// The component's directory.
        path: PathBuf,
        /// How.
        source: ManifestError,
    },
    /// A tree under construction was given a bad name.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A tree under construction was given a name twice.
    #[error("`{path}` occurs twice")]
    Duplicate {
        /// The name.
        path: String,
    },
    /// A tree under construction was given a name below something that is not a directory.
    #[error("`{path}` lies below `{parent}`, which is not a directory")]
    NotADirectory {
        /// The name.
        path: String,
        /// What it would have to be in.
        parent: String,
    },
    /// A tree under construction was given a name that lies too deep.
    #[error("`{path}` has more than {limit} parts")]
    TooDeep {
        /// The name.
        path: String,
        /// The most parts that a path may have.
        limit: usize,
    },
    /// A hard link points to something that is not a file of the same tree.
    #[error("`{path}` is a hard link to `{target}`, which is no file of this tree")]
    HardLink {
        /// The link.
        path: String,
        /// What it names.
        target: String,
    },
    /// A file's announced and real length differ.
    #[error("`{path}` was announced with {announced} bytes and has {found}")]
    Length {
        /// The file.
        path: String,
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// A path does not fit where a component has room for it.
    #[error("it cannot be linked into the store at `{}`", root.display())]
    Fill {
        /// The store's root.
        root: PathBuf,
        /// Where it does not fit.
        source: aleph_component::native::FillError,
    },
    /// The reader that a file's bytes come from failed.
    #[error("the bytes of `{path}` cannot be read")]
    Input {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether it says that the database's file is no database, or one with holes.
    pub fn is_damaged_database(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }

    /// Whether it says that the database found no room to be written.
    pub fn is_full_database(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

/// Adds the action and the path to an I/O result.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, FsError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, FsError> {
        self.map_err(|error| FsError { action, path: path.into(), source: error.into() })
    }
}
