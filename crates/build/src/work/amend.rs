//! Making a tree that a cluster put in place what its listing says.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use aleph_component::{Entry, Node};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

/// When everything in a store was changed last, as far as it is told.
const TIME: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A tree is not what its listing says, and cannot be made so.
#[derive(Debug, thiserror::Error)]
#[error("cannot make `{}` what its listing says", path.display())]
pub struct AmendError {
    path: PathBuf,
    source: io::Error,
}

/// Makes the tree `staged` what `entries` say, parents before what is in them, as far as that may be done in place: a file that
/// has other names may be a cluster's own. What may not, or is no matter of clusters (links that lead anywhere, names that hide others), goes
/// into the directory `over`, which is to be laid over it.
///
/// # Errors
/// If something is missing, or cannot be made.
pub fn amend(entries: &[Entry], staged: &Path, over: &Path) -> Result<(), AmendError> {
    let amend = Amend { staged, over, uid: rustix::process::geteuid().as_raw(), modes: modes(entries) };
    entries.iter().try_for_each(|entry| {
        let path = entry.path.as_str();
        let failed = |source| AmendError { path: staged.join(path), source };
        match &entry.node {
            Node::Directory { mode } => amend.directory(path, (*mode).into()),
            Node::File { size, mode, .. } => amend.file(path, *size, (*mode).into()),
            Node::Symlink { target } => amend.link(path, target),
            Node::Absent => amend.hide(path),
        }
        .map_err(failed)
    })
}

fn modes(entries: &[Entry]) -> HashMap<&str, u32> {
    let mode = |entry: &Entry| match entry.node {
        Node::Directory { mode } => Some(u32::from(mode)),
        _ => None,
    };
    entries.iter().filter_map(|entry| Some((entry.path.as_str(), mode(entry)?))).collect()
}

struct Amend<'a> {
    staged: &'a Path,
    over: &'a Path,
    uid: u32,
    modes: HashMap<&'a str, u32>,
}

impl Amend<'_> {
    fn directory(&self, path: &str, mode: u32) -> io::Result<()> {
        let place = self.staged.join(path);
        match fs::symlink_metadata(&place) {
            Ok(found) if !found.is_dir() => Err(io::Error::other("it is no directory")),
            Ok(found) if found.uid() == self.uid => {
                let done = found.mode() & 0o7777 == mode || set_mode(&place, mode).is_ok();
                if done { Ok(()) } else { self.make(path) }
            }
            Ok(_) => self.make(path),
            // An empty one need not have been put in place.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(path),
            Err(error) => Err(error),
        }
    }

    fn file(&self, path: &str, size: u64, mode: u32) -> io::Result<()> {
        let place = self.staged.join(path);
        let found = fs::symlink_metadata(&place)?;
        if !found.is_file() || found.len() != size {
            return Err(io::Error::other("it is another file"));
        }
        let is_own = found.uid() == self.uid && found.nlink() == 1;
        let is_right = |mode_found: u32| found.uid() == self.uid && mode_found & 0o7777 == mode;
        if is_right(found.mode()) || (is_own && set_mode(&place, mode).is_ok()) {
            if is_own {
                // Where it cannot be set, it is the time at which everything was put in place: before anything is built.
                let _ = rustix::fs::utimensat(CWD, &place, &TIMES, AtFlags::SYMLINK_NOFOLLOW);
            }
            return Ok(());
        }
        let copy = self.place(path)?;
        fs::copy(&place, &copy)?;
        set_mode(&copy, mode)?;
        Ok(rustix::fs::utimensat(CWD, &copy, &TIMES, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn link(&self, path: &str, target: &str) -> io::Result<()> {
        match fs::read_link(self.staged.join(path)) {
            Ok(found) if found.as_os_str() == target => Ok(()),
            _ => symlink(target, self.place(path)?),
        }
    }

    fn hide(&self, path: &str) -> io::Result<()> {
        let place = self.place(path)?;
        Ok(rustix::fs::mknodat(CWD, &place, FileType::CharacterDevice, Mode::empty(), 0)?)
    }

    /// Where a name is in the directory that is laid over; the directories above are made.
    fn place(&self, path: &str) -> io::Result<PathBuf> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make(parent)?;
        }
        Ok(self.over.join(path))
    }

    /// Makes a directory in that which is laid over, and those above.
    fn make(&self, path: &str) -> io::Result<()> {
        let place = self.place(path)?;
        match fs::create_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.and_then(|()| set_mode(&place, self.modes.get(path).copied().unwrap_or(0o755))),
        }
    }
}

const TIMES: Timestamps = Timestamps { last_access: TIME, last_modification: TIME };

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use aleph_component::{Digest, Owner, TreePath};

    use super::*;

    fn entry(path: &str, node: Node) -> Entry {
        Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node }
    }

    fn file(path: &str, text: &str, mode: u16) -> Entry {
        entry(path, Node::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, mode })
    }

    #[test]
    fn what_a_cluster_does_not_carry_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let (staged, over) = (directory.path().join("staged"), directory.path().join("over"));
        fs::create_dir_all(staged.join("d")).unwrap();
        fs::create_dir(&over).unwrap();
        for (name, text) in [("d/own", "a"), ("d/shared", "bb")] {
            fs::write(staged.join(name), text).unwrap();
            set_mode(&staged.join(name), 0o644).unwrap();
        }
        // As a cluster does that keeps its contents beside: such a file is not ours to change.
        fs::hard_link(staged.join("d/shared"), directory.path().join("cache")).unwrap();
        let entries = [
            entry("d", Node::Directory { mode: 0o1777 }),
            entry("d/gone", Node::Absent),
            entry("d/link", Node::Symlink { target: "/etc/x".into() }),
            file("d/own", "a", 0o444),
            file("d/shared", "bb", 0o555),
            entry("empty", Node::Directory { mode: 0o700 }),
        ];
        amend(&entries, &staged, &over).unwrap();
        let mode = |path: PathBuf| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(staged.join("d/own")), 0o444);
        assert_eq!(fs::symlink_metadata(staged.join("d/own")).unwrap().mtime(), 1);
        assert_eq!(mode(directory.path().join("cache")), 0o644);
        assert_eq!(mode(over.join("d")), 0o1777);
        assert_eq!((mode(over.join("d/shared")), fs::read(over.join("d/shared")).unwrap()), (0o555, b"bb".to_vec()));
        assert_eq!(mode(over.join("empty")), 0o700);
        assert_eq!(fs::read_link(over.join("d/link")).unwrap(), Path::new("/etc/x"));
        let kind = Command::new("stat").args(["-c", "%F %t:%T"]).arg(over.join("d/gone")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&kind.stdout).trim(), "character special file 0:0");
        assert!(!over.join("d/own").exists());
    }

    #[test]
    fn what_is_missing_or_another_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let over = directory.path().join("over");
        fs::create_dir(&over).unwrap();
        fs::write(directory.path().join("long"), "more").unwrap();
        for entry in [file("none", "a", 0o444), file("long", "a", 0o444), file("over", "a", 0o444)] {
            assert!(amend(std::slice::from_ref(&entry), directory.path(), &over).is_err(), "{entry:?}");
        }
    }
}
