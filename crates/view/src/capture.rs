//! What scripts wrote while a view was composed, as entries that can be stored and laid over the packages' trees.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::Bound,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use aleph_component::{Digest, Entry, Hasher, Node, Owner, PathError, TreePath};
use aleph_store::{FsError, Store};

/// Owner and mode that a name was meant to have, where the file system could not keep them.
pub type Intended = BTreeMap<String, (Owner, u16)>;

/// What a directory that received writes holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Names made, changed or removed ([`Node::Absent`]).
    pub entries: Vec<Entry>,
    /// Directories that replace whatever was below them.
    pub opaque: BTreeSet<String>,
    /// Names that could not be kept, with the reason in words.
    pub skipped: Vec<String>,
}

/// Why writes could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file cannot be read.
    #[error("cannot read `{}`, which a script wrote", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be put into the store.
    #[error(transparent)]
    Store(#[from] FsError),
    /// A symbolic link has a target that is not UTF-8.
    #[error("the link `{}`, which a script made, points to a name that is not UTF-8", path.display())]
    Target {
        /// The link.
        path: PathBuf,
    },
}

/// Reads the writes that an overlay collected in `upper`, moving the content of files into the pool.
///
/// # Errors
/// If something cannot be read or stored.
pub fn read_upper(store: &Store, upper: &Path, intended: &Intended) -> Result<Captured, CaptureError> {
    let mut captured = Captured::default();
    let mut todo = vec![(upper.to_owned(), String::new())];
    while let Some((directory, prefix)) = todo.pop() {
        let failed = |source| CaptureError::Read { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let path = match name.to_str().map(|name| TreePath::new(&format!("{prefix}{name}"))) {
                Some(Ok(path)) => path,
                Some(Err(error)) => {
                    captured.skipped.push(skipped(&error));
                    continue;
                }
                None => {
                    captured.skipped.push(format!("`{}` is not UTF-8", entry.path().display()));
                    continue;
                }
            };
            let metadata = entry.metadata().map_err(failed)?;
            let (owner, mode) = intended.get(path.as_str()).copied().unwrap_or_else(|| recorded(&metadata));
            if let Some(node) = read_node(store, &entry.path(), &metadata, mode)? {
                if metadata.is_dir() {
                    todo.push((entry.path(), format!("{path}/")));
                    if is_opaque(&entry.path()) {
                        captured.opaque.insert(path.to_string());
                    }
                }
                captured.entries.push(Entry { path, owner, node });
            } else {
                captured.skipped.push(format!("`/{path}` is a device, socket or pipe"));
            }
        }
    }
    captured.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(captured)
}

fn skipped(error: &PathError) -> String {
    error.to_string()
}

fn recorded(metadata: &fs::Metadata) -> (Owner, u16) {
    (Owner::default(), (metadata.mode() & 0o7777) as u16)
}

fn read_node(store: &Store, path: &Path, metadata: &fs::Metadata, mode: u16) -> Result<Option<Node>, CaptureError> {
    let failed = |source| CaptureError::Read { path: path.to_owned(), source };
    let kind = metadata.file_type();
    Ok(if kind.is_dir() {
        Some(Node::Directory { mode })
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(failed)?;
        let target = target.to_str().ok_or_else(|| CaptureError::Target { path: path.to_owned() })?;
        Some(Node::Symlink { target: target.into() })
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        Some(Node::Absent)
    } else if kind.is_file() {
        let (digest, size) = hash(path).map_err(failed)?;
        store.take_content(path, (&digest, mode, size))?;
        Some(Node::File { digest, size, mode })
    } else {
        None
    })
}

fn hash(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = fs::File::open(path)?;
    let (mut hasher, mut size, mut buffer) = (Hasher::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

/// Whether an overlay marked a directory as hiding what is below it.
fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 4];
    rustix::fs::lgetxattr(path, "user.overlay.opaque", &mut value).is_ok_and(|length| value[..length] == *b"y")
}

/// Lays new writes over those of the generation before. `packages` is the tree below both: a removal is kept only where
/// there is something to remove, and what a copy has of the store's modes is not taken for a mode that was set.
pub fn merge(before: &[Entry], now: &Captured, packages: &[Entry]) -> Vec<Entry> {
    let below: BTreeMap<&str, &Entry> = packages.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut merged: BTreeMap<&str, Entry> = before.iter().map(|entry| (entry.path.as_str(), entry.clone())).collect();
    for entry in &now.entries {
        let path = entry.path.as_str();
        let opaque = now.opaque.contains(path);
        if opaque || !matches!(entry.node, Node::Directory { .. }) {
            let hidden: Vec<&str> = inside(&merged, path).map(|(known, _)| *known).collect();
            hidden.iter().for_each(|known| drop(merged.remove(known)));
        }
        // A directory that hides what is below it was made anew.
        let known = merged.get(path).or_else(|| below.get(path).copied()).filter(|_| !opaque);
        let node = known.map_or_else(|| entry.node.clone(), |known| with_recorded_mode(&entry.node, &known.node));
        if opaque {
            let removed = inside(&below, path);
            merged.extend(removed.map(|(path, entry)| (*path, Entry { node: Node::Absent, ..(*entry).clone() })));
        }
        merged.insert(path, Entry { node, ..entry.clone() });
    }
    let keep = |entry: &Entry| match &entry.node {
        Node::Absent => below.contains_key(entry.path.as_str()),
        // Overlayfs copies a directory up to write in it; that alone says nothing.
        _ => true,
    };
    let kept: Vec<Entry> = merged.into_values().filter(keep).collect();
    without_orphans(kept)
}

/// The names below a directory.
fn inside<'a, 'k, V>(
    names: &'a BTreeMap<&'k str, V>,
    directory: &str,
) -> impl Iterator<Item = (&'a &'k str, &'a V)> + use<'a, 'k, V> {
    // The character after the separator.
    let (first, end) = (format!("{directory}/"), format!("{directory}0"));
    names.range::<str, _>((Bound::Included(first.as_str()), Bound::Excluded(end.as_str())))
}

/// The store gives a file fewer permissions than were recorded for it, and a copy of it has no others: such a copy keeps
/// what was recorded.
fn with_recorded_mode(written: &Node, known: &Node) -> Node {
    match (written, known) {
        (Node::File { digest, size, mode }, Node::File { mode: recorded, .. })
            if *mode == Node::stored_mode(*recorded) =>
        {
            Node::File { digest: *digest, size: *size, mode: *recorded }
        }
        (Node::Directory { mode }, Node::Directory { mode: recorded }) if *mode == recorded & 0o1777 => {
            Node::Directory { mode: *recorded }
        }
        _ => written.clone(),
    }
}

/// Drops names below a name that is removed or no directory.
fn without_orphans(entries: Vec<Entry>) -> Vec<Entry> {
    let closed: BTreeSet<String> = entries
        .iter()
        .filter(|entry| !matches!(entry.node, Node::Directory { .. }))
        .map(|entry| entry.path.to_string())
        .collect();
    let hidden = |entry: &Entry| {
        let mut path = entry.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            if closed.contains(parent) {
                return true;
            }
            path = parent;
        }
        false
    };
    entries.into_iter().filter(|entry| !hidden(entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        let (kind, path) = text.split_once(' ').unwrap();
        let node = match kind {
            "d" => Node::Directory { mode: 0o755 },
            "-" => Node::Absent,
            content => Node::File { digest: Digest::of(content.as_bytes()), size: 1, mode: 0o644 },
        };
        Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node }
    }

    fn entries(text: &str) -> Vec<Entry> {
        text.split(',').filter(|line| !line.is_empty()).map(entry).collect()
    }

    /// `opaque` names directories that hide what is below.
    fn check(before: &str, now: &str, opaque: &str, packages: &str, expected: &str) {
        let opaque = opaque.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        let now = Captured { entries: entries(now), opaque, skipped: Vec::new() };
        assert_eq!(merge(&entries(before), &now, &entries(packages)), entries(expected));
    }

    #[test]
    fn later_writes_win_and_removals_stay_only_over_something() {
        check("d etc,1 etc/a", "d etc,2 etc/a,3 etc/b", "", "d etc", "d etc,2 etc/a,3 etc/b");
        check("d etc,1 etc/a", "d etc,- etc/a", "", "d etc", "d etc");
        check("", "d etc,- etc/a", "", "d etc,0 etc/a", "d etc,- etc/a");
    }

    #[test]
    fn a_removed_directory_takes_its_names_along() {
        check("d var,d var/x,1 var/x/y", "d var,- var/x", "", "d var,d var/x", "d var,- var/x");
    }

    #[test]
    fn an_opaque_directory_hides_what_packages_have_there() {
        check(
            "",
            "d etc,d etc/x,1 etc/x/new",
            "etc/x",
            "d etc,d etc/x,0 etc/x/old",
            "d etc,d etc/x,1 etc/x/new,- etc/x/old",
        );
    }

    #[test]
    fn a_copy_of_what_the_store_has_keeps_the_mode_that_was_recorded() {
        let file = |mode| Node::File { digest: Digest::of(b""), size: 1, mode };
        let directory = |mode| Node::Directory { mode };
        let check = |captured: Option<Node>, package: Option<Node>, written: Node, expected: Node| {
            let entry = |node| Entry { path: TreePath::new("a").unwrap(), owner: Owner::default(), node };
            let listing = |node: Option<Node>| node.into_iter().map(entry).collect::<Vec<_>>();
            let now = Captured { entries: vec![entry(written)], ..Captured::default() };
            assert_eq!(merge(&listing(captured), &now, &listing(package)), [entry(expected)]);
        };
        check(Some(file(0o640)), Some(file(0o644)), file(0o440), file(0o640));
        check(Some(file(0o4755)), None, file(0o555), file(0o4755));
        check(None, Some(file(0o644)), file(0o444), file(0o644));
        check(None, Some(file(0o644)), file(0o600), file(0o600));
        check(Some(file(0o640)), Some(file(0o644)), file(0o444), file(0o444));
        check(Some(Node::Absent), Some(file(0o644)), file(0o444), file(0o444));
        check(Some(directory(0o2775)), None, directory(0o775), directory(0o2775));
        check(Some(directory(0o2775)), None, directory(0o700), directory(0o700));
        check(Some(directory(0o755)), None, file(0o555), file(0o555));
    }

    #[test]
    fn only_what_is_below_a_name_goes_with_it() {
        check(
            "d a,1 a-b,d a.d,1 a.d/x,1 a/x,1 a0,d aa,1 aa/x",
            "- a",
            "",
            "d a",
            "- a,1 a-b,d a.d,1 a.d/x,1 a0,d aa,1 aa/x",
        );
    }
}
