//! Composed trees: links into the pool, laid out as a listing says. Composing one costs links, not bytes.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    thread,
};

use aleph_component::{Digest, Entry, ManifestError, Node, TreeId, TreePath, read_listing, write_listing};
use rustix::{
    fs::{Advice, AtFlags, CWD, Mode, OFlags, RenameFlags, chmodat, mkdirat, openat, renameat_with, symlinkat},
    io::Errno,
};

use crate::{
    FsError, Staging, Store, StoreError, WriteLock,
    error::Context,
    fs::{make_directory, read_if_there},
    objects::{Objects, Shared},
    stage::write,
};

/// What the marks in `tmp/` begin with that name trees which were not synced yet.
const UNSYNCED: &str = "unsynced-";

/// The marks in `tmp/` with the trees that they name.
pub(crate) fn unsynced(tmp: &Path) -> Result<Vec<(PathBuf, TreeId)>, FsError> {
    let mut marks = Vec::new();
    for entry in fs::read_dir(tmp).context("read", tmp)? {
        let entry = entry.context("read", tmp)?;
        let name = entry.file_name();
        if let Some(Ok(tree)) = name.to_str().and_then(|name| name.strip_prefix(UNSYNCED)).map(str::parse) {
            marks.push((entry.path(), tree));
        }
    }
    Ok(marks)
}

impl Store {
    /// Makes the tree that `entries` (sorted by path, every directory before what is in it) describe, unless it is
    /// there. An [`Node::Absent`] becomes a whiteout as overlayfs knows it. The contents must be in the pool.
    ///
    /// Nothing is synced here: whoever makes the tree reachable syncs first ([`Store::sync`]). Until then a mark says that
    /// the tree may not outlive a power failure, and whoever cleans up after one makes away with it.
    ///
    /// # Errors
    /// If something cannot be made, or the pool lacks a content.
    pub fn write_tree(&self, lock: &WriteLock, entries: &[Entry]) -> Result<TreeId, StoreError> {
        let listing = write_listing(entries);
        let id = TreeId::from_digest(Digest::of(listing.as_bytes()));
        let target = self.layout().tree(&id);
        if target.exists() {
            return Ok(id);
        }
        let staging = self.stage(lock)?;
        let directory = staging.fresh();
        self.fill_tree(&directory, &listing, entries)?;
        let mark = self.layout().tmp().join(format!("{UNSYNCED}{id}"));
        File::create(&mark).context("create", mark)?;
        match renameat_with(CWD, &directory, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => Ok(id),
            Err(error) => Err(Err::<(), _>(error).context("move into place", target).unwrap_err().into()),
        }
    }

    /// Makes what `entries` (as for [`Store::write_tree`]) describe below the new directory `root`, outside of the store but
    /// on its file system. It stays whole whatever is collected meanwhile.
    ///
    /// # Errors
    /// If something cannot be made, or the pool lacks a content.
    pub fn plant(&self, root: &Path, entries: &[Entry]) -> Result<(), StoreError> {
        make_directory(root)?;
        make_directories(root, entries)?;
        Ok(fill(self.objects(), root, entries)?)
    }

    /// Writes a tree's directory: its listing and what that says.
    pub(crate) fn fill_tree(&self, directory: &Path, listing: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let root = directory.join("root");
        make_directory(directory)?;
        make_directory(&root)?;
        write(&directory.join("listing"), listing.as_bytes())?;
        make_directories(&root, entries)?;
        Ok(fill(self.objects(), &root, entries)?)
    }

    /// Puts `bytes` into the pool, for a tree that will use them, and returns their digest.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_content(&self, lock: &WriteLock, bytes: &[u8], mode: u16) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.objects().holds(&digest, mode, bytes.len() as u64) {
            self.put_known_content(&self.stage(lock)?, (&digest, mode), bytes)?;
        }
        Ok(digest)
    }

    /// The same for bytes whose digest is known.
    pub(crate) fn put_known_content(
        &self,
        staging: &Staging<'_>,
        (digest, mode): (&Digest, u16),
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if self.objects().holds(digest, mode, bytes.len() as u64) {
            return Ok(());
        }
        let path = staging.fresh();
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            // Linux takes it as a wish to begin writing it out. The sync that comes later waits the less.
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
            Ok(())
        };
        write().context("write", &path)?;
        Ok(self.take_content(&path, (digest, mode, bytes.len() as u64))?)
    }

    /// Moves the file at `path`, whose content and length the caller has just read, into the pool.
    ///
    /// # Errors
    /// If its mode or time cannot be set, or it cannot be linked.
    pub fn take_content(&self, path: &Path, content: (&Digest, u16, u64)) -> Result<(), FsError> {
        let mode = fs::Permissions::from_mode(Node::stored_mode(content.1).into());
        fs::set_permissions(path, mode).context("set the mode of", path)?;
        crate::fs::normalise_time(path)?;
        match self.objects().share(content, CWD, path)? {
            Shared::New | Shared::Known => fs::remove_file(path).context("remove", path),
        }
    }

    /// Makes everything written so far durable, before something points to it.
    ///
    /// # Errors
    /// If the kernel reports that something could not be written.
    pub fn sync(&self, lock: &WriteLock) -> Result<(), StoreError> {
        Ok(lock.sync()?)
    }

    /// The entries of a tree.
    ///
    /// # Errors
    /// If it is not there or its listing does not read.
    pub fn tree_entries(&self, id: &TreeId) -> Result<Vec<Entry>, StoreError> {
        let directory = self.layout().tree(id);
        let path = directory.join("listing");
        let bytes = read_if_there(&path)?.unwrap_or_default();
        listed(&bytes).map_err(|source| StoreError::Manifest { path: directory, source })
    }
}

/// The entries that the bytes of a tree's listing say.
pub(crate) fn listed(bytes: &[u8]) -> Result<Vec<Entry>, ManifestError> {
    Ok(read_listing(std::str::from_utf8(bytes)?)?)
}

/// The bits that a tree gives a directory recorded with `mode`: never set-id, and never closed to its owner.
pub const fn tree_mode(mode: u16) -> u16 {
    mode & 0o1777 | 0o700
}

fn make_directories(root: &Path, entries: &[Entry]) -> Result<(), FsError> {
    let top = File::open(root).context("open", root)?;
    for entry in entries {
        if let Node::Directory { mode } = entry.node {
            let (path, mode) = (entry.path.as_str(), Mode::from_raw_mode(tree_mode(mode).into()));
            // The umask has its way with the one, not with the other.
            mkdirat(&top, path, mode)
                .and_then(|()| chmodat(&top, path, mode, AtFlags::empty()))
                .context("create", root.join(path))?;
        }
    }
    Ok(())
}

/// Makes everything that is not a directory, on as many threads as there are processors.
fn fill(objects: &Objects, root: &Path, entries: &[Entry]) -> Result<(), FsError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(entries.len() / 512 + 1);
    let share = entries.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = entries
            .chunks(share)
            .map(|chunk| scope.spawn(move || fill_chunk(objects, root, chunk, &mut make_symlink)))
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// Neighbours in a sorted listing share their directory, so it is opened once for all of them.
pub(crate) fn fill_chunk(
    objects: &Objects,
    root: &Path,
    entries: &[Entry],
    symlink: MakeSymlink<'_>,
) -> Result<(), FsError> {
    let top = File::open(root).context("open", root)?;
    let mut current: Option<(&str, std::os::fd::OwnedFd)> = None;
    for entry in entries {
        if matches!(entry.node, Node::Directory { .. }) {
            continue;
        }
        let Some(parent) = entry.path.parent() else {
            make(objects, top.as_fd(), entry, symlink)?;
            continue;
        };
        if current.as_ref().is_none_or(|(open, _)| *open != parent) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            current = Some((parent, openat(&top, parent, flags, Mode::empty()).context("open", root.join(parent))?));
        }
        let (_, directory) = current.as_ref().expect("it was just opened");
        make(objects, directory.as_fd(), entry, symlink)?;
    }
    Ok(())
}

/// Makes a symbolic link with a target, at a path below the root, which is in this directory.
pub(crate) type MakeSymlink<'a> = &'a mut dyn FnMut(&str, BorrowedFd<'_>, &TreePath) -> rustix::io::Result<()>;

fn make_symlink(target: &str, directory: BorrowedFd<'_>, path: &TreePath) -> rustix::io::Result<()> {
    symlinkat(target, directory, path.file_name())
}

fn make(objects: &Objects, directory: BorrowedFd<'_>, entry: &Entry, symlink: MakeSymlink<'_>) -> Result<(), FsError> {
    let name = entry.path.file_name();
    match &entry.node {
        Node::Directory { .. } => Ok(()),
        Node::File { digest, mode, .. } => objects.link(digest, *mode, directory, name.as_ref()),
        Node::Symlink { target } => symlink(target, directory, &entry.path).context("create", entry.path.as_str()),
        Node::Absent => crate::fs::whiteout(directory, name.as_ref()),
    }
}
