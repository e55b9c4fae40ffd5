//! Mending what a verification found: contents come from archives, names from listings.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, Digest, Entry, Manifest, Node, PackageId, StoreName, TreeId};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{
    Damage, Origin, PackageSpec, Staged, Store, StoreError, VerifyReport, WriteLock,
    commit::write_package,
    error::Context,
    fs::{sync_file_system, sync_parent},
    stage::seal,
};

/// What of a store has to be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// Components with any damage.
    pub components: BTreeSet<ComponentId>,
    /// Packages with any damage.
    pub packages: BTreeSet<PackageId>,
    /// Composed trees with any damage.
    pub trees: BTreeSet<TreeId>,
}

impl Store {
    /// Sorts the damage by what it lies in, and takes damaged and foreign files out of the pool, so that nothing new
    /// shares them.
    ///
    /// # Errors
    /// If a file cannot be removed or the database not read.
    pub fn triage(&self, _lock: &WriteLock, report: &VerifyReport) -> Result<Broken, StoreError> {
        let mut broken = Broken::default();
        let packages = self.packages()?;
        for damage in &report.damage {
            let path = match damage {
                Damage::Content { path, .. } | Damage::Name { path } | Damage::Stray { path } => path,
                Damage::Identity { path } => path,
                Damage::Database { .. } => continue,
            };
            let foreign = |root: PathBuf| path.parent() == Some(&root) && matches!(damage, Damage::Stray { .. });
            if path.starts_with(self.layout().objects()) || foreign(self.layout().store()) || foreign(self.layout().trees())
            {
                crate::remove_tree(path)?;
            } else if let Some(name) = first_below(path, &self.layout().trees()) {
                broken.trees.extend(name.parse::<TreeId>());
            } else if let Some((id, _)) = first_below(path, &self.layout().store()).and_then(StoreName::split) {
                match id.parse::<PackageId>() {
                    Ok(package) if packages.contains_key(&package) => drop(broken.packages.insert(package)),
                    _ => broken.components.extend(id.parse::<ComponentId>()),
                }
            }
        }
        Ok(broken)
    }

    /// Makes a component's directory again from its manifest and the pool. `false` if the manifest is damaged or the
    /// pool lacks a content: then only its archive helps ([`Store::replace_component`]).
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn rewrite_component(&self, lock: &mut WriteLock, id: &ComponentId) -> Result<bool, StoreError> {
        let Ok(manifest) = self.manifest(id) else { return Ok(false) };
        if manifest.id() != *id || !self.has_all(manifest.tree.iter().chain(&manifest.control)) {
            return Ok(false);
        }
        let origin = self.origins(id)?.into_iter().next();
        let staging = self.stage(lock)?;
        let mut builder = staging.tree()?;
        for entry in &manifest.tree {
            builder.pooled(entry.clone())?;
        }
        for entry in &manifest.control {
            if let Node::File { digest, mode, .. } = entry.node {
                let path = self.objects().path(&digest, mode);
                builder.control(entry.path.clone(), mode, &fs::read(&path).context("read", &path)?)?;
            }
        }
        let staged = builder.finish(origin, |tree, control| Manifest { tree, control, ..manifest })?;
        self.replace_component(lock, staged)?;
        Ok(true)
    }

    /// Puts a freshly staged component in the place of a damaged one.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn replace_component(&self, lock: &mut WriteLock, staged: Staged) -> Result<(), StoreError> {
        let name = StoreName::new(staged.id, &staged.manifest.name);
        self.put_in_place(&staged.directory, &self.layout().entry(&name))?;
        seal(&self.layout().entry(&name))?;
        self.record_staged(lock, &[staged])
    }

    /// Makes a package's directory again from what the database knows of it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn rewrite_package(&self, lock: &mut WriteLock, id: &PackageId) -> Result<bool, StoreError> {
        let Some(linked) = self.packages()?.remove(id) else { return Ok(false) };
        let name = self.package_name(id)?;
        let target = self.layout().entry(&StoreName::new(id, &name));
        let staging = self.stage(lock)?;
        let directory = staging.fresh();
        let component = self.component_row(&linked.component)?.name;
        write_package(&directory, &PackageSpec { name, linked }, &component, |id| self.package_name(id))?;
        self.put_in_place(&directory, &target)?;
        seal(&target)?;
        Ok(true)
    }

    /// Makes a composed tree again from its listing and the pool. `false` if that is not possible.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn rewrite_tree(&self, lock: &WriteLock, id: &TreeId) -> Result<bool, StoreError> {
        let Ok(entries) = self.tree_entries(id) else { return Ok(false) };
        let listing = serde_json::to_vec(&entries).expect("entries serialise");
        if TreeId::from_digest(Digest::of(&listing)) != *id || !self.has_all(&entries) {
            return Ok(false);
        }
        let staging = self.stage(lock)?;
        let directory = staging.fresh();
        self.fill_tree(&directory, &listing, &entries)?;
        self.put_in_place(&directory, &self.layout().tree(id))?;
        Ok(true)
    }

    /// Moves a finished directory to where it belongs. What is there takes its place, in one step: there is no moment
    /// without.
    fn put_in_place(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        sync_file_system(self.layout().root())?;
        let moved = match fs::symlink_metadata(to) {
            Ok(metadata) => {
                if metadata.is_dir() {
                    // A directory that its owner may not write cannot be moved.
                    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).context("open", to)?;
                }
                renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE)
            }
            Err(_) => renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE),
        };
        moved.context("move into place", to)?;
        Ok(sync_parent(to)?)
    }

    /// Where a component came from, as the database and its directory know it.
    ///
    /// # Errors
    /// If the database or the directory of the store cannot be read.
    pub fn all_origins(&self, id: &ComponentId) -> Result<Vec<Origin>, StoreError> {
        let mut origins = self.origins(id)?;
        let root = self.layout().store();
        for entry in fs::read_dir(&root).context("read", &root)? {
            let name = entry.context("read", &root)?.file_name().to_string_lossy().into_owned();
            if let Some((_, rest)) = StoreName::split(&name).filter(|(text, _)| *text == id.to_string()) {
                origins.extend(self.origin_on_disk(&StoreName::new(id, rest)));
            }
        }
        origins.dedup();
        Ok(origins)
    }

    fn has_all<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> bool {
        entries.into_iter().all(|entry| match &entry.node {
            Node::File { digest, mode, .. } => self.objects().path(digest, *mode).exists(),
            _ => true,
        })
    }
}

/// The first name of `path` below `root`, if it lies there.
fn first_below<'a>(path: &'a Path, root: &PathBuf) -> Option<&'a str> {
    path.strip_prefix(root).ok()?.iter().next()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_put_down_to_the_directory_it_is_in() {
        let root = PathBuf::from("/s/store");
        assert_eq!(first_below("/s/store/x-y/usr/z".as_ref(), &root), Some("x-y"));
        assert_eq!(first_below("/s/trees/x".as_ref(), &root), None);
    }
}
