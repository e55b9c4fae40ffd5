//! The overseer: root-inside, but still among the host's files and processes. Starts the inside, answers what the filter
//! refers to it, and collects what was written.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use super::failure::{Failure, Message, Request};
use super::{Job, harvest, inside};
use crate::emulate::Emulator;
use crate::ids::IdMap;
use crate::process::{self, Fork};
use crate::userns;

/// Writes one message to standard output. When nobody listens any more, this process has no purpose and ends.
pub(super) fn send(message: &Message) {
    let mut line = serde_json::to_vec(message).expect("messages have no maps and no fallible parts");
    line.push(b'\n');
    let mut rest = &line[..];
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(n) => rest = &rest[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => process::exit_now(1),
        }
    }
}

/// Carries the request out and gives this process's exit code.
pub(super) fn main(request: Request, worker: &OwnedFd, parent: Pid) -> i32 {
    if !process::die_with_parent(Some(parent)) {
        return 1;
    }
    let done = enter_user_namespace(worker, &request).and_then(|ids| {
        match request {
            Request::Job(job) => carry_out(&job, ids)?,
            Request::Remove { path, .. } => remove(&path)?,
        }
        Ok(ids)
    });
    match done {
        Ok(ids) => send(&Message::Done { ids }),
        Err(failure) => {
            send(&Message::Failed(failure));
            return 1;
        }
    }
    0
}

/// Leaves the host's user namespace and becomes root in the new one. Gives the map that was written.
fn enter_user_namespace(worker: &OwnedFd, request: &Request) -> Result<IdMap, Failure> {
    let wanted = match request {
        Request::Job(job) => job.ids,
        Request::Remove { ids, .. } => *ids,
    };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    userns::unshare(UnshareFlags::NEWUSER).map_err(Failure::namespaces)?;
    let mut answer = [0u8; 1];
    let asked = rustix::io::write(worker, b"u").and_then(|_| rustix::io::read(worker, &mut answer));
    asked.map_err(|e| Failure::new("ask for the id maps", e))?;
    let ids = if answer[0] == b'm' { wanted } else { IdMap::Single };
    if ids == IdMap::Single {
        userns::map_single(0, uid, 0, gid).map_err(Failure::namespaces)?;
    }
    process::become_root().map_err(Failure::namespaces)?;
    // Becoming someone else cleared it.
    process::die_with_parent(None);
    Ok(ids)
}

fn carry_out(job: &Job, ids: IdMap) -> Result<(), Failure> {
    userns::unshare(UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNET)
        .map_err(Failure::namespaces)?;
    let (ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|e| Failure::new("make a socket pair", e))?;
    let inside = match process::fork().map_err(|e| Failure::new("start the inside", e))? {
        Fork::Child => {
            drop(ours);
            process::exit_now(inside::main(job, ids, theirs))
        }
        Fork::Parent(pid) => pid,
    };
    drop(theirs);
    let listener = process::receive_fd(&ours).map_err(|e| Failure::new("receive the filter", e))?;
    let mut emulator = Emulator::new(&job.upper, ids == IdMap::Single);
    if let Some(listener) = listener {
        emulator.serve(&listener, inside).map_err(|e| Failure::new("answer system calls", e))?;
    }
    let ended = process::wait4(inside.as_raw_nonzero().get(), 0).map_err(|e| Failure::new("wait for the steps", e))?;
    match ended.map(|(_, e)| e.status) {
        Some(0) => {}
        // It has said what was wrong.
        Some(status) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == inside::FAILED => process::exit_now(1),
        _ => {
            return Err(Failure::new(
                "run the steps: their first process was killed",
                std::io::Error::from_raw_os_error(libc::EINTR),
            ));
        }
    }
    empty(&job.work).map_err(|e| Failure::new(format!("empty {}", job.work.display()), e))?;
    harvest::harvest(&job.upper, &emulator, &mut |entry| send(&Message::Harvested(entry)))
}

/// Removes a tree, whoever in it owns what.
fn remove(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Failure::new(format!("look at {}", path.display()), e)),
        Ok(meta) if meta.is_dir() => {
            fs::remove_dir_all(path).map_err(|e| Failure::new(format!("remove {}", path.display()), e))
        }
        Ok(_) => fs::remove_file(path).map_err(|e| Failure::new(format!("remove {}", path.display()), e)),
    }
}

/// Removes what overlayfs left in its work directory.
fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
    }
    Ok(())
}
