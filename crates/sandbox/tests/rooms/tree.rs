//! Root trees for tests, made of the host's own shell and tools with the libraries they load.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use crate::Who;

const TOOLS: &[&str] = &[
    "cat", "chmod", "chown", "cp", "env", "id", "ln", "ls", "mkdir", "mkfifo", "mknod", "mv", "printf", "readlink",
    "rm", "rmdir", "seq", "sh", "sleep", "stat", "sync", "touch", "true", "umount", "wc",
];

struct Ground {
    directory: PathBuf,
    executable: PathBuf,
    bases: Mutex<HashMap<u32, PathBuf>>,
}

static GROUND: OnceLock<Ground> = OnceLock::new();

fn ground() -> &'static Ground {
    GROUND.get_or_init(|| {
        let directory = tempfile::Builder::new().prefix("rooms-").tempdir().expect("a temporary directory").keep();
        open_to_all(&directory);
        // A copy: other users may not be able to reach the build directory.
        let executable = directory.join("rooms");
        fs::copy(std::env::current_exe().expect("this executable"), &executable).expect("copied");
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).expect("made executable");
        Ground { directory, executable, bases: Mutex::default() }
    })
}

/// Where this binary can be started from by every user.
pub(crate) fn executable() -> &'static Path {
    &ground().executable
}

/// A root tree of `who` with a shell and tools, to be used as the lowest layer.
pub(crate) fn base(who: Who) -> PathBuf {
    let mut bases = ground().bases.lock().expect("no test panics while it makes a tree");
    let make = || {
        let base = ground().directory.join(format!("base-{}", who.ids().0));
        make_base(&base, executable());
        give_all(&base, who);
        base
    };
    bases.entry(who.ids().0).or_insert_with(make).clone()
}

fn give_all(path: &Path, who: Who) {
    let (uid, gid) = who.ids();
    lchown(path, Some(uid), Some(gid)).expect("given away");
    if path.symlink_metadata().expect("there").is_dir() {
        fs::read_dir(path).expect("listed").for_each(|e| give_all(&e.expect("read").path(), who));
    }
}

/// A fresh directory that belongs to `who`.
pub(crate) fn scratch(who: Who) -> PathBuf {
    let directory = tempfile::tempdir_in(&ground().directory).expect("a temporary directory").keep();
    open_to_all(&directory);
    give(&directory, who);
    directory
}

/// Gives a path to `who`.
pub(crate) fn give(path: &Path, who: Who) {
    let (uid, gid) = who.ids();
    chown(path, Some(uid), Some(gid)).expect("given away");
}

/// Makes a directory with files (name, content), all of `who`.
pub(crate) fn layer(who: Who, files: &[(&str, &str)]) -> PathBuf {
    let root = scratch(who);
    for (name, content) in files {
        let path = root.join(name);
        make_dirs(&root, path.parent().expect("has a parent"), who);
        fs::write(&path, content).expect("written");
        give(&path, who);
    }
    root
}

/// Makes the directories from `root` down to `path`, all of `who`.
pub(crate) fn make_dirs(root: &Path, path: &Path, who: Who) {
    let mut missing: Vec<&Path> = path.ancestors().take_while(|p| *p != root).filter(|p| !p.exists()).collect();
    missing.reverse();
    for dir in missing {
        fs::create_dir(dir).expect("made");
        give(dir, who);
    }
}

/// Removes everything that tests made.
pub(crate) fn clean_up() {
    if let Some(ground) = GROUND.get() {
        let _ = fs::remove_dir_all(&ground.directory);
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("opened to all");
}

fn make_base(base: &Path, executable: &Path) {
    for dir in ["usr/bin", "etc", "tmp", "proc", "dev", "var/tmp", "home", "data", "opt"] {
        fs::create_dir_all(base.join(dir)).expect("made");
    }
    symlink("usr/bin", base.join("bin")).expect("linked");
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let path = find(tool);
        libraries.extend(libraries_of(&path));
        fs::copy(&path, base.join("usr/bin").join(tool)).expect("copied");
    }
    libraries.extend(libraries_of(executable));
    fs::copy(executable, base.join("usr/bin/rooms")).expect("copied");
    for library in libraries {
        let inside = base.join(library.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(inside.parent().expect("has a parent")).expect("made");
        fs::copy(&library, &inside).expect("copied");
    }
    fs::write(base.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").expect("written");
    fs::write(base.join("etc/group"), "root:x:0:\n").expect("written");
    fs::write(base.join("etc/motd"), "base\n").expect("written");
    fs::write(base.join("data/one"), "1\n").expect("written");
    fs::write(base.join("data/two"), "2\n").expect("written");
}

fn find(tool: &str) -> PathBuf {
    let dirs = ["/usr/bin", "/bin", "/usr/local/bin"];
    let path = dirs.iter().map(|d| Path::new(d).join(tool)).find(|p| p.exists());
    fs::canonicalize(path.unwrap_or_else(|| panic!("the host has no {tool}"))).expect("resolved")
}

/// The interpreter and libraries that a program loads, by `ldd`.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().filter(|w| w.starts_with('/')).map(PathBuf::from).collect()
}
