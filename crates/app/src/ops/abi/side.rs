//! One side of a comparison: a file, the ELF files of a Debian package, or those below a directory.

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{BTreeMap, HashSet},
    error::Error,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::elf::{self, Facts, FileKind};
use aleph_exchange::deb::{Found, Limits, read_contents};
use aleph_store::parallel;

use super::stored::Stored;
use crate::{
    failure::{Failure, Outcome},
    host::Host,
};

/// The most ELF files that are read of one package or directory.
const MOST: usize = 100_000;

/// One ELF file, or archive of them.
pub(crate) struct Binary {
    /// Where it is, for messages: the file's own path, or its path in the package or directory.
    pub(crate) label: String,
    pub(crate) facts: Arc<Facts>,
    content: Content,
}

/// Where the bytes of a binary are, should they be looked at again.
enum Content {
    File(PathBuf),
    Kept(Vec<u8>),
    Gone,
}

impl Binary {
    /// One whose bytes are in a file.
    pub(crate) fn at(label: String, facts: Arc<Facts>, path: PathBuf) -> Self {
        Self { label, facts, content: Content::File(path) }
    }

    /// Its bytes, unless they were not kept or are gone.
    pub(crate) fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match &self.content {
            Content::File(path) => fs::read(path).ok().map(Cow::Owned),
            Content::Kept(bytes) => Some(Cow::Borrowed(bytes)),
            Content::Gone => None,
        }
    }
}

/// What counts of a package.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The sonames that it promises to others: see deb-shlibs(5).
    pub(crate) shlibs: String,
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
    pub(crate) package: Option<Package>,
    /// Where its debug information is known to be.
    pub(crate) debug: Vec<PathBuf>,
}

/// Whether the bytes of what is in a package file are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Bytes,
    Facts,
}

/// Finds what the names of a command line mean: files first, then packages of the store, which need not be there.
pub(crate) struct Finder<'a> {
    host: &'a Host,
    stored: OnceCell<Stored>,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self { host, stored: OnceCell::new() }
    }

    /// Reads what `name` means.
    pub(crate) fn side(&self, name: &Path, keep: Keep) -> Outcome<Side> {
        let unreadable = match fs::metadata(name) {
            Ok(_) => return Side::read(name, keep),
            Err(error) => unreadable(name, error),
        };
        let package = name.to_str().filter(|text| !text.contains('/') && !text.ends_with(".deb"));
        let Some(package) = package else { return Err(unreadable) };
        if self.stored.get().is_none() {
            let hint = "it is no file, and there is no store that could have a package of this name";
            let _ = self.stored.set(Stored::open(self.host).map_err(|_| unreadable.hint(hint))?);
        }
        let stored = self.stored.get().expect("it was just set");
        stored.side(self.host, package)
    }

    /// Everything in the store that needs a library of `provider`, but for other versions of the same package; and what may
    /// need it and cannot be read.
    pub(crate) fn consumers_of(&self, provider: &Side) -> Outcome<Vec<Side>> {
        if self.stored.get().is_none() {
            let _ = self.stored.set(Stored::open(self.host)?);
        }
        let sonames: HashSet<&[u8]> = provider.binaries.iter().filter_map(|binary| binary.facts.soname()).collect();
        let mut all = self.stored.get().expect("it was just set").everything()?;
        let is_version = |side: &Side| {
            let name = side.path.to_str().and_then(|path| path.split_once('=')).map(|(name, _)| name);
            provider.package.as_ref().is_some_and(|package| Some(package.name.as_str()) == name)
        };
        all.retain(|side| !is_version(side));
        for side in &mut all {
            side.binaries.retain(|binary| binary.facts.needed().any(|soname| sonames.contains(soname)));
        }
        all.retain(|side| !side.binaries.is_empty() || !side.unread.is_empty());
        Ok(all)
    }

    /// The directories of libraries of the current view, if a package of the store was named and there is a view.
    pub(crate) fn libraries(&self) -> Vec<PathBuf> {
        self.stored.get().map(|stored| stored.library_directories(self.host)).unwrap_or_default()
    }
}

impl Side {
    pub(crate) fn new(path: PathBuf, is_file: bool) -> Self {
        let (binaries, unread, debug) = (Vec::new(), Vec::new(), Vec::new());
        Self { path, is_file, binaries, unread, package: None, debug }
    }

    /// Without archives and objects: who was linked to shared libraries has nothing of those in it.
    pub(crate) fn shared_only(mut self) -> Self {
        self.binaries.retain(|binary| !matches!(binary.facts.kind(), FileKind::Archive | FileKind::Relocatable));
        self
    }

    /// Nothing.
    pub(crate) fn none() -> Self {
        Self::new(PathBuf::new(), false)
    }

    /// What is on it, each with its side.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (&Self, &Binary)> {
        self.binaries.iter().map(move |binary| (self, binary))
    }

    fn read(path: &Path, keep: Keep) -> Outcome<Self> {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let mut side = Self::new(path.to_owned(), metadata.is_file());
        if metadata.is_dir() {
            side.read_directory()?;
        } else if path.extension().is_some_and(|extension| extension == "deb") {
            side.is_file = false;
            side.read_package(keep)?;
        } else {
            let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
            side.add(path.display().to_string(), elf::read(&bytes).map_err(|error| chain(&error)), || {
                Content::File(path.to_owned())
            });
        }
        Ok(side)
    }

    fn add(&mut self, label: String, facts: Result<Facts, String>, content: impl FnOnce() -> Content) {
        match facts {
            Ok(facts) => self.binaries.push(Binary { label, facts: Arc::new(facts), content: content() }),
            Err(why) => self.unread.push((label, why)),
        }
    }

    fn read_package(&mut self, keep: Keep) -> Outcome<()> {
        let path = self.path.clone();
        let limits = Limits { data: 8 << 30, ..Limits::default() };
        let contents = read_contents(&path, &limits, &mut |path, found| {
            if let Found::File(_, reader) = found
                && !is_debug(path.as_str())
                && let Some(bytes) = read_binary(reader)?
                && self.binaries.len() < MOST
            {
                let facts = elf::read(&bytes).map_err(|error| chain(&error));
                let content = || if keep == Keep::Bytes { Content::Kept(bytes) } else { Content::Gone };
                self.add(path.to_string(), facts, content);
            }
            Ok(())
        })?;
        let shlibs = contents.members.get("shlibs").map(|text| String::from_utf8_lossy(text).into_owned());
        self.package = Some(Package { name: contents.control.name, shlibs: shlibs.unwrap_or_default() });
        Ok(())
    }

    fn read_directory(&mut self) -> Outcome<()> {
        let files = files_below(&self.path)?;
        let read = |(): &mut (), path: &PathBuf| {
            let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
            let bytes = read_binary(&mut file).map_err(|error| unreadable(path, error))?;
            Ok::<_, Failure>(bytes.map(|bytes| elf::read(&bytes).map_err(|error| chain(&error))))
        };
        let found = parallel::map(&files, || (), read)?;
        for (path, facts) in files.into_iter().zip(found) {
            if let Some(facts) = facts {
                let label = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
                self.add(label, facts, || Content::File(path));
            }
        }
        Ok(())
    }
}

/// All regular files below a directory, sorted, but for those of debug information: they lie beside what is looked for,
/// and say nothing themselves. One file has several names in a directory of libraries.
fn files_below(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut open = vec![directory.to_owned()];
    let mut files: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).map_err(|error| unreadable(&directory, error))? {
            let entry = entry.map_err(|error| unreadable(&directory, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() && files.len() < MOST && !is_debug(&entry.path().to_string_lossy()) {
                let metadata = entry.metadata().map_err(|error| unreadable(&entry.path(), error))?;
                let known = files.entry((metadata.dev(), metadata.ino())).or_insert_with(|| entry.path());
                if entry.path() < *known {
                    *known = entry.path();
                }
            }
        }
    }
    let mut files: Vec<PathBuf> = files.into_values().collect();
    files.sort();
    Ok(files)
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

/// Whether a path is one of a file that holds debug information of another.
pub(crate) fn is_debug(label: &str) -> bool {
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
