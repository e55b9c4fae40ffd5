//! What each referred system call is answered.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::notify::{Answer, Call};
use super::owners::{CAPABILITY, DEVICE};
use super::{Emulator, target};

/// A file that a call names.
struct Named {
    dirfd: i32,
    path: Vec<u8>,
    follow: bool,
}

impl Emulator {
    pub(super) fn answer(&mut self, call: &Call) -> Answer {
        match self.consider(call) {
            Ok(answer) => answer,
            Err(answer) => answer,
        }
    }

    fn consider(&mut self, call: &Call) -> Result<Answer, Answer> {
        let a = call.arguments;
        let here = libc::AT_FDCWD;
        match call.number {
            libc::SYS_mknodat => make_node(call, a[0] as i32, a[1], a[2], a[3]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => make_node(call, here, a[0], a[1], a[2]),
            _ if !self.single => Ok(Answer::Continue),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => self.change_owner(call, Named::at(call, here, a[0], true)?, a[1], a[2]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => self.change_owner(call, Named::at(call, here, a[0], false)?, a[1], a[2]),
            libc::SYS_fchown => self.change_owner(call, Named::open(a[0]), a[1], a[2]),
            libc::SYS_fchownat => self.change_owner(call, Named::flagged(call, a[0], a[1], a[4])?, a[2], a[3]),
            libc::SYS_fstat => self.status(call, a[1], || Ok(Named::open(a[0]))),
            libc::SYS_newfstatat => self.status(call, a[2], || Named::flagged(call, a[0], a[1], a[3])),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat => self.status(call, a[1], || Named::at(call, here, a[0], true)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => self.status(call, a[1], || Named::at(call, here, a[0], false)),
            libc::SYS_statx => self.extended_status(call),
            libc::SYS_setxattr => set_attribute(call, || Named::at(call, here, a[0], true)),
            libc::SYS_lsetxattr => set_attribute(call, || Named::at(call, here, a[0], false)),
            libc::SYS_fsetxattr => set_attribute(call, || Ok(Named::open(a[0]))),
            // Those that become somebody else have nobody to become, and stay root-inside.
            _ => Ok(Answer::Done),
        }
    }

    fn change_owner(&mut self, call: &Call, named: Named, uid: u64, gid: u64) -> Result<Answer, Answer> {
        let file = match target::open(call.pid, named.dirfd, &named.path, named.follow) {
            // Through `/proc/self/fd`: something that is open, and nothing that would be kept.
            Err(Errno::XDEV) => return Ok(Answer::Done),
            found => found?,
        };
        let part = |id: u64| Some(id as u32).filter(|id| *id != u32::MAX);
        self.owners.set(&file, part(uid), part(gid))?;
        Ok(Answer::Done)
    }

    /// Answers the `stat` family: by the kernel, unless the file has a recorded owner.
    fn status(
        &self,
        call: &Call,
        address: u64,
        named: impl FnOnce() -> Result<Named, Answer>,
    ) -> Result<Answer, Answer> {
        if self.owners.is_empty() {
            return Ok(Answer::Continue);
        }
        // A file that cannot be found here is the kernel's to complain about.
        let Ok(file) = named().and_then(|n| n.find(call)) else { return Ok(Answer::Continue) };
        let Some((uid, gid)) = self.recorded(&file) else { return Ok(Answer::Continue) };
        // SAFETY: all-zero bytes are a valid `stat`.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open and the pointer valid.
        if unsafe { libc::fstat(file.as_raw_fd(), &raw mut stat) } != 0 {
            return Ok(Answer::Continue);
        }
        (stat.st_uid, stat.st_gid) = (uid, gid);
        call.write(address, &stat)?;
        Ok(Answer::Done)
    }

    fn extended_status(&self, call: &Call) -> Result<Answer, Answer> {
        if self.owners.is_empty() {
            return Ok(Answer::Continue);
        }
        let [dirfd, path, flags, mask, address, _] = call.arguments;
        let named = Named::flagged(call, dirfd, path, flags);
        let Ok(file) = named.and_then(|n| n.find(call)) else { return Ok(Answer::Continue) };
        let Some((uid, gid)) = self.recorded(&file) else { return Ok(Answer::Continue) };
        // SAFETY: all-zero bytes are a valid `statx`.
        let mut stat: libc::statx = unsafe { std::mem::zeroed() };
        let sync = flags as i32 & libc::AT_STATX_SYNC_TYPE;
        let flags = sync | libc::AT_EMPTY_PATH;
        // SAFETY: the descriptor is open, the string ends with NUL, the pointer is valid.
        if unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, mask as u32, &raw mut stat) } != 0 {
            return Ok(Answer::Continue);
        }
        (stat.stx_uid, stat.stx_gid) = (uid, gid);
        call.write(address, &stat)?;
        Ok(Answer::Done)
    }

    fn recorded(&self, file: &OwnedFd) -> Option<(u32, u32)> {
        self.owners.get(file, &rustix::fs::fstat(file).ok()?)
    }
}

impl Named {
    fn at(call: &Call, dirfd: i32, address: u64, follow: bool) -> Result<Self, Answer> {
        let path = call.string(address)?;
        if path.is_empty() { Err(Errno::NOENT.into()) } else { Ok(Self { dirfd, path, follow }) }
    }

    fn open(fd: u64) -> Self {
        Self { dirfd: fd as i32, path: Vec::new(), follow: true }
    }

    /// As the `…at` calls have it, with `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`.
    fn flagged(call: &Call, dirfd: u64, address: u64, flags: u64) -> Result<Self, Answer> {
        let has = |flag: i32| flags as i32 & flag != 0;
        if has(libc::AT_EMPTY_PATH) && address == 0 {
            return Ok(Self::open(dirfd));
        }
        let path = call.string(address)?;
        if path.is_empty() && !has(libc::AT_EMPTY_PATH) {
            return Err(Errno::NOENT.into());
        }
        Ok(Self { dirfd: dirfd as i32, path, follow: !has(libc::AT_SYMLINK_NOFOLLOW) })
    }

    fn find(&self, call: &Call) -> Result<OwnedFd, Answer> {
        Ok(target::open(call.pid, self.dirfd, &self.path, self.follow)?)
    }
}

/// Makes an empty file in place of a device node.
fn make_node(call: &Call, dirfd: i32, path: u64, mode: u64, device: u64) -> Result<Answer, Answer> {
    if device == 0 && mode as u32 & libc::S_IFMT == libc::S_IFCHR {
        // A whiteout, which is anybody's to make.
        return Ok(Answer::Continue);
    }
    let (dir, name) = target::open_parent(call.pid, dirfd, &call.string(path)?)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode as u32 & 0o777))?;
    let kind = if mode as u32 & libc::S_IFMT == libc::S_IFCHR { 'c' } else { 'b' };
    let text = format!("{kind} {} {}", rustix::fs::major(device), rustix::fs::minor(device));
    // Where it cannot be marked (a tmpfs of an older kernel) it does not stay either.
    let _ = rustix::fs::fsetxattr(&file, DEVICE, text.as_bytes(), XattrFlags::empty());
    Ok(Answer::Done)
}

/// Records file capabilities, lets attributes of trust pass as set, and leaves the others to the kernel.
fn set_attribute(call: &Call, named: impl FnOnce() -> Result<Named, Answer>) -> Result<Answer, Answer> {
    let [_, name, value, size, ..] = call.arguments;
    let name = call.string(name)?;
    if name == b"security.capability" {
        let value = call.bytes(value, size)?;
        let file = named()?.find(call)?;
        rustix::fs::setxattr(target::by_path(&file), CAPABILITY, &value, XattrFlags::empty())?;
        return Ok(Answer::Done);
    }
    // Access lists name ids that do not exist here.
    let emulated = [&b"security."[..], b"trusted.", b"system.posix_acl_"].iter().any(|p| name.starts_with(p));
    Ok(if emulated { Answer::Done } else { Answer::Continue })
}
