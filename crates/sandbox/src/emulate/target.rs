//! Finding the file that another process means by a descriptor and a path.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Opens, as a place only, what the process `pid` means by `path` relative to its descriptor `dirfd` (or `AT_FDCWD`).
/// `follow`: whether a symlink at the end is followed. An empty path means the descriptor itself.
pub(super) fn open(pid: i32, dirfd: i32, path: &[u8], follow: bool) -> Result<OwnedFd, Errno> {
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let base = if dirfd == libc::AT_FDCWD { format!("/proc/{pid}/cwd") } else { format!("/proc/{pid}/fd/{dirfd}") };
    if path.is_empty() {
        return rustix::fs::openat(CWD, &base, place, Mode::empty());
    }
    let flags = if follow { place } else { place | OFlags::NOFOLLOW };
    if !path.starts_with(b"/") {
        let dir = rustix::fs::openat(CWD, &base, place, Mode::empty())?;
        match rustix::fs::openat2(&dir, path, flags, Mode::empty(), ResolveFlags::BENEATH) {
            // It leads out of the directory, so it must be resolved from the process's root.
            Err(Errno::XDEV) => {}
            found => return found,
        }
    }
    let root = rustix::fs::openat(CWD, format!("/proc/{pid}/root"), place, Mode::empty())?;
    let whole = if path.starts_with(b"/") { path.to_vec() } else { joined(&base, path)? };
    rustix::fs::openat2(&root, whole, flags, Mode::empty(), ResolveFlags::IN_ROOT)
}

/// Opens the directory in which a process would make `path`, and gives the name it would have there.
pub(super) fn open_parent(pid: i32, dirfd: i32, path: &[u8]) -> Result<(OwnedFd, Vec<u8>), Errno> {
    let trimmed = path.strip_suffix(b"/").unwrap_or(path);
    let (dir, name) = match trimmed.iter().rposition(|b| *b == b'/') {
        Some(0) => (&b"/"[..], &trimmed[1..]),
        Some(at) => (&trimmed[..at], &trimmed[at + 1..]),
        None => (&b"."[..], trimmed),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(Errno::EXIST);
    }
    Ok((open(pid, dirfd, dir, true)?, name.to_vec()))
}

fn joined(base: &str, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut whole = rustix::fs::readlink(base, Vec::new())?.into_bytes();
    whole.push(b'/');
    whole.extend_from_slice(path);
    Ok(whole)
}

/// A path by which calls that take no descriptor reach an open file.
pub(super) fn by_path(file: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}
