//! The worker process: reads what it is asked for, forks the overseer, and writes the id maps, which only a process in
//! the host's user namespace can.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Pid;

use super::failure::{Failure, Message, Request};
use super::overseer;
use crate::ids::{IdMap, IdRange, full_map, helper};
use crate::process::{self, Fork};
use crate::userns;

/// Carries out one request, read from standard input, answering on standard output. To be called by a fresh process
/// that has no threads and has done nothing else; never returns.
pub fn worker_main() -> ! {
    // Killed with its caller, and with it all that it starts: nobody else would end them.
    process::die_with_parent(None);
    let code = match serve() {
        Ok(code) => code,
        Err(failure) => {
            overseer::send(&Message::Failed(failure));
            1
        }
    };
    process::exit_now(code)
}

fn serve() -> Result<i32, Failure> {
    process::close_on_exec().map_err(|e| Failure::new("close the caller's files", e))?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::new("read the request", e))?;
    if !is_heard() {
        return Ok(1);
    }
    let request: Request = serde_json::from_slice(&bytes).map_err(|e| Failure::new("understand the request", e))?;
    let ids = match &request {
        Request::Job(job) => job.ids,
        Request::Remove { ids, .. } => *ids,
    };
    let parent = rustix::process::getpid();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|e| Failure::new("make a socket pair", e))?;
    match process::fork().map_err(|e| Failure::new("start the overseer", e))? {
        Fork::Child => {
            drop(ours);
            process::exit_now(overseer::main(request, &theirs, parent))
        }
        Fork::Parent(overseer) => {
            drop(theirs);
            guide(&ours, overseer, ids);
            let ended = process::wait4(overseer.as_raw_nonzero().get(), 0).map_err(|e| Failure::new("wait", e))?;
            // Anything but an orderly end shows to the caller as silence.
            Ok(ended.map_or(1, |(_, e)| if libc::WIFEXITED(e.status) { libc::WEXITSTATUS(e.status) } else { 1 }))
        }
    }
}

/// Whether anybody reads what this process says: a caller that died before it could be tied to us does not.
fn is_heard() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&none)).is_err() || !fds[0].revents().contains(PollFlags::ERR)
}

/// Waits until the overseer is in its user namespace, writes its maps, and tells it which map it has.
fn guide(socket: &OwnedFd, overseer: Pid, ids: IdMap) {
    let mut byte = [0u8; 1];
    if !matches!(rustix::io::read(socket, &mut byte), Ok(1)) {
        return;
    }
    let pid = overseer.as_raw_nonzero().get();
    let mapped = match ids {
        IdMap::Full => map_full(pid),
        IdMap::Subordinate { uids, gids } => {
            let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            map_by_helper("newuidmap", pid, uid, uids) && map_by_helper("newgidmap", pid, gid, gids)
        }
        IdMap::Single => false,
    };
    let _ = rustix::io::write(socket, if mapped { b"m" } else { b"s" });
}

/// Maps 0 to 65535 to themselves.
fn map_full(pid: i32) -> bool {
    let write = |name: &str| {
        let map = crate::etc::read_kernel(&format!("/proc/self/{name}")).and_then(|text| full_map(&text));
        map.is_some_and(|map| userns::write(format!("/proc/{pid}/{name}"), &map).is_ok())
    };
    write("uid_map") && write("gid_map")
}

/// Maps 0 to the caller and the following ids to a range, through a helper that has the right to.
fn map_by_helper(name: &str, pid: i32, own: u32, range: IdRange) -> bool {
    let Some(helper) = helper(name) else { return false };
    let numbers = [pid.unsigned_abs(), 0, own, 1, 1, range.start, range.count.min(crate::ids::FULL - 1)];
    let mut command = Command::new(helper);
    command.args(numbers.map(|n| n.to_string())).env_clear().stdin(std::process::Stdio::null());
    // Its complaint goes to our standard error; its success is checked.
    command.stdout(std::process::Stdio::null()).status().is_ok_and(|s| s.success())
}
