//! Removing what nothing reaches, and saying why the rest stays.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use aleph_component::{ComponentId, Linked, PackageId, StoreName, TreeId};

use crate::{Store, StoreError, WriteLock, db, error::Context};

/// Something outside the store that keeps things in it alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// What it is, in words: `generation 3 of view user-alice`.
    pub label: String,
    /// Packages that it needs; what they are bound to follows.
    pub packages: Vec<PackageId>,
    /// Components that it needs beyond those of its packages.
    pub components: Vec<ComponentId>,
    /// Composed trees that it needs.
    pub trees: Vec<TreeId>,
}

/// What one root keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The root's label.
    pub label: String,
    /// How many packages it reaches.
    pub packages: usize,
    /// The length of their components, in bytes; shared ones count for every root.
    pub bytes: u64,
}

/// What a collection removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// `name version` of each component removed.
    pub components: Vec<String>,
    /// How many packages were removed.
    pub packages: usize,
    /// How many composed trees were removed.
    pub trees: usize,
    /// Bytes given back. In a dry run, the length of the removed components' files, an upper bound.
    pub bytes: u64,
    /// What each root keeps.
    pub kept: Vec<Kept>,
}

impl Store {
    /// Removes every package, component, tree and content that no root reaches. With `dry_run` only says what.
    ///
    /// # Errors
    /// If something cannot be read or removed; what was removed by then stays removed.
    pub fn gc(&self, lock: &mut WriteLock, roots: &[Root], dry_run: bool) -> Result<GcReport, StoreError> {
        let packages = self.packages()?;
        let rows: BTreeMap<ComponentId, _> = self.component_rows(None)?.into_iter().map(|row| (row.id, row)).collect();
        let mut alive_packages = BTreeSet::new();
        let mut alive_components = BTreeSet::new();
        let mut report = GcReport::default();
        for root in roots {
            let reached = closure(&packages, &root.packages);
            let components: BTreeSet<ComponentId> = reached
                .iter()
                .filter_map(|id| packages.get(id))
                .map(|package| package.component)
                .chain(root.components.iter().copied())
                .collect();
            let bytes = components.iter().filter_map(|id| rows.get(id)).map(|row| row.size).sum();
            report.kept.push(Kept { label: root.label.clone(), packages: reached.len(), bytes });
            alive_packages.extend(reached);
            alive_components.extend(components);
        }
        let alive_trees: BTreeSet<TreeId> = roots.iter().flat_map(|root| root.trees.iter().copied()).collect();
        let dead_packages: Vec<&Linked> = packages.values().filter(|p| !alive_packages.contains(&p.id)).collect();
        let dead_components: Vec<_> = rows.values().filter(|row| !alive_components.contains(&row.id)).collect();
        let dead_trees = self.dead_trees(&alive_trees)?;

        report.components = dead_components.iter().map(|row| format!("{} {}", row.name, row.version)).collect();
        report.components.sort();
        report.packages = dead_packages.len();
        report.trees = dead_trees.len();
        report.bytes = dead_components.iter().map(|row| row.size).sum();
        if dry_run {
            return Ok(report);
        }
        let name_of = |component: &ComponentId| rows.get(component).map_or("", |row| row.name.as_str());
        let doomed = dead_packages
            .iter()
            .map(|package| self.layout().entry(&StoreName::new(package.id, name_of(&package.component))))
            .chain(dead_components.iter().map(|row| self.layout().entry(&StoreName::new(row.id, &row.name))))
            .chain(dead_trees);
        let doomed: Vec<PathBuf> = doomed.collect();
        // Killed half-way, it is finished by the next writer: packages are never without what they are bound to. On a
        // full disk there may be no room for the list.
        let list = self.doomed_list();
        let below = |path: &PathBuf| path.strip_prefix(self.layout().root()).ok()?.to_str().map(str::to_owned);
        let names: Vec<String> = doomed.iter().filter_map(below).collect();
        let _ = crate::fs::replace(&list, &serde_json::to_vec(&names).expect("names serialise"));
        // First what takes room: on a full disk the database cannot be written before.
        self.discard(lock, &doomed)?;
        report.bytes = self.drop_unused_contents(lock)?;
        let forgotten = self.db.write(|db| {
            dead_packages.iter().try_for_each(|package| db::delete_package(db, package.id.as_bytes()))?;
            dead_components.iter().try_for_each(|row| db::delete_component(db, row.id.as_bytes()))
        });
        forgotten.inspect_err(|_| lock.abandon())?;
        crate::remove_tree(&list)?;
        self.forget_derived()?;
        Ok(report)
    }

    /// Forgets what was found out about contents and components that are gone.
    fn forget_derived(&self) -> Result<(), StoreError> {
        if !self.layout().derived().exists() {
            return Ok(());
        }
        let contents = self.objects().list()?.into_iter().filter_map(|object| Some(object.name?.0.as_bytes().to_vec()));
        let components = self.component_rows(None)?.into_iter().map(|row| row.id.as_bytes().to_vec());
        let alive: HashSet<Vec<u8>> = contents.chain(components).collect();
        self.derived().retain(|key| alive.contains(key));
        Ok(())
    }

    /// Removes what a collection that was killed had found dead.
    pub(crate) fn finish_collection(&self, lock: &WriteLock) -> Result<(), StoreError> {
        let list = crate::fs::read_if_there(&self.doomed_list())?;
        let doomed: Vec<String> = list.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let path = |name: &String| match name.split_once('/')? {
            ("store", name) if !name.contains('/') => Some(self.layout().store().join(name)),
            ("trees", name) if !name.contains('/') => Some(self.layout().trees().join(name)),
            _ => None,
        };
        self.discard(lock, &doomed.iter().filter_map(path).collect::<Vec<_>>())?;
        Ok(crate::remove_tree(&self.doomed_list())?)
    }

    /// Where a collection says what it is about to remove.
    pub(crate) fn doomed_list(&self) -> PathBuf {
        self.layout().tmp().join("doomed.json")
    }

    fn dead_trees(&self, alive: &BTreeSet<TreeId>) -> Result<Vec<PathBuf>, StoreError> {
        let root = self.layout().trees();
        let mut dead = Vec::new();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let entry = entry.context("read", &root)?;
            let id = entry.file_name().to_str().and_then(|name| name.parse::<TreeId>().ok());
            if id.is_none_or(|id| !alive.contains(&id)) {
                dead.push(entry.path());
            }
        }
        Ok(dead)
    }

    /// Takes each directory out of sight with one rename, then removes it. Makes nothing: there may be no room for it.
    pub(crate) fn discard(&self, _lock: &WriteLock, doomed: &[PathBuf]) -> Result<(), StoreError> {
        for (number, path) in doomed.iter().enumerate() {
            let aside = self.layout().tmp().join(format!("discarded-{}-{number}", std::process::id()));
            // A directory that its owner may not write cannot be moved.
            let moved = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            match moved.and_then(|()| fs::rename(path, &aside)) {
                Ok(()) => crate::remove_tree(&aside)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Err::<(), _>(error).context("remove", path).unwrap_err().into()),
            }
        }
        Ok(())
    }
}

/// Everything that `from` reaches through bindings, itself included.
fn closure(packages: &BTreeMap<PackageId, Linked>, from: &[PackageId]) -> BTreeSet<PackageId> {
    let mut reached = BTreeSet::new();
    let mut todo: Vec<PackageId> = from.to_vec();
    while let Some(id) = todo.pop() {
        if reached.insert(id) {
            todo.extend(packages.get(&id).into_iter().flat_map(|package| package.bindings.values()));
        }
    }
    reached
}
