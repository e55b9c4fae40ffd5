//! The one place that looks at the environment, the user and the home directory.

#![expect(clippy::disallowed_methods, reason = "this is the place that they point to")]

mod registries;

use std::{
    ffi::{OsStr, OsString},
    os::fd::IntoRawFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicI32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use aleph_sandbox::workshop;
use aleph_store::{Holder, Layout, Remover, Store, StoreError, WriteLock};
use aleph_view::{Kind, Project, View, ViewName, ViewRecord, Views};

use crate::{
    cli::{Global, WORKER},
    failure::{Failure, Outcome},
    output::Printer,
};
pub(crate) use registries::Configured;

/// What the process was started with.
pub(crate) struct Host {
    pub(crate) login: String,
    pub(crate) home: PathBuf,
    pub(crate) cwd: PathBuf,
    pub(crate) store_root: PathBuf,
    pub(crate) cache: PathBuf,
    /// The files that name clusters, the user's first.
    pub(crate) executors: Vec<PathBuf>,
    /// One more configuration file of apt's, as apt takes it.
    pub(crate) apt_config: Option<PathBuf>,
    pub(crate) global: Global,
}

/// A view that may not exist yet, and the project that it is for.
pub(crate) struct Target {
    pub(crate) record: ViewRecord,
    pub(crate) project: Option<Project>,
}

impl Host {
    pub(crate) fn from_environment(global: &Global) -> Outcome<Self> {
        let uid = rustix::process::geteuid();
        let account = account(uid.as_raw());
        let home = variable("HOME").or(account.as_ref().map(|(_, home)| home.clone()));
        let home = home.unwrap_or_else(|| PathBuf::from("/"));
        let login = account.map_or_else(|| format!("uid{}", uid.as_raw()), |(login, _)| login);
        let below = |variable_name: &str, default: &str| {
            variable(variable_name).filter(|path| path.is_absolute()).unwrap_or_else(|| home.join(default))
        };
        let (data, cache) = if uid.is_root() {
            (PathBuf::from("/var/lib/aleph"), PathBuf::from("/var/cache/aleph"))
        } else {
            (below("XDG_DATA_HOME", ".local/share").join("aleph"), below("XDG_CACHE_HOME", ".cache").join("aleph"))
        };
        let configuration = [below("XDG_CONFIG_HOME", ".config"), PathBuf::from("/etc")];
        let executors = configuration.map(|directory| directory.join("aleph/executors.toml")).into();
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let store_root = match &global.store {
            Some(path) => cwd.join(path),
            None => data,
        };
        let cache = variable("ALEPH_CACHE").map_or(cache, |path| cwd.join(path));
        let apt_config = variable("APT_CONFIG");
        Ok(Self { login, home, cwd, store_root, cache, executors, apt_config, global: global.clone() })
    }

    /// The same host with another view.
    pub(crate) fn with_view(&self, view: &str) -> Self {
        let mut other = self.acting_for(&self.login, &self.store_root, &self.cwd);
        other.global = Global { view: Some(view.to_owned()), ..self.global.clone() };
        other
    }

    /// The same host with another store, acting for `login` on the view of that name.
    pub(crate) fn acting_for(&self, login: &str, store_root: &Path, cwd: &Path) -> Self {
        let store = Some(store_root.to_owned());
        Self {
            login: login.to_owned(),
            home: self.home.clone(),
            cwd: cwd.to_owned(),
            store_root: store_root.to_owned(),
            cache: self.cache.clone(),
            executors: self.executors.clone(),
            apt_config: self.apt_config.clone(),
            global: Global { store, view: Some(login.to_owned()), dry_run: false, ..self.global.clone() },
        }
    }

    /// The store, made if it is not there.
    pub(crate) fn store(&self) -> Outcome<Store> {
        Ok(Store::open_with(&self.store_root, Some(remover()))?)
    }

    /// The store, which must be there: looking and thinning out make none.
    pub(crate) fn store_that_exists(&self) -> Outcome<Store> {
        self.must_have_store()?;
        self.store()
    }

    fn must_have_store(&self) -> Outcome<()> {
        let nothing = match std::fs::read_dir(&self.store_root) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if nothing {
            return Err(StoreError::Missing { root: self.store_root.clone() }.into());
        }
        Ok(())
    }

    /// The store for mending: one whose database cannot be used will do.
    pub(crate) fn store_to_repair(&self) -> Outcome<Store> {
        self.must_have_store()?;
        Ok(Store::open_for_repair(&self.store_root, Some(remover()))?)
    }

    /// The store for looking only: one that another user owns will do.
    pub(crate) fn store_to_read(&self) -> Outcome<Store> {
        self.must_have_store()?;
        match Store::open_with(&self.store_root, Some(remover())) {
            Ok(store) => Ok(store),
            Err(_) if self.store_root.join("format.json").exists() => Ok(Store::open_existing(&self.store_root)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the right to write, saying so if it takes a while.
    pub(crate) fn lock(&self, store: &Store, purpose: &str, printer: &Printer) -> Outcome<WriteLock> {
        let waiting = |holder: &Holder| {
            let pid = holder.pid.map_or_else(String::new, |pid| format!(" (process {pid}, {})", holder.purpose));
            printer.note(&format!("waiting for another aleph{pid} to finish writing to this store"));
        };
        Ok(store.lock(purpose, waiting)?)
    }

    /// The view that a command acts on.
    pub(crate) fn target(&self) -> Outcome<Target> {
        let record = |name, kind, project| ViewRecord { name, kind, owner: self.login.clone(), project };
        if let Some(name) = &self.global.view {
            let name: ViewName = name.parse()?;
            let kind = if name == ViewName::system() { Kind::System } else { Kind::User };
            return Ok(Target { record: record(name, kind, None), project: None });
        }
        if let Some(project) = Project::find(&self.cwd, rustix::process::geteuid().as_raw())? {
            let name = ViewName::project(project.directory());
            let directory = Some(project.directory().to_owned());
            return Ok(Target { record: record(name, Kind::Project, directory), project: Some(project) });
        }
        Ok(Target { record: record(ViewName::user(&self.login), Kind::User, None), project: None })
    }

    /// The view that a command acts on; it must be there.
    pub(crate) fn view(&self, store: &Store) -> Outcome<View> {
        let name = self.target()?.record.name;
        Views::new(store).get(&name)?.ok_or_else(|| no_view(&name))
    }

    /// The same, without opening the store.
    pub(crate) fn view_without_store(&self) -> Outcome<View> {
        let name = self.target()?.record.name;
        Views::at(&Layout::new(&self.store_root)).get(&name)?.ok_or_else(|| no_view(&name))
    }

    /// This program, for launchers and workers.
    pub(crate) fn program() -> Outcome<PathBuf> {
        Ok(std::env::current_exe()?)
    }

    /// The libraries that this process has loaded.
    pub(crate) fn libraries() -> Outcome<Vec<PathBuf>> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.contains(".so"));
        let mut paths: Vec<PathBuf> = mapped.map(PathBuf::from).filter(|path| path.is_file()).collect();
        paths.dedup();
        Ok(paths)
    }

    /// A name for this run of the program, which no other has.
    pub(crate) fn invocation() -> Outcome<String> {
        Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
    }

    /// Where programs of the host are.
    pub(crate) fn search_path() -> OsString {
        std::env::var_os("PATH").unwrap_or_default()
    }

    /// The environment that a program of a view inherits.
    pub(crate) fn environment() -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    /// The user's shell.
    pub(crate) fn shell() -> Option<PathBuf> {
        variable("SHELL")
    }

    /// What time it is.
    pub(crate) fn clock() -> SystemTime {
        SystemTime::now()
    }

    /// Seconds since the epoch.
    pub(crate) fn now() -> i64 {
        Self::clock().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms() -> u64 {
        let since = Self::clock().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether the user's `PATH` has this directory.
    pub(crate) fn path_has(directory: &Path) -> bool {
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|entry| entry == directory))
    }
}

/// Removes what scripts left that were killed: among it files of their view's other users.
fn remover() -> Remover {
    Box::new(|path| {
        let mut worker = Command::new(std::env::current_exe()?);
        worker.arg(WORKER);
        workshop::remove_tree(path, aleph_sandbox::ids::choose(), worker).map_err(std::io::Error::other)
    })
}

/// What is said when a view is asked for that nobody made.
pub(crate) fn no_view(name: &ViewName) -> Failure {
    Failure::new(format!("there is no view `{name}` in this store"))
        .hint("`aleph add PACKAGE` makes your view; `aleph view list` shows all of them")
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Name and home of a user, from the host's table.
fn account(uid: u32) -> Option<(String, PathBuf)> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = table.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some(((*fields.first()?).to_owned(), PathBuf::from(fields.get(5)?)))
}

/// Whether a variable is there and empty.
pub(crate) fn is_set_to_nothing(name: &OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Where the handler tells which signal came.
static TOLD: AtomicI32 = AtomicI32::new(-1);

extern "C" fn tell(signal: libc::c_int) {
    let byte = [u8::try_from(signal).unwrap_or(0)];
    // SAFETY: `write` may be called in a handler; the byte lives until it returns.
    unsafe { libc::write(TOLD.load(Ordering::Relaxed), byte.as_ptr().cast(), 1) };
}

impl Host {
    /// Does something before a signal ends this process that asks it to end.
    pub(crate) fn on_interrupt(last: impl FnOnce() + Send + 'static) -> Outcome<()> {
        let (heard, told) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        TOLD.store(told.into_raw_fd(), Ordering::Relaxed);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the handler does nothing but write to a pipe that is never closed.
            unsafe { libc::signal(signal, tell as *const () as libc::sighandler_t) };
        }
        std::thread::spawn(move || {
            let mut signal = [0];
            if let Ok(1) = rustix::io::read(&heard, &mut signal) {
                last();
                // SAFETY: ends this process, as it would have ended before.
                unsafe {
                    libc::signal(signal[0].into(), libc::SIG_DFL);
                    libc::kill(libc::getpid(), signal[0].into());
                }
            }
        });
        Ok(())
    }
}

/// Lets a write to a closed pipe end the process.
pub(crate) fn default_broken_pipe() {
    // SAFETY: called once, before any thread exists.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
