//! From staged to stored: sync, rename, record.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, Linked, PackageId, StoreName};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{
    ComponentRow, Staged, Store, StoreError, WriteLock,
    db::{insert_component, insert_origin, insert_package},
    error::Context,
    fs::{sync_file_system, sync_parent},
    layout::{COMPONENT_LINK, LINKS},
    native::{Contents, FILLED, Symlinks, Written},
    stage::seal,
};

/// A package to be made from a component that is in the store.
#[derive(Clone, Debug)]
pub struct PackageSpec {
    /// The name that its component was chosen by.
    pub name: String,
    /// The version that it was chosen by.
    pub version: String,
    /// The architecture that it was chosen by.
    pub architecture: String,
    /// Its id, component and bindings.
    pub linked: Linked,
}

impl PackageSpec {
    /// Checks that the component is what it was chosen as: an index may say one thing of an archive, the archive another.
    fn check(&self, row: &ComponentRow) -> Result<(), StoreError> {
        let chosen = [&self.name, &self.version, &self.architecture];
        let found = [&row.name, &row.version, &row.architecture];
        if chosen == found {
            return Ok(());
        }
        let words = |parts: [&String; 3]| parts.map(String::as_str).join(" ");
        Err(StoreError::Mistaken { id: row.id, chosen: words(chosen), found: words(found) })
    }
}

impl Store {
    /// Moves finished components into the store and records them. Those that are there already are left as they are.
    /// Returns their ids in order.
    ///
    /// # Errors
    /// If a sync, a rename or the database fails; what was moved by then stays, and is recorded by the next writer.
    pub fn commit(&self, lock: &mut WriteLock, staged: Vec<Staged>) -> Result<Vec<ComponentId>, StoreError> {
        if staged.is_empty() {
            return Ok(Vec::new());
        }
        let moves = staged.iter().map(|component| {
            let name = StoreName::new(component.id, &component.manifest.name);
            (component.directory.clone(), self.layout().entry(&name))
        });
        for index in self.move_in(lock, moves.collect())? {
            self.add_origin(&staged[index]).inspect_err(|_| lock.abandon())?;
        }
        self.record_staged(lock, &staged)?;
        Ok(staged.into_iter().map(|component| component.id).collect())
    }

    /// Notes where a component came from that is there already, if that is news. Nothing is changed in place, so this
    /// puts the whole directory in the place of the other.
    fn add_origin(&self, staged: &Staged) -> Result<(), StoreError> {
        let known = self.origins_on_disk(&StoreName::new(staged.id, &staged.manifest.name));
        match &staged.origin {
            Some(origin) if known.iter().all(|known| known.archive != origin.archive) => {
                self.put_component_in_place(staged, known)
            }
            _ => Ok(()),
        }
    }

    /// Records components that were just moved in.
    pub(crate) fn record_staged(&self, lock: &mut WriteLock, staged: &[Staged]) -> Result<(), StoreError> {
        self.recorded(lock, |db| {
            for component in staged {
                insert_component(db, component.id.as_bytes(), &component.manifest)?;
                if let Some(origin) = &component.origin {
                    insert_origin(db, component.id.as_bytes(), origin)?;
                }
            }
            Ok(())
        })
    }

    /// Makes the packages of `specs` that the store does not have. Every package that one of them is bound to must be
    /// in `specs` or in the store.
    ///
    /// # Errors
    /// [`StoreError::Mistaken`] if a component is not what it was chosen as; if a link, a sync, a rename or the database
    /// fails.
    pub fn add_packages(&self, lock: &mut WriteLock, specs: &[PackageSpec]) -> Result<(), StoreError> {
        let all: BTreeMap<ComponentId, ComponentRow> =
            self.component_rows(None)?.into_iter().map(|row| (row.id, row)).collect();
        let row = |id: ComponentId| all.get(&id).ok_or(StoreError::NoComponent { id });
        let rows: Vec<&ComponentRow> = specs.iter().map(|spec| row(spec.linked.component)).collect::<Result<_, _>>()?;
        specs.iter().zip(&rows).try_for_each(|(spec, row)| spec.check(row))?;
        let known = self.packages()?;
        let names: BTreeMap<PackageId, &str> =
            specs.iter().zip(&rows).map(|(spec, row)| (spec.linked.id, row.name.as_str())).collect();
        let missing: Vec<&Linked> =
            specs.iter().map(|spec| &spec.linked).filter(|linked| !known.contains_key(&linked.id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let staging = self.stage(lock)?;
        let name_of = |id: &PackageId| match names.get(id) {
            Some(name) => Ok((*name).to_owned()),
            None => self.package_name(id),
        };
        let natives: BTreeSet<ComponentId> = self.native_rows()?.into_iter().map(|row| row.id).collect();
        let derived = missing.iter().any(|linked| natives.contains(&linked.component)).then(|| self.derived());
        let at_hand = || (Symlinks::default(), Written::new(self, &staging, derived.as_ref()));
        let write = |(links, contents): &mut (Symlinks, Written<'_>), linked: &&Linked| -> Result<_, StoreError> {
            let (directory, name) = (staging.fresh(), names[&linked.id]);
            self.write_package((links, contents), &directory, (linked, name), name_of)?;
            let to = self.layout().entry(&StoreName::new(linked.id, name));
            Ok(((directory, to), std::mem::take(&mut contents.fresh)))
        };
        let (moves, fresh): (Vec<_>, Vec<_>) = crate::parallel::map(&missing, at_hand, write)?.into_iter().unzip();
        self.move_in(lock, moves)?;
        if let Some(derived) = derived {
            let fresh = fresh.into_iter().flatten().map(|(key, head, rest)| (*key.as_bytes(), head, rest));
            derived.put(FILLED, &fresh.collect::<Vec<_>>());
        }
        self.recorded(lock, |db| missing.iter().try_for_each(|linked| insert_package(db, linked)))
    }

    /// Syncs and renames; a target that exists wins. Gives the positions of those.
    fn move_in(&self, lock: &mut WriteLock, moves: Vec<(PathBuf, PathBuf)>) -> Result<Vec<usize>, StoreError> {
        sync_file_system(self.layout().root())?;
        let mut there = Vec::new();
        for (index, (from, to)) in moves.iter().enumerate() {
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // Only now: a directory that its owner may not write cannot be moved.
                Ok(()) => seal(to)?,
                Err(error) if io::Error::from(error).kind() == io::ErrorKind::AlreadyExists => there.push(index),
                Err(error) => {
                    lock.abandon();
                    return Err(Err::<(), _>(error).context("move into place", to).unwrap_err().into());
                }
            }
        }
        sync_parent(&self.layout().store().join("x"))?;
        Ok(there)
    }

    /// Records what was moved in; if that fails, the mark stays that makes the next writer look again.
    fn recorded(
        &self,
        lock: &mut WriteLock,
        write: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.db.write(write).inspect_err(|_| lock.abandon())
    }

    /// Writes a package's directory: a link to its component, one for each slot, and what it has beyond them. `name` is
    /// that of its component.
    pub(crate) fn write_package(
        &self,
        (made, contents): (&mut Symlinks, &mut dyn Contents),
        directory: &Path,
        (linked, name): (&Linked, &str),
        name_of: impl Fn(&PackageId) -> Result<String, StoreError>,
    ) -> Result<(), StoreError> {
        let links = directory.join(LINKS);
        fs::create_dir(directory).context("create", directory)?;
        fs::create_dir(&links).context("create", &links)?;
        let open = fs::File::open(&links).context("open", &links)?;
        let mut link = |slot: &str, target: &StoreName| {
            made.make(&format!("../../{target}"), open.as_fd(), links.join(slot)).context("create", links.join(slot))
        };
        let component = StoreName::new(linked.component, name);
        link(COMPONENT_LINK, &component)?;
        for (slot, provider) in &linked.bindings {
            link(slot, &StoreName::new(provider, &name_of(provider)?))?;
        }
        let own = self.own_tree(linked, &component, name_of, contents)?;
        self.write_own(made, directory, &own)?;
        seal(&links)
    }
}
