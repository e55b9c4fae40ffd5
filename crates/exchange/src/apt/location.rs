//! Where the packages of an archive are.

use crate::net::{Uri, UriError};

/// The address of the package whose `Filename` in an index is `path`, of an archive at `base`.
///
/// # Errors
/// If the base is not an address that can be fetched.
pub fn deb_uri(base: &str, path: &str) -> Result<Uri, UriError> {
    Ok(base.parse::<Uri>()?.join(path))
}
