//! Packages of native components: what they share with their component, and what is their own.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Read as _,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use aleph_component::{
    Digest, Entry, Linked, Manifest, Node, Owner, PackageId, StoreName, TreePath,
    native::{COMPONENT_LINK, FillError, Hole, LINKS, Native, Place, Placed, Target, fill, layout},
};
use rustix::{
    fs::{AtFlags, CWD, Mode, linkat, mkdirat, symlinkat},
    io::Errno,
};

use crate::{
    Staging, Store, StoreError,
    error::Context,
    layout::META,
    stage::{SEALED, seal},
    tree::fill_chunk,
};

/// What a package has beyond its links.
#[derive(Default)]
pub(crate) struct Own {
    /// Its names, every directory before what is in it.
    pub(crate) entries: Vec<Entry>,
    /// Contents that are its own: digest, recorded mode and bytes.
    pub(crate) contents: Vec<(Digest, u16, Vec<u8>)>,
}

impl Store {
    /// What a package of the component in the directory `component` has beyond its links. Nothing, where a view realises
    /// what it is bound to.
    ///
    /// # Errors
    /// If the component cannot be read, or a path does not fit where it belongs.
    pub(crate) fn own_tree(
        &self,
        linked: &Linked,
        component: &StoreName,
        name_of: impl Fn(&PackageId) -> Result<String, StoreError>,
    ) -> Result<Own, StoreError> {
        if !self.is_native(component)? {
            return Ok(Own::default());
        }
        let manifest = self.manifest_named(component)?;
        let Some(native) = &manifest.native else { return Ok(Own::default()) };
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
        let mut tree = Own::default();
        for placed in layout(native, &manifest.tree) {
            let node = self.own_node(&placed, (native, &root), target, &mut tree.contents)?;
            tree.entries.push(Entry { path: placed.path.clone(), owner: Owner::default(), node });
        }
        Ok(tree)
    }

    fn own_node(
        &self,
        placed: &Placed<'_>,
        (native, component): (&Native, &Path),
        target: impl Fn(&Hole) -> String,
        contents: &mut Vec<(Digest, u16, Vec<u8>)>,
    ) -> Result<Node, StoreError> {
        let filled = |content: &[u8], holes: &[&Hole]| {
            let cannot = |source: FillError| StoreError::Fill { root: self.layout().root().to_owned(), source };
            fill(content, holes, &native.prefix, &target).map_err(cannot)
        };
        Ok(match &placed.place {
            Place::Directory => Node::Directory { mode: SEALED },
            Place::Whole => Node::Symlink { target: whole(placed.path.as_str()).into() },
            Place::Shared(node) => (*node).clone(),
            Place::Filled(Node::File { mode, .. }, holes) => {
                let path = component.join(placed.path);
                let bytes = filled(&fs::read(&path).context("read", &path)?, holes)?;
                let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
                contents.push((digest, *mode, bytes));
                Node::File { digest, size, mode: *mode }
            }
            Place::Filled(node, _) => (*node).clone(),
        })
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

    /// Writes what a package has beyond its links.
    pub(crate) fn write_own(
        &self,
        (staging, links): (&Staging<'_>, &mut Symlinks),
        directory: &Path,
        own: &Own,
    ) -> Result<(), StoreError> {
        for (digest, mode, bytes) in &own.contents {
            self.put_known_content(staging, (digest, *mode), bytes)?;
        }
        let root = fs::File::open(directory).context("open", directory)?;
        let is_directory = |entry: &&Entry| matches!(entry.node, Node::Directory { .. });
        for entry in own.entries.iter().filter(is_directory) {
            mkdirat(&root, entry.path.as_str(), Mode::from_raw_mode(0o755)).context("create", entry.path.as_str())?;
        }
        let mut symlink =
            |target: &str, parent: BorrowedFd<'_>, path: &TreePath| links.make(target, parent, directory.join(path));
        fill_chunk(self.objects(), directory, &own.entries, &mut symlink)?;
        own.entries.iter().rev().filter(is_directory).try_for_each(|entry| seal(&directory.join(&entry.path)))
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

/// What leads from a directory of a package to the same one of its component. Short, so that it fits into an inode.
fn whole(path: &str) -> String {
    let up = "../".repeat(path.matches('/').count());
    format!("{up}{LINKS}/{COMPONENT_LINK}/{path}")
}
