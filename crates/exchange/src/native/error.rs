//! Why a tree cannot be taken in.

use std::{io, path::PathBuf};

use aleph_store::StoreError;

/// Why a tree cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The file system said no.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A name that no component may have.
    #[error("`{}` cannot be taken in: {why}", path.display())]
    Name {
        /// The name.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It needs libraries that nobody offers.
    #[error("nothing in the store offers {}, which `{needed_by}` needs", sonames.join(", "))]
    Unresolved {
        /// The libraries.
        sonames: Vec<String>,
        /// The first file that needs one of them.
        needed_by: String,
    },
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}
