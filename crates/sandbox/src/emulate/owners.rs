//! The records of owners that could not be set.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Stat, XattrFlags};
use rustix::io::Errno;

use super::target::by_path;

/// Holds `uid:gid` on a file or directory whose owner is recorded. It moves with the file, is copied up with it, and goes
/// with it; so a reused inode number cannot show a stranger's owner.
pub(crate) const OWNER: &str = "user.aleph.owner";
/// Holds the `security.capability` attribute that a file should have.
pub(crate) const CAPABILITY: &str = "user.aleph.capability";
/// Marks a file that stands for a device node.
pub(crate) const DEVICE: &str = "user.aleph.device";

/// Recorded owners.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// By device and inode, as seen inside.
    files: HashMap<(u64, u64), (u32, u32)>,
    /// Symlinks, which cannot hold an attribute, by inode.
    links: HashMap<u64, (u32, u32)>,
}

impl Owners {
    /// Whether anything was ever recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The recorded owner of an open file with this status.
    pub(super) fn get(&self, file: &OwnedFd, stat: &Stat) -> Option<(u32, u32)> {
        let owner = *self.files.get(&(stat.st_dev, stat.st_ino))?;
        match holds_attributes(stat) {
            true => read_owner(file).or_else(|| on_tmpfs(file).then_some(owner)),
            false => Some(owner),
        }
    }

    /// Records an owner; `None` leaves a part as it is. Touches the file, so that it is copied up.
    pub(super) fn set(&mut self, file: &OwnedFd, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        // The kernel's part: copies the file up, clears setuid bits, tells of a read-only file system.
        let path = by_path(file);
        rustix::fs::chownat(rustix::fs::CWD, &path, None, None, rustix::fs::AtFlags::empty()).or_else(|e| {
            // A symlink is not followed through its descriptor by every kernel.
            if e == Errno::LOOP || e == Errno::NOENT { Ok(()) } else { Err(e) }
        })?;
        let stat = rustix::fs::fstat(file)?;
        let (old_uid, old_gid) = self.get(file, &stat).unwrap_or((stat.st_uid, stat.st_gid));
        let owner = (uid.unwrap_or(old_uid), gid.unwrap_or(old_gid));
        if holds_attributes(&stat) {
            let text = format!("{}:{}", owner.0, owner.1);
            match rustix::fs::setxattr(&path, OWNER, text.as_bytes(), XattrFlags::empty()) {
                // A tmpfs of an older kernel: the table must do.
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(e) => return Err(e),
            }
        } else if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            self.links.insert(stat.st_ino, owner);
        }
        self.files.insert((stat.st_dev, stat.st_ino), owner);
        Ok(())
    }

    /// The recorded owner of a symlink, by its inode.
    pub(crate) fn of_link(&self, inode: u64) -> Option<(u32, u32)> {
        self.links.get(&inode).copied()
    }
}

/// Reads what [`OWNER`] holds.
pub(crate) fn parse_owner(bytes: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(bytes).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

fn read_owner(file: &OwnedFd) -> Option<(u32, u32)> {
    let mut buffer = [0u8; 32];
    let n = rustix::fs::getxattr(by_path(file), OWNER, &mut buffer).ok()?;
    parse_owner(&buffer[..n])
}

/// Whether files of this type may have `user.` attributes.
fn holds_attributes(stat: &Stat) -> bool {
    matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory)
}

/// Whether a file is on a tmpfs, which before Linux 6.6 has no `user.` attributes.
fn on_tmpfs(file: &OwnedFd) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|s| s.f_type == TMPFS)
}
