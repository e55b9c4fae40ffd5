//! What the tests of facts and verdicts share: small libraries and programs, compiled here.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aleph_abi::elf::{self, Facts};

/// A directory to compile in, removed at the end.
pub(crate) struct Workshop {
    directory: tempfile::TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the workshop")).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Runs a command line in the workshop, which has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let ran = Command::new("sh").args(["-ec", line]).current_dir(self.directory.path()).output();
        let ran = ran.expect("there is a shell");
        let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{line}\n{out}{error}\ngcc, g++ and binutils are needed for the tests");
        out.into_owned()
    }

    #[track_caller]
    pub(crate) fn facts(&self, name: &str) -> Facts {
        facts(&self.path(name))
    }
}

/// The facts of a file that has to have some.
#[track_caller]
pub(crate) fn facts(path: &Path) -> Facts {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    elf::read(&bytes).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

/// The host's own programs and libraries, all that are ELF files, in order.
pub(crate) fn host_files() -> Vec<PathBuf> {
    let directories = ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut paths: Vec<PathBuf> = entries.filter(is_file).map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let mut magic = [0; 4];
        let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
        read.is_ok() && magic == *b"\x7fELF"
    });
    paths.sort();
    assert!(paths.len() > 50, "the host's own files are what is read here");
    paths
}
