//! Proving every byte: contents against their digests, names against listings, ids against what they name.
//!
//! Nothing is locked at first, so that verifying and writing go on side by side. What looks wrong then may be another
//! process's work in progress, so it is looked at again until it is right, or nobody writes.

pub(crate) mod contents;
mod database;
mod listing;
mod packages;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use aleph_component::{Digest, Entry, Linked, Manifest, PackageId, StoreName, TreeId};

use crate::{
    FsError, Store, StoreError, WriteLock,
    error::Context,
    fs::read_if_there,
    layout::{COMPONENT_LINK, LINKS, META, ORIGIN},
    objects::Objects,
    parallel,
    recover::Links,
    stage::SEALED,
};
use contents::Inodes;
use listing::{Kind, judge_mode, verify_listing};

/// How long to wait before looking again at what may be work in progress.
const PAUSE: Duration = Duration::from_millis(50);

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
    /// A directory has another mode than its listing says.
    Mode {
        /// The directory.
        path: PathBuf,
        /// What it should have.
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
    /// A record of what keeps things in the store alive cannot be read. Whoever knows of these adds this.
    Record {
        /// The record.
        path: PathBuf,
    },
    /// Something that a root needs is not there. The store knows no roots: who does adds this.
    Missing {
        /// What needs what.
        what: String,
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

/// What can be looked at again by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    /// A name in the pool.
    Content(PathBuf),
    /// A component's or package's directory, by name.
    Entry(String),
    /// A composed tree's directory, by name.
    Tree(String),
    /// Everything that takes in the whole store: the packages' ids, and the database.
    Whole,
}

type Suspicions = BTreeSet<(Unit, Damage)>;

impl Store {
    /// Re-reads and proves every byte of the store. `progress` is told the number of bytes hashed so far.
    ///
    /// Waits for a writer only if there is something wrong that he might be about to put right.
    ///
    /// # Errors
    /// If something could not be looked at; what is wrong is in the report.
    pub fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<VerifyReport, StoreError> {
        let (mut report, mut suspicions) = self.look(progress)?;
        for looked in 0.. {
            if suspicions.is_empty() {
                break;
            }
            let quiet = self.lock_out_writers(looked)?;
            suspicions = self.look_again(&suspicions)?;
            // Who cannot keep writers out can at least see whether one came.
            if quiet.is_some() && self.lock_out_writers(looked)?.is_some() {
                break;
            }
            thread::sleep(PAUSE);
        }
        report.damage = damage(suspicions);
        Ok(report)
    }

    /// The same for somebody who has the lock.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn verify_locked(
        &self,
        _lock: &WriteLock,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<VerifyReport, StoreError> {
        let (mut report, suspicions) = self.look(progress)?;
        report.damage = damage(suspicions);
        Ok(report)
    }

    fn look(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<(VerifyReport, Suspicions), StoreError> {
        let objects = self.objects().list()?;
        let (inodes, bytes, mut suspicions) = contents::hash_all(&objects, progress)?;
        let entries = names(&self.layout().store())?;
        let trees = names(&self.layout().trees())?;
        let mut report = VerifyReport { contents: objects.len() as u64, bytes, ..VerifyReport::default() };
        let looked = parallel::map(&entries, || (), |(), name| self.look_at_entry(name, &inodes))?;
        let mut packages = BTreeMap::new();
        for looked in looked {
            match looked {
                Looked::Vanished => {}
                Looked::Package(name, linked, found) => {
                    report.packages += 1;
                    packages.insert(linked.id, (name, linked));
                    suspicions.extend(found);
                }
                Looked::BrokenPackage(found) => {
                    report.packages += 1;
                    suspicions.insert(found);
                }
                Looked::Stray(found) => drop(suspicions.insert(found)),
                Looked::Component(found) => {
                    report.components += 1;
                    suspicions.extend(found);
                }
            }
        }
        report.trees = trees.len();
        for found in parallel::map(&trees, || (), |(), name| self.look_at_tree(name, &inodes))? {
            suspicions.extend(found);
        }
        suspicions.extend(self.verify_whole(&packages, &entries)?);
        Ok((report, suspicions))
    }

    /// Looks again at what was suspicious, trusting nothing that was read before.
    fn look_again(&self, before: &Suspicions) -> Result<Suspicions, StoreError> {
        let units: BTreeSet<&Unit> = before.iter().map(|(unit, _)| unit).collect();
        let inodes = Inodes::default();
        let mut suspicions = Suspicions::new();
        for unit in units {
            match unit {
                Unit::Content(path) => suspicions.extend(contents::look_at(path, self.objects())?),
                Unit::Entry(name) if !self.layout().store().join(name).exists() => {}
                Unit::Entry(name) => match self.look_at_entry(name, &inodes)? {
                    Looked::Component(found) => suspicions.extend(found),
                    Looked::BrokenPackage(found) => drop(suspicions.insert(found)),
                    Looked::Stray(found) => drop(suspicions.insert(found)),
                    Looked::Package(.., found) => suspicions.extend(found),
                    Looked::Vanished => {}
                },
                Unit::Tree(name) => suspicions.extend(self.look_at_tree(name, &inodes)?),
                Unit::Whole => {}
            }
        }
        // What vanished for good must be gone from the database as well.
        let entries = names(&self.layout().store())?;
        let packages = entries.iter().filter(|name| self.is_package(name));
        let packages = packages.filter_map(|name| {
            let linked = self.read_package(name)?;
            Some((linked.id, (name.clone(), linked)))
        });
        suspicions.extend(self.verify_whole(&packages.collect(), &entries)?);
        Ok(suspicions)
    }

    fn is_package(&self, name: &str) -> bool {
        self.layout().store().join(name).join(LINKS).join(COMPONENT_LINK).is_symlink()
    }

    fn look_at_entry(&self, name: &str, inodes: &Inodes) -> Result<Looked, StoreError> {
        let path = self.layout().store().join(name);
        if StoreName::split(name).is_none_or(|(id, _)| id.parse::<PackageId>().is_err()) {
            return Ok(Looked::Stray((Unit::Entry(name.to_owned()), Damage::Stray { path })));
        }
        if self.is_package(name) {
            return Ok(match self.read_links(name).and_then(|links| Some((self.own_entries(&links)?, links))) {
                Some((entries, links)) => {
                    let mut damage = Vec::new();
                    sealed(&path.join(LINKS), &mut damage);
                    verify_listing(&path, (Kind::Package, &entries), (inodes, self.objects()), &mut damage)?;
                    let found = damage.into_iter().map(|damage| (Unit::Entry(name.to_owned()), damage));
                    Looked::Package(name.to_owned(), links.linked, found.collect())
                }
                None if !path.exists() => Looked::Vanished,
                None => Looked::BrokenPackage((Unit::Entry(name.to_owned()), Damage::Identity { path })),
            });
        }
        let damage = verify_component(&path, name, (inodes, self.objects()))?;
        if !damage.is_empty() && !path.exists() {
            return Ok(Looked::Vanished);
        }
        Ok(Looked::Component(damage.into_iter().map(|damage| (Unit::Entry(name.to_owned()), damage)).collect()))
    }

    /// What a package has beyond its links, as its component has it; nothing if that cannot be told.
    fn own_entries(&self, links: &Links) -> Option<Vec<Entry>> {
        let name_of = |id: &PackageId| Ok(links.names[id].clone());
        self.own_tree(&links.linked, &links.component, name_of, &mut crate::native::Looked::default()).ok()
    }

    fn look_at_tree(&self, name: &str, inodes: &Inodes) -> Result<Suspicions, StoreError> {
        let path = self.layout().trees().join(name);
        if name.parse::<TreeId>().is_err() {
            let found = path.exists().then(|| (Unit::Tree(name.to_owned()), Damage::Stray { path }));
            return Ok(found.into_iter().collect());
        }
        let bytes = read_if_there(&path.join("listing")).ok().flatten().unwrap_or_default();
        let same = TreeId::from_digest(Digest::of(&bytes)).to_string() == name;
        let mut damage = Vec::new();
        match crate::tree::listed(&bytes) {
            Ok(entries) if same => {
                verify_listing(&path.join("root"), (Kind::Tree, &entries), (inodes, self.objects()), &mut damage)?;
                strays(&path, &["root", "listing"], &mut damage)?;
            }
            _ => damage.push(Damage::Identity { path: path.clone() }),
        }
        if !damage.is_empty() && !path.exists() {
            return Ok(Suspicions::new());
        }
        Ok(damage.into_iter().map(|damage| (Unit::Tree(name.to_owned()), damage)).collect())
    }
}

/// What a directory of the store turned out to be.
enum Looked {
    Vanished,
    Package(String, Linked, Suspicions),
    BrokenPackage((Unit, Damage)),
    Stray((Unit, Damage)),
    Component(Suspicions),
}

fn damage(suspicions: Suspicions) -> Vec<Damage> {
    suspicions.into_iter().map(|(_, damage)| damage).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The names in a directory; none if it is not there.
fn names(directory: &Path) -> Result<Vec<String>, FsError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context("read", directory)?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<io::Result<_>>().context("read", directory)
}

/// Adds the names of a directory that are not among those it may have.
fn strays(directory: &Path, known: &[&str], damage: &mut Vec<Damage>) -> Result<(), FsError> {
    let names = names(directory)?;
    let strays = names.into_iter().filter(|name| !known.contains(&name.as_str()));
    damage.extend(strays.map(|name| Damage::Stray { path: directory.join(name) }));
    Ok(())
}

/// Adds a directory that has not the mode of a finished one. One that is not there is not its business.
fn sealed(directory: &Path, damage: &mut Vec<Damage>) {
    if let Ok(stat) = rustix::fs::lstat(directory) {
        damage.extend(judge_mode(&stat, SEALED, || directory.to_owned()));
    }
}

fn verify_component(directory: &Path, name: &str, known: (&Inodes, &Objects)) -> Result<Vec<Damage>, StoreError> {
    let meta = directory.join(META);
    let bytes = read_if_there(&meta.join("manifest")).ok().flatten().unwrap_or_default();
    let same = StoreName::split(name).is_some_and(|(id, _)| id == Manifest::id_of(&bytes).to_string());
    let mut damage = Vec::new();
    if !same {
        damage.push(Damage::Identity { path: directory.to_owned() });
    }
    let Ok(manifest) = Manifest::from_bytes(&bytes) else {
        damage.push(Damage::Identity { path: directory.to_owned() });
        return Ok(damage);
    };
    verify_listing(directory, (Kind::Component, &manifest.tree), known, &mut damage)?;
    sealed(&meta, &mut damage);
    strays(&meta, &["control", "manifest", ORIGIN], &mut damage)?;
    verify_listing(&meta.join("control"), (Kind::Control, &manifest.control), known, &mut damage)?;
    Ok(damage)
}
