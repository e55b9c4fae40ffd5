//! Components under construction: written beside the store, where nobody looks.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use aleph_component::{ComponentId, Digest, Entry, Hasher, Manifest, Node, Owner, TreePath};

use crate::{
    Origin, Store, StoreError, WriteLock,
    error::Context,
    fs::{EPOCH, normalise_time},
    layout::{META, ORIGIN},
    objects::Objects,
    record::origins_text,
};

/// Files up to this length are hashed before they are written, so that known ones never are.
const IN_MEMORY: u64 = 1 << 20;
/// How many parts a path may have: far above what real packages need, far below what programs that walk trees can bear.
const DEEPEST: usize = 128;

/// A directory for components under construction. What was not committed goes when this is dropped.
pub struct Staging<'a> {
    objects: &'a Objects,
    directory: PathBuf,
    serial: AtomicU64,
}

/// A finished component that waits to be committed.
#[derive(Debug)]
pub struct Staged {
    /// Its id.
    pub id: ComponentId,
    /// Its manifest.
    pub manifest: Manifest,
    /// Where it came from.
    pub origin: Option<Origin>,
    pub(crate) directory: PathBuf,
}

impl Staged {
    /// Says where the component came from, where only its own bytes tell it apart: `origin` is given the digest of its
    /// manifest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn originate(&mut self, origin: impl FnOnce(Digest) -> Origin) -> Result<(), StoreError> {
        let origin = origin(Digest::of(&self.manifest.to_bytes()));
        self.set_origins(std::slice::from_ref(&origin))?;
        self.origin = Some(origin);
        Ok(())
    }

    /// Says where the component came from, if more is known of that than was when it was staged.
    pub(crate) fn set_origins(&self, origins: &[Origin]) -> Result<(), StoreError> {
        if self.origin.as_slice() == origins {
            return Ok(());
        }
        let meta = self.directory.join(META);
        fs::set_permissions(&meta, fs::Permissions::from_mode(0o755)).context("open", &meta)?;
        crate::remove_tree(&meta.join(ORIGIN))?;
        write(&meta.join(ORIGIN), origins_text(origins).as_bytes())?;
        seal(&meta)
    }
}

impl Store {
    /// A place for components under construction. Threads may share it.
    ///
    /// # Errors
    /// If its directory cannot be made.
    pub fn stage(&self, _lock: &WriteLock) -> Result<Staging<'_>, StoreError> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let name = format!("stage-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let directory = self.layout().tmp().join(name);
        fs::create_dir_all(&directory).context("create", &directory)?;
        Ok(Staging { objects: self.objects(), directory, serial: AtomicU64::new(0) })
    }
}

impl Staging<'_> {
    /// Begins a component.
    ///
    /// # Errors
    /// If its directory cannot be made.
    pub fn tree(&self) -> Result<TreeBuilder<'_>, StoreError> {
        let directory = self.fresh();
        let control = directory.join(META).join("control");
        fs::create_dir_all(&control).context("create", &control)?;
        let root = File::open(&directory).context("open", &directory)?;
        Ok(TreeBuilder {
            objects: self.objects,
            directory,
            root,
            tree: BTreeMap::new(),
            control: BTreeMap::new(),
            buffer: Vec::new(),
        })
    }

    /// A path in here that nothing has yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.directory.join(self.serial.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next writer.
        let _ = crate::remove_tree(&self.directory);
    }
}

/// A component's tree under construction.
pub struct TreeBuilder<'a> {
    objects: &'a Objects,
    directory: PathBuf,
    root: File,
    tree: BTreeMap<TreePath, (Owner, Node)>,
    control: BTreeMap<TreePath, (Owner, Node)>,
    buffer: Vec<u8>,
}

impl TreeBuilder<'_> {
    /// What the tree holds at `path` so far.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.tree.get(path).map(|(_, node)| node)
    }

    /// Adds a directory; one that is there already gets this mode and owner.
    ///
    /// # Errors
    /// If the name is taken by something else, or lies outside a directory.
    pub fn directory(&mut self, path: TreePath, mode: u16, owner: Owner) -> Result<(), StoreError> {
        self.reserve(&path, true)?;
        if !self.tree.contains_key(&path) {
            return self.make_directory(path, mode, owner);
        }
        self.tree.insert(path, (owner, Node::Directory { mode }));
        Ok(())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// If the name is taken or lies outside a directory.
    pub fn symlink(&mut self, path: TreePath, target: &str, owner: Owner) -> Result<(), StoreError> {
        self.reserve(&path, false)?;
        let full = self.directory.join(&path);
        symlink(target, &full).context("create", &full)?;
        normalise_time(&full)?;
        self.tree.insert(path, (owner, Node::Symlink { target: target.into() }));
        Ok(())
    }

    /// Adds another name of a file that is in the tree already.
    ///
    /// # Errors
    /// If `target` is not such a file, or the name is taken.
    pub fn hard_link(&mut self, path: TreePath, target: &str) -> Result<(), StoreError> {
        self.reserve(&path, false)?;
        let Some((owner, node @ Node::File { digest, mode, .. })) = self.tree.get(target).cloned() else {
            return Err(StoreError::HardLink { path: path.to_string(), target: target.to_owned() });
        };
        self.objects.link(&digest, mode, self.root.as_fd(), path.as_ref())?;
        self.tree.insert(path, (owner, node));
        Ok(())
    }

    /// Adds a file of `size` bytes from `reader`; `tap` sees every byte in order.
    ///
    /// # Errors
    /// If the name is taken, the bytes cannot be read or written, or are not `size` many.
    pub fn file(
        &mut self,
        path: TreePath,
        (mode, owner, size): (u16, Owner, u64),
        reader: &mut dyn Read,
        tap: &mut dyn FnMut(&[u8]),
    ) -> Result<Digest, StoreError> {
        self.reserve(&path, false)?;
        let digest = self.content(path.as_str(), path.as_ref(), (mode, size), reader, tap)?;
        self.tree.insert(path, (owner, Node::File { digest, size, mode }));
        Ok(digest)
    }

    /// Adds a name whose content, if it has one, is in the pool already; a removal becomes a whiteout.
    ///
    /// # Errors
    /// If the name is taken or lies outside a directory, or the pool lacks the content.
    pub fn pooled(&mut self, entry: Entry) -> Result<(), StoreError> {
        let Entry { path, owner, node } = entry;
        match &node {
            Node::Directory { mode } => return self.directory(path, *mode, owner),
            Node::Symlink { target } => return self.symlink(path, target, owner),
            Node::File { digest, mode, .. } => {
                self.reserve(&path, false)?;
                self.objects.link(digest, *mode, self.root.as_fd(), path.as_ref())?;
            }
            Node::Absent => {
                self.reserve(&path, false)?;
                crate::fs::whiteout(self.root.as_fd(), path.as_ref())?;
            }
        }
        self.tree.insert(path, (owner, node));
        Ok(())
    }

    /// Adds one of the origin's control files.
    ///
    /// # Errors
    /// If there is one of this name already, or it cannot be written.
    pub fn control(&mut self, name: TreePath, mode: u16, bytes: &[u8]) -> Result<(), StoreError> {
        if name.parent().is_some() {
            return Err(StoreError::NotADirectory { path: name.to_string(), parent: "control".to_owned() });
        }
        if self.control.contains_key(&name) {
            return Err(StoreError::Duplicate { path: name.to_string() });
        }
        let place = format!("{META}/control/{name}");
        let size = bytes.len() as u64;
        let digest = self.content(&place, Path::new(&place), (mode, size), &mut &*bytes, &mut |_| ())?;
        self.control.insert(name, (Owner::default(), Node::File { digest, size, mode }));
        Ok(())
    }

    /// Finishes the tree; `describe` makes the manifest from the entries of tree and control.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub fn finish(
        self,
        origin: Option<Origin>,
        describe: impl FnOnce(Vec<Entry>, Vec<Entry>) -> Manifest,
    ) -> Result<Staged, StoreError> {
        let entries = |map: BTreeMap<TreePath, (Owner, Node)>| {
            map.into_iter().map(|(path, (owner, node))| Entry { path, owner, node }).collect::<Vec<_>>()
        };
        let (tree, control) = (entries(self.tree), entries(self.control));
        let manifest = describe(tree, control);
        let bytes = manifest.to_bytes();
        let meta = self.directory.join(META);
        write(&meta.join("manifest"), &bytes)?;
        if let Some(origin) = &origin {
            write(&meta.join(ORIGIN), origins_text(std::slice::from_ref(origin)).as_bytes())?;
        }
        let is_directory = |entry: &&Entry| matches!(entry.node, Node::Directory { .. });
        for entry in manifest.tree.iter().rev().filter(is_directory) {
            seal(&self.directory.join(&entry.path))?;
        }
        for path in [&meta.join("control"), &meta] {
            seal(path)?;
        }
        Ok(Staged { id: Manifest::id_of(&bytes), manifest, origin, directory: self.directory })
    }

    /// Checks that `path` may be made, and makes the directories that it is in and that nobody announced.
    fn reserve(&mut self, path: &TreePath, directory: bool) -> Result<(), StoreError> {
        let taken = match self.tree.get(path) {
            None => false,
            Some((_, Node::Directory { .. })) => !directory,
            Some(_) => true,
        };
        let top = path.as_str().split('/').next().unwrap_or_default();
        if taken || [META, crate::layout::LINKS].contains(&top) {
            return Err(StoreError::Duplicate { path: path.to_string() });
        }
        if path.as_str().split('/').count() > DEEPEST {
            return Err(StoreError::TooDeep { path: path.to_string(), limit: DEEPEST });
        }
        let mut missing = Vec::new();
        let mut below = path.parent();
        while let Some(parent) = below {
            match self.tree.get(parent) {
                Some((_, Node::Directory { .. })) => break,
                Some(_) => {
                    let parent = parent.to_owned();
                    return Err(StoreError::NotADirectory { path: path.to_string(), parent });
                }
                None => missing.push(TreePath::new(parent)?),
            }
            below = parent.rsplit_once('/').map(|(above, _)| above);
        }
        missing.into_iter().rev().try_for_each(|parent| self.make_directory(parent, 0o755, Owner::default()))
    }

    fn make_directory(&mut self, path: TreePath, mode: u16, owner: Owner) -> Result<(), StoreError> {
        let full = self.directory.join(&path);
        fs::create_dir(&full).context("create", full)?;
        self.tree.insert(path, (owner, Node::Directory { mode }));
        Ok(())
    }

    /// Writes content to `place` below the root, or shares the pool's. `name` is for messages.
    fn content(
        &mut self,
        name: &str,
        place: &Path,
        (mode, size): (u16, u64),
        reader: &mut dyn Read,
        tap: &mut dyn FnMut(&[u8]),
    ) -> Result<Digest, StoreError> {
        if size > IN_MEMORY {
            return self.large_content(name, place, (mode, size), reader, tap);
        }
        self.buffer.clear();
        let read = reader.take(size + 1).read_to_end(&mut self.buffer);
        let found = read.map_err(|source| StoreError::Input { path: name.to_owned(), source })? as u64;
        check_length(name, size, found)?;
        tap(&self.buffer);
        let digest = Digest::of(&self.buffer);
        if self.objects.link_if_known((&digest, mode, size), self.root.as_fd(), place)? {
            return Ok(digest);
        }
        let full = self.directory.join(place);
        let mut file = create(&full)?;
        file.write_all(&self.buffer).context("write", &full)?;
        self.share(file, place, (&digest, mode, size))?;
        Ok(digest)
    }

    fn large_content(
        &mut self,
        name: &str,
        place: &Path,
        (mode, size): (u16, u64),
        reader: &mut dyn Read,
        tap: &mut dyn FnMut(&[u8]),
    ) -> Result<Digest, StoreError> {
        let full = self.directory.join(place);
        let mut file = create(&full)?;
        let mut hasher = Hasher::new();
        self.buffer.resize(IN_MEMORY as usize, 0);
        let mut found = 0;
        loop {
            let read = match reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(StoreError::Input { path: name.to_owned(), source }),
            };
            found += read as u64;
            if found > size {
                break;
            }
            let bytes = &self.buffer[..read];
            hasher.update(bytes);
            tap(bytes);
            file.write_all(bytes).context("write", &full)?;
        }
        check_length(name, size, found)?;
        let digest = hasher.finish();
        self.share(file, place, (&digest, mode, size))?;
        Ok(digest)
    }

    fn share(&self, file: File, place: &Path, content: (&Digest, u16, u64)) -> Result<(), StoreError> {
        let full = || self.directory.join(place);
        file.set_permissions(fs::Permissions::from_mode(Node::stored_mode(content.1).into()))
            .context("set the mode of", full())?;
        rustix::fs::futimens(&file, &EPOCH).context("set the time of", full())?;
        drop(file);
        self.objects.share(content, self.root.as_fd(), place)?;
        Ok(())
    }
}

fn create(path: &Path) -> Result<File, StoreError> {
    Ok(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).context("create", path)?)
}

fn check_length(name: &str, announced: u64, found: u64) -> Result<(), StoreError> {
    if announced == found {
        return Ok(());
    }
    Err(StoreError::Length { path: name.to_owned(), announced, found })
}

/// Writes a new file that everybody may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = create(path)?;
    file.write_all(bytes).context("write", path)?;
    file.set_permissions(fs::Permissions::from_mode(0o444)).context("set the mode of", path)?;
    Ok(rustix::fs::futimens(&file, &EPOCH).context("set the time of", path)?)
}

/// The mode of a finished directory of a component or package.
pub(crate) const SEALED: u16 = 0o555;

/// Makes a finished directory read-only, with the store's time.
pub(crate) fn seal(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, fs::Permissions::from_mode(SEALED.into())).context("seal", path)?;
    Ok(normalise_time(path)?)
}
