//! What the tests of the whole program share: small Debian packages made here, and a world of directories in which
//! the real binary is run with an empty environment, without any source.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

pub(crate) mod chance;
pub(crate) mod cluster;
pub(crate) mod farm;
pub(crate) mod kinds;
pub(crate) mod packages;
pub(crate) mod real;
pub(crate) mod trees;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// On whose behalf the program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Self_,
    /// An ordinary user of this host; the tests are run by root.
    User { uid: u32, gid: u32 },
}

/// The first ordinary user of this host that has subordinate ids, if the tests are run by root.
pub(crate) fn granted() -> Option<Who> {
    let subuid = fs::read_to_string("/etc/subuid").ok().filter(|_| is_root())?;
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    Path::new("/usr/bin/newuidmap").exists().then_some(())?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (*fields.first()?, fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let has_range = subuid.lines().any(|line| line.split(':').next() == Some(name));
        (uid != 0 && has_range).then_some(Who::User { uid, gid })
    })
}

/// Whether the tests are run by root.
pub(crate) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// A store, a cache, a home and an empty list of sources, removed at the end.
pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) store: PathBuf,
    pub(crate) who: Who,
    _kept: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(Who::Self_, "w")
    }

    /// A world of somebody, in a directory with this name.
    pub(crate) fn of(who: Who, name: &str) -> Self {
        let kept = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(kept.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let directory = kept.path().join(name);
        let world = Self { store: directory.join("store"), directory, who, _kept: kept };
        fs::create_dir_all(world.directory.join("home")).expect("a home");
        fs::write(world.directory.join("no-sources"), "").expect("an empty list of sources");
        world.hand_over(&world.directory);
        world.hand_over(&world.directory.join("home"));
        world
    }

    /// Gives a path to the world's user.
    pub(crate) fn hand_over(&self, path: &Path) {
        if let Who::User { uid, gid } = self.who {
            std::os::unix::fs::lchown(path, Some(uid), Some(gid)).expect("root may give files away");
        }
    }

    /// Any program, as the world's user, with an empty environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.directory.join("home"));
        command.env("ALEPH_STORE", &self.store).env("ALEPH_CACHE", self.directory.join("cache"));
        command.env("ALEPH_SOURCES", self.directory.join("no-sources"));
        command.current_dir(&self.directory).stdin(Stdio::null());
        if let Who::User { uid, gid } = self.who {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// `aleph` with these arguments.
    pub(crate) fn aleph<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_aleph"));
        command.args(arguments);
        command
    }

    /// Runs `aleph` to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(&mut self.aleph(arguments))
    }

    /// `store verify` finds nothing.
    #[track_caller]
    pub(crate) fn is_whole(&self) {
        let ran = self.run(["store", "verify"]);
        assert!(ran.code == Some(0) && ran.out.starts_with("whole:"), "{ran:?}");
    }

    /// Nothing half done is left, neither on disk nor running.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        let names = |directory: &Path| -> Vec<String> {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(&self.store.join("tmp")), [""; 0], "left in tmp");
        let known = |name: &String| {
            ["store", "objects", "trees", "views", "builds", "audit", "log", "tmp", "lock", "format.json"]
                .contains(&name.as_str())
                || ["db.sqlite", "derived.sqlite"].iter().any(|known| name.starts_with(known))
        };
        let strays: Vec<String> = names(&self.store).into_iter().filter(|name| !known(name)).collect();
        assert_eq!(strays, [""; 0], "left in the store's root");
        for view in names(&self.store.join("views")) {
            let strays: Vec<String> = names(&self.store.join("views").join(&view))
                .into_iter()
                .filter(|name| !["view.json", "policy.json", "current", "generations"].contains(&name.as_str()))
                .collect();
            assert_eq!(strays, [""; 0], "left in view {view}");
        }
    }

    /// What `aleph run -- prog` prints.
    pub(crate) fn prog(&self) -> Ran {
        self.run(["run", "--", "prog"])
    }

    /// No process of the world's store is left after a while.
    #[track_caller]
    pub(crate) fn is_quiet(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while let Some(process) = self.process() {
            assert!(Instant::now() < end, "still running: {process}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A process that was started for the world's store: its environment, or that of its parents, names it.
    fn process(&self) -> Option<String> {
        let marks = [self.store.as_os_str().as_bytes(), b"DPKG_MAINTSCRIPT_PACKAGE=box"];
        let entries = fs::read_dir("/proc").ok()?.flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).find_map(|entry| {
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let mine = |mark: &[u8]| environment.windows(mark.len()).any(|window| window == mark);
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            mine(marks[0]).then(|| format!("{} {}", entry.file_name().display(), name.trim()))
        })
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().expect("programs start").into()
    }

    /// It ended well.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with this code, and said all of this on standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        said.iter().for_each(|text| assert!(self.err.contains(text), "no `{text}` in {self:?}"));
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A copy of a whole directory, hard links kept.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp starts");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

/// Removes a directory, whatever its modes.
pub(crate) fn remove(path: &Path) {
    if path.exists() {
        // Only directories: files may share their inode with others.
        let _ = Command::new("find").arg(path).args(["-type", "d", "-exec", "chmod", "u+rwx", "{}", "+"]).status();
        fs::remove_dir_all(path).expect("a directory of the tests can be removed");
    }
}

/// Changes one byte of a file that may be read-only.
pub(crate) fn flip(path: &Path, at: u64) {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let permissions = fs::metadata(path).expect("it is there").permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path).expect("it opens");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut byte)).expect("it reads");
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&[byte[0] ^ 1])).expect("it writes");
    fs::set_permissions(path, permissions).expect("permissions");
}
