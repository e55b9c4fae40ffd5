//! The few process calls that have no safe wrapper: each says why it is sound.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

/// Keeps every descriptor but the standard three from the programs that this process becomes or starts: what its caller
/// left open is nobody's business there.
pub(crate) fn close_on_exec() -> io::Result<()> {
    // SAFETY: sets a flag of descriptors only.
    let answer = unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Which side of a fork we are on.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's id.
    Parent(Pid),
}

/// Splits this process in two. The caller must be single-threaded, as everything in this crate that calls it is: then
/// the child may do whatever the parent may.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the process is single-threaded, so no lock can be held by a thread that the child does not have.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid).map(Fork::Parent).ok_or_else(|| io::ErrorKind::Other.into()),
    }
}

/// Ends this process at once: no destructors, no flushing of what a parent still holds.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always sound.
    unsafe { libc::_exit(code) }
}

/// Makes this process die with its parent. Tells whether the parent, `expected`, is still there.
pub(crate) fn die_with_parent(expected: Option<Pid>) -> bool {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    expected.is_none() || rustix::process::getppid() == expected
}

/// How a child ended and what it took.
pub(crate) struct Ended {
    /// As `wait4` gives it.
    pub(crate) status: i32,
    /// Likewise.
    pub(crate) usage: libc::rusage,
}

/// Waits for `pid`; with `WNOHANG` in `options`, `None` is that nothing has happened yet.
pub(crate) fn wait4(pid: i32, options: i32) -> io::Result<Option<(i32, Ended)>> {
    loop {
        let mut status = 0;
        // SAFETY: all-zero bytes are a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are valid for the call.
        match unsafe { libc::wait4(pid, &raw mut status, options, &raw mut usage) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() != Some(libc::EINTR) {
                    return Err(error);
                }
            }
            0 => return Ok(None),
            found => return Ok(Some((found, Ended { status, usage }))),
        }
    }
}

/// Makes `target` a copy of `fd` that survives `execve`.
pub(crate) fn dup_to(fd: BorrowedFd<'_>, target: i32) -> io::Result<()> {
    // SAFETY: `target` is one of the three standard streams, which nothing in this process owns as a value.
    if unsafe { libc::dup2(fd.as_raw_fd(), target) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Becomes root-inside, where the map says who that is.
pub(crate) fn become_root() -> Result<(), Errno> {
    let (uid, gid) = (rustix::fs::Uid::ROOT, rustix::fs::Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Gives every signal its default action and blocks none, as a new program expects.
pub(crate) fn default_signals() {
    for signal in 1..=31 {
        // SAFETY: sets dispositions, installs no handler; those that cannot be set are refused harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Sets a signal to be ignored.
pub(crate) fn ignore_signal(signal: i32) {
    // SAFETY: sets a disposition, installs no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A set of signals, held back from this thread for as long as it is waited for with [`Held::wait`].
pub(crate) struct Held {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

impl Held {
    /// Holds the signals back.
    pub(crate) fn new(signals: &[i32]) -> Self {
        // SAFETY: both sets are initialised before they are used; all-zero bytes are a valid set to start from.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            Self { set, before }
        }
    }

    /// Waits for one of them. Gives the signal, and whether a process sent it (not the kernel or a terminal).
    pub(crate) fn wait(&self) -> (i32, bool) {
        loop {
            // SAFETY: the set is initialised, the pointer valid; all-zero bytes are a valid `siginfo_t`.
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let signal = libc::sigwaitinfo(&raw const self.set, &raw mut info);
                if signal > 0 {
                    return (signal, info.si_code <= 0);
                }
            }
        }
    }

    /// Lets them through again, as before.
    pub(crate) fn release(&self) {
        // SAFETY: the set was filled in by the kernel.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Ends this process as another one ended: with its exit code or, where possible, by the same signal.
pub(crate) fn end_like(status: i32) -> ! {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        default_signals();
        // SAFETY: sends a signal to ourselves.
        unsafe { libc::raise(signal) };
        exit_now(128 + signal);
    }
    exit_now(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 })
}

/// Sends a signal; that there is nobody to receive it is fine.
pub(crate) fn signal(pid: Pid, signal: i32) {
    // SAFETY: sends a signal only.
    unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) };
}

/// Sends `message` and optionally a descriptor over a socket.
pub(crate) fn send_fd(socket: &OwnedFd, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[io::IoSlice::new(b"f")], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}

/// Receives a descriptor sent by [`send_fd`]; `None` when the other end closed instead.
pub(crate) fn receive_fd(socket: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    recvmsg(socket, &mut [io::IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

/// Brings the loopback interface of the present network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all-zero bytes are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request names an interface and holds flags, as SIOCSIFFLAGS wants it.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
