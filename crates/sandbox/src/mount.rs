//! Mounts through the file-descriptor API: each mount is made detached, then attached where it belongs.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// A mount could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}{detail}", target.display())]
pub struct MountError {
    /// What was being done: `mount a tmpfs on`, `bind`, ...
    pub doing: &'static str,
    /// Where, as a path inside the view or on the host.
    pub target: PathBuf,
    /// What the kernel wrote about it, with a leading `: `, or nothing.
    pub detail: String,
    /// The kernel's answer.
    #[source]
    pub source: io::Error,
}

impl MountError {
    pub(crate) fn new(doing: &'static str, target: impl AsRef<Path>, source: Errno) -> Self {
        Self { doing, target: target.as_ref().to_owned(), detail: String::new(), source: source.into() }
    }

    fn with_log(mut self, context: &OwnedFd) -> Self {
        let mut buffer = [0u8; 512];
        if let Ok(n @ 1..) = rustix::io::read(context, &mut buffer) {
            // The kernel marks errors with `e`.
            let text = String::from_utf8_lossy(&buffer[..n]);
            self.detail = format!(": {}", text.trim_end().trim_start_matches("e "));
        }
        self
    }
}

/// Flags of every mount that shows no devices and honours no setuid bits.
pub(crate) const PLAIN: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Makes a detached file system of type `kind` with string options.
pub(crate) fn filesystem(
    kind: &'static str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, MountError> {
    let fail = |e| MountError::new("make a file system of type", kind, e);
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value).map_err(|e| fail(e).with_log(&context))?;
    }
    fsconfig_create(context.as_fd()).map_err(|e| fail(e).with_log(&context))?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(fail)
}

/// Stacks `layers` (topmost first) under `upper`, detached. `work` must be an empty directory beside `upper`.
///
/// Layers are named by descriptor, so that neither the length of a path nor a `:` in it matters. `volatile` is set:
/// nobody needs an overlay of ours to be synced.
pub(crate) fn overlay(layers: &[OwnedFd], upper: BorrowedFd<'_>, work: BorrowedFd<'_>) -> Result<OwnedFd, MountError> {
    match overlay_of(layers, upper, work, true) {
        // Older kernels know no `lowerdir+`; some say so only when all has been said.
        Err(e) if e.source.raw_os_error() == Some(libc::EINVAL) => overlay_of(layers, upper, work, false),
        stacked => stacked,
    }
}

/// Names the layers one by one, or all in one string of at most 255 bytes.
fn overlay_of(
    layers: &[OwnedFd],
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    one_by_one: bool,
) -> Result<OwnedFd, MountError> {
    let fail = |e| MountError::new("stack the layers at", "/", e);
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail)?;
    let fs = context.as_fd();
    let set = |key: &str, value: &str| fsconfig_set_string(fs, key, value);
    let prepare = || {
        let by_fd: Vec<String> = layers.iter().map(|l| fd_path(l.as_fd())).collect();
        match one_by_one {
            true => by_fd.iter().try_for_each(|layer| set("lowerdir+", layer))?,
            false => set("lowerdir", &by_fd.join(":"))?,
        }
        set("upperdir", &fd_path(upper))?;
        set("workdir", &fd_path(work))?;
        set("source", "aleph")?;
        fsconfig_set_flag(fs, "userxattr")?;
        fsconfig_set_flag(fs, "volatile")?;
        fsconfig_create(fs)
    };
    prepare().map_err(|e| {
        let mut error = fail(e).with_log(&context);
        for fd in layers.iter().map(AsFd::as_fd).chain([upper, work]) {
            if let Ok(real) = rustix::fs::readlink(fd_path(fd), Vec::new()) {
                error.detail =
                    error.detail.replace(&format!("{} ", fd_path(fd)), &format!("{} ", real.to_string_lossy()));
            }
        }
        error
    })?;
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, PLAIN).map_err(fail)
}

/// A short path that names an open directory of this process.
fn fd_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A detached copy of the mounts at `path`, with everything mounted below. `None`: there is no such path.
pub(crate) fn clone_tree(path: &Path) -> Result<Option<OwnedFd>, MountError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_NO_AUTOMOUNT;
    match open_tree(CWD, path, flags) {
        Ok(tree) => Ok(Some(tree)),
        Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(e) => Err(MountError::new("bind", path, e)),
    }
}

/// Attaches a detached mount at `path` below `directory`.
pub(crate) fn attach(mount: &OwnedFd, directory: impl AsFd, path: &Path) -> Result<(), MountError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount.as_fd(), c"", directory.as_fd(), path, flags).map_err(|e| MountError::new("mount on", path, e))
}

/// Lays over `path` in the attached mount `root` what is there, read-only. A path that is not there is passed over.
pub(crate) fn shield(root: &OwnedFd, path: &Path) -> Result<(), MountError> {
    let fail = |e| MountError::new("make read-only", path, e);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = match open_tree(root, path, flags) {
        Err(Errno::NOENT) => return Ok(()),
        tree => tree.map_err(fail)?,
    };
    set_read_only(&tree).map_err(fail)?;
    attach(&tree, root, path)
}

/// Makes a detached mount and what is mounted below it read-only. A device there can be written to all the same; its
/// node, which is the host's, cannot be changed.
pub(crate) fn set_read_only(mount: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: all-zero bytes are a valid `mount_attr`.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: path and attributes are valid for the call, the size is the attributes' own.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer < 0 { Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)) } else { Ok(()) }
}

/// Lays a detached mount over the present root directory, out of the way of every absolute path: lookups start at the
/// root that this process has, not at what is mounted over it. Relative paths from `mount` reach it.
pub(crate) fn attach_over_root(mount: &OwnedFd) -> Result<(), MountError> {
    attach(mount, CWD, Path::new("/"))
}

/// Makes the attached mount `root`, which lies topmost over the old root, the root directory of this process. The old
/// root stays mounted underneath, out of reach of whoever cannot unmount; nothing has to wait for it to go.
pub(crate) fn cover_root(root: &OwnedFd) -> Result<(), MountError> {
    let fail = |e| MountError::new("change the root directory to", "/", e);
    rustix::process::fchdir(root).map_err(fail)?;
    rustix::process::chroot(c".").map_err(fail)
}

/// Makes the attached mount `root` the root directory of this mount namespace and lets go of the old one and of
/// everything that was laid over it, which is one mount.
pub(crate) fn switch_root(root: &OwnedFd) -> Result<(), MountError> {
    let fail = |e| MountError::new("change the root directory to", "/", e);
    rustix::process::fchdir(root).map_err(fail)?;
    rustix::process::pivot_root(c".", c".").map_err(fail)?;
    // The old root lies on the new one, and the scratch space on the old root; a path finds the topmost.
    rustix::mount::unmount(c".", UnmountFlags::DETACH).map_err(fail)?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH).map_err(fail)
}

/// Stops mounts made here from showing on the host. Needed where no user namespace came with the mount namespace.
pub(crate) fn detach_propagation() -> Result<(), MountError> {
    let flags = rustix::mount::MountPropagationFlags::DOWNSTREAM | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", flags).map_err(|e| MountError::new("cut propagation from", "/", e))
}

/// Opens a directory as a place only.
pub(crate) fn open_place(path: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Makes the directory `name` in `parent`, one that may be there already.
pub(crate) fn make_dir(parent: impl AsFd, name: &CStr, mode: u32) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, name, rustix::fs::Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e),
    }
}
