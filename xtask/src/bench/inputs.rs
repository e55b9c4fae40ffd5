//! What is measured with: the closure of a fixed set of real packages from the host's apt sources, as archives, as trees
//! and in a store. Archives and trees are kept between runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::Bench;
use crate::tool::{Outcome, output, run};

/// What every Debian system has, by name, and the programs that somebody asks for. Aleph wants `usr-is-merged` in every
/// view, so it is asked of all.
pub(super) const SEEDS: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "init-system-helpers",
    "libc-bin",
    "login",
    "ncurses-base",
    "ncurses-bin",
    "perl-base",
    "sed",
    "sysvinit-utils",
    "tar",
    "util-linux",
    "mount",
    "usr-is-merged",
    "curl",
    "jq",
    "git",
    "python3",
    "openssl",
    "sqlite3",
    "vim-nox",
    "imagemagick",
    "nginx-core",
    "postgresql-client-15",
    "ffmpeg",
];

/// The packages, with their archives.
pub(super) struct Closure {
    /// `NAME=VERSION`, sorted.
    pub(super) packages: Vec<String>,
    pub(super) archives: Vec<PathBuf>,
}

impl Bench {
    /// The closure, downloaded.
    pub(super) fn closure(&self) -> Outcome<&Closure> {
        if let Some(closure) = self.closure.get() {
            return Ok(closure);
        }
        let list = self.work.join("closure");
        let kept = fs::read_to_string(&list).unwrap_or_default();
        let packages: Vec<String> = if kept.is_empty() {
            let packages = simulated(&mut self.apt_simulation()?)?;
            fs::write(&list, packages.join("\n"))?;
            packages
        } else {
            kept.lines().map(str::to_owned).collect()
        };
        let archives = self.download(&packages)?;
        Ok(self.closure.get_or_init(|| Closure { packages, archives }))
    }

    /// `apt-get -s install` of the seeds on a system that has nothing.
    pub(super) fn apt_simulation(&self) -> Outcome<Command> {
        let root = self.work.join("apt");
        fs::create_dir_all(root.join("cache/archives/partial"))?;
        fs::write(root.join("status"), "")?;
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C");
        command.arg("-o").arg(format!("Dir::State::status={}", root.join("status").display()));
        command.arg("-o").arg(format!("Dir::Cache={}", root.join("cache").display()));
        command.args(["-o", "Debug::NoLocking=1", "-o", "APT::Install-Recommends=0", "-s", "-y", "install"]);
        command.args(SEEDS);
        Ok(command)
    }

    /// The packages' archives, in order; those that are not there yet are downloaded.
    pub(super) fn download(&self, packages: &[String]) -> Outcome<Vec<PathBuf>> {
        let directory = self.work.join("debs");
        fs::create_dir_all(&directory)?;
        let there = debs(&directory)?;
        let missing: Vec<&String> = packages.iter().filter(|package| archive(&there, package).is_none()).collect();
        for some in missing.chunks(40) {
            let mut command = Command::new("apt-get");
            command.current_dir(&directory).args(["-qq", "-o", "APT::Sandbox::User=root", "download"]);
            run(command.args(some))?;
        }
        let there = debs(&directory)?;
        let one = |package: &String| {
            let found = archive(&there, package).cloned();
            found.ok_or_else(|| format!("apt-get downloaded no {package}: remove {}", self.work.display()).into())
        };
        packages.iter().map(one).collect()
    }

    /// All packages unpacked into one tree.
    pub(super) fn merged_tree(&self) -> Outcome<PathBuf> {
        let archives = &self.closure()?.archives;
        self.made("tree", |tree| archives.iter().try_for_each(|archive| unpack(archive, tree)))
    }

    /// A directory with one tree for each package.
    pub(super) fn package_trees(&self) -> Outcome<PathBuf> {
        let archives = &self.closure()?.archives;
        self.made("packages", |all| {
            archives.iter().try_for_each(|archive| unpack(archive, &all.join(package_name(archive)?)))
        })
    }

    /// Makes `work/name` if it is not there, or not whole.
    pub(super) fn made(&self, name: &str, make: impl FnOnce(&Path) -> Outcome) -> Outcome<PathBuf> {
        let path = self.work.join(name);
        if path.exists() {
            return Ok(path);
        }
        eprintln!("   preparing {name}");
        let half = self.work.join(format!("{name}.half"));
        remove(&half)?;
        fs::create_dir_all(&half)?;
        make(&half)?;
        // Set-user-id files cannot be linked to by others, and what is unreadable cannot be compared.
        run(Command::new("chmod").args(["-R", "u+rwX,a-s"]).arg(&half))?;
        fs::rename(&half, &path)?;
        Ok(path)
    }

    /// A store in which the user's view has the whole closure. Made anew once in every run, by the program measured.
    pub(super) fn store(&self) -> Outcome<&Path> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = self.work.join("store");
        discard(self, &store)?;
        eprintln!("   preparing a store");
        super::measure::process(&self.work, self.aleph(&store).arg("add").args(SEEDS))?;
        Ok(self.store.get_or_init(|| store))
    }

    /// A name that nothing has yet, for something to be made and thrown away.
    pub(super) fn fresh(&self) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        self.work.join(format!("run.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

/// The packages that a simulated installation would install, `NAME=VERSION`, sorted.
pub(super) fn simulated(command: &mut Command) -> Outcome<Vec<String>> {
    Ok(installed(&output(command)?))
}

/// Reads `Inst NAME (VERSION …)` lines.
pub(super) fn installed(text: &str) -> Vec<String> {
    let one = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split_whitespace();
        let name = words.next()?;
        // An upgrade would have the old version in brackets before.
        let version = words.find_map(|word| word.strip_prefix('('))?;
        Some(format!("{name}={version}"))
    };
    let mut packages: Vec<String> = text.lines().filter_map(one).collect();
    packages.sort();
    packages
}

fn debs(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The archive of `NAME=VERSION` among these, as apt-get names it.
fn archive<'a>(archives: &'a [PathBuf], package: &str) -> Option<&'a PathBuf> {
    let (name, version) = package.split_once('=')?;
    let start = format!("{name}_{}_", version.replace(':', "%3a"));
    archives.iter().find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&start)))
}

pub(super) fn unpack(archive: &Path, tree: &Path) -> Outcome {
    fs::create_dir_all(tree)?;
    output(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(tree)).map(drop)
}

/// `NAME` of `NAME_VERSION_ARCHITECTURE.deb`.
pub(super) fn package_name(archive: &Path) -> Outcome<String> {
    let name = archive.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('_').next());
    Ok(name.ok_or_else(|| format!("{} is not named as an archive is", archive.display()))?.to_owned())
}

/// Puts something aside. Removing many files slows down whoever makes files next, so that is done at the end.
pub(super) fn discard(bench: &Bench, path: &Path) -> Outcome {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let trash = bench.work.join("trash");
    fs::create_dir_all(&trash)?;
    fs::rename(path, trash.join(bench.fresh().file_name().unwrap_or_default()))?;
    if free_bytes(&bench.work)? < LITTLE { remove(&trash) } else { Ok(()) }
}

/// With less space than this in bytes, what was put aside is removed at once after all.
const LITTLE: u64 = 6 << 30;

/// What the file system has left.
fn free_bytes(path: &Path) -> Outcome<u64> {
    let text = output(Command::new("df").args(["--output=avail", "--block-size=1"]).arg(path))?;
    Ok(text.lines().last().unwrap_or_default().trim().parse()?)
}

/// Removes what was put aside, and what an interrupted run left.
pub(super) fn clear(bench: &Bench) -> Outcome {
    for entry in fs::read_dir(&bench.work)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run.")) {
            discard(bench, &path)?;
        }
    }
    remove(&bench.work.join("trash"))
}

/// Removes a tree, also one with directories that nobody may write.
fn remove(path: &Path) -> Outcome {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let directories = Command::new("find")
        .arg(path)
        .args(["-type", "d", "!", "-perm", "-u+w", "-exec", "chmod", "u+rwx", "{}", "+"])
        .status()?;
    let status = Command::new("rm").arg("-rf").arg(path).status()?;
    if directories.success() && status.success() {
        Ok(())
    } else {
        Err(format!("cannot remove {}", path.display()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_by_their_packages() {
        let archives = ["/x/a_1%3a2_all.deb", "/x/ab_3_amd64.deb"].map(PathBuf::from);
        assert_eq!(archive(&archives, "a=1:2"), Some(&archives[0]));
        assert_eq!(archive(&archives, "a=1"), None);
        assert_eq!(archive(&archives, "ab=3"), Some(&archives[1]));
    }

    #[test]
    fn simulations_are_read() {
        let text = "NOTE: only a simulation\nInst libc6 (2.36-9+deb12u9 Debian:12 [amd64])\nInst bash [5.1] (5.2 Debian:12 \
                    [amd64]) []\nConf libc6 (2.36-9+deb12u9 Debian:12 [amd64])\n";
        assert_eq!(installed(text), ["bash=5.2", "libc6=2.36-9+deb12u9"]);
    }
}
