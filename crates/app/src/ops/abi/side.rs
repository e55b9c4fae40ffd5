//! One side of a comparison: a file, the ELF files of a Debian package, or those below a directory.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::elf::{self, ElfError, Facts};
use aleph_exchange::deb::{Contents, Found, Limits, read_contents};

use crate::failure::{Failure, Outcome};

/// The most ELF files that are read of one package or directory.
const MOST: usize = 100_000;

/// One ELF file, or archive of them.
pub(crate) struct Binary {
    /// Where it is, for messages: the file's own path, or its path in the package or directory.
    pub(crate) label: String,
    pub(crate) facts: Arc<Facts>,
    /// Where its exports are, in their order.
    pub(crate) addresses: Vec<u64>,
    /// Its bytes, where types may be read of it.
    pub(crate) bytes: Vec<u8>,
}

/// What was found under one name of the command line.
pub(crate) struct Side {
    /// The name.
    pub(crate) path: PathBuf,
    /// Whether the name is that of one file.
    pub(crate) is_file: bool,
    pub(crate) binaries: Vec<Binary>,
    /// ELF files that cannot be read, and why.
    pub(crate) unread: Vec<(String, String)>,
    /// What the package says, if it is one.
    pub(crate) package: Option<Contents>,
}

/// Whether the bytes of the files are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Bytes,
    Facts,
}

impl Side {
    /// Reads what is at `path`.
    pub(crate) fn read(path: &Path, keep: Keep) -> Outcome<Self> {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let (path, is_file) = (path.to_owned(), false);
        let mut side = Self { path, is_file, binaries: Vec::new(), unread: Vec::new(), package: None };
        if metadata.is_dir() {
            side.read_directory(keep)?;
        } else if side.path.extension().is_some_and(|extension| extension == "deb") {
            side.read_package(keep)?;
        } else {
            side.is_file = true;
            let bytes = fs::read(&side.path).map_err(|error| unreadable(&side.path, error))?;
            side.add(side.path.display().to_string(), bytes, keep);
        }
        Ok(side)
    }

    fn add(&mut self, label: String, bytes: Vec<u8>, keep: Keep) {
        match elf::read_with_addresses(&bytes) {
            Ok((facts, addresses)) => {
                let bytes = if keep == Keep::Bytes { bytes } else { Vec::new() };
                self.binaries.push(Binary { label, facts: Arc::new(facts), addresses, bytes });
            }
            // Files of debug information lie beside what is looked for, and say nothing themselves.
            Err(ElfError::Missing { .. }) if !self.is_file && is_debug(&label) => {}
            Err(error) => self.unread.push((label, chain(&error))),
        }
    }

    fn read_package(&mut self, keep: Keep) -> Outcome<()> {
        let path = self.path.clone();
        let limits = Limits { data: 8 << 30, ..Limits::default() };
        let contents = read_contents(&path, &limits, &mut |path, found| {
            if let Found::File(_, reader) = found
                && let Some(bytes) = read_binary(reader)?
                && self.binaries.len() < MOST
            {
                self.add(path.to_string(), bytes, keep);
            }
            Ok(())
        });
        self.package = Some(contents?);
        Ok(())
    }

    fn read_directory(&mut self, keep: Keep) -> Outcome<()> {
        let mut open = vec![self.path.clone()];
        // One file has several names in a directory of libraries.
        let mut files: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).map_err(|error| unreadable(&directory, error))? {
                let entry = entry.map_err(|error| unreadable(&directory, error))?;
                let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() && files.len() < MOST {
                    let metadata = entry.metadata().map_err(|error| unreadable(&entry.path(), error))?;
                    let id = std::os::unix::fs::MetadataExt::dev(&metadata);
                    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
                    let known = files.entry((id, inode)).or_insert_with(|| entry.path());
                    if entry.path() < *known {
                        *known = entry.path();
                    }
                }
            }
        }
        let mut files: Vec<PathBuf> = files.into_values().collect();
        files.sort();
        for path in files {
            let mut file = File::open(&path).map_err(|error| unreadable(&path, error))?;
            if let Some(bytes) = read_binary(&mut file).map_err(|error| unreadable(&path, error))? {
                let label = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
                self.add(label, bytes, keep);
            }
        }
        Ok(())
    }
}

/// All bytes of an ELF file or archive; nothing of any other file.
fn read_binary(reader: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(8).read_to_end(&mut bytes)?;
    if !elf::is_elf_or_archive(&bytes) {
        return Ok(None);
    }
    reader.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn is_debug(label: &str) -> bool {
    label.ends_with(".debug") || label.contains("lib/debug/")
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    #[derive(Debug, thiserror::Error)]
    #[error("`{}` cannot be read", path.display())]
    struct Unreadable {
        path: PathBuf,
        source: io::Error,
    }
    Unreadable { path: path.to_owned(), source: error }.into()
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}
