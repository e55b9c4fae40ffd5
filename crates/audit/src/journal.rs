//! Who did what to a store and its views: a file that only grows, in which each line names the digest of the line before.
//!
//! A line that was changed, taken out or put in breaks the chain; lines that were cut off at the end are missed by a second
//! file, which says how far the journal had come. Who may write to the store may also make both anew from the beginning: that
//! shows only to who kept a digest elsewhere, and `aleph audit log` prints the last one for that.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aleph_component::Digest;
use aleph_store::replace;
use serde::{Deserialize, Serialize};

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in seconds since the epoch.
    pub at: i64,
    /// Who, by user name.
    pub by: String,
    /// What, in a word: `switch`, `import`, `build`, `gc`, …
    pub did: String,
    /// The view, if it was done to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The rest, in words.
    pub what: String,
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Line {
    n: u64,
    #[serde(flatten)]
    entry: Entry,
    before: Digest,
}

/// How far the journal had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of entries.
    pub entries: u64,
    /// The digest of the last line.
    pub digest: Digest,
    /// The length of the journal, in bytes.
    length: u64,
}

/// What a journal says.
#[derive(Debug)]
pub struct Journal {
    /// Its entries, the oldest first.
    pub entries: Vec<Entry>,
    /// How far it goes.
    pub head: Head,
    /// What is wrong with it, if something is.
    pub broken: Option<String>,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be {what}: `{}`", path.display())]
pub struct JournalError {
    what: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

fn path(root: &Path) -> PathBuf {
    root.join("audit/journal")
}

fn head_path(root: &Path) -> PathBuf {
    root.join("audit/journal.head")
}

impl Head {
    const BEGINNING: Self = Self { entries: 0, digest: Digest::from_bytes([0; 32]), length: 0 };
}

impl Journal {
    /// Reads a store's and follows its chain.
    ///
    /// # Errors
    /// If it cannot be read. That it is broken is no error.
    pub fn read(root: &Path) -> Result<Self, JournalError> {
        let failed = |path: PathBuf| move |source| JournalError { what: "read", path, source };
        let bytes = read(&path(root)).map_err(failed(path(root)))?.unwrap_or_default();
        let told = Told::read(root).map_err(failed(head_path(root)))?;
        let mut journal = Self { entries: Vec::new(), head: Head::BEGINNING, broken: None };
        let mut is_told = matches!(told, Told::Head(head) if head == journal.head);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some((b'\n', text)) = line.split_last() else {
                // Its writer was killed: it was never done.
                break;
            };
            let number = journal.head.entries + 1;
            match serde_json::from_slice::<Line>(text) {
                Ok(read) if read.n == number && read.before == journal.head.digest => journal.entries.push(read.entry),
                _ => {
                    journal.broken = Some(format!("entry {number} does not follow from the one before"));
                    return Ok(journal);
                }
            }
            let length = journal.head.length + line.len() as u64;
            journal.head = Head { entries: number, digest: Digest::of(text), length };
            is_told |= matches!(told, Told::Head(head) if head == journal.head);
        }
        journal.broken = match told {
            Told::Head(_) if is_told => None,
            Told::Head(told) if told.entries > journal.head.entries => {
                Some(format!("{} of its {} entries are gone", told.entries - journal.head.entries, told.entries))
            }
            Told::Head(told) => Some(format!("entry {} is another than it was", told.entries)),
            // Who wrote the first entry may have been killed before that was told.
            Told::Nothing if journal.head.entries <= 1 => None,
            Told::Nothing => Some("what tells how far it goes is gone".to_owned()),
            Told::Nonsense => Some("what tells how far it goes does not read".to_owned()),
        };
        Ok(journal)
    }

    /// Adds an entry to a store's; the caller holds the store's lock. What a killed writer left of a line goes. Where the
    /// journal is broken nothing of it goes, and it stays broken.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(root: &Path, entry: Entry) -> Result<(), JournalError> {
        let path = path(root);
        let append = || -> std::io::Result<()> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            // Whatever the umask: who may read the store may read this.
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            let length = file.metadata()?.len();
            let head = match Told::read(root)? {
                // As it is but after something went wrong: nothing else has to be read.
                Told::Head(head) if head.length == length => head,
                told => {
                    let journal = Self::read(root).map_err(|error| error.source)?;
                    match (journal.broken, told) {
                        (None, _) => {
                            file.set_len(journal.head.length)?;
                            journal.head
                        }
                        // As many entries as there were are missed in front of this one.
                        (Some(_), Told::Head(head)) => Head { length, ..head },
                        (Some(_), Told::Nothing | Told::Nonsense) => {
                            Head { entries: journal.head.entries + 1, length, ..journal.head }
                        }
                    }
                }
            };
            let line = Line { n: head.entries + 1, entry, before: head.digest };
            let mut text = serde_json::to_vec(&line)?;
            let digest = Digest::of(&text);
            text.push(b'\n');
            file.seek(SeekFrom::Start(head.length))?;
            file.write_all(&text)?;
            file.sync_data()?;
            let head = Head { entries: head.entries + 1, digest, length: head.length + text.len() as u64 };
            replace(&head_path(root), &serde_json::to_vec(&head)?).map_err(std::io::Error::other)
        };
        append().map_err(|source| JournalError { what: "written", path: path.clone(), source })
    }
}

/// What is told of how far a journal goes.
enum Told {
    Head(Head),
    Nothing,
    Nonsense,
}

impl Told {
    fn read(root: &Path) -> std::io::Result<Self> {
        Ok(match (read(&head_path(root))?, path(root).exists()) {
            (Some(bytes), _) => serde_json::from_slice(&bytes).map_or(Self::Nonsense, Self::Head),
            (None, true) => Self::Nothing,
            (None, false) => Self::Head(Head::BEGINNING),
        })
    }
}

fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_of(number: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for at in 0..number {
            Journal::append(root.path(), entry(at)).unwrap();
        }
        root
    }

    fn entry(at: u64) -> Entry {
        let (by, did) = ("root".to_owned(), "switch".to_owned());
        Entry { at: i64::try_from(at).unwrap(), by, did, view: Some("v".to_owned()), what: format!("to {at}") }
    }

    fn broken(root: &Path) -> Option<String> {
        Journal::read(root).unwrap().broken
    }

    #[test]
    fn what_was_done_is_read_back() {
        let root = journal_of(3);
        let journal = Journal::read(root.path()).unwrap();
        assert_eq!(journal.entries, (0..3).map(entry).collect::<Vec<_>>());
        assert_eq!((journal.head.entries, journal.broken), (3, None));
        assert_eq!(Journal::read(Path::new("/nowhere")).unwrap().head, Head::BEGINNING);
    }

    #[test]
    fn every_change_shows() {
        let whole = fs::read(path(journal_of(4).path())).unwrap();
        for at in 0..whole.len() {
            let root = journal_of(4);
            let mut changed = fs::read(path(root.path())).unwrap();
            changed[at] ^= 1;
            fs::write(path(root.path()), &changed).unwrap();
            assert!(broken(root.path()).is_some(), "byte {at} of {}", String::from_utf8_lossy(&changed));
        }
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for out in 0..4 {
            let root = journal_of(4);
            let without: Vec<&[u8]> = (0..4).filter(|at| *at != out).map(|at| lines[at]).collect();
            fs::write(path(root.path()), without.concat()).unwrap();
            assert!(broken(root.path()).is_some(), "without entry {out}");
        }
    }

    #[test]
    fn a_writer_that_was_killed_leaves_it_whole() {
        for (cut, entries) in [(0, 3), (10, 3)] {
            let root = journal_of(2);
            let head = fs::read(head_path(root.path())).unwrap();
            Journal::append(root.path(), entry(2)).unwrap();
            // Killed before it said how far it had come, or in the middle of its line.
            fs::write(head_path(root.path()), head).unwrap();
            let text = fs::read(path(root.path())).unwrap();
            fs::write(path(root.path()), &text[..text.len() - cut]).unwrap();
            assert_eq!(broken(root.path()), None);
            Journal::append(root.path(), entry(3)).unwrap();
            let journal = Journal::read(root.path()).unwrap();
            assert_eq!((journal.broken, journal.entries.len()), (None, if cut == 0 { entries + 1 } else { entries }));
        }
    }

    #[test]
    fn what_is_cut_off_stays_missed() {
        let root = journal_of(3);
        let text = fs::read(path(root.path())).unwrap();
        let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        fs::write(path(root.path()), &text[..first]).unwrap();
        assert_eq!(broken(root.path()).unwrap(), "2 of its 3 entries are gone");
        Journal::append(root.path(), entry(3)).unwrap();
        assert!(broken(root.path()).is_some());
    }

    #[test]
    fn what_is_there_stays_whatever_becomes_of_what_tells_how_far_it_goes() {
        for told in [None, Some(""), Some("{}")] {
            let root = journal_of(3);
            let before = fs::read(path(root.path())).unwrap();
            match told {
                None => fs::remove_file(head_path(root.path())).unwrap(),
                Some(told) => fs::write(head_path(root.path()), told).unwrap(),
            }
            assert!(broken(root.path()).is_some(), "{told:?}");
            for at in 3..5 {
                Journal::append(root.path(), entry(at)).unwrap();
                assert!(broken(root.path()).is_some(), "{told:?} after entry {at}");
            }
            let after = fs::read(path(root.path())).unwrap();
            assert!(after.starts_with(&before), "{told:?}");
            assert_eq!(after.iter().filter(|byte| **byte == b'\n').count(), 5, "{told:?}");
        }
    }
}
