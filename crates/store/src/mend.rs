//! Mending what a verification found: contents come from archives, names from listings.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, Digest, Entry, Manifest, Node, PackageId, StoreName, TreeId, write_listing};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{
    Damage, Origin, Staged, Store, StoreError, VerifyReport, WriteLock,
    error::Context,
    fs::{sync_file_system, sync_parent},
    layout::META,
    native::{Looked, Symlinks, Written},
    stage::seal,
    verify::contents::hash_file,
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
        self.refill(report)?;
        let mut broken = Broken::default();
        let packages = self.packages()?;
        for damage in &report.damage {
            let path = match damage {
                // Given back, as far as that is possible; else it shows in what needs it.
                Damage::Name { path } if path.starts_with(self.layout().objects()) => continue,
                Damage::Content { path, .. } | Damage::Name { path } | Damage::Stray { path } => path,
                Damage::Identity { path } | Damage::Mode { path, .. } => path,
                Damage::Database { .. } | Damage::Missing { .. } | Damage::Record { .. } => continue,
            };
            let foreign = |root: PathBuf| path.parent() == Some(&root) && matches!(damage, Damage::Stray { .. });
            if path.starts_with(self.layout().objects())
                || foreign(self.layout().store())
                || foreign(self.layout().trees())
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

    /// Gives contents back to the pool that it lacks and that some component or tree still has.
    fn refill(&self, report: &VerifyReport) -> Result<(), StoreError> {
        let lacks = |damage: &Damage| match damage {
            Damage::Name { path } => self.objects().parse_path(path),
            _ => None,
        };
        let mut lacking: BTreeSet<(Digest, u16)> = report.damage.iter().filter_map(lacks).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        // What is damaged itself has nothing to give.
        for row in self.component_rows(None)? {
            let name = StoreName::new(row.id, &row.name);
            let Ok(manifest) = self.manifest_named(&name) else { continue };
            let root = self.layout().entry(&name);
            self.refill_from(&mut lacking, &root, &manifest.tree)?;
            self.refill_from(&mut lacking, &root.join(META).join("control"), &manifest.control)?;
        }
        let mut contents = Looked::default();
        for linked in self.packages()?.into_values() {
            let name = StoreName::new(linked.id, &self.package_name(&linked.id)?);
            let component = StoreName::new(linked.component, &self.component_row(&linked.component)?.name);
            let own = self.own_tree(&linked, &component, |id| self.package_name(id), &mut contents);
            let Ok(own) = own else { continue };
            self.refill_from(&mut lacking, &self.layout().entry(&name), &own)?;
        }
        let trees = self.layout().trees();
        for tree in fs::read_dir(&trees).context("read", &trees)? {
            let name = tree.context("read", &trees)?.file_name();
            let Some(Ok(id)) = name.to_str().map(str::parse::<TreeId>) else { continue };
            let Ok(entries) = self.tree_entries(&id) else { continue };
            self.refill_from(&mut lacking, &self.layout().tree_root(&id), &entries)?;
        }
        Ok(())
    }

    fn refill_from(
        &self,
        lacking: &mut BTreeSet<(Digest, u16)>,
        root: &Path,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        for entry in entries {
            let Node::File { digest, size, mode } = entry.node else { continue };
            let (wanted, path) = ((digest, Node::stored_mode(mode)), root.join(&entry.path));
            if lacking.contains(&wanted)
                && let Some(Ok(found)) = hash_file(&path, &mut vec![0; 1 << 16])?
                && (found.digest, found.mode) == wanted
            {
                self.objects().share((&digest, mode, size), CWD, &path)?;
                lacking.remove(&wanted);
            }
        }
        Ok(())
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
        let known = self.all_origins(&staged.id)?;
        self.put_component_in_place(&staged, known)?;
        self.record_staged(lock, &[staged])
    }

    /// Puts a component in the place of the same one, which came from `known` as well.
    pub(crate) fn put_component_in_place(&self, staged: &Staged, known: Vec<Origin>) -> Result<(), StoreError> {
        staged.set_origins(&distinct(known.into_iter().chain(staged.origin.clone())))?;
        let target = self.layout().entry(&StoreName::new(staged.id, &staged.manifest.name));
        self.put_in_place(&staged.directory, &target)?;
        seal(&target)
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
        self.write_package(
            (&mut Symlinks::default(), &mut Written::new(self, &staging, None)),
            &directory,
            (&linked, &component),
            |id| self.package_name(id),
        )?;
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
        self.replace_tree(lock, id, &entries)
    }

    /// Makes the tree that `entries` describe in the place of a damaged or missing one. `false` if they describe another
    /// than `id`, or the pool lacks a content.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace_tree(&self, lock: &WriteLock, id: &TreeId, entries: &[Entry]) -> Result<bool, StoreError> {
        let listing = write_listing(entries);
        if TreeId::from_digest(Digest::of(listing.as_bytes())) != *id || !self.has_all(entries) {
            return Ok(false);
        }
        let staging = self.stage(lock)?;
        let directory = staging.fresh();
        self.fill_tree(&directory, &listing, entries)?;
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
                origins.extend(self.origins_on_disk(&StoreName::new(id, rest)));
            }
        }
        Ok(distinct(origins))
    }

    fn has_all<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> bool {
        entries.into_iter().all(|entry| match &entry.node {
            Node::File { digest, mode, size } => self.objects().holds(digest, *mode, *size),
            _ => true,
        })
    }
}

/// The first origin of each archive.
fn distinct(origins: impl IntoIterator<Item = Origin>) -> Vec<Origin> {
    let mut seen = BTreeSet::new();
    origins.into_iter().filter(|origin| seen.insert(origin.archive)).collect()
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
