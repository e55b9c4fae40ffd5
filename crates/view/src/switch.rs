//! Views on disk: a list of generations and a pointer. Switching is one rename.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_store::{Layout, Root, Store, StoreError, WriteLock};
use rustix::{
    fs::{FlockOperation, flock},
    io::{Errno, FdFlags},
};
use serde::{Deserialize, Serialize};

use crate::{
    Generation, Kind, RunLayers, ViewName,
    files::{at, make_directory, read_json, write_json},
    generation::CaptureRef,
};

/// What is written once about a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// Its name.
    pub name: ViewName,
    /// Whom it serves.
    pub kind: Kind,
    /// Who made it, by user name.
    pub owner: String,
    /// The directory of its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<PathBuf>,
}

/// Why a view could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The file system said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of a view does not read.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        source: serde_json::Error,
    },
    /// There is no such generation.
    #[error("view `{view}` has no generation {number}")]
    NoGeneration {
        /// The view.
        view: ViewName,
        /// The number.
        number: u32,
    },
    /// A generation went while something was about to run in it.
    #[error("generation {number} of view `{view}` was just removed")]
    Gone {
        /// The view.
        view: String,
        /// The number.
        number: u32,
    },
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The views of a store.
pub struct Views {
    root: PathBuf,
    /// For what is not finished.
    tmp: PathBuf,
}

/// A view.
#[derive(Clone, Debug)]
pub struct View {
    /// What was written when it was made.
    pub record: ViewRecord,
    pub(crate) directory: PathBuf,
    /// For what is not finished.
    pub(crate) tmp: PathBuf,
}

/// How often, and after which pause, a generation is tried to be held.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(1);

impl Views {
    /// The views below a store's root.
    pub fn new(store: &Store) -> Self {
        Self::at(store.layout())
    }

    /// The same, of a store that need not be opened.
    pub fn at(layout: &Layout) -> Self {
        Self { root: layout.views(), tmp: layout.tmp() }
    }

    /// The view called `name`, if there is one.
    ///
    /// # Errors
    /// If its record does not read.
    pub fn get(&self, name: &ViewName) -> Result<Option<View>, ViewError> {
        let directory = self.root.join(name.as_str());
        Ok(read_json(&directory.join("view.json"))?.map(|record| View { record, directory, tmp: self.tmp.clone() }))
    }

    /// All views, sorted by name.
    ///
    /// # Errors
    /// If the directory or a record does not read.
    pub fn list(&self) -> Result<Vec<View>, ViewError> {
        let mut views = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(at("read", &self.root))? {
            let entry = entry.map_err(at("read", &self.root))?;
            if let Some(Ok(name)) = entry.file_name().to_str().map(str::parse) {
                views.extend(self.get(&name)?);
            }
        }
        views.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        Ok(views)
    }

    /// The views whose record does not read, with its path.
    ///
    /// # Errors
    /// If the directory does not read.
    pub fn damaged(&self) -> Result<Vec<(ViewName, PathBuf)>, ViewError> {
        let mut damaged = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(at("read", &self.root))? {
            let entry = entry.map_err(at("read", &self.root))?;
            let Some(Ok(name)) = entry.file_name().to_str().map(str::parse::<ViewName>) else { continue };
            let path = entry.path().join("view.json");
            match self.get(&name) {
                Err(ViewError::Damaged { .. }) => damaged.push((name, path)),
                // One that was killed while it was made has no generation either.
                Ok(None) if entry.path().join("current").is_symlink() => damaged.push((name, path)),
                result => drop(result?),
            }
        }
        damaged.sort();
        Ok(damaged)
    }

    /// Writes a view's record anew, from its name and from who made its generations. Which directory a project has is not
    /// known any more: its view stays until it is deleted.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn rewrite(&self, store: &Store, lock: &WriteLock, name: &ViewName) -> Result<(), ViewError> {
        let directory = self.root.join(name.as_str());
        let kind = name.kind();
        let record = ViewRecord { name: name.clone(), kind, owner: String::new(), project: None };
        let mut view = View { record, directory, tmp: self.tmp.clone() };
        let made_by = |number| view.generation(number).ok().map(|generation| generation.by);
        view.record.owner = view.numbers()?.into_iter().find_map(made_by).unwrap_or_default();
        let beside = self.tmp.join(format!("view-{}.json", std::process::id()));
        write_json(&beside, &view.record)?;
        store.sync(lock)?;
        let path = view.directory.join("view.json");
        fs::rename(&beside, &path).map_err(at("write", &path))
    }

    /// The program in the store that a generation's command is, if it runs from there.
    pub fn program(&self, layers: &RunLayers, name: &str) -> Option<PathBuf> {
        fs::read_link(self.bin(layers).join(name)).ok()
    }

    /// The directory of a generation's commands.
    pub fn bin(&self, layers: &RunLayers) -> PathBuf {
        self.root.join(&layers.view).join("generations").join(layers.generation.to_string()).join("bin")
    }

    /// Marks a generation as used by this process and whatever it becomes, for as long as the file is open. Nothing if the
    /// file system cannot do it: then no generation counts as unused either.
    ///
    /// # Errors
    /// [`ViewError::Gone`] if the generation is no longer there, or no longer what it was.
    pub fn hold(&self, layers: &RunLayers) -> Result<Option<fs::File>, ViewError> {
        let directory = self.root.join(&layers.view).join("generations").join(layers.generation.to_string());
        let path = directory.join("run.json");
        let gone = || ViewError::Gone { view: layers.view.clone(), number: layers.generation };
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
            opened => opened.map_err(at("read", &path))?,
        };
        let is_held = lock_shared(&file);
        // Who removes a generation has it locked until its name is gone, and another may have come in its place.
        let is_there = fs::metadata(&path).and_then(|there| Ok(same_file(&there, &file.metadata()?)));
        if !is_there.is_ok_and(|is_there| is_there) || read_json(&path)?.as_ref() != Some(layers) {
            return Err(gone());
        }
        // It survives exec.
        let is_kept = is_held && rustix::io::fcntl_setfd(&file, FdFlags::empty()).is_ok();
        Ok(is_kept.then_some(file))
    }

    /// The view that `record` describes, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn get_or_create(&self, record: ViewRecord) -> Result<View, ViewError> {
        if let Some(view) = self.get(&record.name)? {
            return Ok(view);
        }
        let directory = self.root.join(record.name.as_str());
        make_directory(&directory)?;
        make_directory(&directory.join("generations"))?;
        let path = directory.join("view.json");
        let beside = self.tmp.join(format!("view-{}.json", std::process::id()));
        write_json(&beside, &record)?;
        // An empty record would be a view that cannot be used; there is no other sync before it is seen.
        let sync = |path: &Path| fs::File::open(path)?.sync_all();
        sync(&beside)
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| sync(&directory))
            .map_err(at("write", &path))?;
        Ok(View { record, directory, tmp: self.tmp.clone() })
    }
}

impl View {
    /// The directory that a `PATH` should name to have the view's commands.
    pub fn bin(&self) -> PathBuf {
        self.directory.join("current/bin")
    }

    /// The directory of a generation's commands.
    pub fn bin_of(&self, number: u32) -> PathBuf {
        self.generation_directory(number).join("bin")
    }

    /// The number of the current generation; a view that was just made has none.
    ///
    /// # Errors
    /// If the pointer cannot be read.
    pub fn current_number(&self) -> Result<Option<u32>, ViewError> {
        let pointer = self.directory.join("current");
        match fs::read_link(&pointer) {
            Ok(target) => Ok(target.file_name().and_then(|name| name.to_str()?.parse().ok())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(at("read", &pointer)(source)),
        }
    }

    /// The current generation.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn current(&self) -> Result<Option<Generation>, ViewError> {
        self.current_number()?.map(|number| self.generation(number)).transpose()
    }

    /// The generation with this number.
    ///
    /// # Errors
    /// If there is none or it does not read.
    pub fn generation(&self, number: u32) -> Result<Generation, ViewError> {
        let path = self.generation_directory(number).join("generation.json");
        read_json(&path)?.ok_or_else(|| ViewError::NoGeneration { view: self.record.name.clone(), number })
    }

    /// The numbers of all generations, ascending.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn numbers(&self) -> Result<Vec<u32>, ViewError> {
        let directory = self.directory.join("generations");
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&directory).map_err(at("read", &directory))? {
            let entry = entry.map_err(at("read", &directory))?;
            numbers.extend(entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What entering the current generation needs.
    ///
    /// # Errors
    /// If it does not read.
    pub fn run_layers(&self) -> Result<Option<RunLayers>, ViewError> {
        read_json(&self.directory.join("current/run.json"))
    }

    /// The records of a generation that are missing, do not read or belong elsewhere. None of a generation that is gone.
    pub fn damaged(&self, number: u32) -> Vec<PathBuf> {
        let directory = self.generation_directory(number);
        let (whole, run) = (directory.join("generation.json"), directory.join("run.json"));
        let generation = read_json::<Generation>(&whole).ok().flatten().filter(|found| found.number == number);
        let layers = read_json::<RunLayers>(&run).ok().flatten().filter(|found| {
            let trees = generation.as_ref().is_none_or(|generation| generation.trees() == found.trees);
            found.generation == number && found.view == self.record.name.as_str() && trees
        });
        let damaged = [(generation.is_none(), whole), (layers.is_none(), run)];
        if !directory.is_dir() {
            return Vec::new();
        }
        damaged.into_iter().filter_map(|(damaged, path)| damaged.then_some(path)).collect()
    }

    /// Writes anew what entering a generation needs, from the generation's own record. Not so the lock file that it was
    /// made from: a project's view is looked at again when it is next used.
    ///
    /// # Errors
    /// If the record does not read or the file cannot be written.
    pub fn rewrite_run(&self, store: &Store, lock: &WriteLock, number: u32) -> Result<(), ViewError> {
        let generation = self.generation(number)?;
        let has_natives = generation.packages.iter().any(|package| package.is_native() && package.requested);
        let (view, trees) = (self.record.name.to_string(), generation.trees());
        let run = RunLayers { view, generation: number, trees, lock: None, has_natives };
        let beside = self.tmp.join(format!("run-{}.json", std::process::id()));
        write_json(&beside, &run)?;
        store.sync(lock)?;
        let path = self.generation_directory(number).join("run.json");
        fs::rename(&beside, &path).map_err(at("write", &path))
    }

    /// Whether a program runs in a generation ([`Views::hold`]), or might.
    pub fn is_in_use(&self, number: u32) -> bool {
        self.claim(&[number]).is_none()
    }

    /// The file that programs which run in a generation hold open ([`Views::hold`]).
    pub fn held_file(&self, number: u32) -> PathBuf {
        self.generation_directory(number).join("run.json")
    }

    /// Keeps programs from starting in these generations while what is returned lives. Nothing if one runs there, or might.
    fn claim(&self, numbers: &[u32]) -> Option<Vec<fs::File>> {
        let mut claims = Vec::new();
        for number in numbers {
            match fs::File::open(self.generation_directory(*number).join("run.json")) {
                Ok(file) => {
                    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
                    claims.push(file);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
        Some(claims)
    }

    /// What entering a generation needs.
    ///
    /// # Errors
    /// If there is no such generation or its record does not read.
    pub fn run_layers_of(&self, number: u32) -> Result<RunLayers, ViewError> {
        let found = read_json(&self.generation_directory(number).join("run.json"))?;
        found.ok_or_else(|| ViewError::NoGeneration { view: self.record.name.clone(), number })
    }

    /// Makes an existing generation current, in constant time.
    ///
    /// # Errors
    /// If there is no such generation or the pointer cannot be renamed.
    pub fn switch(&self, _lock: &WriteLock, number: u32) -> Result<(), ViewError> {
        if !self.generation_directory(number).join("run.json").is_file() {
            return Err(ViewError::NoGeneration { view: self.record.name.clone(), number });
        }
        // Before: what is or was current must not be taken for one that nobody wanted.
        self.end_trial(number)?;
        self.point_to(number)
    }

    /// Forgets a generation that is not current. Its packages go with the next collection. `false` if a program runs in
    /// it, or might: then it stays.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(&self, store: &Store, _lock: &WriteLock, number: u32) -> Result<bool, ViewError> {
        let aside = store.layout().tmp().join(format!("forgotten-{}-{number}", std::process::id()));
        self.remove(&[number], &self.generation_directory(number), &aside)
    }

    /// Removes the view with all its generations. `false` if a program runs in one of them, or might: then all stay.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn delete(&self, store: &Store, _lock: &WriteLock) -> Result<bool, ViewError> {
        let aside = store.layout().tmp().join(format!("deleted-{}", std::process::id()));
        self.remove(&self.numbers()?, &self.directory, &aside)
    }

    /// Removes a directory that has these generations.
    fn remove(&self, numbers: &[u32], directory: &Path, aside: &Path) -> Result<bool, ViewError> {
        // Until the name is gone: after that nobody can take hold of them.
        let Some(claims) = self.claim(numbers) else { return Ok(false) };
        fs::rename(directory, aside).map_err(at("remove", directory))?;
        drop(claims);
        aleph_store::remove_tree(aside).map_err(StoreError::from)?;
        Ok(true)
    }

    /// What keeps the view's generations alive.
    ///
    /// # Errors
    /// If a generation does not read.
    pub fn roots(&self) -> Result<Vec<Root>, ViewError> {
        let current = self.current_number()?;
        let root = |number: u32| {
            let generation = self.generation(number)?;
            let mark = if current == Some(number) { " (current)" } else { "" };
            Ok(Root {
                label: format!("view {} generation {number}{mark}", self.record.name),
                packages: generation.packages.iter().map(|package| package.id).collect(),
                components: generation.capture.iter().map(|CaptureRef { component, .. }| *component).collect(),
                trees: generation.trees(),
            })
        };
        self.numbers()?.into_iter().map(root).collect()
    }

    pub(crate) fn generation_directory(&self, number: u32) -> PathBuf {
        self.directory.join("generations").join(number.to_string())
    }

    fn point_to(&self, number: u32) -> Result<(), ViewError> {
        let pointer = self.directory.join("current");
        // Where the next writer cleans up, should this one be killed.
        let beside = self.tmp.join(format!("current-{}", std::process::id()));
        let swap = || {
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            symlink(format!("generations/{number}"), &beside)?;
            fs::rename(&beside, &pointer)?;
            fs::File::open(&self.directory)?.sync_all()
        };
        swap().map_err(at("switch", &pointer))
    }
}

/// Waits a little for a shared lock: who looks whether a generation is used has it for a moment, and nobody can make this
/// wait for long.
fn lock_shared(file: &fs::File) -> bool {
    for _ in 0..TRIES {
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            locked => return locked.is_ok(),
        }
    }
    false
}

fn same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
