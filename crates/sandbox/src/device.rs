//! The minimal `/dev` of rooms that do not see the host's.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;

use crate::mount::{self, MountError};

/// The devices that every program may expect, bound from the host's.
const NODES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];

/// Mounts a small `/dev` on the directory `dev` of the attached mount `root`.
pub(crate) fn mount_minimal(root: &OwnedFd) -> Result<(), MountError> {
    let fail = |e| MountError::new("make devices in", "/dev", e);
    let plain = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let dev = mount::filesystem("tmpfs", &[("mode", "0755"), ("size", "64m"), ("source", "dev")], plain)?;
    mount::attach(&dev, root, Path::new("dev"))?;
    for name in NODES {
        let Some(node) = mount::clone_tree(&Path::new("/dev").join(name))? else { continue };
        mount::set_read_only(&node).map_err(fail)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        rustix::fs::openat(&dev, *name, flags, Mode::from_raw_mode(0o666)).map_err(fail)?;
        mount::attach(&node, &dev, Path::new(name))?;
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(*target, &dev, *name).map_err(fail)?;
    }
    mount::make_dir(&dev, c"pts", 0o755).map_err(fail)?;
    mount::make_dir(&dev, c"shm", 0o755).map_err(fail)?;
    let terminals = [("mode", "0620"), ("ptmxmode", "0666"), ("source", "devpts")];
    mount::attach(&mount::filesystem("devpts", &terminals, plain)?, &dev, Path::new("pts"))?;
    let shared = mount::filesystem("tmpfs", &[("mode", "1777"), ("source", "shm")], mount::PLAIN)?;
    mount::attach(&shared, &dev, Path::new("shm"))
}

/// What of `/proc` is the whole machine's: the kernel lets root's user id change it, whatever namespace that is in.
const MACHINE: &[&str] =
    &["proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs", "proc/acpi", "proc/scsi"];

/// Mounts `/proc` for the present process namespace. Where the kernel refuses a fresh one (a container that hides parts
/// of its own), the one that is there is bound.
pub(crate) fn mount_proc(root: &OwnedFd) -> Result<(), MountError> {
    let fresh = mount::filesystem("proc", &[("source", "proc")], mount::PLAIN | MountAttrFlags::MOUNT_ATTR_NOEXEC);
    let proc = match fresh {
        Ok(proc) => proc,
        Err(refused) => mount::clone_tree(Path::new("/proc"))?.ok_or(refused)?,
    };
    mount::attach(&proc, root, Path::new("proc"))?;
    MACHINE.iter().try_for_each(|path| mount::shield(root, Path::new(path)))
}

/// Mounts an empty tmpfs on `name` of the attached mount `root`.
pub(crate) fn mount_scratch(root: &OwnedFd, name: &str, mode: &str) -> Result<(), MountError> {
    let scratch = mount::filesystem("tmpfs", &[("mode", mode), ("source", "tmpfs")], mount::PLAIN)?;
    mount::attach(&scratch, root, &PathBuf::from(name))
}
