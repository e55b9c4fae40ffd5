//! User namespaces: leaving the host's, and the maps that say who is who inside.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Leaves the namespaces named by `flags`.
///
/// The caller must be single-threaded; `CLONE_FILES` is never among the flags.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: none of the flags used here makes descriptors or memory unshared from a sibling thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Writes a map in which the caller is inside who he is outside, and nobody else exists.
pub(crate) fn map_identity(uid: u32, gid: u32) -> io::Result<()> {
    map_single(uid, uid, gid, gid)
}

/// Writes a map of one user and one group: `inside` names them inside, `outside` on the host.
pub(crate) fn map_single(inside_uid: u32, uid: u32, inside_gid: u32, gid: u32) -> io::Result<()> {
    write("/proc/self/uid_map", &format!("{inside_uid} {uid} 1"))?;
    // Where a process may not drop groups, it may map its own group.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/gid_map", &format!("{inside_gid} {gid} 1"))
}

/// One write, as the kernel wants a map.
pub(crate) fn write(path: impl AsRef<Path>, text: &str) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let file = rustix::fs::open(path.as_ref(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}
