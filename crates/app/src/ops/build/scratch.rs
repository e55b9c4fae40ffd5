//! Directories to build in: on the store's file system, held by whoever builds, and removed once nobody does.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use aleph_store::Store;

use crate::failure::Outcome;

/// A directory to build in, for as long as this is there.
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
    /// Whether it stays.
    pub(crate) keep: bool,
    held: File,
}

fn parent(store: &Store) -> PathBuf {
    store.layout().root().join("builds").join("work")
}

impl Scratch {
    /// A new directory.
    pub(crate) fn make(store: &Store, name: &str) -> Outcome<Self> {
        let parent = parent(store);
        fs::create_dir_all(&parent)?;
        let path = parent.join(format!("{name}-{}", std::process::id()));
        aleph_store::remove_tree(&path)?;
        let held = File::create(lock_of(&path))?;
        held.try_lock().map_err(std::io::Error::from)?;
        fs::create_dir(&path)?;
        Ok(Self { path, keep: false, held })
    }

    /// Holds it also for the program that this process becomes.
    pub(crate) fn hold_on(&self) -> Outcome<()> {
        Ok(rustix::io::fcntl_setfd(&self.held, rustix::io::FdFlags::empty())?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is when somebody builds next.
            let _ = aleph_store::remove_tree(&self.path);
        }
        let _ = fs::remove_file(lock_of(&self.path));
    }
}

const LOCK: &str = ".lock";

/// The lock beside a directory. Its name may have dots of its own.
fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

/// Removes what builds left that were killed.
pub(crate) fn clean(store: &Store) -> Outcome<()> {
    let entries = match fs::read_dir(parent(store)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let lock = entry?.path();
        let directory = lock.to_str().and_then(|path| path.strip_suffix(LOCK)).map(PathBuf::from);
        if let Some(directory) = directory.filter(|_| is_free(&lock)) {
            aleph_store::remove_tree(&directory)?;
            fs::remove_file(&lock)?;
        }
    }
    Ok(())
}

fn is_free(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| file.try_lock().is_ok())
}
