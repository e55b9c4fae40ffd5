//! One writer at a time; readers need nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
};

use rustix::fs::{FlockOperation, flock};

use crate::{Store, error::Context, error::FsError, layout::Layout};

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, if it could be read.
    pub pid: Option<u32>,
    /// What it said it is doing.
    pub purpose: String,
}

/// The right to change the store, given back when dropped.
///
/// The kernel gives it back for a process that is killed.
pub struct WriteLock {
    dirty: PathBuf,
    clean: bool,
    /// Held open: closing it is what unlocks.
    _file: File,
}

impl WriteLock {
    /// Leaves the mark that says that a writer did not finish, so that the next one looks for what was half done.
    pub(crate) fn abandon(&mut self) {
        self.clean = false;
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        // An unwinding writer leaves its mark, as a killed one does.
        if self.clean && !std::thread::panicking() {
            // If this fails, the next writer looks for rubbish in vain: harmless.
            let _ = fs::remove_file(&self.dirty);
        }
    }
}

impl Store {
    /// Waits for the right to change the store. `waiting` is called once, if somebody else has it.
    ///
    /// What an earlier writer left half done is cleaned up before this returns.
    ///
    /// # Errors
    /// If the lock file cannot be made or the clean-up fails.
    pub fn lock(&self, purpose: &str, waiting: impl FnOnce(&Holder)) -> Result<WriteLock, crate::StoreError> {
        let mut file = open(self.layout())?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            waiting(&holder(&mut file));
            while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
                if error != rustix::io::Errno::INTR {
                    return Err(Err::<(), _>(error).context("lock", self.layout().lock()).unwrap_err().into());
                }
            }
        }
        self.locked(file, purpose)
    }

    /// The right to change the store if it is free right now.
    pub(crate) fn try_lock(&self, purpose: &str) -> Result<Option<WriteLock>, crate::StoreError> {
        let file = open(self.layout())?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        self.locked(file, purpose).map(Some)
    }

    fn locked(&self, mut file: File, purpose: &str) -> Result<WriteLock, crate::StoreError> {
        let path = self.layout().lock();
        let announce = |file: &mut File| {
            file.rewind()?;
            file.set_len(0)?;
            write!(file, "{} {purpose}", std::process::id())
        };
        announce(&mut file).context("write", &path)?;
        let dirty = self.layout().dirty();
        let abandoned = dirty.exists();
        File::create(&dirty).context("create", &dirty)?;
        let mut lock = WriteLock { dirty, clean: true, _file: file };
        if abandoned {
            self.clean_up(&mut lock)?;
        }
        Ok(lock)
    }
}

fn open(layout: &Layout) -> Result<File, FsError> {
    let path = layout.lock();
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).context("open", &path)
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // Only for a message: an unreadable name is an unknown one.
    let _ = file.take(200).read_to_string(&mut text);
    let (pid, purpose) = text.split_once(' ').unwrap_or((&text, ""));
    Holder { pid: pid.parse().ok(), purpose: purpose.to_owned() }
}
