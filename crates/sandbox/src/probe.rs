//! Whether this machine lets the caller make views run; where it does not, why, and what to do about it.

use std::io;

use rustix::thread::UnshareFlags;

use crate::ids::{self, IdMap};
use crate::process::{self, Fork};
use crate::{etc, mount, userns};

/// Why the kernel refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Debian's and Arch's switch is off.
    #[error("user namespaces are switched off for ordinary users (kernel.unprivileged_userns_clone = 0)")]
    SwitchedOff,
    /// The limit is zero.
    #[error("the limit on user namespaces is zero (user.max_user_namespaces = 0)")]
    LimitZero,
    /// The limit is used up, or they are nested too deeply.
    #[error("the limit on user namespaces is reached (user.max_user_namespaces, or 32 levels of nesting)")]
    LimitReached,
    /// Ubuntu's restriction is on and no profile grants this program an exception.
    #[error("AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)")]
    AppArmor,
    /// A container around us filters system calls or withholds capabilities.
    #[error("the container around this process does not allow namespaces or mounts")]
    Container,
    /// A process with a changed root directory may not make user namespaces.
    #[error("this process runs in a chroot, where the kernel makes no user namespaces")]
    Chroot,
    /// `/proc` is not mounted, which id maps and mounts need.
    #[error("/proc is not mounted")]
    NoProc,
    /// Only a process with a single thread may leave its user namespace.
    #[error("this process has several threads")]
    Threads,
    /// The kernel was built without them.
    #[error("this kernel has no user namespaces")]
    NoNamespaces,
    /// Before Linux 5.11 only real root may mount overlayfs.
    #[error("this kernel is older than 5.11 and lets ordinary users mount no overlayfs")]
    OldKernel,
    /// No overlayfs, or its module is not loaded.
    #[error("this kernel has no overlayfs, or its module is not loaded")]
    NoOverlay,
    /// Nothing that we know of.
    #[error("the kernel does not say why")]
    Unknown,
}

impl Forbidden {
    /// What to do next, as one sentence.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SwitchedOff => "an administrator can allow them: sysctl -w kernel.unprivileged_userns_clone=1",
            Self::LimitZero => "an administrator can raise the limit: sysctl -w user.max_user_namespaces=15000",
            Self::LimitReached => "end some of the programs that use them, or raise user.max_user_namespaces",
            Self::AppArmor => {
                "an administrator can give this program a profile with the rule `userns,` in /etc/apparmor.d, \
                 or lift the restriction: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            }
            Self::Container => {
                "start the container with nested namespaces allowed: for Docker and Podman \
                 --security-opt seccomp=unconfined --security-opt systempaths=unconfined, or --privileged"
            }
            Self::Chroot => "run it outside the chroot, or enter that with pivot_root (as systemd-nspawn does)",
            Self::NoProc => "mount it: mount -t proc proc /proc",
            Self::Threads => "this is a defect of the program: please report it",
            Self::NoNamespaces => "boot a kernel built with CONFIG_USER_NS=y, or run as root",
            Self::OldKernel => "boot Linux 5.12 or newer, run as root, or use a view with a single layer",
            Self::NoOverlay => "an administrator can load it: modprobe overlay",
            Self::Unknown => "look for a security module's denials in the kernel log: dmesg",
        }
    }
}

/// What is allowed to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Whether namespaces can be made.
    pub namespaces: Result<(), Forbidden>,
    /// Whether layers can be stacked.
    pub overlay: Result<(), Forbidden>,
    /// The best id map for workshops.
    pub ids: IdMap,
}

/// What the judgement rests on.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// `kernel.unprivileged_userns_clone`, where it exists.
    switch: Option<u64>,
    /// `user.max_user_namespaces`.
    limit: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    apparmor: Option<u64>,
    /// `Seccomp:` of `/proc/self/status`: 2 is a filter.
    seccomp: Option<u64>,
    /// How many threads this process has; 0 where `/proc` is missing.
    threads: u64,
    /// Whether the root directory is a mount point, as it is but in a chroot.
    root_is_mount: bool,
    /// Whether the caller is root where he is.
    root: bool,
    /// Major and minor version.
    kernel: (u32, u32),
    /// Whether `/proc/filesystems` has overlayfs.
    overlay: bool,
}

impl Facts {
    fn read() -> Self {
        let number = |path: &str| etc::read_kernel(path)?.trim().parse().ok();
        let status = etc::read_kernel("/proc/self/status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok());
        let mounts = etc::read_kernel("/proc/self/mountinfo").unwrap_or_default();
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self {
            switch: number("/proc/sys/kernel/unprivileged_userns_clone"),
            limit: number("/proc/sys/user/max_user_namespaces"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: field("Seccomp:"),
            threads: field("Threads:").unwrap_or(0),
            root_is_mount: mounts.is_empty() || mounts.lines().any(|l| l.split(' ').nth(4) == Some("/")),
            root: rustix::process::geteuid().is_root(),
            kernel: parse_release(&release),
            overlay: etc::read_kernel("/proc/filesystems").is_none_or(|t| t.lines().any(|l| l.ends_with("\toverlay"))),
        }
    }
}

/// Major and minor version of a kernel release such as `6.1.0-18-amd64`; zeros where there is none.
fn parse_release(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Why making namespaces failed with this error.
pub(crate) fn explain_namespaces(error: &io::Error) -> Forbidden {
    judge_namespaces(&Facts::read(), error.raw_os_error().unwrap_or(0))
}

/// Why making namespaces failed with this error in a worker process, which has one thread whatever we have.
pub(crate) fn explain_workers(error: &io::Error) -> Forbidden {
    let facts = Facts::read();
    judge_namespaces(&Facts { threads: facts.threads.min(1), ..facts }, error.raw_os_error().unwrap_or(0))
}

/// Why mounting an overlay failed with this error.
pub(crate) fn explain_overlay(error: &io::Error) -> Forbidden {
    judge_overlay(&Facts::read(), error.raw_os_error().unwrap_or(0))
}

fn judge_namespaces(facts: &Facts, errno: i32) -> Forbidden {
    match errno {
        _ if facts.threads == 0 => Forbidden::NoProc,
        libc::EINVAL if facts.threads > 1 => Forbidden::Threads,
        libc::ENOSPC | libc::EUSERS if facts.limit == Some(0) => Forbidden::LimitZero,
        libc::ENOSPC | libc::EUSERS => Forbidden::LimitReached,
        libc::EINVAL | libc::ENOSYS => Forbidden::NoNamespaces,
        libc::EPERM | libc::EACCES => match facts {
            Facts { limit: Some(0), .. } => Forbidden::LimitZero,
            Facts { switch: Some(0), root: false, .. } => Forbidden::SwitchedOff,
            Facts { root_is_mount: false, .. } => Forbidden::Chroot,
            Facts { seccomp: Some(2), .. } => Forbidden::Container,
            Facts { apparmor: Some(1..), root: false, .. } => Forbidden::AppArmor,
            Facts { root: true, .. } => Forbidden::Container,
            _ => Forbidden::Unknown,
        },
        _ => Forbidden::Unknown,
    }
}

fn judge_overlay(facts: &Facts, errno: i32) -> Forbidden {
    match errno {
        libc::ENODEV if !facts.overlay => Forbidden::NoOverlay,
        libc::EPERM | libc::EACCES if facts.kernel < (5, 11) => Forbidden::OldKernel,
        libc::ENODEV => Forbidden::NoOverlay,
        libc::EPERM | libc::EACCES => judge_namespaces(facts, errno),
        _ => Forbidden::Unknown,
    }
}

/// Tries what entering a view takes, in a child process. Cheap (a few milliseconds), without effects.
///
/// # Errors
/// The trial itself could not be made.
pub fn probe() -> io::Result<Report> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match process::fork()? {
        Fork::Child => {
            let (stage, error) = attempt();
            let errno = error.raw_os_error().unwrap_or(0).to_ne_bytes();
            let _ = rustix::io::write(&theirs, &[[stage as u8, 0, 0, 0], errno].concat());
            process::exit_now(0)
        }
        Fork::Parent(child) => {
            drop(theirs);
            let mut answer = [0u8; 8];
            let n = rustix::io::read(&ours, &mut answer)?;
            process::wait4(child.as_raw_nonzero().get(), 0)?;
            if n < answer.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let errno = i32::from_ne_bytes(answer[4..].try_into().expect("four bytes"));
            let facts = Facts::read();
            let (namespaces, overlay) = match answer[0] {
                0 => (Err(judge_namespaces(&facts, errno)), Err(judge_namespaces(&facts, errno))),
                1 => (Ok(()), Err(judge_overlay(&facts, errno))),
                _ => (Ok(()), Ok(())),
            };
            Ok(Report { namespaces, overlay, ids: ids::choose() })
        }
    }
}

/// How far an attempt came before its error.
enum Stage {
    Namespaces = 0,
    Overlay = 1,
    Done = 2,
}

fn attempt() -> (Stage, io::Error) {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if uid != 0 || userns::unshare(UnshareFlags::NEWNS).is_err() {
        let left = userns::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUSER).map_err(io::Error::from);
        if let Err(e) = left.and_then(|()| userns::map_identity(uid, gid)) {
            return (Stage::Namespaces, e);
        }
    } else if let Err(e) = mount::detach_propagation() {
        return (Stage::Namespaces, e.source);
    }
    let scratch = mount::filesystem("tmpfs", &[("mode", "0755")], mount::PLAIN)
        .and_then(|scratch| mount::attach_over_root(&scratch).map(|()| scratch));
    let scratch = match scratch {
        Ok(scratch) => scratch,
        Err(e) => return (Stage::Namespaces, e.source),
    };
    match stack_empty(&scratch) {
        Ok(()) => (Stage::Done, io::Error::from_raw_os_error(0)),
        Err(e) => (Stage::Overlay, e),
    }
}

/// Stacks one empty directory on another.
fn stack_empty(scratch: &rustix::fd::OwnedFd) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsFd;
    let make = |name| -> io::Result<rustix::fd::OwnedFd> {
        mount::make_dir(scratch, name, 0o755)?;
        Ok(rustix::fs::openat(scratch, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    };
    let (lower, upper, work) = (make(c"lower")?, make(c"upper")?, make(c"work")?);
    mount::overlay(&[lower], upper.as_fd(), work.as_fd()).map(drop).map_err(|e| e.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Facts {
        Facts {
            limit: Some(15000),
            seccomp: Some(0),
            threads: 1,
            root_is_mount: true,
            kernel: (6, 1),
            overlay: true,
            ..Facts::default()
        }
    }

    #[test]
    fn refusals_of_namespaces_are_explained() {
        let check = |facts: Facts, errno: i32, expected: Forbidden| {
            assert_eq!(judge_namespaces(&facts, errno), expected, "{facts:?}");
        };
        check(Facts { switch: Some(0), ..open() }, libc::EPERM, Forbidden::SwitchedOff);
        check(Facts { switch: Some(1), ..open() }, libc::EPERM, Forbidden::Unknown);
        check(Facts { limit: Some(0), ..open() }, libc::ENOSPC, Forbidden::LimitZero);
        check(open(), libc::ENOSPC, Forbidden::LimitReached);
        check(Facts { apparmor: Some(1), ..open() }, libc::EACCES, Forbidden::AppArmor);
        check(Facts { apparmor: Some(0), ..open() }, libc::EPERM, Forbidden::Unknown);
        check(Facts { seccomp: Some(2), ..open() }, libc::EPERM, Forbidden::Container);
        check(Facts { root: true, ..open() }, libc::EPERM, Forbidden::Container);
        check(Facts { root_is_mount: false, ..open() }, libc::EPERM, Forbidden::Chroot);
        check(open(), libc::EINVAL, Forbidden::NoNamespaces);
        check(Facts { threads: 4, ..open() }, libc::EINVAL, Forbidden::Threads);
        check(Facts { threads: 0, ..open() }, libc::ENOENT, Forbidden::NoProc);
        check(open(), libc::EIO, Forbidden::Unknown);
    }

    #[test]
    fn refusals_of_overlays_are_explained() {
        let check = |facts: Facts, errno: i32, expected: Forbidden| {
            assert_eq!(judge_overlay(&facts, errno), expected, "{facts:?}");
        };
        check(Facts { kernel: (5, 10), ..open() }, libc::EPERM, Forbidden::OldKernel);
        check(Facts { overlay: false, ..open() }, libc::ENODEV, Forbidden::NoOverlay);
        check(Facts { apparmor: Some(1), ..open() }, libc::EPERM, Forbidden::AppArmor);
        check(open(), libc::EINVAL, Forbidden::Unknown);
    }

    #[test]
    fn releases_are_read() {
        let check = |release: &str, expected: (u32, u32)| assert_eq!(parse_release(release), expected);
        check("6.1.0-18-amd64", (6, 1));
        check("5.11", (5, 11));
        check("", (0, 0));
        check("x.y", (0, 0));
    }

    #[test]
    fn the_trial_answers() {
        let report = probe().expect("a child can be forked");
        // A refusal without a known reason would be a gap in what we can explain.
        assert_ne!(report.namespaces, Err(Forbidden::Unknown));
        assert_ne!(report.overlay, Err(Forbidden::Unknown));
    }
}
