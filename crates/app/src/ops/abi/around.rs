//! Where other libraries of a process are looked for: what was named, beside the provider, and in other places.

use std::{
    collections::HashMap,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aleph_abi::{
    Around,
    elf::{self, Facts, Platform},
};

use super::side::Side;

/// Directories in which a dynamic linker looks, below the root.
const LIBRARIES: [&str; 5] = ["usr/local/lib", "lib64", "usr/lib64", "lib", "usr/lib"];

/// Libraries of one state, by soname.
pub(crate) struct Libraries {
    platform: Platform,
    known: HashMap<Vec<u8>, Arc<Facts>>,
    beside: Vec<PathBuf>,
    places: Vec<PathBuf>,
    read: Mutex<HashMap<PathBuf, Option<Arc<Facts>>>>,
}

impl Libraries {
    /// Those of `sides`, of which the last is what is judged; then those beside it, and in `places`.
    pub(crate) fn new(platform: Platform, sides: &[&Side], places: &[PathBuf]) -> Self {
        let mut known = HashMap::new();
        for binary in sides.iter().flat_map(|side| &side.binaries) {
            // Facts of which a part is lost are as good as none.
            let is_fine = |_: &&[u8]| binary.facts.platform() == platform && !binary.facts.is_lost();
            if let Some(soname) = binary.facts.soname().filter(is_fine) {
                known.entry(soname.to_vec()).or_insert_with(|| Arc::clone(&binary.facts));
            }
        }
        let beside = sides.last().map(|side| beside(side)).unwrap_or_default();
        Self { platform, known, beside, places: places.to_vec(), read: Mutex::default() }
    }

    /// As one consumer finds them, which looks at places of its own first.
    pub(crate) fn seen_by<'a>(&'a self, consumer: Option<(&Side, &Facts)>) -> Seen<'a> {
        let own = consumer.map(|(side, facts)| {
            let mut places = of_consumer(&side.path, facts);
            places.extend(beside(side));
            places
        });
        Seen { libraries: self, own: own.unwrap_or_default() }
    }

    fn read(&self, path: PathBuf) -> Option<Arc<Facts>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(&path) {
            return known.clone();
        }
        let facts = fs::read(&path).ok().and_then(|bytes| elf::read(&bytes).ok());
        let facts = facts.filter(|facts| facts.platform() == self.platform).map(Arc::new);
        read.insert(path, facts.clone());
        facts
    }
}

/// The libraries of a state as one consumer finds them.
pub(crate) struct Seen<'a> {
    libraries: &'a Libraries,
    own: Vec<PathBuf>,
}

impl Around for Seen<'_> {
    fn library(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        if let Some(known) = self.libraries.known.get(soname) {
            return Some(Arc::clone(known));
        }
        let name = Path::new(std::ffi::OsStr::from_bytes(soname));
        // A needed name with a slash is a path, which means what it means in the place where the program runs.
        if name.file_name() != Some(name.as_os_str()) {
            return None;
        }
        let places = self.libraries.beside.iter().chain(&self.own).chain(&self.libraries.places);
        places.map(|place| place.join(name)).find_map(|path| self.libraries.read(path))
    }
}

/// Where the libraries of a side are: in its directory, beside its file.
fn beside(side: &Side) -> Vec<PathBuf> {
    match (side.is_file, side.path.parent()) {
        (true, Some(parent)) if !parent.as_os_str().is_empty() => vec![parent.to_owned()],
        (true, _) => vec![PathBuf::from(".")],
        (false, _) => Vec::new(),
    }
}

/// Where there are libraries below `root`, those of several machines included.
pub(crate) fn library_directories(root: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    for directory in LIBRARIES.map(|directory| root.join(directory)) {
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let of_machine =
            entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
        directories.extend(of_machine.filter(|path| path.is_dir()));
        directories.push(directory);
    }
    directories
}

/// Where a consumer itself looks: `DT_RPATH` and `DT_RUNPATH`.
fn of_consumer(path: &Path, facts: &Facts) -> Vec<PathBuf> {
    let origin = path.parent().unwrap_or(Path::new("."));
    let lists = facts.runpath().into_iter().chain(facts.rpath());
    let expand = |entry: &[u8]| {
        let text = String::from_utf8_lossy(entry);
        let text = text.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", &origin.to_string_lossy());
        PathBuf::from(text)
    };
    lists.flat_map(|list| list.split(|byte| *byte == b':')).filter(|entry| !entry.is_empty()).map(expand).collect()
}
