//! Runs cut off from the host: three processes, of which the program is the last.
//!
//! The caller's process stays outside as a **watcher**, so that whoever started it has somebody to wait for. It forks
//! **process 1** of the new namespaces, which forks the program. All share the terminal's process group, so the keys for
//! interrupt and suspend reach them together; signals that a process sends to the watcher are handed down.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use crate::enter::EnterError;
use crate::process::{self, Fork, Held};

/// What a pure run does not share with the host.
pub(crate) const NAMESPACES: UnshareFlags = UnshareFlags::NEWNS
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWNET);

/// Signals that are handed down, and the one that tells of children.
const WATCHED: &[i32] = &[
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
];

/// Runs `prepare` as process 1 of namespaces that this process has already made, then `program` as process 2. Does not
/// return to the caller, who ends as the program ends; an error returns in one of the children.
pub(crate) fn run(
    prepare: impl FnOnce() -> Result<(), EnterError>,
    program: impl FnOnce() -> EnterError,
) -> Result<Infallible, EnterError> {
    let fail = |source| EnterError::Prepare { doing: "start a process", source };
    process::close_on_exec().map_err(fail)?;
    let held = Held::new(WATCHED);
    let (ours, theirs) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| fail(io::Error::from(e)))?;
    match process::fork().map_err(fail)? {
        Fork::Parent(first) => {
            drop(theirs);
            watch(first, &held, &ours)
        }
        Fork::Child => {
            drop(ours);
            process::die_with_parent(None);
            prepare()?;
            match process::fork().map_err(fail)? {
                Fork::Parent(program) => init(program, &held, &theirs),
                Fork::Child => {
                    held.release();
                    Err(program())
                }
            }
        }
    }
}

/// The watcher: hands signals down and ends as the program did.
fn watch(first: Pid, held: &Held, statuses: &OwnedFd) -> ! {
    let ended = loop {
        match held.wait() {
            (libc::SIGCHLD, _) => {
                if let Ok(Some((_, ended))) = process::wait4(first.as_raw_nonzero().get(), libc::WNOHANG) {
                    break ended;
                }
            }
            (signal, true) => process::signal(first, signal),
            // From the terminal: the program has it too.
            _ => {}
        }
    };
    let mut status = [0u8; 4];
    match rustix::io::read(statuses, &mut status) {
        Ok(4) => process::end_like(i32::from_ne_bytes(status)),
        _ => process::end_like(ended.status),
    }
}

/// Process 1: takes leave of orphans, hands signals down, and tells how the program ended.
fn init(program: Pid, held: &Held, statuses: &OwnedFd) -> ! {
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        process::ignore_signal(signal);
    }
    loop {
        match held.wait() {
            (libc::SIGCHLD, _) => {
                while let Ok(Some((pid, ended))) = process::wait4(-1, libc::WNOHANG) {
                    if pid == program.as_raw_nonzero().get() {
                        let _ = rustix::io::write(statuses, &ended.status.to_ne_bytes());
                        process::exit_now(0);
                    }
                }
            }
            (signal, true) => process::signal(program, signal),
            _ => {}
        }
    }
}
