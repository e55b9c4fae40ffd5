//! The files below the directory of the lists.

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_component::{Digest, Hasher};

use super::{ListsError, state::State};
use crate::net::{Event, Monitor};

const POLL: Duration = Duration::from_millis(100);

pub(super) fn packages(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("packages").join(digest.to_string())
}

pub(super) fn release(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("release").join(digest.to_string())
}

pub(super) fn partial(directory: &Path) -> PathBuf {
    directory.join("partial")
}

/// Makes the directories, and holds the lock as long as the answer lives.
pub(super) fn lock(directory: &Path, monitor: &dyn Monitor) -> Result<File, ListsError> {
    let io = |path: &Path, action, source| ListsError::Io { path: path.to_owned(), action, source };
    for name in ["packages", "release", "partial"] {
        let path = directory.join(name);
        fs::create_dir_all(&path).map_err(|source| io(&path, "made", source))?;
    }
    let path = directory.join("lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| io(&path, "opened", source))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(io(&path, "locked", source)),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    monitor.event(&Event::Locked { path: &path });
                    told = true;
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

/// Writes a file named by its digest, unless it is there.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, path)
}

/// The size and digest of a file, `None` if it cannot be read.
pub(super) fn digest(path: &Path) -> Option<(u64, Digest)> {
    let mut file = File::open(path).ok()?;
    let (mut hasher, mut size, mut buffer) = (Hasher::new(), 0, vec![0; 256 * 1024]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some((size, hasher.finish())),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// Removes what neither of the last two states needs; whoever read the older one may still be opening its files.
/// Unfinished downloads stay if something failed: they can be resumed.
pub(super) fn clean(directory: &Path, states: [&State; 2], unfinished: &HashSet<String>) {
    let (mut releases, mut indices) = (HashSet::new(), HashSet::new());
    for archive in states.iter().flat_map(|state| &state.archives) {
        let (release, index) = archive.files();
        releases.extend(release.iter().map(Digest::to_string));
        indices.extend(index.iter().map(Digest::to_string));
    }
    sweep(&directory.join("release"), |name| releases.contains(name));
    sweep(&directory.join("packages"), |name| indices.contains(name));
    sweep(&partial(directory), |name| unfinished.contains(name.strip_suffix(".partial").unwrap_or(name)));
}

fn sweep(directory: &Path, keep: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(&keep) {
            // What cannot be removed now is tried again by the next update.
            let _ = fs::remove_file(entry.path());
        }
    }
}
