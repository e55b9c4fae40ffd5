//! After a writer that did not finish: what was half done goes, what was done is recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind::{DirectoryNotEmpty, NotFound, PermissionDenied, ResourceBusy},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, Linked, Manifest, PackageId, StoreName, TreeId};

use crate::{
    FsError, Origin, Store, StoreError, WriteLock, db,
    error::Context,
    fs::read_if_there,
    layout::{COMPONENT_LINK, LINKS, META, ORIGIN},
    record::parse_origins,
    stage::{SEALED, seal},
};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Components recorded in the new database.
    pub components: usize,
    /// Packages recorded in the new database.
    pub packages: usize,
    /// Names of directories that are neither.
    pub foreign: Vec<String>,
}

/// What a directory of the store is.
enum Stored {
    Component(ComponentId),
    Package(PackageId),
}

impl Store {
    /// Cleans up if a writer was killed and nobody writes now.
    pub(crate) fn recover_if_abandoned(&self) -> Result<(), StoreError> {
        if self.layout().dirty().exists() {
            // Taking the lock cleans up; somebody else who has it did so too.
            drop(self.try_lock("cleaning up")?);
        }
        Ok(())
    }

    /// Removes work in progress, records finished directories that the database does not know, forgets rows whose
    /// directory is gone, and drops contents that nothing uses.
    ///
    /// `false` if there is no room to record anything: what takes room went nevertheless, more can be removed, and the
    /// next writer has to look again.
    pub(crate) fn clean_up(&self, lock: &mut WriteLock) -> Result<bool, StoreError> {
        let tmp = self.layout().tmp();
        let (marks, unsynced): (Vec<PathBuf>, Vec<TreeId>) = crate::tree::unsynced(&tmp)?.into_iter().unzip();
        for entry in fs::read_dir(&tmp).context("read", &tmp)? {
            let path = entry.context("read", &tmp)?.path();
            if path != self.doomed_list() && !marks.contains(&path) {
                self.remove_left_over(&path)?;
            }
        }
        self.finish_collection(lock)?;
        // Nothing points to them: what does is made after a sync.
        self.discard(lock, &unsynced.iter().map(|tree| self.layout().tree(tree)).collect::<Vec<_>>())?;
        marks.iter().try_for_each(|mark| fs::remove_file(mark).context("remove", mark))?;
        let known_components: BTreeSet<ComponentId> = self.component_rows(None)?.iter().map(|row| row.id).collect();
        let known_packages: BTreeSet<PackageId> = self.packages()?.into_keys().collect();
        let (mut components, mut packages) = (BTreeSet::new(), BTreeSet::new());
        let (mut new_components, mut new_packages) = (Vec::new(), Vec::new());
        for (name, stored) in self.stored()? {
            if stored.is_some() {
                self.seal_if_open(&name)?;
            }
            match stored {
                Some(Stored::Component(id)) => {
                    if !known_components.contains(&id) {
                        new_components.push(name);
                    }
                    components.insert(id);
                }
                Some(Stored::Package(id)) => {
                    if !known_packages.contains(&id) {
                        new_packages.push(name);
                    }
                    packages.insert(id);
                }
                None => {}
            }
        }
        let recorded = self.record(&new_components, &new_packages, |db| {
            for id in known_components.difference(&components) {
                db::delete_component(db, id.as_bytes())?;
            }
            for id in known_packages.difference(&packages) {
                db::delete_package(db, id.as_bytes())?;
            }
            Ok(())
        });
        let is_recorded = match recorded {
            Err(error) if error.is_full_database() => false,
            recorded => recorded.map(|_| true)?,
        };
        self.drop_unused_contents(lock)?;
        Ok(is_recorded)
    }

    /// Closes a directory that was open because it was being moved.
    fn seal_if_open(&self, name: &str) -> Result<(), StoreError> {
        let path = self.layout().store().join(name);
        let metadata = fs::symlink_metadata(&path).context("read", &path)?;
        let is_open = metadata.is_dir() && metadata.mode() & 0o7777 != u32::from(SEALED);
        if is_open { seal(&path) } else { Ok(()) }
    }

    /// Removes something from `tmp/`. Processes that are just being killed may still be writing there for a moment.
    fn remove_left_over(&self, path: &Path) -> Result<(), StoreError> {
        const TRIES: u32 = 100;
        for _ in 1..TRIES {
            match self.try_to_remove(path) {
                Err(error) if matches!(error.source.kind(), NotFound | DirectoryNotEmpty | ResourceBusy) => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                result => return Ok(result?),
            }
        }
        Ok(self.try_to_remove(path)?)
    }

    fn try_to_remove(&self, path: &Path) -> Result<(), FsError> {
        match (crate::remove_tree(path), &self.remover) {
            (Err(error), Some(remover)) if error.source.kind() == PermissionDenied => {
                remover(path).context("remove", path)
            }
            (result, _) => result,
        }
    }

    /// Makes the database anew from the directory alone.
    ///
    /// # Errors
    /// If the directory or a manifest cannot be read, or the database not written.
    pub fn rebuild_database(&self, _lock: &WriteLock) -> Result<RepairReport, StoreError> {
        let mut report = RepairReport::default();
        let (mut components, mut packages) = (Vec::new(), Vec::new());
        for (name, stored) in self.stored()? {
            match stored {
                Some(Stored::Component(_)) => components.push(name),
                Some(Stored::Package(_)) => packages.push(name),
                None => report.foreign.push(name),
            }
        }
        (report.components, report.packages) = self.record(&components, &packages, db::clear)?;
        Ok(report)
    }

    /// Records finished directories that the database does not know.
    ///
    /// # Errors
    /// If the directory cannot be read or the database not written.
    pub fn record_unknown(&self, _lock: &WriteLock) -> Result<(), StoreError> {
        let known_components: BTreeSet<ComponentId> = self.component_rows(None)?.iter().map(|row| row.id).collect();
        let known_packages: BTreeSet<PackageId> = self.packages()?.into_keys().collect();
        let (mut components, mut packages) = (Vec::new(), Vec::new());
        for (name, stored) in self.stored()? {
            match stored {
                Some(Stored::Component(id)) if !known_components.contains(&id) => components.push(name),
                Some(Stored::Package(id)) if !known_packages.contains(&id) => packages.push(name),
                _ => {}
            }
        }
        if !components.is_empty() || !packages.is_empty() {
            self.record(&components, &packages, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Records directories in the database, after `first`, in one transaction. Those that are damaged are left out.
    /// Returns how many components and packages were recorded.
    fn record(
        &self,
        components: &[String],
        packages: &[String],
        first: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(usize, usize), StoreError> {
        let components: Vec<(ComponentId, Manifest)> =
            components.iter().filter_map(|name| self.read_component(name)).collect();
        let packages: Vec<Linked> = packages.iter().filter_map(|name| self.read_package(name)).collect();
        self.db.write(|db| {
            first(db)?;
            for (id, manifest) in &components {
                db::insert_component(db, id.as_bytes(), manifest)?;
                for origin in self.origins_on_disk(&StoreName::new(id, &manifest.name)) {
                    db::insert_origin(db, id.as_bytes(), &origin)?;
                }
            }
            packages.iter().try_for_each(|package| db::insert_package(db, package))
        })?;
        Ok((components.len(), packages.len()))
    }

    /// Every directory of the store with what it is.
    fn stored(&self) -> Result<Vec<(String, Option<Stored>)>, StoreError> {
        let root = self.layout().store();
        let mut stored = Vec::new();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let entry = entry.context("read", &root)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = StoreName::split(&name).and_then(|(id, _)| {
                if entry.path().join(LINKS).join(COMPONENT_LINK).is_symlink() {
                    id.parse().ok().map(Stored::Package)
                } else {
                    id.parse().ok().map(Stored::Component)
                }
            });
            stored.push((name, kind));
        }
        Ok(stored)
    }

    /// A component's manifest, if it is the one that the directory's name names.
    fn read_component(&self, name: &str) -> Option<(ComponentId, Manifest)> {
        let path = self.layout().store().join(name).join(META).join("manifest");
        let bytes = read_if_there(&path).ok()??;
        let id = Manifest::id_of(&bytes);
        let (stated, _) = StoreName::split(name)?;
        Some((id, Manifest::from_bytes(&bytes).ok()?)).filter(|_| id.to_string() == stated)
    }

    /// Where a component came from, as its directory says.
    pub(crate) fn origins_on_disk(&self, name: &StoreName) -> Vec<Origin> {
        let path = self.layout().entry(name).join(META).join(ORIGIN);
        parse_origins(&read_if_there(&path).ok().flatten().unwrap_or_default())
    }

    /// A package as its links say; nothing if one of them does not read.
    pub(crate) fn read_package(&self, name: &str) -> Option<Linked> {
        self.read_links(name).map(|links| links.linked)
    }

    /// A package's links; nothing if one of them does not read.
    pub(crate) fn read_links(&self, name: &str) -> Option<Links> {
        let links = self.layout().store().join(name).join(LINKS);
        let mut component = None;
        let (mut bindings, mut names) = (BTreeMap::new(), BTreeMap::new());
        for entry in fs::read_dir(&links).ok()? {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let (id, name) = target_parts(&target)?;
            match entry.file_name().to_str()? {
                COMPONENT_LINK => component = Some((id.parse().ok()?, name.to_owned())),
                slot => {
                    let provider = id.parse().ok()?;
                    names.insert(provider, name.to_owned());
                    bindings.insert(slot.to_owned(), provider);
                }
            }
        }
        let (id, own) = StoreName::split(name)?;
        let id: PackageId = id.parse().ok()?;
        names.insert(id, own.to_owned());
        let (component, name) = component?;
        Some(Links { linked: Linked { id, component, bindings }, component: StoreName::new(component, &name), names })
    }

    /// Removes contents that only the pool itself still names. Returns how many bytes that freed.
    pub(crate) fn drop_unused_contents(&self, _lock: &mut WriteLock) -> Result<u64, StoreError> {
        let mut freed = 0;
        for object in self.objects().list()? {
            let metadata = fs::symlink_metadata(&object.path).context("read", &object.path)?;
            if metadata.is_file() && metadata.nlink() == 1 {
                fs::remove_file(&object.path).context("remove", &object.path)?;
                freed += metadata.len();
            }
        }
        Ok(freed)
    }
}

/// What the links of a package say.
pub(crate) struct Links {
    /// The package.
    pub(crate) linked: Linked,
    /// The directory of its component.
    pub(crate) component: StoreName,
    /// The names in the directories of the package and of those that it is bound to.
    pub(crate) names: BTreeMap<PackageId, String>,
}

/// Id and name in a link target of the form `../../<id>-<name>`.
fn target_parts(target: &Path) -> Option<(&str, &str)> {
    StoreName::split(target.file_name()?.to_str()?)
}
