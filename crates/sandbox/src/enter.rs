//! Entering a view: this process becomes one of the view's programs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::{CStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::environment::{self, Inside};
use crate::etc;
use crate::layers::Stack;
use crate::mount::{self, MountError};
use crate::probe::{self, Forbidden};
use crate::{device, exec, host, locale, process, pure, trust, userns};

/// What to run, and in what.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The view's name, shown to the program as `ALEPH_VIEW`.
    pub view: String,
    /// The view's tree: directories, topmost first, never written to.
    pub layers: Vec<PathBuf>,
    /// The command and its arguments. The command is looked up in the view unless it holds a `/`.
    pub argv: Vec<OsString>,
    /// Where in the view the command is, if that is known: a look into the layers costs less than one into a new mount.
    pub found: Option<PathBuf>,
    /// Programs that lie outside of the layers and are to be found all the same; not in a pure run.
    pub outside: Option<Outside>,
    /// The caller's environment, from which the program's is made.
    pub env: Vec<(OsString, OsString)>,
    /// The caller's working directory; kept where it shows inside, else `/`.
    pub cwd: PathBuf,
    /// The caller's home directory.
    pub home: PathBuf,
    /// Cut off from the host: own processes, network (loopback only), home, temporary files and environment.
    pub pure: bool,
}

/// Programs that lie outside of a view's layers.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The directory of the host that they and all that they need are in. It shows at the same path.
    pub root: PathBuf,
    /// The directory of commands, which is searched last.
    pub commands: PathBuf,
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
    /// The kernel refuses to make the namespaces. [`Forbidden::hint`] tells what to do.
    #[error("cannot make the namespaces to run a view in: {reason}")]
    Namespaces {
        /// Why, as far as it can be found out.
        reason: Forbidden,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Layers cannot be stacked here.
    #[error("cannot stack the view's layers: {reason}")]
    Overlay {
        /// Why, as far as it can be found out.
        reason: Forbidden,
        /// The kernel's answer.
        #[source]
        source: MountError,
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

fn try_enter(spec: &RunSpec) -> Result<Infallible, EnterError> {
    if spec.argv.is_empty() {
        return Err(EnterError::NoCommand);
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if spec.pure {
        leave_host(uid, gid, pure::NAMESPACES)?;
        return pure::run(|| enter_pure(spec, uid, gid), || exec_inside(spec, Some(pure_user(uid)), false));
    }
    let groups: Vec<u32> = rustix::process::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
    leave_host(uid, gid, UnshareFlags::NEWNS)?;
    let mask = rustix::process::umask(Mode::from_raw_mode(0o022));
    let stack = open_layers(&spec.layers)?;
    let caller = etc::find_caller(uid, gid, &groups, &spec.home);
    let passages = host::collect(&stack, &spec.home, &spec.cwd, spec.outside.as_ref().map(|outside| &*outside.root))?;
    let files = etc::collect(&stack, &caller);
    let trust = files.iter().any(|(name, _)| trust::BUNDLE.as_bytes().ends_with(name.to_bytes()));
    let scratch = Scratch::new()?;
    passages.make_places(scratch.upper.as_fd())?;
    let root = scratch.stack(&stack, &files)?;
    // Last, and over everything: then the old root need not be let go of.
    mount::attach_over_root(&root)?;
    for passage in &passages.mounts {
        match mount::attach(&passage.mount, &root, host::relative(&passage.path)) {
            // A layer of somebody else's has a directory there which this user may not look into, such as `/root`.
            Err(e) if e.source.raw_os_error() == Some(libc::EACCES) => {}
            attached => attached?,
        }
    }
    mount::cover_root(&root)?;
    rustix::process::umask(mask);
    if rustix::process::chdir(&spec.cwd).is_err() {
        rustix::process::chdir(c"/").map_err(prepare("change to /"))?;
    }
    Err(exec_inside(spec, None, trust))
}

/// Makes namespaces, the mount namespace among them; for an ordinary user inside a user namespace in which he is himself.
fn leave_host(uid: u32, gid: u32, flags: UnshareFlags) -> Result<(), EnterError> {
    if uid == 0 && userns::unshare(flags).is_ok() {
        return Ok(mount::detach_propagation()?);
    }
    userns::unshare(flags | UnshareFlags::NEWUSER).map_err(|e| refused(e.into()))?;
    userns::map_identity(uid, gid).map_err(refused)
}

fn refused(source: io::Error) -> EnterError {
    EnterError::Namespaces { reason: probe::explain_namespaces(&source), source }
}

/// The name and home of the user in a pure run.
fn pure_user(uid: u32) -> (&'static str, &'static str) {
    if uid == 0 { ("root", "/root") } else { ("user", "/home/user") }
}

/// Mounts the tree of a pure run, as process 1 of its namespaces.
fn enter_pure(spec: &RunSpec, uid: u32, gid: u32) -> Result<(), EnterError> {
    let (name, home) = pure_user(uid);
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let stack = open_layers(&spec.layers)?;
    let caller = etc::Caller {
        passwd: format!("{name}:x:{uid}:{gid}::{home}:/bin/bash").into_bytes(),
        groups: vec![format!("{name}:x:{gid}:").into_bytes()],
    };
    let mut files = etc::accounts(&stack, &caller);
    files.push((c"hosts", etc::EtcFile::Bytes(b"127.0.0.1 localhost\n::1 localhost\n".to_vec())));
    files.push((c"hostname", etc::EtcFile::Bytes(b"localhost\n".to_vec())));
    let scratch = Scratch::new()?;
    for name in [c"proc", c"dev", c"sys", c"tmp", c"run", c"home"] {
        mount::make_dir(&scratch.upper, name, 0o755).map_err(prepare("make directories"))?;
    }
    mount::make_dir(&scratch.upper, c"root", 0o700).map_err(prepare("make directories"))?;
    let root = scratch.stack(&stack, &files)?;
    device::mount_proc(&root)?;
    device::mount_minimal(&root)?;
    for (name, mode) in [("tmp", "1777"), ("home", "0755")] {
        device::mount_scratch(&root, name, mode)?;
    }
    if uid != 0 {
        mount::make_dir(&root, c"home/user", 0o700).map_err(prepare("make a home directory"))?;
    }
    mount::switch_root(&root)?;
    rustix::process::chdir(c"/").map_err(prepare("change to /"))?;
    rustix::system::sethostname(b"localhost").map_err(prepare("set the host name"))?;
    process::loopback_up().map_err(|source| EnterError::Prepare { doing: "bring the loopback interface up", source })
}

/// Becomes the program, in a tree that is mounted.
fn exec_inside(spec: &RunSpec, pure: Option<(&str, &str)>, host_trust: bool) -> EnterError {
    // Many variables name one file.
    let known = RefCell::new(HashMap::new());
    let exists = &|p: &Path| *known.borrow_mut().entry(p.to_path_buf()).or_insert_with(|| p.exists());
    let commands = spec.outside.as_ref().filter(|_| pure.is_none()).map(|outside| &*outside.commands);
    let inside = Inside { view: &spec.view, pure, host_trust, commands, exists, has_locale: &locale::available };
    exec::exec(&spec.argv, spec.found.as_deref(), &environment::prepare(&spec.env, &inside))
}

fn open_layers(paths: &[PathBuf]) -> Result<Stack, EnterError> {
    Stack::open(paths).map_err(|(path, e)| EnterError::Layer { path, source: e.into() })
}

/// A tmpfs over the host's root that holds what a run writes.
struct Scratch {
    mount: OwnedFd,
    upper: OwnedFd,
    work: OwnedFd,
}

impl Scratch {
    fn new() -> Result<Self, EnterError> {
        let options = [("mode", "0755"), ("source", "aleph")];
        let mount = mount::filesystem("tmpfs", &options, mount::PLAIN).and_then(|scratch| {
            mount::attach_over_root(&scratch)?;
            Ok(scratch)
        });
        // Some security modules let namespaces be made and then allow nothing in them.
        let mount = mount.map_err(|e| match e.source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => refused(e.source),
            _ => e.into(),
        })?;
        for name in [c"upper", c"work", c"root", c"upper/etc"] {
            mount::make_dir(&mount, name, 0o755).map_err(prepare("make directories"))?;
        }
        let place = |name| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(&mount, name, flags, Mode::empty()).map_err(prepare("open directories"))
        };
        let (upper, work) = (place(c"upper")?, place(c"work")?);
        Ok(Self { mount, upper, work })
    }

    /// Writes the files into `/etc`, stacks the layers below, and attaches the view's tree in the scratch space.
    fn stack(&self, layers: &Stack, files: &[(&'static CStr, etc::EtcFile)]) -> Result<OwnedFd, EnterError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.upper, c"etc", flags, Mode::empty()).map_err(prepare("open /etc"))?;
        etc::place(directory.as_fd(), files).map_err(prepare("write files of /etc"))?;
        let root = mount::overlay(layers.fds(), self.upper.as_fd(), self.work.as_fd())
            .map_err(|e| EnterError::Overlay { reason: probe::explain_overlay(&e.source), source: e })?;
        mount::attach(&root, &self.mount, Path::new("root"))?;
        Ok(root)
    }
}

fn prepare(doing: &'static str) -> impl Fn(Errno) -> EnterError {
    move |e| EnterError::Prepare { doing, source: e.into() }
}
