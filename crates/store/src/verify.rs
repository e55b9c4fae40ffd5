//! Proving every byte: contents against their digests, names against listings, ids against what they name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use aleph_component::{Digest, Entry, Hasher, Manifest, Node, PackageId, StoreName, TreeId, Unlinked, link};

use crate::{
    FsError, Store, StoreError,
    error::Context,
    fs::read_if_there,
    layout::{COMPONENT_LINK, LINKS, META},
    objects::Object,
};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// A file's content or mode is not what its listing says.
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        digest: Digest,
        /// With this mode.
        mode: u16,
    },
    /// A listed name is missing, is of another kind, or points elsewhere.
    Name {
        /// The name.
        path: PathBuf,
    },
    /// A name that no listing has.
    Stray {
        /// The name.
        path: PathBuf,
    },
    /// A component, package or tree whose id is not that of what it holds.
    Identity {
        /// Its directory.
        path: PathBuf,
    },
    /// The database and the directory disagree.
    Database {
        /// How.
        what: String,
    },
}

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Components looked at.
    pub components: usize,
    /// Packages looked at.
    pub packages: usize,
    /// Composed trees looked at.
    pub trees: usize,
    /// Distinct contents read and hashed.
    pub contents: u64,
    /// Bytes read and hashed.
    pub bytes: u64,
    /// What is wrong, sorted.
    pub damage: Vec<Damage>,
}

/// The inodes whose content was read, with what it is.
type Inodes = HashMap<u64, (Digest, u16)>;

impl Store {
    /// Re-reads and proves every byte of the store. `progress` is told the number of bytes hashed so far.
    ///
    /// # Errors
    /// If something could not be looked at; what is wrong is in the report.
    pub fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let objects = self.objects().list()?;
        let (inodes, bytes) = hash_objects(&objects, progress)?;
        (report.contents, report.bytes) = (objects.len() as u64, bytes);
        for object in &objects {
            match object.name {
                None => report.damage.push(Damage::Stray { path: object.path.clone() }),
                Some((digest, mode)) => {
                    let inode = fs::symlink_metadata(&object.path).context("read", &object.path)?.ino();
                    if inodes.get(&inode) != Some(&(digest, mode)) {
                        report.damage.push(Damage::Content { path: object.path.clone(), digest, mode });
                    }
                }
            }
        }
        self.verify_entries(&inodes, &mut report)?;
        self.verify_trees(&inodes, &mut report)?;
        self.verify_database(&mut report)?;
        report.damage.sort();
        Ok(report)
    }

    fn verify_entries(&self, inodes: &Inodes, report: &mut VerifyReport) -> Result<(), StoreError> {
        let root = self.layout().store();
        let mut packages = BTreeMap::new();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let entry = entry.context("read", &root)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().join(LINKS).join(COMPONENT_LINK).is_symlink() {
                report.packages += 1;
                match self.read_package(&name) {
                    Some(linked) => drop(packages.insert(linked.id, (entry.path(), linked))),
                    None => report.damage.push(Damage::Identity { path: entry.path() }),
                }
            } else {
                report.components += 1;
                verify_component(&entry.path(), &name, inodes, &mut report.damage)?;
            }
        }
        verify_packages(&packages, &mut report.damage);
        Ok(())
    }

    fn verify_trees(&self, inodes: &Inodes, report: &mut VerifyReport) -> Result<(), StoreError> {
        let root = self.layout().trees();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let path = entry.context("read", &root)?.path();
            report.trees += 1;
            let bytes = read_if_there(&path.join("tree.json"))?.unwrap_or_default();
            let id = TreeId::from_digest(Digest::of(&bytes)).to_string();
            match serde_json::from_slice::<Vec<Entry>>(&bytes) {
                Ok(entries) if path.file_name().is_some_and(|name| *name == *id) => {
                    verify_listing(&path.join("root"), &entries, inodes, &mut report.damage)?;
                }
                _ => report.damage.push(Damage::Identity { path }),
            }
        }
        Ok(())
    }

    fn verify_database(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let mut complain = |what: String| report.damage.push(Damage::Database { what });
        let check: String = self.db.read(|db| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))?;
        if check != "ok" {
            complain(check);
        }
        let mut expected: BTreeSet<String> = self.packages()?.keys().map(ToString::to_string).collect();
        expected.extend(self.component_rows(None)?.iter().map(|row| row.id.to_string()));
        let root = self.layout().store();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let name = entry.context("read", &root)?.file_name().to_string_lossy().into_owned();
            if !StoreName::split(&name).is_some_and(|(id, _)| expected.remove(id)) {
                complain(format!("`{name}` is in the store and not in the database"));
            }
        }
        for id in expected {
            complain(format!("{id} is in the database and not in the store"));
        }
        for (archive, component) in self.archives()? {
            if self.component_row(&component).is_err() {
                complain(format!("archive {archive} is recorded as giving {component}, which is not there"));
            }
        }
        Ok(())
    }
}

/// Hashes every content on all processors, each inode once.
fn hash_objects(objects: &[Object], progress: &(dyn Fn(u64) + Sync)) -> Result<(Inodes, u64), FsError> {
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let inodes = Mutex::new(Inodes::with_capacity(objects.len()));
    let work = || -> Result<(), FsError> {
        let mut buffer = vec![0; 1 << 18];
        let mut own = Vec::new();
        while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (inode, digest, mode, length) = hash_file(&object.path, &mut buffer)?;
            own.push((inode, (digest, mode)));
            progress(done.fetch_add(length, Ordering::Relaxed) + length);
        }
        inodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(own);
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok((inodes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner), done.into_inner()))
}

/// A file's inode, digest, permission bits and length.
fn hash_file(path: &Path, buffer: &mut [u8]) -> Result<(u64, Digest, u16, u64), FsError> {
    let mut file = File::open(path).context("open", path)?;
    let metadata = file.metadata().context("read", path)?;
    let (mut hasher, mut length) = (Hasher::new(), 0);
    loop {
        let read = file.read(buffer).context("read", path)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
    Ok((metadata.ino(), hasher.finish(), mode_of(&metadata), length))
}

fn mode_of(metadata: &fs::Metadata) -> u16 {
    (metadata.permissions().mode() & 0o7777) as u16
}

fn verify_component(directory: &Path, name: &str, inodes: &Inodes, damage: &mut Vec<Damage>) -> Result<(), StoreError> {
    let bytes = read_if_there(&directory.join(META).join("manifest.json")).ok().flatten().unwrap_or_default();
    let same = StoreName::split(name).is_some_and(|(id, _)| id == Manifest::id_of(&bytes).to_string());
    let Ok(manifest) = Manifest::from_bytes(&bytes) else {
        damage.push(Damage::Identity { path: directory.to_owned() });
        return Ok(());
    };
    if !same {
        damage.push(Damage::Identity { path: directory.to_owned() });
    }
    verify_listing(directory, &manifest.tree, inodes, damage)?;
    verify_listing(&directory.join(META).join("control"), &manifest.control, inodes, damage)
}

/// Checks that `root` holds just what `entries` say. What is in [`META`] is its own listing's business.
fn verify_listing(root: &Path, entries: &[Entry], inodes: &Inodes, damage: &mut Vec<Damage>) -> Result<(), StoreError> {
    let listed: HashMap<&str, &Node> = entries.iter().map(|entry| (entry.path.as_str(), &entry.node)).collect();
    let mut seen = 0;
    let mut todo = vec![(root.to_owned(), String::new())];
    while let Some((directory, prefix)) = todo.pop() {
        for entry in fs::read_dir(&directory).context("read", &directory)? {
            let entry = entry.context("read", &directory)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let relative = format!("{prefix}{name}");
            if prefix.is_empty() && relative == META {
                continue;
            }
            let Some(node) = listed.get(relative.as_str()) else {
                damage.push(Damage::Stray { path: entry.path() });
                continue;
            };
            seen += 1;
            let metadata = entry.metadata().context("read", entry.path())?;
            if metadata.is_dir() {
                todo.push((entry.path(), format!("{relative}/")));
            }
            damage.extend(judge(entry.path(), node, &metadata, inodes)?);
        }
    }
    if seen < listed.len() {
        let missing = entries.iter().map(|entry| root.join(&entry.path)).filter(|path| !path.is_symlink());
        damage.extend(missing.filter(|path| !path.exists()).map(|path| Damage::Name { path }));
    }
    Ok(())
}

/// What is wrong with one name.
fn judge(path: PathBuf, node: &Node, metadata: &fs::Metadata, inodes: &Inodes) -> Result<Option<Damage>, StoreError> {
    let kind = metadata.file_type();
    let fine = match node {
        Node::Directory { .. } => kind.is_dir(),
        Node::Symlink { target } => {
            kind.is_symlink() && fs::read_link(&path).is_ok_and(|found| found.as_os_str() == &**target)
        }
        Node::Absent => kind.is_char_device() && metadata.rdev() == 0,
        Node::File { digest, mode, .. } if kind.is_file() => {
            let expected = (*digest, Node::stored_mode(*mode));
            // An inode that left the pool when it had too many names is read here.
            let found = match inodes.get(&metadata.ino()) {
                Some(found) => *found,
                None => {
                    let (_, digest, mode, _) = hash_file(&path, &mut [0; 1 << 16])?;
                    (digest, mode)
                }
            };
            if found != expected {
                return Ok(Some(Damage::Content { path, digest: *digest, mode: *mode }));
            }
            true
        }
        Node::File { .. } => false,
    };
    Ok((!fine).then_some(Damage::Name { path }))
}

/// Links all packages again from what their directories say, and compares ids.
fn verify_packages(packages: &BTreeMap<PackageId, (PathBuf, aleph_component::Linked)>, damage: &mut Vec<Damage>) {
    let index: BTreeMap<&PackageId, usize> = packages.keys().enumerate().map(|(index, id)| (id, index)).collect();
    let set = packages.values().map(|(path, linked)| {
        let slots = linked.bindings.iter().map(|(slot, id)| Some((slot.clone(), *index.get(id)?)));
        let slots = slots.collect::<Option<_>>().ok_or_else(|| Damage::Identity { path: path.clone() })?;
        Ok(Unlinked { component: linked.component, slots })
    });
    match set.collect::<Result<Vec<_>, Damage>>().map(|set| link(&set)) {
        Err(broken) => damage.push(broken),
        Ok(Err(_)) => unreachable!("every slot was found in the index"),
        Ok(Ok(linked)) => {
            let wrong = packages.values().zip(linked).filter(|((_, stored), computed)| stored.id != computed.id);
            damage.extend(wrong.map(|((path, _), _)| Damage::Identity { path: path.clone() }));
        }
    }
}
