//! Where other libraries of a process are looked for: what was named, beside the provider, and on this host.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::{
    Around,
    elf::{self, Facts, Platform},
};

use super::side::Side;

/// Directories in which this host's own dynamic linker looks.
const HOST: [&str; 5] = ["/usr/local/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Libraries of one state, by soname.
pub(crate) struct Libraries {
    platform: Platform,
    known: HashMap<Vec<u8>, Arc<Facts>>,
    directories: Vec<PathBuf>,
    found: RefCell<HashMap<Vec<u8>, Option<Arc<Facts>>>>,
}

impl Libraries {
    /// Those of `sides`, then those that are in `directories` or on the host.
    pub(crate) fn new(platform: Platform, sides: &[&Side], directories: Vec<PathBuf>) -> Self {
        let mut known = HashMap::new();
        for binary in sides.iter().flat_map(|side| &side.binaries) {
            if let Some(soname) = binary.facts.soname().filter(|_| binary.facts.platform() == platform) {
                known.entry(soname.to_vec()).or_insert_with(|| Arc::clone(&binary.facts));
            }
        }
        Self { platform, known, directories, found: RefCell::default() }
    }

    fn search(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        let name = Path::new(std::ffi::OsStr::from_bytes(soname));
        // A needed name with a slash is a path, which means what it means in the place where the program runs.
        let is_plain = name.components().count() == 1 && name.file_name() == Some(name.as_os_str());
        let read = |directory: &PathBuf| {
            let facts = elf::read(&fs::read(directory.join(name)).ok()?).ok()?;
            (facts.platform() == self.platform).then(|| Arc::new(facts))
        };
        self.directories.iter().filter(|_| is_plain).find_map(read)
    }
}

impl Around for Libraries {
    fn library(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        if let Some(known) = self.known.get(soname) {
            return Some(Arc::clone(known));
        }
        if let Some(found) = self.found.borrow().get(soname) {
            return found.clone();
        }
        let found = self.search(soname);
        self.found.borrow_mut().insert(soname.to_vec(), found.clone());
        found
    }
}

/// Where the libraries of a side are: in its directory, beside its file.
pub(crate) fn beside(side: &Side) -> Vec<PathBuf> {
    match (side.is_file, side.path.parent()) {
        (true, Some(parent)) if !parent.as_os_str().is_empty() => vec![parent.to_owned()],
        (true, _) => vec![PathBuf::from(".")],
        (false, _) => Vec::new(),
    }
}

/// Where this host has libraries, those of several machines included.
pub(crate) fn of_host() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    for directory in HOST {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let of_machine = entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("-linux-gnu"));
        directories.extend(of_machine.filter(|path| path.is_dir()));
        directories.push(directory.into());
    }
    directories
}

/// Where a consumer itself looks: `DT_RPATH` and `DT_RUNPATH`.
pub(crate) fn of_consumer(path: &Path, facts: &Facts) -> Vec<PathBuf> {
    let origin = path.parent().unwrap_or(Path::new("."));
    let lists = facts.runpath().into_iter().chain(facts.rpath());
    let expand = |entry: &[u8]| {
        let text = String::from_utf8_lossy(entry);
        let text = text.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", &origin.to_string_lossy());
        PathBuf::from(text)
    };
    lists.flat_map(|list| list.split(|byte| *byte == b':')).filter(|entry| !entry.is_empty()).map(expand).collect()
}
