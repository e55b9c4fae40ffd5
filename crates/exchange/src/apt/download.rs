//! Packages of an archive, into a cache.

use std::path::{Path, PathBuf};

use aleph_component::Digest;

use crate::net::{Expected, FetchError, Fetched, Fetcher, Monitor, Request, Uri, UriError};

/// A package to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebRequest {
    /// Where it is: the suite's base URI and the package's `Filename`; see [`deb_uri`].
    pub uri: Uri,
    /// Its digest, from the verified index.
    pub sha256: Digest,
    /// Its size in bytes, from the verified index.
    pub size: u64,
    /// What to call it in the cache: a file name, not a path.
    pub file_name: String,
}

/// Packages could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file name that is a path, hidden, or empty.
    #[error("`{name}` is not the name of a file in the cache")]
    Name {
        /// The name.
        name: String,
    },
    /// One could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// The address of the package whose `Filename` in an index is `path`, of an archive at `base`.
///
/// # Errors
/// If the base is not an address that can be fetched.
pub fn deb_uri(base: &str, path: &str) -> Result<Uri, UriError> {
    Ok(base.parse::<Uri>()?.join(path))
}

/// Downloads packages into `cache`, several at once; the paths are in their order. What is there with the right size and
/// digest is used as it is.
///
/// # Errors
/// At the first that cannot be fetched, named so that nothing outside of the cache would be written.
/// [`FetchError::advice`] says what may help.
pub fn download(
    fetcher: &Fetcher,
    packages: &[DebRequest],
    cache: &Path,
    monitor: &dyn Monitor,
) -> Result<Vec<PathBuf>, DownloadError> {
    let requests = packages.iter().map(|package| request(package, cache)).collect::<Result<Vec<_>, _>>()?;
    let fetched = fetcher.fetch(&requests, monitor)?;
    Ok(fetched.into_iter().map(|Fetched { path, .. }| path).collect())
}

fn request(package: &DebRequest, cache: &Path) -> Result<Request, DownloadError> {
    let name = &package.file_name;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) || name.len() > 240 {
        return Err(DownloadError::Name { name: name.chars().take(100).collect() });
    }
    Ok(Request {
        name: name.clone(),
        uri: package.uri.clone(),
        fallbacks: Vec::new(),
        target: cache.join(name),
        expected: Expected::exactly(package.size, package.sha256),
    })
}
