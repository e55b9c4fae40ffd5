//! A file that is being downloaded: locked, resumable, named only when it is right.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_component::{Digest, Hasher};

use super::{error::FetchError, fetcher::Expected};

const CHUNK: usize = 64 * 1024;
const POLL: Duration = Duration::from_millis(50);

/// The `.partial` file beside a target. Whoever holds it is the only one, in all processes, who downloads that target.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: File,
    hasher: Hasher,
    len: u64,
}

/// What taking hold of a target led to.
pub(super) enum Acquired {
    /// The target is there and right.
    Complete,
    /// It is ours to download.
    Partial(Partial),
}

impl Partial {
    /// Takes hold of `target`, waiting for whoever has it; calls `waiting` once if that is so, and `stopped` while it is.
    pub(super) fn acquire(
        target: &Path,
        expected: &Expected,
        mut waiting: impl FnMut(),
        stopped: impl Fn() -> bool,
    ) -> Result<Option<Acquired>, FetchError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let mut told = false;
        loop {
            let file = open(&path)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::Error(source)) => return Err(failed(&path, "locked", source)),
                    Err(TryLockError::WouldBlock) if stopped() => return Ok(None),
                    Err(TryLockError::WouldBlock) => {
                        if !told {
                            waiting();
                            told = true;
                        }
                        std::thread::sleep(POLL);
                    }
                }
            }
            // While we waited the file may have been finished and renamed, or removed; then ours is not the one others
            // see.
            let ours = file.metadata().map_err(|source| failed(&path, "read", source))?;
            if !fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                if is_complete(target, expected)? {
                    return Ok(Some(Acquired::Complete));
                }
                continue;
            }
            let mut partial = Self { path, target: target.to_owned(), file, hasher: Hasher::new(), len: 0 };
            if is_complete(target, expected)? {
                partial.remove();
                return Ok(Some(Acquired::Complete));
            }
            partial.load(expected)?;
            return Ok(Some(Acquired::Partial(partial)));
        }
    }

    /// How many bytes are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The digest of the bytes that are there.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Forgets the bytes that are there.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(|source| failed(&self.path, "emptied", source))?;
        self.hasher = Hasher::new();
        self.len = 0;
        Ok(())
    }

    /// Adds bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|source| failed(&self.path, "written", source))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name; it is complete and right.
    pub(super) fn promote(self) -> Result<(), FetchError> {
        self.file.sync_data().map_err(|source| failed(&self.path, "synced", source))?;
        fs::rename(&self.path, &self.target).map_err(|source| failed(&self.target, "named", source))
    }

    /// Removes the file; what it holds is of no use.
    pub(super) fn remove(self) {
        // If this fails the next attempt finds out.
        let _ = fs::remove_file(&self.path);
    }

    /// Hashes what an earlier attempt left. Without a digest to check against nothing can be resumed.
    fn load(&mut self, expected: &Expected) -> Result<(), FetchError> {
        let len = self.file.metadata().map_err(|source| failed(&self.path, "read", source))?.len();
        if expected.digest.is_none() || len > expected.limit() {
            return self.restart();
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = self.file.read(&mut buffer).map_err(|source| failed(&self.path, "read", source))?;
            if read == 0 {
                break;
            }
            self.hasher.update(&buffer[..read]);
            self.len += read as u64;
        }
        self.file.seek(SeekFrom::Start(self.len)).map_err(|source| failed(&self.path, "read", source))?;
        Ok(())
    }
}

/// True if `target` is there with the size and digest expected. Without a digest it never is: it may be old.
pub(super) fn is_complete(target: &Path, expected: &Expected) -> Result<bool, FetchError> {
    let Some(digest) = expected.digest else { return Ok(false) };
    let mut file = match File::open(target) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed(target, "opened", source)),
    };
    let metadata = file.metadata().map_err(|source| failed(target, "read", source))?;
    if !metadata.is_file() || expected.size.is_some_and(|size| size != metadata.len()) {
        return Ok(false);
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(|source| failed(target, "read", source))? {
            0 => return Ok(hasher.finish() == digest),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn open(path: &Path) -> Result<File, FetchError> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let result = match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent).and_then(|()| open())
        }
        (result, _) => result,
    };
    result.map_err(|source| failed(path, "opened", source))
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> FetchError {
    FetchError::Io { path: path.to_owned(), action, source }
}
