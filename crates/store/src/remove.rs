//! Removing trees that others made: of any depth, with any modes, and whatever is done to them meanwhile.

use std::{
    ffi::CStr,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, fchmod, fstat, openat, renameat_with, unlinkat},
    io::Errno,
    path::Arg,
};

use crate::error::{Context, FsError};

/// How many directories are open at once. What lies deeper is moved up before it is removed.
const DEPTH: usize = 64;

/// Removes a file or a whole tree, also one whose directories are read-only. No symbolic link in it is followed.
///
/// # Errors
/// If something in it cannot be removed. Nothing there is success.
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("read", path),
        Ok(metadata) if !metadata.is_dir() => return fs::remove_file(path).context("remove", path),
        Ok(_) => {}
    }
    let open = open(CWD, path, path)?;
    let mut deep = Deep { above: open.try_clone().context("open", path)?, moved: 0 };
    let mut top = Dir::new(open).context("read", path)?;
    loop {
        let before = deep.moved;
        clear(&mut top, path, 1, &mut deep)?;
        if deep.moved == before {
            break;
        }
        top.rewind();
    }
    fs::remove_dir(path).context("remove", path)
}

/// Where directories go that lie too deep.
struct Deep {
    above: OwnedFd,
    moved: u64,
}

/// Removes what is in `directory`, which `place` names for messages.
fn clear(directory: &mut Dir, place: &Path, depth: usize, deep: &mut Deep) -> Result<(), FsError> {
    while let Some(entry) = directory.read() {
        let entry = entry.context("read", place)?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let here = directory.fd().context("read", place)?;
        let full = || place.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        if !is_directory(here, name, entry.file_type()).context("read", place)? {
            unlinkat(here, name, AtFlags::empty()).context("remove", full())?;
            continue;
        }
        let full: PathBuf = full();
        let open = open(here, name, &full)?;
        if depth >= DEPTH {
            deep.take(here, name).context("move", full)?;
            continue;
        }
        clear(&mut Dir::new(open).context("read", &full)?, &full, depth + 1, deep)?;
        unlinkat(here, name, AtFlags::REMOVEDIR).context("remove", full)?;
    }
    Ok(())
}

impl Deep {
    /// Moves a directory to the top, under a name that nothing there has.
    fn take(&mut self, from: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.moved += 1;
            let to = format!("deep-{}", self.moved);
            match renameat_with(from, name, &self.above, to, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                result => return result,
            }
        }
    }
}

fn is_directory(directory: BorrowedFd<'_>, name: &CStr, hint: FileType) -> Result<bool, Errno> {
    if hint != FileType::Unknown {
        return Ok(hint == FileType::Directory);
    }
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Opens a directory, and makes it one that its owner may empty.
fn open(parent: impl AsFd, name: impl Arg + Copy, place: &Path) -> Result<OwnedFd, FsError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = match openat(&parent, name, flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Its mode cannot be changed by name without following a link that takes its place meanwhile.
            let held = openat(&parent, name, flags | OFlags::PATH, Mode::empty()).context("open", place)?;
            let held = format!("/proc/self/fd/{}", held.as_fd().as_raw_fd());
            fs::set_permissions(&held, fs::Permissions::from_mode(0o700)).context("open", place)?;
            openat(CWD, held, flags.difference(OFlags::NOFOLLOW), Mode::empty())
        }
        result => result,
    };
    let open = open.context("open", place)?;
    if fstat(&open).context("read", place)?.st_mode & 0o700 != 0o700 {
        fchmod(&open, Mode::RWXU).context("open", place)?;
    }
    Ok(open)
}
