//! Packages of native components: what they share with their component, and what is their own.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Read as _,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use aleph_component::{
    Digest, Entry, Hasher, Linked, Manifest, Node, Owner, PackageId, StoreName, TreePath,
    native::{COMPONENT_LINK, FillError, Hole, LINKS, Place, Placed, Target, fill, layout},
};
use rustix::{
    fs::{AtFlags, CWD, Mode, linkat, mkdirat, symlinkat},
    io::Errno,
};

use crate::{
    Derived, Staging, Store, StoreError,
    error::Context,
    layout::META,
    stage::{SEALED, seal},
    tree::fill_chunk,
};

/// The length and digest of a file whose holes are filled.
pub(crate) type Filled = (Digest, u64);

/// What is done with the contents that are a package's own.
pub(crate) trait Contents {
    /// For files, by what they are filled with, what comes of that, as far as it is known and there.
    fn known(&mut self, keys: &[Key]) -> Vec<Option<Filled>>;

    /// A buffer that several files share: memory that was never touched is dear.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Takes what is in the buffer now.
    ///
    /// # Errors
    /// If it cannot be written.
    fn take(&mut self, key: Key, digest: &Digest) -> Result<(), StoreError>;
}

/// Names what comes of filling a file's holes, with the recorded mode.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) filling: Digest,
    pub(crate) mode: u16,
}

/// Nothing is done with them: somebody looks only, and at all of them.
#[derive(Default)]
pub(crate) struct Looked(Vec<u8>);

impl Contents for Looked {
    fn known(&mut self, keys: &[Key]) -> Vec<Option<Filled>> {
        vec![None; keys.len()]
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn take(&mut self, _: Key, _: &Digest) -> Result<(), StoreError> {
        Ok(())
    }
}

/// They are written, but for those that are there.
pub(crate) struct Written<'a> {
    pub(crate) store: &'a Store,
    pub(crate) staging: &'a Staging<'a>,
    pub(crate) derived: Option<&'a Derived>,
    buffer: Vec<u8>,
    /// What was found out, to be kept.
    pub(crate) fresh: Vec<(Digest, Vec<u8>, Vec<u8>)>,
}

/// Records of what comes of filling a file's holes: digest and length.
pub(crate) const FILLED: &str = "filled";

impl<'a> Written<'a> {
    pub(crate) fn new(store: &'a Store, staging: &'a Staging<'a>, derived: Option<&'a Derived>) -> Self {
        Self { store, staging, derived, buffer: Vec::new(), fresh: Vec::new() }
    }
}

impl Contents for Written<'_> {
    fn known(&mut self, keys: &[Key]) -> Vec<Option<Filled>> {
        let Some(derived) = self.derived else { return vec![None; keys.len()] };
        let names: Vec<&[u8; 32]> = keys.iter().map(|key| key.filling.as_bytes()).collect();
        let record = |bytes: Vec<u8>| -> Option<Filled> {
            let (digest, size) = bytes.split_first_chunk::<32>()?;
            Some((Digest::from_bytes(*digest), u64::from_le_bytes(size.try_into().ok()?)))
        };
        let found = derived.get(FILLED, &names).into_iter().zip(keys);
        let there = |(found, key): (Option<Vec<u8>>, &Key)| {
            found.and_then(record).filter(|(digest, size)| self.store.objects().holds(digest, key.mode, *size))
        };
        found.map(there).collect()
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn take(&mut self, key: Key, digest: &Digest) -> Result<(), StoreError> {
        self.store.put_known_content(self.staging, (digest, key.mode), &self.buffer)?;
        let record = [&digest.as_bytes()[..], &(self.buffer.len() as u64).to_le_bytes()].concat();
        self.fresh.push((key.filling, record, Vec::new()));
        Ok(())
    }
}

impl Store {
    /// What a package of the component in the directory `component` has beyond its links, every directory before what is in
    /// it. Nothing, where a view realises what it is bound to.
    ///
    /// # Errors
    /// If the component cannot be read, or a path does not fit where it belongs.
    pub(crate) fn own_tree(
        &self,
        linked: &Linked,
        component: &StoreName,
        name_of: impl Fn(&PackageId) -> Result<String, StoreError>,
        contents: &mut dyn Contents,
    ) -> Result<Vec<Entry>, StoreError> {
        if !self.is_native(component)? {
            return Ok(Vec::new());
        }
        let manifest = self.manifest_named(component)?;
        let Some(native) = &manifest.native else { return Ok(Vec::new()) };
        let store = self.real_path()?;
        let path = |id: &PackageId| -> Result<String, StoreError> {
            Ok(store.join(StoreName::new(id, &name_of(id)?).as_str()).display().to_string())
        };
        let own = path(&linked.id)?;
        let mut paths = BTreeMap::new();
        for (slot, provider) in &linked.bindings {
            paths.insert(slot.as_str(), path(provider)?);
        }
        let target = |hole: &Hole| match &hole.target {
            Target::Own => own.clone(),
            Target::File { path } => format!("{own}/{path}"),
            // A hole of a slot that nothing fills keeps what it had: nothing.
            Target::Slot { name, path } => paths.get(name.as_str()).map_or(String::new(), |at| format!("{at}/{path}")),
        };
        let root = self.layout().entry(component);
        let placed = layout(native, &manifest.tree);
        let key = |placed: &Placed<'_>| match &placed.place {
            Place::Filled(Node::File { digest, mode, .. }, holes) => {
                Some(Key { filling: filling(digest, &native.prefix, holes, target), mode: *mode })
            }
            _ => None,
        };
        let keys: Vec<Key> = placed.iter().filter_map(key).collect();
        let mut known = keys.iter().copied().zip(contents.known(&keys));
        let mut entries = Vec::with_capacity(placed.len());
        for Placed { path, place } in placed {
            let node = match place {
                Place::Directory => Node::Directory { mode: SEALED },
                Place::Whole => Node::Symlink { target: whole(path.as_str()).into() },
                Place::Shared(node) => node.clone(),
                Place::Filled(Node::File { mode, .. }, holes) => {
                    let (key, known) = known.next().expect("there is one for each");
                    let fill = |content: &mut Vec<u8>| fill(content, &holes, &native.prefix, target);
                    let (digest, size) = match known {
                        Some(known) => known,
                        None => self.filled(&root.join(path), fill, key, contents)?,
                    };
                    Node::File { digest, size, mode: *mode }
                }
                Place::Filled(node, _) => node.clone(),
            };
            entries.push(Entry { path: path.clone(), owner: Owner::default(), node });
        }
        Ok(entries)
    }

    /// Fills the holes of a file.
    fn filled(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), FillError>,
        key: Key,
        contents: &mut dyn Contents,
    ) -> Result<Filled, StoreError> {
        let buffer = contents.buffer();
        buffer.clear();
        let read = fs::File::open(path).and_then(|mut file| file.read_to_end(buffer));
        read.context("read", path)?;
        let cannot = |source: FillError| StoreError::Fill { root: self.layout().root().to_owned(), source };
        fill(buffer).map_err(cannot)?;
        let filled = (Digest::of(buffer), buffer.len() as u64);
        contents.take(key, &filled.0)?;
        Ok(filled)
    }

    /// The directory of components and packages without links in its path: what is written into files is the same by
    /// whatever name the store was opened.
    fn real_path(&self) -> Result<&Path, StoreError> {
        if let Some(known) = self.real_path.get() {
            return Ok(known);
        }
        let store = self.layout().store();
        let found = fs::canonicalize(&store).context("read", &store)?;
        Ok(self.real_path.get_or_init(|| found))
    }

    /// Whether the component in a directory is a native one.
    pub(crate) fn is_native(&self, component: &StoreName) -> Result<bool, StoreError> {
        let path = self.layout().entry(component).join(META).join("manifest");
        let mut head = [0; Manifest::NATIVE_HEAD.len()];
        let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut head));
        read.context("read", path)?;
        Ok(head == *Manifest::NATIVE_HEAD)
    }

    /// Writes what a package has beyond its links; its own contents are there.
    pub(crate) fn write_own(&self, links: &mut Symlinks, directory: &Path, own: &[Entry]) -> Result<(), StoreError> {
        let root = fs::File::open(directory).context("open", directory)?;
        let is_directory = |entry: &&Entry| matches!(entry.node, Node::Directory { .. });
        for entry in own.iter().filter(is_directory) {
            mkdirat(&root, entry.path.as_str(), Mode::from_raw_mode(0o755)).context("create", entry.path.as_str())?;
        }
        let mut symlink =
            |target: &str, parent: BorrowedFd<'_>, path: &TreePath| links.make(target, parent, directory.join(path));
        fill_chunk(self.objects(), directory, own, &mut symlink)?;
        own.iter().rev().filter(is_directory).try_for_each(|entry| seal(&directory.join(&entry.path)))
    }
}

/// Symbolic links that were made, by their targets. Packages have many in common, and another name for one that is there
/// costs less than a new one.
#[derive(Default)]
pub(crate) struct Symlinks(HashMap<String, PathBuf>);

impl Symlinks {
    /// Makes a symbolic link in a directory, whose path is `path`.
    ///
    /// # Errors
    /// If the file system says no.
    pub(crate) fn make(&mut self, target: &str, directory: BorrowedFd<'_>, path: PathBuf) -> rustix::io::Result<()> {
        let name = path.file_name().unwrap_or_default();
        if let Some(known) = self.0.get(target) {
            match linkat(CWD, known, directory, name, AtFlags::empty()) {
                // It has all the names that it can have, or such links can have one only: a new one is made.
                Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => {}
                result => return result,
            }
        }
        symlinkat(target, directory, name)?;
        self.0.insert(target.to_owned(), path);
        Ok(())
    }
}

/// A digest over all that decides what comes of filling a file's holes.
fn filling(content: &Digest, prefix: &str, holes: &[&Hole], target: impl Fn(&Hole) -> String) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(content.as_bytes());
    hasher.field(prefix.as_bytes());
    for hole in holes {
        hasher.field(&hole.offset.to_le_bytes());
        hasher.field(&hole.length.to_le_bytes());
        hasher.field(&[hole.kind as u8]);
        hasher.field(target(hole).as_bytes());
    }
    hasher.finish()
}

/// What leads from a directory of a package to the same one of its component. Short, so that it fits into an inode.
fn whole(path: &str) -> String {
    let up = "../".repeat(path.matches('/').count());
    format!("{up}{LINKS}/{COMPONENT_LINK}/{path}")
}
