//! The records of owners that could not be set.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Stat, XattrFlags};
use rustix::io::Errno;

use super::target::by_path;

/// Holds `uid:gid` on a file or directory whose owner is recorded. It moves with the file, is copied up with it, and goes
/// with it; so a reused inode number cannot show a stranger's owner.
pub(crate) const OWNER: &str = "user.aleph.owner";
/// Holds the `security.capability` attribute that a file should have.
pub(crate) const CAPABILITY: &str = "user.aleph.capability";
/// Marks a file that stands for a device node.
pub(crate) const DEVICE: &str = "user.aleph.device";

/// Recorded owners of what cannot hold the attribute, and whether there are any at all.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Whether anything was ever recorded.
    any: bool,
    /// By device and inode, as seen inside.
    others: HashMap<(u64, u64), (u32, u32)>,
    /// Symlinks in the directory that receives what is written, by their inode there.
    links: HashMap<u64, (u32, u32)>,
    /// That directory.
    upper: PathBuf,
}

impl Owners {
    pub(super) fn new(upper: &Path) -> Self {
        Self { upper: upper.to_owned(), ..Self::default() }
    }

    /// Whether nothing was ever recorded.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// The recorded owner of an open file with this status.
    pub(super) fn get(&self, file: &OwnedFd, stat: &Stat) -> Option<(u32, u32)> {
        // An overlay may show one file under several inode numbers, so the attribute is asked first.
        let mut buffer = [0u8; 32];
        let held = match holds_attributes(stat) {
            true => rustix::fs::getxattr(by_path(file), OWNER, &mut buffer),
            false => Err(Errno::OPNOTSUPP),
        };
        match held {
            Ok(n) => parse_owner(&buffer[..n]),
            Err(Errno::OPNOTSUPP) => self.others.get(&(stat.st_dev, stat.st_ino)).copied(),
            Err(_) => None,
        }
    }

    /// Records an owner; `None` leaves a part as it is. Touches the file, so that it is copied up.
    pub(super) fn set(&mut self, file: &OwnedFd, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        // The kernel's part: copies the file up, clears setuid bits, tells of a read-only file system.
        rustix::fs::chownat(file, c"", None, None, AtFlags::EMPTY_PATH)?;
        let stat = rustix::fs::fstat(file)?;
        let (old_uid, old_gid) = self.get(file, &stat).unwrap_or((stat.st_uid, stat.st_gid));
        let owner = (uid.unwrap_or(old_uid), gid.unwrap_or(old_gid));
        self.any = true;
        if holds_attributes(&stat) {
            let text = format!("{}:{}", owner.0, owner.1);
            match rustix::fs::setxattr(by_path(file), OWNER, text.as_bytes(), XattrFlags::empty()) {
                // A tmpfs before Linux 6.6. Nothing there is harvested, so the table will do.
                Err(Errno::OPNOTSUPP) => {}
                set => return set,
            }
        }
        self.others.insert((stat.st_dev, stat.st_ino), owner);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
            && let Some(inode) = self.inode_below(file)
        {
            self.links.insert(inode, owner);
        }
        Ok(())
    }

    /// The inode that a file of the tree has in the directory that receives what is written.
    fn inode_below(&self, file: &OwnedFd) -> Option<u64> {
        let path = rustix::fs::readlink(by_path(file), Vec::new()).ok()?;
        let inside = Path::new(OsStr::from_bytes(path.as_bytes())).strip_prefix("/").ok()?;
        let stat = rustix::fs::statat(CWD, self.upper.join(inside), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(stat.st_ino)
    }

    /// The recorded owner of a symlink, by its inode in the directory that receives what is written.
    pub(crate) fn of_link(&self, inode: u64) -> Option<(u32, u32)> {
        self.links.get(&inode).copied()
    }
}

/// Reads what [`OWNER`] holds.
pub(crate) fn parse_owner(bytes: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(bytes).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Whether files of this type may have `user.` attributes.
fn holds_attributes(stat: &Stat) -> bool {
    matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory)
}
