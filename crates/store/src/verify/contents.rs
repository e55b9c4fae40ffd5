//! Contents against the digests that they are named by.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use aleph_component::{Digest, Hasher};
use rustix::io::Errno;

use super::{Damage, Suspicions, Unit};
use crate::{
    FsError,
    error::Context,
    objects::{Object, Objects},
    parallel,
};

/// How many bytes are read at once: few enough to stay in the processor's cache until they are hashed.
const BUFFER: usize = 1 << 17;

/// What is known of the files of one file system that were hashed: content and mode by inode number.
#[derive(Debug, Default)]
pub(super) struct Inodes {
    device: u64,
    contents: HashMap<u64, (Digest, u16)>,
}

impl Inodes {
    /// Content and mode of a file that was hashed.
    pub(super) fn get(&self, device: u64, inode: u64) -> Option<(Digest, u16)> {
        if device == self.device { self.contents.get(&inode).copied() } else { None }
    }
}

/// A file as it was found.
pub(crate) struct Hashed {
    device: u64,
    inode: u64,
    pub(crate) digest: Digest,
    pub(crate) mode: u16,
    length: u64,
}

/// Hashes every content on all processors. Also gives the number of bytes read.
pub(super) fn hash_all(
    objects: &[Object],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Inodes, u64, Suspicions), FsError> {
    let done = AtomicU64::new(0);
    let hash = |buffer: &mut Vec<u8>, object: &Object| {
        let Some(expected) = object.name else { return Ok((None, Some(stray(&object.path)))) };
        let hashed = hash_file(&object.path, buffer)?;
        if let Some(Ok(hashed)) = &hashed {
            progress(done.fetch_add(hashed.length, Ordering::Relaxed) + hashed.length);
        }
        let wrong = judge(&object.path, expected, hashed.as_ref());
        Ok((hashed.and_then(Result::ok), wrong))
    };
    let results = parallel::map(objects, || vec![0; BUFFER], hash)?;
    let device = results.iter().find_map(|(hashed, _)| hashed.as_ref().map(|hashed| hashed.device));
    let mut inodes = Inodes { device: device.unwrap_or_default(), contents: HashMap::with_capacity(results.len()) };
    let mut suspicions = Suspicions::new();
    for (hashed, wrong) in results {
        suspicions.extend(wrong);
        if let Some(hashed) = hashed.filter(|hashed| hashed.device == inodes.device) {
            inodes.contents.insert(hashed.inode, (hashed.digest, hashed.mode));
        }
    }
    Ok((inodes, done.into_inner(), suspicions))
}

/// Looks at one name of the pool.
pub(super) fn look_at(path: &Path, objects: &Objects) -> Result<Option<(Unit, Damage)>, FsError> {
    let Some(expected) = objects.parse_path(path) else {
        return Ok(path.symlink_metadata().is_ok().then(|| stray(path)));
    };
    Ok(judge(path, expected, hash_file(path, &mut vec![0; BUFFER])?.as_ref()))
}

fn stray(path: &Path) -> (Unit, Damage) {
    (Unit::Content(path.to_owned()), Damage::Stray { path: path.to_owned() })
}

fn judge(
    path: &Path,
    (digest, mode): (Digest, u16),
    hashed: Option<&Result<Hashed, io::Error>>,
) -> Option<(Unit, Damage)> {
    let fine = match hashed {
        // Collected meanwhile.
        None => true,
        Some(Ok(hashed)) => (hashed.digest, hashed.mode) == (digest, mode),
        Some(Err(_)) => false,
    };
    (!fine).then(|| (Unit::Content(path.to_owned()), Damage::Content { path: path.to_owned(), digest, mode }))
}

/// Reads and hashes a file. Nothing: it is not there. An inner error: the disk cannot give back what it was given.
///
/// # Errors
/// If this process may not read it.
pub(crate) fn hash_file(path: &Path, buffer: &mut [u8]) -> Result<Option<Result<Hashed, io::Error>>, FsError> {
    let unreadable = |error: &io::Error| {
        // EIO and its like; the rest is no fault of the store's.
        !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Interrupted)
            && ![Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).map(Some).contains(&error.raw_os_error())
    };
    match hash(path, buffer) {
        Ok(hashed) => Ok(Some(Ok(hashed))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if unreadable(&error) => Ok(Some(Err(error))),
        Err(error) => Err(error).context("read", path),
    }
}

fn hash(path: &Path, buffer: &mut [u8]) -> io::Result<Hashed> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let (mut hasher, mut length) = (Hasher::new(), 0);
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                length += read as u64;
                // The length is known: no need to ask for the end.
                if length == metadata.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (device, inode) = (metadata.dev(), metadata.ino());
    Ok(Hashed { device, inode, digest: hasher.finish(), mode: mode_of(&metadata), length })
}

fn mode_of(metadata: &fs::Metadata) -> u16 {
    (metadata.permissions().mode() & 0o7777) as u16
}
