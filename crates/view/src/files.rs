//! Records in files: read whole, written with a mode of their own.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use aleph_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::ViewError;

pub(crate) fn at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> ViewError + 'a {
    move |source| ViewError::Io { action, path: path.to_owned(), source }
}

pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ViewError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| ViewError::Damaged { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(at("read", path)(source)),
    }
}

pub(crate) fn make_directory(path: &Path) -> Result<(), ViewError> {
    Ok(aleph_store::make_directory(path).map_err(StoreError::from)?)
}

/// Writes a file with this mode, whatever the umask. Durable after the next sync.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ViewError> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(at("write", path))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ViewError> {
    write(path, &serde_json::to_vec(value).expect("records have only string keys"), 0o644)
}
