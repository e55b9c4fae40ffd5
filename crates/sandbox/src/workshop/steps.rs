//! Running the steps, one after the other, and telling of each.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use rustix::thread::CapabilitySet;

use super::failure::{Failure, Message};
use super::job::{End, Event, Limits, Step, StepReport, Stream};
use super::overseer::send;
use crate::enter::EnterError;
use crate::process::{self, Ended, Fork};
use crate::{environment, exec};

/// What a line counts besides its bytes: passing on very many that are short takes as long as if they were long.
const PER_LINE: usize = 32;
/// Longer lines are cut.
const LINE: usize = 8 << 10;
/// The exit code by which a child tells that it could not become its program; it also says so on `spoken`.
const NOT_STARTED: i32 = 127;

/// Runs the steps in order, up to the first that fails and may not.
pub(super) fn run_all(steps: &[Step], limits: Limits) -> Result<(), Failure> {
    for (index, step) in steps.iter().enumerate() {
        send(&Message::Event(Event::Started { step: index }));
        let report = run(index, step, limits).map_err(|e| Failure::new(format!("run the step {}", step.label), e))?;
        let go_on = report.end.is_success() || step.may_fail;
        send(&Message::Event(Event::Finished { step: index, report }));
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// The parent's ends of a step's pipes.
struct Pipes {
    out: OwnedFd,
    err: OwnedFd,
    /// What the child says when it cannot become its program.
    spoken: OwnedFd,
}

fn run(index: usize, step: &Step, limits: Limits) -> io::Result<StepReport> {
    let started = Instant::now();
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (out, child_out) = pipe()?;
    let (err, child_err) = pipe()?;
    let (spoken, speak) = pipe()?;
    let (child_in, stdin) = match &step.stdin {
        Some(_) => pipe().map(|(r, w)| (r, Some(w)))?,
        None => (rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?, None),
    };
    let child = match process::fork()? {
        Fork::Child => become_step((step, limits), &child_in, &child_out, &child_err, &speak),
        Fork::Parent(pid) => pid,
    };
    drop((child_in, child_out, child_err, speak));
    let pipes = Pipes { out, err, spoken };
    let feed = Feed::new(stdin, step.stdin.as_deref().unwrap_or_default())?;
    let deadline = step.timeout.map(|t| started + t);
    let (ended, killed) = watch((index, step.output), child, &pipes, feed, (deadline, limits))?;
    let mut reason = [0u8; 512];
    let said = rustix::io::read(&pipes.spoken, &mut reason).unwrap_or(0);
    let end = match ended.status {
        _ if killed.is_some() => killed.unwrap_or(End::TimedOut),
        _ if said > 0 => End::NotStarted { reason: String::from_utf8_lossy(&reason[..said]).into_owned() },
        status if libc::WIFEXITED(status) => End::Exited(libc::WEXITSTATUS(status)),
        status => End::Signalled(libc::WTERMSIG(status)),
    };
    Ok(StepReport {
        end,
        wall: started.elapsed(),
        user: duration(ended.usage.ru_utime),
        system: duration(ended.usage.ru_stime),
        peak_kib: u64::try_from(ended.usage.ru_maxrss).unwrap_or(0),
    })
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1000)
}

/// The child: becomes the step's program.
fn become_step((step, limits): (&Step, Limits), stdin: &OwnedFd, out: &OwnedFd, err: &OwnedFd, speak: &OwnedFd) -> ! {
    let error = prepare((step, limits), stdin, out, err).map_or_else(
        |e| e.to_string(),
        |env| match exec::exec(&step.argv, None, &env) {
            EnterError::NotExecutable { path, source } => format!("cannot run {}: {source}", path.display()),
            other => other.to_string(),
        },
    );
    let _ = rustix::io::write(speak, &error.as_bytes()[..error.len().min(512)]);
    process::exit_now(NOT_STARTED)
}

fn prepare(
    (step, limits): (&Step, Limits),
    stdin: &OwnedFd,
    out: &OwnedFd,
    err: &OwnedFd,
) -> io::Result<Vec<(OsString, OsString)>> {
    process::default_signals();
    rustix::process::setsid()?;
    process::dup_to(stdin.as_fd(), 0)?;
    process::dup_to(out.as_fd(), 1)?;
    process::dup_to(err.as_fd(), 2)?;
    let raise = rustix::process::getrlimit(Resource::Nofile).maximum;
    let files = Rlimit { current: Some(raise.map_or(1024, |m| m.min(1024))), maximum: raise };
    rustix::process::setrlimit(Resource::Nofile, files)?;
    if let Some(tasks) = limits.tasks.map(u64::from) {
        // In this namespace only. It does not hold root, and tells nobody why something failed: who watches ends it before.
        let most = Rlimit { current: Some(2 * tasks), maximum: Some(2 * tasks) };
        rustix::process::setrlimit(Resource::Nproc, most)?;
    }
    // Where memory runs out, who runs here goes first.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::chdir(&step.cwd)?;
    // Whoever may mount could uncover what lies under the shields of `/proc`.
    rustix::thread::remove_capability_from_bounding_set(CapabilitySet::SYS_ADMIN)?;
    let mut env = step.env.clone();
    if !env.iter().any(|(name, _)| name == "PATH") {
        env.push(("PATH".into(), environment::PATH.into()));
    }
    Ok(env)
}

/// Passes output on and input in until the child has ended; then ends everything it left behind.
fn watch(
    (index, most): (usize, usize),
    child: Pid,
    pipes: &Pipes,
    mut feed: Feed<'_>,
    (deadline, limits): (Option<Instant>, Limits),
) -> io::Result<(Ended, Option<End>)> {
    let pid = child.as_raw_nonzero().get();
    let watcher = rustix::process::pidfd_open(child, PidfdFlags::empty())?;
    let mut lines = [Lines::new(index, Stream::Out, most), Lines::new(index, Stream::Err, most)];
    let mut killed = None;
    let mut looked = Instant::now();
    loop {
        let mut left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) && killed.is_none() {
            killed = Some(End::TimedOut);
            kill_all();
        }
        if let Some(pause) = limits.pause() {
            if looked.elapsed() >= pause && killed.is_none() {
                looked = Instant::now();
                killed = limits.exceeded().map(|what| End::TookTooMuch { what });
                if killed.is_some() {
                    kill_all();
                }
            }
            left = Some(left.map_or(pause, |left| left.min(pause)));
        }
        let mut fds = vec![PollFd::new(&watcher, PollFlags::IN)];
        let sources = [&pipes.out, &pipes.err];
        // A stream that ended would be ready for ever.
        let open: Vec<usize> = (0..2).filter(|i| !lines[*i].ended).collect();
        fds.extend(open.iter().map(|i| PollFd::new(sources[*i], PollFlags::IN)));
        fds.extend(feed.pipe.as_ref().map(|t| PollFd::new(t, PollFlags::OUT)));
        let left = left.filter(|_| killed.is_none()).map(|d| Timespec {
            tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: d.subsec_nanos().into(),
        });
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (slot, i) in open.iter().enumerate() {
            if ready[slot + 1] {
                lines[*i].read(sources[*i]);
            }
        }
        if ready.len() > open.len() + 1 && ready[open.len() + 1] {
            feed.write();
        }
        if ready[0] {
            break;
        }
        reap_others(pid);
    }
    let ended = process::wait4(pid, 0)?.map(|(_, e)| e).ok_or(io::ErrorKind::Other)?;
    // Nothing a step started may outlive it: it would write into the next step's tree, and hold the pipes.
    kill_all();
    while process::wait4(-1, 0).is_ok() {}
    for (lines, source) in lines.iter_mut().zip([&pipes.out, &pipes.err]) {
        while !lines.ended {
            lines.read(source);
        }
        lines.flush();
    }
    Ok((ended, killed))
}

/// Kills every process but this one: it is process 1, so these are its own.
fn kill_all() {
    // SAFETY: sends signals only.
    unsafe { libc::kill(-1, Signal::KILL.as_raw()) };
}

/// Takes leave of orphans that ended, but not of the step itself.
fn reap_others(step: i32) {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`; the pointer is valid for the call.
        let pid = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_ALL, 0, &raw mut info, options) != 0 { 0 } else { info.si_pid() }
        };
        if pid == 0 || pid == step || process::wait4(pid, libc::WNOHANG).is_err() {
            return;
        }
    }
}

/// One output stream, cut into lines.
struct Lines {
    index: usize,
    stream: Stream,
    pending: Vec<u8>,
    skipping: bool,
    passed: usize,
    /// How much is passed on, in bytes.
    most: usize,
    ended: bool,
}

impl Lines {
    fn new(index: usize, stream: Stream, most: usize) -> Self {
        Self { index, stream, pending: Vec::new(), skipping: false, passed: 0, most, ended: false }
    }

    /// Reads what is there, once.
    fn read(&mut self, source: &OwnedFd) {
        let mut buffer = [0u8; 16 << 10];
        match rustix::io::read(source, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(n) => self.take(&buffer[..n]),
            Err(Errno::INTR) => {}
            Err(_) => self.ended = true,
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.append(&bytes[..at]);
            self.emit();
            self.skipping = false;
            bytes = &bytes[at + 1..];
        }
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        let room = LINE - self.pending.len();
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.skipping = bytes.len() > room;
    }

    fn emit(&mut self) {
        let line = std::mem::take(&mut self.pending);
        if self.passed <= self.most {
            self.passed += line.len() + PER_LINE;
            send(&Message::Event(Event::Output { step: self.index, stream: self.stream, line }));
        }
    }

    /// Passes on a last line without a newline.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.emit();
        }
    }
}

/// What a step still has to be given to read.
struct Feed<'a> {
    pipe: Option<OwnedFd>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    fn new(pipe: Option<OwnedFd>, input: &'a [u8]) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, rest: input })
    }

    /// Writes what fits, and closes the pipe after the last byte.
    fn write(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        match rustix::io::write(pipe, self.rest) {
            Ok(n) => self.rest = &self.rest[n..],
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => self.rest = &[],
        }
        if self.rest.is_empty() {
            self.pipe = None;
        }
    }
}
