//! What was built, on its way from where it was built: contents by digest, and a listing.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use aleph_component::{Digest, Entry, Hasher, ListingError, Node, Owner, TreePath, read_listing};

/// What was built cannot be passed on, or what was passed on is not what a build makes.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something cannot be read or written.
    #[error("cannot pass on `{}`", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has a name that no tree may have, or is no file, directory or link.
    #[error("`{}` cannot be part of a tree", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
    },
    /// A listing does not read.
    #[error("the listing of what was built does not read")]
    Listing(#[from] ListingError),
    /// A listing names something that no tree can have.
    #[error("the listing of what was built makes no tree at `{path}`")]
    NoTree {
        /// Where.
        path: String,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |source| OutputError::Io { path, source }
}

/// Moves the files of `tree` into the directory `files`, each named by its digest, and tells what they were.
///
/// # Errors
/// If something cannot be read or moved, or is none that a tree can have.
pub fn collect(tree: &Path, files: &Path) -> Result<Vec<Entry>, OutputError> {
    let entries = list(tree)?;
    for Entry { path, node, .. } in &entries {
        if let Node::File { digest, .. } = node {
            let place = tree.join(path.as_str());
            fs::rename(&place, files.join(digest.to_string())).map_err(failed(&place))?;
        }
    }
    Ok(entries)
}

/// Tells what is in a directory, and reads it for that.
///
/// # Errors
/// If something cannot be read, or is none that a tree can have.
pub fn list(tree: &Path) -> Result<Vec<Entry>, OutputError> {
    let mut entries = Vec::new();
    let mut todo = vec![String::new()];
    while let Some(directory) = todo.pop() {
        let place = tree.join(&directory);
        for found in fs::read_dir(&place).map_err(failed(&place))? {
            let path = found.map_err(failed(&place))?.path();
            let unfit = || OutputError::Unfit { path: path.clone() };
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unfit)?;
            let relative = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
            let node = node(&path)?;
            if matches!(node, Node::Directory { .. }) {
                todo.push(relative.clone());
            }
            let path = TreePath::new(&relative).map_err(|_| unfit())?;
            entries.push(Entry { path, owner: Owner::default(), node });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn node(path: &Path) -> Result<Node, OutputError> {
    let unfit = || OutputError::Unfit { path: path.to_owned() };
    let meta = fs::symlink_metadata(path).map_err(failed(path))?;
    let mode = u16::try_from(meta.mode() & 0o7777).unwrap_or(0);
    match meta.file_type() {
        kind if kind.is_dir() => Ok(Node::Directory { mode }),
        kind if kind.is_file() => {
            Ok(Node::File { digest: digest(path).map_err(failed(path))?, size: meta.len(), mode })
        }
        kind if kind.is_symlink() => {
            let target = fs::read_link(path).map_err(failed(path))?;
            Ok(Node::Symlink { target: target.to_str().ok_or_else(unfit)?.into() })
        }
        _ => Err(unfit()),
    }
}

fn digest(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Hasher::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// What was built elsewhere, as a listing says that was checked: every name is in a directory that it names, too.
#[derive(Clone, Debug)]
pub struct Output {
    entries: Vec<Entry>,
}

impl Output {
    /// Reads a listing that came from elsewhere.
    ///
    /// # Errors
    /// If it does not read, or there is no such tree.
    pub fn parse(text: &str) -> Result<Self, OutputError> {
        let entries = read_listing(text)?;
        let mut directories = HashSet::new();
        let mut before: Option<&TreePath> = None;
        for Entry { path, node, .. } in &entries {
            let is_next = before.is_none_or(|before| before < path);
            let is_inside = path.parent().is_none_or(|parent| directories.contains(parent));
            if !is_next || !is_inside || *node == Node::Absent {
                return Err(OutputError::NoTree { path: path.to_string() });
            }
            if matches!(node, Node::Directory { .. }) {
                directories.insert(path.as_str());
            }
            before = Some(path);
        }
        Ok(Self { entries })
    }

    /// Makes its directories below `root`, which is made, too, and tells which content belongs where.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn directories(&self, root: &Path) -> Result<Vec<(Digest, u64, PathBuf)>, OutputError> {
        fs::create_dir_all(root).map_err(failed(root))?;
        let mut files = Vec::new();
        for Entry { path, node, .. } in &self.entries {
            let place = root.join(path.as_str());
            match node {
                Node::Directory { .. } => fs::create_dir(&place).map_err(failed(&place))?,
                Node::File { digest, size, .. } => files.push((*digest, *size, place)),
                Node::Symlink { .. } | Node::Absent => {}
            }
        }
        Ok(files)
    }

    /// Makes links and sets modes, once the files are there.
    ///
    /// # Errors
    /// If one cannot be made or set.
    pub fn finish(&self, root: &Path) -> Result<(), OutputError> {
        // What is in a directory comes before it: its mode may forbid that something is made there.
        for Entry { path, node, .. } in self.entries.iter().rev() {
            let place = root.join(path.as_str());
            let set = |mode: u32| fs::set_permissions(&place, fs::Permissions::from_mode(mode));
            match node {
                Node::Directory { mode } => set(u32::from(*mode) & 0o1777 | 0o700),
                Node::File { mode, .. } => set(u32::from(*mode) & 0o1777 | 0o400),
                Node::Symlink { target } => symlink(&**target, &place),
                Node::Absent => Ok(()),
            }
            .map_err(failed(&place))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aleph_component::write_listing;

    use super::*;

    #[test]
    fn what_was_built_arrives_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("built/lib/sub")).unwrap();
        fs::create_dir(path("files")).unwrap();
        for (name, mode) in [("built/lib/a", 0o755), ("built/lib/sub/same", 0o444), ("built/b", 0o640)] {
            fs::write(path(name), if mode == 0o640 { "b" } else { "a" }).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/outside", path("built/lib/link")).unwrap();
        fs::set_permissions(path("built/lib/sub"), fs::Permissions::from_mode(0o1755)).unwrap();
        let entries = collect(&path("built"), &path("files")).unwrap();
        assert_eq!(fs::read_dir(path("files")).unwrap().count(), 2);
        let output = Output::parse(&write_listing(&entries)).unwrap();
        for (digest, _, place) in output.directories(&path("came")).unwrap() {
            fs::copy(path("files").join(digest.to_string()), place).unwrap();
        }
        output.finish(&path("came")).unwrap();
        fs::create_dir(path("again")).unwrap();
        assert_eq!(collect(&path("came"), &path("again")).unwrap(), entries);
    }

    #[test]
    fn listings_that_make_no_tree_are_refused() {
        let entry = |path: &str, node| Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node };
        let link = || Node::Symlink { target: "/etc".into() };
        let file = || Node::File { digest: Digest::of(b""), size: 0, mode: 0o644 };
        for wrong in [
            vec![entry("d", link()), entry("d/file", file())],
            vec![entry("d/file", file())],
            vec![entry("b", file()), entry("a", file())],
            vec![entry("a", file()), entry("a", file())],
            vec![entry("a", Node::Absent)],
        ] {
            assert!(Output::parse(&write_listing(&wrong)).is_err(), "{wrong:?}");
        }
        assert!(Output::parse("nonsense").is_err());
    }

    proptest::proptest! {
        #[test]
        fn foreign_listings_do_no_harm(
            names in proptest::collection::btree_map("[a-b](/[a-b]){0,2}", 0_usize..4, 0..6),
            target in "[a-b./]{1,6}",
            noise in ".{0,30}",
        ) {
            let line = |(path, kind): (&String, &usize)| match kind {
                0 => format!("f 0644 0 {} {path}\n", Digest::of(b"")),
                1 => format!("l {path}\t{target}\n"),
                _ => format!("d 0500 {path}\n"),
            };
            let text: String = names.iter().map(line).collect();
            let _ = Output::parse(&format!("{text}{noise}"));
            if let Ok(output) = Output::parse(&text) {
                let directory = tempfile::tempdir().unwrap();
                let root = directory.path().join("root");
                for (_, _, path) in output.directories(&root).unwrap() {
                    proptest::prop_assert!(path.starts_with(&root) && !path.parent().unwrap().is_symlink());
                    fs::write(path, "").unwrap();
                }
                output.finish(&root).unwrap();
                proptest::prop_assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
            }
        }
    }
}
