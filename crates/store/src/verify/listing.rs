//! Names against the listing that they should follow.

use std::{
    collections::HashMap,
    ffi::CStr,
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use aleph_component::{Entry, Node};
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat, statat},
    io::Errno,
};

use super::{
    Damage,
    contents::{Inodes, hash_file},
};
use crate::{
    FsError,
    error::Context,
    layout::{LINKS, META},
    objects::Objects,
    stage::SEALED,
    tree::tree_mode,
};

/// What a listing is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A component; what is in its [`META`] is another listing's business.
    Component,
    /// The control files of a component.
    Control,
    /// A package; its links are judged with all others.
    Package,
    /// A composed tree.
    Tree,
}

impl Kind {
    /// The name at the top that is not in the listing.
    fn apart(self) -> Option<&'static str> {
        match self {
            Self::Component => Some(META),
            Self::Package => Some(LINKS),
            Self::Control | Self::Tree => None,
        }
    }

    /// The mode that a directory recorded with `mode` has.
    fn directory_mode(self, mode: u16) -> u16 {
        if self == Self::Tree { tree_mode(mode) } else { SEALED }
    }
}

/// Checks that `root` holds just what `entries` say.
///
/// A name that vanishes meanwhile counts as missing.
pub(super) fn verify_listing(
    root: &Path,
    (kind, entries): (Kind, &[Entry]),
    (inodes, objects): (&Inodes, &Objects),
    damage: &mut Vec<Damage>,
) -> Result<(), FsError> {
    let listed = entries.iter().map(|entry| (entry.path.as_str(), &entry.node)).collect();
    let mut walk = Walk { root, kind, listed, inodes, objects, damage, seen: 0, todo: Vec::new(), buffer: Vec::new() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(CWD, root, flags, Mode::empty()) {
        Ok(top) => walk.everything(top)?,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
        Err(error) => return Err(error).context("read", root),
    }
    if walk.seen < entries.len() {
        let missing = entries.iter().map(|entry| root.join(&entry.path));
        let missing = missing.filter(|path| fs::symlink_metadata(path).is_err());
        damage.extend(missing.map(|path| Damage::Name { path }));
    }
    Ok(())
}

struct Walk<'a> {
    root: &'a Path,
    kind: Kind,
    listed: HashMap<&'a str, &'a Node>,
    inodes: &'a Inodes,
    objects: &'a Objects,
    damage: &'a mut Vec<Damage>,
    seen: usize,
    /// Directories that are still to be looked at: their paths below the root, and their recorded modes.
    todo: Vec<(String, u16)>,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    /// Looks at everything below an open root, with no more than one other directory open at a time.
    fn everything(&mut self, top: OwnedFd) -> Result<(), FsError> {
        self.directory(&top, &mut String::new(), 0o755)?;
        while let Some((mut path, mode)) = self.todo.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            match openat2(&top, &*path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
                Ok(open) => {
                    path.push('/');
                    self.directory(&open, &mut path, mode)?;
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    self.damage.push(Damage::Name { path: self.root.join(path) });
                }
                Err(error) => return Err(error).context("read", self.root.join(path)),
            }
        }
        Ok(())
    }

    /// Looks at an open directory and everything in it. `path` is its path below the root, with a `/` at the end.
    fn directory(&mut self, directory: &OwnedFd, path: &mut String, mode: u16) -> Result<(), FsError> {
        let stat = fstat(directory).context("read", self.root.join(&*path))?;
        let (device, length) = (stat.st_dev, path.len());
        self.damage
            .extend(judge_mode(&stat, self.kind.directory_mode(mode), || self.root.join(path.trim_end_matches('/'))));
        for entry in Dir::read_from(directory).context("read", self.root.join(&*path))? {
            let entry = match entry {
                Err(Errno::NOENT) => break,
                entry => entry.context("read", self.root.join(&*path))?,
            };
            let name = entry.file_name();
            let is_apart = length == 0 && self.kind.apart().is_some_and(|apart| name.to_bytes() == apart.as_bytes());
            if is_apart || [c".", c".."].contains(&name) {
                continue;
            }
            path.push_str(&name.to_string_lossy());
            match self.listed.get(path.as_str()) {
                None => self.damage.push(Damage::Stray { path: self.root.join(&*path) }),
                Some(node) => {
                    self.seen += 1;
                    if let Node::Directory { mode } = node {
                        self.todo.push((path.clone(), *mode));
                    } else {
                        let wrong = self.judge(directory, name, path, node, (device, entry.ino(), entry.file_type()));
                        self.damage.extend(wrong?);
                    }
                }
            }
            path.truncate(length);
        }
        Ok(())
    }

    /// What is wrong with one name that should be no directory. `hint` is what reading the directory told of it: its
    /// device, inode and kind.
    fn judge(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        path: &str,
        node: &Node,
        (device, inode, kind): (u64, u64, FileType),
    ) -> Result<Option<Damage>, FsError> {
        let full = || self.root.join(path);
        let fine = match node {
            Node::Directory { .. } => false,
            Node::Symlink { target } => match readlinkat(directory, name, std::mem::take(&mut self.buffer)) {
                Ok(found) => {
                    let fine = found.as_bytes() == target.as_bytes();
                    self.buffer = found.into_bytes();
                    fine
                }
                Err(_) => false,
            },
            Node::Absent => is_whiteout(directory.as_fd(), name),
            Node::File { digest, mode, .. } => {
                let expected = (*digest, Node::stored_mode(*mode));
                // The pool's own inode was hashed already.
                if kind == FileType::RegularFile && self.inodes.get(device, inode) == Some(expected) {
                    return Ok(None);
                }
                return self.judge_file(directory, name, full(), (*digest, *mode));
            }
        };
        Ok((!fine).then(|| Damage::Name { path: full() }))
    }

    /// Judges a file whose inode, as the directory tells it, is not the pool's for its content: on some file systems
    /// that tells nothing, and an inode that had too many names left the pool.
    fn judge_file(
        &self,
        directory: &OwnedFd,
        name: &CStr,
        path: PathBuf,
        (digest, mode): (aleph_component::Digest, u16),
    ) -> Result<Option<Damage>, FsError> {
        let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(Some(Damage::Name { path }));
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(Some(Damage::Name { path }));
        }
        let found = match self.inodes.get(stat.st_dev, stat.st_ino) {
            Some(found) => Some(found),
            None => {
                let hashed = hash_file(&path, &mut vec![0; 1 << 16])?;
                hashed.and_then(Result::ok).map(|hashed| (hashed.digest, hashed.mode))
            }
        };
        let fine = found == Some((digest, Node::stored_mode(mode)));
        if !fine {
            return Ok(Some(Damage::Content { path, digest, mode }));
        }
        // Nothing could be made from it any more.
        let pooled = self.objects.path(&digest, mode);
        Ok((!pooled.exists()).then_some(Damage::Name { path: pooled }))
    }
}

/// What is wrong with the mode of a directory.
pub(super) fn judge_mode(stat: &Stat, mode: u16, path: impl FnOnce() -> PathBuf) -> Option<Damage> {
    (stat.st_mode & 0o7777 != u32::from(mode)).then(|| Damage::Mode { path: path(), mode })
}

fn is_whiteout(directory: BorrowedFd<'_>, name: &CStr) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0)
}
