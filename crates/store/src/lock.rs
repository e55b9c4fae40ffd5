//! One writer at a time; readers need nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{Store, error::Context, error::FsError, fs::sync_file_system, layout::Layout, tree::unsynced};

/// The mode of the lock: whoever can open it can keep every writer out.
const MODE: u32 = 0o600;
/// How often somebody who may not open the lock looks before he takes the writer for one that was killed.
const LOOKS: u32 = 200;

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
    tmp: PathBuf,
    clean: bool,
    /// Held open: closing it is what unlocks.
    _file: File,
}

impl WriteLock {
    /// Leaves the mark that says that a writer did not finish, so that the next one looks for what was half done.
    pub(crate) fn abandon(&mut self) {
        self.clean = false;
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), FsError> {
        let marks = unsynced(&self.tmp)?;
        sync_file_system(&self.tmp)?;
        marks.into_iter().try_for_each(|(mark, _)| fs::remove_file(&mark).context("remove", mark))
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        // An unwinding writer leaves its mark, as a killed one does, and so does one that left things lying about.
        let synced = || unsynced(&self.tmp).is_ok_and(|marks| marks.is_empty() || self.sync().is_ok());
        let tidy = || fs::read_dir(&self.tmp).is_ok_and(|mut entries| entries.next().is_none());
        if self.clean && !std::thread::panicking() && synced() && tidy() {
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
                if error != Errno::INTR {
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
        let announce = |file: &mut File| {
            file.rewind()?;
            file.set_len(0)?;
            write!(file, "{} {purpose}", std::process::id())
        };
        // Only for the messages of others: a full disk must not keep anybody from making room.
        let _ = announce(&mut file);
        let dirty = self.layout().dirty();
        let abandoned = dirty.exists();
        mark(self.layout())?;
        // Until it is clean: if the clean-up fails, the mark stays for the next writer.
        let mut lock = WriteLock { dirty, tmp: self.layout().tmp(), clean: !abandoned, _file: file };
        if abandoned {
            lock.clean = self.clean_up(&mut lock)?;
        }
        Ok(lock)
    }

    /// Keeps writers out while what is returned lives. Nothing if there is one now.
    ///
    /// Who may not open the lock keeps nobody out. He only sees the mark that there is a writer, or was one that was
    /// killed; after having `looked` often enough he no longer waits for it to go.
    pub(crate) fn lock_out_writers(&self, looked: u32) -> Result<Option<Option<File>>, FsError> {
        let path = self.layout().lock();
        let Ok(file) = File::open(&path) else {
            let is_quiet = looked >= LOOKS || !self.layout().dirty().exists();
            return Ok(is_quiet.then_some(None));
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Some(Some(file))),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error).context("lock", path),
        }
    }
}

/// Waits for the lock without any more of a writer's ways.
pub(crate) fn wait(layout: &Layout) -> Result<File, FsError> {
    let file = open(layout)?;
    while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
        if error != Errno::INTR {
            return Err(error).context("lock", layout.lock());
        }
    }
    Ok(file)
}

/// Leaves the mark that makes the next writer look for what was half done.
pub(crate) fn mark(layout: &Layout) -> Result<(), FsError> {
    let dirty = layout.dirty();
    File::create(&dirty).map(drop).context("create", dirty)
}

/// Whether this process may write to the store at all.
pub(crate) fn may_write(layout: &Layout) -> Result<(), FsError> {
    open(layout).map(drop)
}

fn open(layout: &Layout) -> Result<File, FsError> {
    let path = layout.lock();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    let file = options.open(&path).context("write to", &path)?;
    // Earlier versions let everybody read it. If it is another's, it is for him to close it.
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o7777 != MODE) {
        let _ = file.set_permissions(fs::Permissions::from_mode(MODE));
    }
    Ok(file)
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // Only for a message: an unreadable name is an unknown one.
    let _ = file.take(200).read_to_string(&mut text);
    let (pid, purpose) = text.split_once(' ').unwrap_or((&text, ""));
    Holder { pid: pid.parse().ok(), purpose: purpose.to_owned() }
}
