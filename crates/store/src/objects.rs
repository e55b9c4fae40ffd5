//! The pool of file contents: one inode for each content and mode, shared by hard links.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use aleph_component::{Digest, Node};
use rustix::{
    fs::{AtFlags, CWD, linkat},
    io::Errno,
};

use crate::{
    error::{Context, FsError},
    layout::Layout,
};

/// The pool. `objects/ab/<62 digits>-<mode>` holds the content whose digest is `ab<62 digits>`, with mode `<mode>` in
/// octal.
#[derive(Debug)]
pub struct Objects {
    root: PathBuf,
    tmp: PathBuf,
    serial: AtomicU64,
}

/// What became of a file that was offered to the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shared {
    /// The pool had nothing of this content; it now shares the file's inode.
    New,
    /// The pool had it.
    Known,
}

impl Objects {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { root: layout.objects(), tmp: layout.tmp(), serial: AtomicU64::new(0) }
    }

    /// Where the content `digest` with recorded mode `mode` is or would be.
    pub fn path(&self, digest: &Digest, mode: u16) -> PathBuf {
        let hex = digest.to_string();
        self.root.join(&hex[..2]).join(format!("{}-{:o}", &hex[2..], Node::stored_mode(mode)))
    }

    /// Reads a pool file's name back: its digest and mode.
    pub(crate) fn parse(shard: &str, name: &str) -> Option<(Digest, u16)> {
        let (rest, mode) = name.split_once('-')?;
        Some((format!("{shard}{rest}").parse().ok()?, u16::from_str_radix(mode, 8).ok()?))
    }

    /// What the name of a path in the pool says that it holds.
    pub(crate) fn parse_path(&self, path: &Path) -> Option<(Digest, u16)> {
        let mut parts = path.strip_prefix(&self.root).ok()?.iter();
        let (shard, name) = (parts.next()?.to_str()?, parts.next()?.to_str()?);
        Self::parse(shard, name).filter(|_| path.symlink_metadata().map_or(true, |metadata| metadata.is_file()))
    }

    /// Gives the content another name: `name` in `directory`.
    ///
    /// When the inode has as many names as the file system allows (65,000 on ext4), the pool moves to a fresh copy.
    ///
    /// # Errors
    /// If the pool does not hold it, or the name cannot be made.
    pub fn link(&self, digest: &Digest, mode: u16, directory: BorrowedFd<'_>, name: &Path) -> Result<(), FsError> {
        let object = self.path(digest, mode);
        self.link_from(&object, directory, name)
    }

    fn link_from(&self, object: &Path, directory: BorrowedFd<'_>, name: &Path) -> Result<(), FsError> {
        match linkat(CWD, object, directory, name, AtFlags::empty()) {
            Err(Errno::MLINK) => {
                self.renew(object)?;
                linkat(CWD, object, directory, name, AtFlags::empty()).context("link", name)
            }
            result => result.context("link", name),
        }
    }

    /// Whether the pool has the content, with this length: a power failure may have cut it short.
    pub(crate) fn holds(&self, digest: &Digest, mode: u16, size: u64) -> bool {
        has_length(&self.path(digest, mode), size)
    }

    /// Links the content to `name` if the pool has it with this size.
    pub(crate) fn link_if_known(
        &self,
        (digest, mode, size): (&Digest, u16, u64),
        directory: BorrowedFd<'_>,
        name: &Path,
    ) -> Result<bool, FsError> {
        let object = self.path(digest, mode);
        if !has_length(&object, size) {
            return Ok(false);
        }
        match self.link_from(&object, directory, name) {
            Ok(()) => Ok(true),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Offers a finished file, `name` in `directory`, to the pool. If the pool has its content already, the name is
    /// made to share the pool's inode.
    pub(crate) fn share(
        &self,
        (digest, mode, size): (&Digest, u16, u64),
        directory: BorrowedFd<'_>,
        name: &Path,
    ) -> Result<Shared, FsError> {
        let object = self.path(digest, mode);
        loop {
            match linkat(directory, name, CWD, &object, AtFlags::empty()) {
                Ok(()) => return Ok(Shared::New),
                Err(Errno::NOENT) => {
                    let shard = object.parent().expect("objects are in shards");
                    crate::fs::make_directory(shard)?;
                }
                Err(Errno::EXIST) => {
                    let pooled = fs::symlink_metadata(&object).context("read", &object)?;
                    if pooled.len() != size {
                        // Cut short by a power failure or by hand; `store verify` finds the other kinds of damage.
                        fs::remove_file(&object).context("remove", &object)?;
                        continue;
                    }
                    rustix::fs::unlinkat(directory, name, AtFlags::empty()).context("remove", name)?;
                    self.link_from(&object, directory, name)?;
                    return Ok(Shared::Known);
                }
                Err(error) => return Err(error).context("link", &object),
            }
        }
    }

    /// Replaces a pool file by a copy with a fresh inode.
    fn renew(&self, object: &Path) -> Result<(), FsError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let copy = self.tmp.join(format!("object-{}-{serial}", std::process::id()));
        let renewed = || {
            let metadata = fs::metadata(object)?;
            fs::copy(object, &copy)?;
            fs::set_permissions(&copy, metadata.permissions())?;
            let file = File::open(&copy)?;
            rustix::fs::futimens(file.as_fd(), &crate::fs::EPOCH)?;
            file.sync_all()?;
            fs::rename(&copy, object)
        };
        renewed().context("renew", object)
    }
}

fn has_length(object: &Path, size: u64) -> bool {
    fs::symlink_metadata(object).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// A file of the pool.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What its name says it holds, if the name is one of ours.
    pub(crate) name: Option<(Digest, u16)>,
}

impl Objects {
    /// Every name in the pool. What vanishes meanwhile is passed over.
    pub(crate) fn list(&self) -> Result<Vec<Object>, FsError> {
        let mut objects = Vec::new();
        for shard in fs::read_dir(&self.root).context("read", &self.root)? {
            let shard = shard.context("read", &self.root)?;
            if !shard.file_type().context("read", shard.path())?.is_dir() {
                objects.push(Object { path: shard.path(), name: None });
                continue;
            }
            let prefix = shard.file_name().to_string_lossy().into_owned();
            for entry in fs::read_dir(shard.path()).context("read", shard.path())? {
                let entry = entry.context("read", shard.path())?;
                let name = Self::parse(&prefix, &entry.file_name().to_string_lossy());
                let name = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file()));
                objects.push(Object { path: entry.path(), name });
            }
        }
        Ok(objects)
    }

    /// How many contents there are, and their length in bytes.
    pub(crate) fn measure(&self) -> Result<(u64, u64), FsError> {
        let objects = self.list()?;
        let length = |object: &Object| match fs::symlink_metadata(&object.path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).context("read", &object.path),
        };
        let lengths = crate::parallel::map(&objects, || (), |(), object| length(object))?;
        Ok((objects.len() as u64, lengths.into_iter().sum()))
    }
}
