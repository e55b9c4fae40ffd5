//! The inside: process 1 of the workshop's namespaces. Mounts the tree, puts files in place, and runs the steps.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{DumpableBehavior, Pid};
use rustix::thread::UnshareFlags;

use super::failure::{Failure, Message};
use super::overseer::send;
use super::{Job, Placed, steps};
use crate::emulate;
use crate::ids::IdMap;
use crate::layers::Stack;
use crate::mount::{self, MountError};
use crate::{device, process, userns};

/// The exit code after a [`Message::Failed`] was sent.
pub(super) const FAILED: i32 = 3;

/// Runs the job and gives this process's exit code.
pub(super) fn main(job: &Job, ids: IdMap, overseer: OwnedFd) -> i32 {
    process::die_with_parent(None);
    // Between steps this process kills all that it can: nobody but process 1 of a namespace may do that.
    if rustix::process::getpid() != Pid::INIT {
        return FAILED;
    }
    match run(job, ids, overseer) {
        Ok(()) => 0,
        Err(failure) => {
            send(&Message::Failed(failure));
            FAILED
        }
    }
}

fn run(job: &Job, ids: IdMap, overseer: OwnedFd) -> Result<(), Failure> {
    userns::unshare(UnshareFlags::NEWNS).map_err(Failure::namespaces)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let root = mount_tree(job)?;
    mount::switch_root(&root)?;
    drop(root);
    rustix::process::chdir(c"/").map_err(|e| Failure::new("change to /", e))?;
    let covered = place_files(job)?;
    rustix::system::sethostname(b"localhost").map_err(|e| Failure::new("set the host name", e))?;
    process::loopback_up().map_err(|e| Failure::new("bring the loopback interface up", e))?;
    if ids != IdMap::Single {
        rustix::thread::set_thread_groups(&[]).map_err(|e| Failure::new("leave the caller's groups", e))?;
    }
    let listener = emulate::install_filter(ids == IdMap::Single).map_err(|e| Failure::new("install the filter", e))?;
    process::send_fd(&overseer, listener.as_fd()).map_err(|e| Failure::new("hand the filter over", e))?;
    drop((listener, overseer));
    // Steps are root-inside too, but shall not speak through our standard output.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| Failure::new("close this process to the steps", e))?;
    steps::run_all(&job.steps, job.limits)?;
    uncover(&covered)
}

/// Mounts the stack of layers over the old root, and what every program needs in it.
fn mount_tree(job: &Job) -> Result<OwnedFd, Failure> {
    let open = |path: &Path| mount::open_place(path).map_err(|e| Failure::new(format!("open {}", path.display()), e));
    let stack = Stack::open(&job.layers).map_err(|(path, e)| Failure::new(format!("open {}", path.display()), e))?;
    let (upper, work) = (open(&job.upper)?, open(&job.work)?);
    // The scratch mount keeps the order of mounts that `switch_root` expects.
    let scratch = mount::filesystem("tmpfs", &[("mode", "0755"), ("source", "aleph")], mount::PLAIN)
        .map_err(Failure::first_mount)?;
    mount::attach_over_root(&scratch).map_err(Failure::first_mount)?;
    mount::make_dir(&scratch, c"root", 0o755).map_err(|e| Failure::new("make a directory", e))?;
    let root = mount::overlay(stack.fds(), upper.as_fd(), work.as_fd()).map_err(Failure::overlay)?;
    mount::attach(&root, &scratch, Path::new("root"))?;
    for name in [c"proc", c"dev", c"sys", c"tmp", c"run"] {
        mount::make_dir(&root, name, 0o755).map_err(|e| Failure::new("make directories in /", e))?;
    }
    device::mount_proc(&root)?;
    device::mount_minimal(&root)?;
    device::mount_scratch(&root, "tmp", "1777")?;
    device::mount_scratch(&root, "run", "0755")?;
    mount::make_dir(&root, c"run/lock", 0o1777).map_err(|e| Failure::new("make /run/lock", e))?;
    Ok(root)
}

/// Puts the job's files in place, below the present root. Gives the paths of files made only to be covered.
fn place_files(job: &Job) -> Result<Vec<&Path>, Failure> {
    let mut made = Vec::new();
    for (i, file) in job.files.iter().enumerate() {
        let fail = |e: io::Error| Failure::new(format!("put {} in place", file.path.display()), e);
        let mount_failure = |e: MountError| fail(e.source);
        if !file.path.is_absolute() {
            return Err(fail(Errno::INVAL.into()));
        }
        fs::create_dir_all(file.path.parent().unwrap_or(Path::new("/"))).map_err(fail)?;
        if file.lasting {
            match fs::remove_file(&file.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
                _ => write_file(&file.path, file).map_err(fail)?,
            }
            continue;
        }
        let keep = PathBuf::from(format!("/run/.covers/{i}"));
        fs::create_dir_all("/run/.covers").map_err(fail)?;
        write_file(&keep, file).map_err(fail)?;
        match fs::OpenOptions::new().write(true).create_new(true).open(&file.path) {
            Ok(_) => made.push(file.path.as_path()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(e)),
        }
        let cover = mount::clone_tree(&keep).map_err(mount_failure)?.ok_or_else(|| fail(Errno::NOENT.into()))?;
        mount::attach(&cover, CWD, &file.path).map_err(mount_failure)?;
    }
    Ok(made)
}

/// Removes the empty files that were made to be covered.
fn uncover(made: &[&Path]) -> Result<(), Failure> {
    for path in made {
        let fail = |e: Errno| Failure::new(format!("uncover {}", path.display()), e);
        match rustix::mount::unmount(*path, UnmountFlags::DETACH) {
            Ok(()) => rustix::fs::unlink(*path).map_err(fail)?,
            // A step moved or removed it.
            Err(Errno::INVAL | Errno::NOENT) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Ok(())
}

fn write_file(path: &Path, file: &Placed) -> io::Result<()> {
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    out.write_all(&file.bytes)?;
    out.set_permissions(fs::Permissions::from_mode(file.mode & 0o7777))
}
