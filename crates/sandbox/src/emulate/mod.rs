//! What a workshop's programs believe to have done, where the kernel would not let them.
//!
//! A system-call filter refers some calls to the overseer, which does what can be done, records the rest and answers for
//! the kernel. In every workshop: making device nodes. Where only one id exists ([`crate::ids::IdMap::Single`]) also
//! changes of ownership, which are recorded, and file status, in which the recorded owners are shown; file capabilities;
//! and becoming another user, which succeeds and changes nothing.
//!
//! This is a help for scripts that mean well, no boundary: the namespaces are.

mod calls;
mod filter;
mod notify;
mod owners;
mod target;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags};

pub(crate) use filter::install as install_filter;
pub(crate) use owners::{CAPABILITY, DEVICE, OWNER, Owners, parse_owner};

/// Answers referred system calls, and remembers.
pub(crate) struct Emulator {
    /// What was recorded.
    pub(crate) owners: Owners,
    /// Whether ownership is emulated.
    single: bool,
}

impl Emulator {
    /// `upper`: the directory that receives what is written; `single`: whether ownership is emulated.
    pub(crate) fn new(upper: &Path, single: bool) -> Self {
        Self { owners: Owners::new(upper), single }
    }

    /// Answers until no process under the filter is left, or `inside` has ended.
    pub(crate) fn serve(&mut self, listener: &OwnedFd, inside: Pid) -> io::Result<()> {
        let watcher = rustix::process::pidfd_open(inside, PidfdFlags::empty())?;
        loop {
            let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(&watcher, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            if fds[0].revents().contains(PollFlags::IN) {
                if let Some(call) = notify::receive(listener)? {
                    let answer = self.answer(&call);
                    notify::answer(listener, &call, answer)?;
                }
            } else if !fds[1].revents().is_empty() || !fds[0].revents().is_empty() {
                return Ok(());
            }
        }
    }
}
