//! Collecting what was written: every entry is reported as it looked from inside, then given to the caller.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::failure::Failure;
use super::job::{Harvested, Kind};
use crate::emulate::{CAPABILITY, DEVICE, Emulator, OWNER, parse_owner};

/// Attributes that are of use only while the overlay is mounted, or only to us.
const TRANSIENT: &[&str] = &[
    "user.overlay.origin",
    "user.overlay.impure",
    "user.overlay.nlink",
    "user.overlay.uuid",
    "user.overlay.upper",
    OWNER,
    CAPABILITY,
    DEVICE,
    "security.capability",
];

/// Walks `upper`. Runs as root-inside, outside the tree.
pub(super) fn harvest(upper: &Path, emulator: &Emulator, give: &mut dyn FnMut(Harvested)) -> Result<(), Failure> {
    let fail = |e| Failure::new(format!("open {}", upper.display()), e);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(upper, flags, Mode::empty()).map_err(fail)?;
    let stat = rustix::fs::fstat(&dir).map_err(fail)?;
    let mut walk = Walk { emulator, give, seen: HashMap::new() };
    walk.normalise(dir.as_fd(), c"", &stat, Kind::Directory).map_err(fail)?;
    walk.directory(dir, &mut PathBuf::new())
}

struct Walk<'a> {
    emulator: &'a Emulator,
    give: &'a mut dyn FnMut(Harvested),
    /// Files with several names, which are normalised under the first.
    seen: HashMap<u64, Harvested>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: OwnedFd, path: &mut PathBuf) -> Result<(), Failure> {
        let fail = |path: &Path, e: Errno| Failure::new(format!("collect {}", path.display()), e);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&dir).map_err(|e| fail(path, e))? {
            let name = entry.map_err(|e| fail(path, e))?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort_unstable();
        for name in names {
            path.push(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let below = self.entry(dir.as_fd(), &name, path).map_err(|e| fail(path, e))?;
            if let Some(below) = below {
                self.directory(below, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    /// Reports and normalises one entry; gives it open when it is a directory.
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &Path) -> Result<Option<OwnedFd>, Errno> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if let Some(first) = self.seen.get(&stat.st_ino) {
            (self.give)(Harvested { path: path.to_owned(), ..first.clone() });
            if first.kind == Kind::Removed {
                rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
            }
            return Ok(None);
        }
        let entry = self.look(dir, name, path, &stat)?;
        match entry.kind {
            Kind::Removed => rustix::fs::unlinkat(dir, name, AtFlags::empty())?,
            kind => self.normalise(dir, name, &stat, kind)?,
        }
        if stat.st_nlink > 1 && entry.kind != Kind::Directory {
            self.seen.insert(stat.st_ino, entry.clone());
        }
        let below = (entry.kind == Kind::Directory).then(|| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, Mode::empty())
        });
        (self.give)(entry);
        below.transpose()
    }

    /// What an entry looked like from inside.
    fn look(&self, dir: BorrowedFd<'_>, name: &CStr, path: &Path, stat: &Stat) -> Result<Harvested, Errno> {
        let mut kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice if stat.st_rdev == 0 => Kind::Whiteout,
            _ => Kind::Removed,
        };
        let (mut uid, mut gid) = (stat.st_uid, stat.st_gid);
        let mut capability = None;
        match kind {
            Kind::File | Kind::Directory => {
                let file = place(dir, name)?;
                let owner = attribute(&file, OWNER).and_then(|bytes| parse_owner(&bytes));
                (uid, gid) = owner.unwrap_or((uid, gid));
                capability = attribute(&file, CAPABILITY).or_else(|| attribute(&file, "security.capability"));
                if attribute(&file, DEVICE).is_some() {
                    kind = Kind::Removed;
                }
            }
            Kind::Symlink => (uid, gid) = self.emulator.owners.of_link(stat.st_ino).unwrap_or((uid, gid)),
            Kind::Whiteout | Kind::Removed => {}
        }
        Ok(Harvested { path: path.to_owned(), kind, uid, gid, mode: stat.st_mode & 0o7777, capability })
    }

    /// Gives an entry to the caller: his, readable, without setuid bits and without attributes that were for the way.
    /// An empty `name` means `dir` itself.
    fn normalise(&self, dir: BorrowedFd<'_>, name: &CStr, stat: &Stat, kind: Kind) -> Result<(), Errno> {
        if stat.st_uid != 0 || stat.st_gid != 0 {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
            rustix::fs::chownat(dir, name, Some(Uid::ROOT), Some(Gid::ROOT), flags)?;
        }
        let floor = match kind {
            Kind::File => 0o400,
            Kind::Directory => 0o700,
            _ => return Ok(()),
        };
        let file = place(dir, name)?;
        let wanted = (stat.st_mode & 0o1777) | floor;
        if wanted != stat.st_mode & 0o7777 {
            rustix::fs::chmodat(rustix::fs::CWD, by_path(&file), Mode::from_raw_mode(wanted), AtFlags::empty())?;
        }
        for attribute in attributes(&file) {
            if TRANSIENT.contains(&attribute.as_str()) {
                rustix::fs::removexattr(by_path(&file), attribute.as_str())?;
            }
        }
        Ok(())
    }
}

/// Opens an entry as a place, or `dir` itself when there is no name.
fn place(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let name = if name.is_empty() { c"." } else { name };
    rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn by_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn attribute(file: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let mut buffer = [0u8; 1024];
    let n = rustix::fs::getxattr(by_path(file), name, &mut buffer).ok()?;
    Some(buffer[..n].to_vec())
}

/// The names of all attributes; those that are no text are none of ours.
fn attributes(file: &OwnedFd) -> Vec<String> {
    let mut buffer = [0u8; 4096];
    let n = rustix::fs::listxattr(by_path(file), &mut buffer).unwrap_or(0);
    buffer[..n].split(|b| *b == 0).filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect()
}
