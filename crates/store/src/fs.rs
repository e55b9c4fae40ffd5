//! The few file-system moves that everything here is made of.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::BorrowedFd,
        unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::Path,
};

use rustix::fs::{AtFlags, FileType, Mode, Timespec, Timestamps};

use crate::error::{Context, FsError};

/// The modification time of everything in the store: one second after the epoch, since some programs take 0 for unset.
pub(crate) const EPOCH: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 1, tv_nsec: 0 },
    last_modification: Timespec { tv_sec: 1, tv_nsec: 0 },
};

/// The content of `path`, or nothing if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read", path),
    }
}

/// Makes a directory that everybody may read, whatever the umask: how private a store is, its root says. One that is there
/// is left as it is.
///
/// # Errors
/// If it cannot be made.
pub fn make_directory(path: &Path) -> Result<(), FsError> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context("set the mode of", path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).context("create", path),
    }
}

/// Replaces `path` by a file with `bytes` that everybody may read: written beside, synced, renamed.
///
/// # Errors
/// If it cannot be written; what was there stays.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().context("write", path)?;
    sync_parent(path)
}

/// Makes the names in the parent directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FsError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|directory| directory.sync_all()).context("sync", parent)
}

/// Makes everything written to the file system of `path` durable.
pub(crate) fn sync_file_system(path: &Path) -> Result<(), FsError> {
    let file = File::open(path).context("open", path)?;
    rustix::fs::syncfs(&file).context("sync", path)
}

/// Sets a directory's or symlink's times to [`EPOCH`].
pub(crate) fn normalise_time(path: &Path) -> Result<(), FsError> {
    rustix::fs::utimensat(rustix::fs::CWD, path, &EPOCH, AtFlags::SYMLINK_NOFOLLOW).context("set the time of", path)
}

/// Makes what overlayfs takes for a removed name. No privilege is needed for this one device number.
pub(crate) fn whiteout(directory: BorrowedFd<'_>, name: &Path) -> Result<(), FsError> {
    rustix::fs::mknodat(directory, name, FileType::CharacterDevice, Mode::empty(), 0)
        .context("create a whiteout at", name)
}
