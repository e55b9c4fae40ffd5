//! A view of one layer where there is no overlayfs: its directories are bound read-only into a tmpfs.
//!
//! `/etc` and whatever else holds something of the host's are real directories, with a symlink for each entry of the
//! layer's that is no symlink itself; so files can be added and replaced there, but those of the layer not be written.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::mount::{self, MountError};

/// Where the whole layer shows, for the symlinks.
const LAYER: &str = ".layer";
const LAYER_NAME: &CStr = c".layer";

/// Attaches the layer's tree over the host's root. `upper` holds what the run adds: places to mount on, files of `/etc`.
pub(crate) fn attach(layer: &Path, scratch: &OwnedFd, upper: &OwnedFd) -> Result<OwnedFd, MountError> {
    let fail = |e| MountError::new("bind the layer", layer, e);
    let root = mount::clone_tree(&PathBuf::from(format!("/proc/self/fd/{}", upper.as_raw_fd())))?;
    let root = root.ok_or_else(|| fail(Errno::NOENT))?;
    mount::attach(&root, scratch, Path::new("root"))?;
    mount::make_dir(&root, LAYER_NAME, 0o755).map_err(fail)?;
    bind_read_only(layer, &root, LAYER)?;
    let source = mount::open_place(layer).map_err(fail)?;
    for (entry, kind) in entries(&source).map_err(fail)? {
        let text = OsStr::from_bytes(entry.to_bytes()).to_string_lossy();
        let there = rustix::fs::statat(&root, entry.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok();
        match kind {
            FileType::Directory if !there => {
                mount::make_dir(&root, &entry, 0o755).map_err(fail)?;
                bind_read_only(&layer.join(OsStr::from_bytes(entry.to_bytes())), &root, &text)?;
            }
            _ => merge(&source, &root, Path::new(""), &entry, kind).map_err(fail)?,
        }
    }
    Ok(root)
}

/// Makes `entry` of the layer's `directory` appear in the root: as itself when it is a symlink, else by a symlink;
/// inside a directory that both have, entry by entry.
fn merge(source: &OwnedFd, root: &OwnedFd, directory: &Path, entry: &CStr, kind: FileType) -> Result<(), Errno> {
    let path = directory.join(OsStr::from_bytes(entry.to_bytes()));
    let there = rustix::fs::statat(root, &path, AtFlags::SYMLINK_NOFOLLOW).map(|s| FileType::from_raw_mode(s.st_mode));
    match (kind, there) {
        (FileType::Directory, Ok(FileType::Directory)) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = match rustix::fs::openat(source, &path, flags, Mode::empty()) {
                Ok(below) => below,
                // A directory that its owner may not read shows nothing.
                Err(Errno::ACCESS) => return Ok(()),
                Err(e) => return Err(e),
            };
            entries(&below)?.iter().try_for_each(|(name, kind)| merge(source, root, &path, name, *kind))
        }
        (_, Ok(_)) => Ok(()),
        (FileType::Symlink, Err(_)) => {
            let target = rustix::fs::readlinkat(source, &path, Vec::new())?;
            rustix::fs::symlinkat(target.as_c_str(), root, &path)
        }
        (_, Err(_)) => rustix::fs::symlinkat(Path::new("/").join(LAYER).join(&path), root, &path),
    }
}

/// Binds a host directory at `name` in the attached mount `root`, read-only.
fn bind_read_only(source: &Path, root: &OwnedFd, name: &str) -> Result<(), MountError> {
    let tree = mount::clone_tree(source)?.ok_or_else(|| MountError::new("bind", source, Errno::NOENT))?;
    mount::attach(&tree, root, Path::new(name))?;
    // Restrictions that came with the mount cannot be lifted, so they must be named again.
    let fail = |e| MountError::new("make read-only", source, e);
    let had = rustix::fs::fstatvfs(tree.as_fd()).map_err(fail)?.f_flag.bits();
    let kept = [
        (libc::ST_NOEXEC, MountFlags::NOEXEC),
        (libc::ST_NOATIME, MountFlags::NOATIME),
        (libc::ST_NODIRATIME, MountFlags::NODIRATIME),
        (libc::ST_RELATIME, MountFlags::RELATIME),
    ];
    let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    flags.extend(kept.iter().filter(|(bit, _)| had & bit != 0).map(|(_, flag)| *flag));
    let path = format!("/proc/self/fd/{}/{name}", root.as_raw_fd());
    rustix::mount::mount_remount(path, flags, c"").map_err(fail)
}

fn entries(directory: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::new(open)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}
