//! Entering a view: this process becomes one of the view's programs.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::environment::{self, Inside};
use crate::etc;
use crate::host::{self, Passages};
use crate::layers::Stack;
use crate::mount::{self, MountError};
use crate::{exec, locale, userns};

/// What to run, and in what.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The view's name, shown to the program as `ALEPH_VIEW`.
    pub view: String,
    /// The view's tree: directories, topmost first, never written to.
    pub layers: Vec<PathBuf>,
    /// The command and its arguments. The command is looked up in the view unless it holds a `/`.
    pub argv: Vec<OsString>,
    /// The caller's environment, from which the program's is made.
    pub env: Vec<(OsString, OsString)>,
    /// The caller's working directory; kept where it shows inside, else `/`.
    pub cwd: PathBuf,
    /// The caller's home directory.
    pub home: PathBuf,
    /// Cut off from the host: own processes, network (loopback only), home, temporary files and environment.
    pub pure: bool,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// No command was given.
    #[error("no command to run")]
    NoCommand,
    /// An argument holds a NUL byte.
    #[error("an argument holds a NUL byte")]
    NulByte,
    /// The view has no such command. By custom the caller exits with 127.
    #[error("the view has no command {}", command.display())]
    CommandNotFound {
        /// As it was given.
        command: OsString,
    },
    /// The file is there but cannot be run. By custom the caller exits with 126.
    #[error("cannot run {}", path.display())]
    NotExecutable {
        /// Inside the view.
        path: PathBuf,
        /// The kernel's answer: no permission, a missing interpreter, another machine's program.
        #[source]
        source: io::Error,
    },
    /// A layer of the view cannot be opened.
    #[error("cannot open the layer {}", path.display())]
    Layer {
        /// On the host.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses to make the namespaces.
    #[error("cannot make the namespaces to run a view in")]
    Namespaces {
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A step in preparing the view failed.
    #[error("cannot {doing} while entering the view")]
    Prepare {
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A mount failed.
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Runs a program of a view in place of this process, which keeps its terminal, session and process id; so signals and
/// the exit code are the program's own. Returns only when that failed, and then this process is fit for nothing but
/// saying so and exiting: its root directory may have changed, and in a pure run it may be a child.
///
/// The caller must be single-threaded.
pub fn enter(spec: &RunSpec) -> EnterError {
    match try_enter(spec) {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

fn try_enter(spec: &RunSpec) -> Result<std::convert::Infallible, EnterError> {
    if spec.argv.is_empty() {
        return Err(EnterError::NoCommand);
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let groups: Vec<u32> = rustix::process::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
    leave_host(uid, gid)?;
    let mask = rustix::process::umask(Mode::from_raw_mode(0o022));
    let stack = open_layers(&spec.layers)?;
    let caller = etc::find_caller(uid, gid, &groups, &spec.home);
    let passages = host::collect(&stack, &[&spec.home, &spec.cwd])?;
    let files = etc::collect(&stack, &caller);
    let root = build(&stack, &passages, &files)?;
    mount::cover_root(&root)?;
    rustix::process::umask(mask);
    if rustix::process::chdir(&spec.cwd).is_err() {
        rustix::process::chdir(c"/").map_err(prepare("change to /"))?;
    }
    let env = environment::prepare(
        &spec.env,
        &Inside { view: &spec.view, pure: None, exists: &|p: &Path| p.exists(), has_locale: &locale::available },
    );
    Err(exec::exec(&spec.argv, &env))
}

/// Makes the namespaces: a mount namespace, for an ordinary user inside a user namespace in which he is himself.
fn leave_host(uid: u32, gid: u32) -> Result<(), EnterError> {
    if uid == 0 && userns::unshare(UnshareFlags::NEWNS).is_ok() {
        return Ok(mount::detach_propagation()?);
    }
    userns::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUSER)
        .map_err(|e| EnterError::Namespaces { source: e.into() })?;
    userns::map_identity(uid, gid).map_err(|source| EnterError::Namespaces { source })
}

fn open_layers(paths: &[PathBuf]) -> Result<Stack, EnterError> {
    Stack::open(paths).map_err(|(path, e)| EnterError::Layer { path, source: e.into() })
}

/// Mounts the view's tree with the host's passages in it, and returns its root, attached.
fn build(
    stack: &Stack,
    passages: &Passages,
    files: &[(&'static std::ffi::CStr, etc::EtcFile)],
) -> Result<OwnedFd, EnterError> {
    let scratch = mount::filesystem("tmpfs", &[("mode", "0755"), ("source", "aleph")], mount::PLAIN)?;
    mount::attach_over_root(&scratch)?;
    for name in [c"upper", c"work", c"root", c"upper/etc"] {
        mount::make_dir(&scratch, name, 0o755).map_err(prepare("make directories"))?;
    }
    let place = |name| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&scratch, name, flags, Mode::empty()).map_err(prepare("open directories"))
    };
    let (upper, work, etc_dir) = (place(c"upper")?, place(c"work")?, place(c"upper/etc")?);
    passages.make_places(upper.as_fd())?;
    etc::place(etc_dir.as_fd(), files).map_err(prepare("write files of /etc"))?;
    let root = mount::overlay(stack.fds(), upper.as_fd(), work.as_fd())?;
    mount::attach_over_root(&root)?;
    for passage in &passages.mounts {
        mount::attach(&passage.mount, &root, passage.path.strip_prefix("/").unwrap_or(&passage.path))?;
    }
    Ok(root)
}

fn prepare(doing: &'static str) -> impl Fn(Errno) -> EnterError {
    move |e| EnterError::Prepare { doing, source: e.into() }
}
