//! After a writer that did not finish: what was half done goes, what was done is recorded.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path};

use aleph_component::{ComponentId, Linked, Manifest, PackageId, StoreName};

use crate::{
    Origin, Store, StoreError, WriteLock, db,
    error::Context,
    fs::read_if_there,
    layout::{COMPONENT_LINK, LINKS, META},
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
    pub(crate) fn clean_up(&self, lock: &mut WriteLock) -> Result<(), StoreError> {
        let tmp = self.layout().tmp();
        for entry in fs::read_dir(&tmp).context("read", &tmp)? {
            crate::remove_tree(&entry.context("read", &tmp)?.path())?;
        }
        let known_components: BTreeSet<ComponentId> = self.component_rows(None)?.iter().map(|row| row.id).collect();
        let known_packages: BTreeSet<PackageId> = self.packages()?.into_keys().collect();
        let (mut components, mut packages) = (BTreeSet::new(), BTreeSet::new());
        let (mut new_components, mut new_packages) = (Vec::new(), Vec::new());
        for (name, stored) in self.stored()? {
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
        self.record(&new_components, &new_packages, |db| {
            for id in known_components.difference(&components) {
                db::delete_component(db, id.as_bytes())?;
            }
            for id in known_packages.difference(&packages) {
                db::delete_package(db, id.as_bytes())?;
            }
            Ok(())
        })?;
        self.drop_unused_contents(lock)?;
        Ok(())
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
        (report.components, report.packages) = (components.len(), packages.len());
        self.record(&components, &packages, db::clear)?;
        Ok(report)
    }

    /// Records directories in the database, after `first`, in one transaction.
    fn record(
        &self,
        components: &[String],
        packages: &[String],
        first: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let components: Vec<(Manifest, Option<Origin>)> =
            components.iter().map(|name| self.read_component(name)).collect::<Result<_, _>>()?;
        let packages: Vec<Linked> = packages.iter().filter_map(|name| self.read_package(name)).collect();
        self.db.write(|db| {
            first(db)?;
            for (manifest, origin) in &components {
                let id = manifest.id();
                db::insert_component(db, id.as_bytes(), manifest)?;
                if let Some(origin) = origin {
                    db::insert_origin(db, id.as_bytes(), origin)?;
                }
            }
            packages.iter().try_for_each(|package| db::insert_package(db, package))
        })
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

    fn read_component(&self, name: &str) -> Result<(Manifest, Option<Origin>), StoreError> {
        let directory = self.layout().store().join(name);
        let damaged = |source| StoreError::Manifest { path: directory.clone(), source };
        let bytes = read_if_there(&directory.join(META).join("manifest.json"))?.unwrap_or_default();
        let manifest = Manifest::from_bytes(&bytes).map_err(damaged)?;
        let origin = read_if_there(&directory.join(META).join("origin.json"))?;
        Ok((manifest, origin.and_then(|bytes| serde_json::from_slice(&bytes).ok())))
    }

    /// A package as its links say; nothing if one of them does not read.
    pub(crate) fn read_package(&self, name: &str) -> Option<Linked> {
        let links = self.layout().store().join(name).join(LINKS);
        let mut linked = None;
        let mut bindings = std::collections::BTreeMap::new();
        for entry in fs::read_dir(&links).ok()? {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let id = target_id(&target)?;
            match entry.file_name().to_str()? {
                COMPONENT_LINK => linked = Some(id.parse().ok()?),
                slot => drop(bindings.insert(slot.to_owned(), id.parse().ok()?)),
            }
        }
        let (id, _) = StoreName::split(name)?;
        Some(Linked { id: id.parse().ok()?, component: linked?, bindings })
    }

    /// Removes contents that only the pool itself still names. Returns how many bytes that freed.
    pub(crate) fn drop_unused_contents(&self, _lock: &mut WriteLock) -> Result<u64, StoreError> {
        let mut freed = 0;
        for object in self.objects().list()? {
            let metadata = fs::symlink_metadata(&object.path).context("read", &object.path)?;
            if metadata.nlink() == 1 {
                fs::remove_file(&object.path).context("remove", &object.path)?;
                freed += metadata.len();
            }
        }
        Ok(freed)
    }
}

/// The id in a link target of the form `../../<id>-<name>`.
fn target_id(target: &Path) -> Option<&str> {
    let (id, _) = StoreName::split(target.file_name()?.to_str()?)?;
    Some(id)
}
