//! Making a damaged store whole: contents from archives, names from listings, the database from the directory.

use std::path::PathBuf;

use aleph_component::{ComponentId, TreeId};
use aleph_exchange::deb::{Expected, OriginInput, import};
use aleph_store::{Origin, Store, WriteLock};
use aleph_view::{Policy, View, Views};
use serde::Serialize;

use super::{archives::digest_file, compose, scripts};
use crate::{failure::Outcome, host::Host, output::Printer};

/// What a repair did.
#[derive(Default, Serialize)]
pub(crate) struct Repaired {
    pub(crate) mended: Vec<String>,
    pub(crate) lost: Vec<String>,
    pub(crate) components: usize,
    pub(crate) packages: usize,
}

/// Repairs what a verification finds.
pub(crate) fn repair(host: &Host, printer: &Printer, store: &Store) -> Outcome<Repaired> {
    let mut lock = host.lock(store, "repairing", printer)?;
    // A database that had to be made anew knows nothing yet of what the rest goes by.
    store.record_unknown(&lock)?;
    let bar = printer.progress().bytes("verifying", store.info()?.stored_size);
    let report = store.verify_locked(&lock, &|done| bar.set_position(done));
    printer.progress().clear();
    let broken = store.triage(&lock, &report?)?;
    let mut repaired = Repaired::default();
    let views = Views::new(store);
    for (name, path) in views.damaged()? {
        views.rewrite(store, &lock, &name)?;
        repaired.note(true, format!("the record {}", path.display()));
    }
    for id in &broken.components {
        let label =
            store.component_row(id).map_or_else(|_| id.to_string(), |row| format!("{} {}", row.name, row.version));
        let mended = store.rewrite_component(&mut lock, id)? || again(host, printer, store, &mut lock, id)?;
        repaired.note(mended, format!("component {label}"));
    }
    for id in &broken.packages {
        let mended = store.rewrite_package(&mut lock, id)?;
        repaired.note(mended, format!("package {id}"));
    }
    let mut trees = broken.trees;
    trees.extend(super::roots::missing(store)?.into_iter().filter_map(|missing| missing.tree));
    for id in &trees {
        let mended = store.rewrite_tree(&lock, id)? || recompose(store, &lock, id)?;
        repaired.note(mended, format!("tree {id}"));
    }
    for (view, number, path) in super::roots::damaged(store)? {
        let mended = path.ends_with("run.json") && view.rewrite_run(store, &lock, number).is_ok();
        let name = &view.record.name;
        let way_out = match is_lost(&view, number)? {
            _ if mended => String::new(),
            false => format!("; `aleph --view {name} rollback` and `view prune` leave it behind"),
            true => format!("; `aleph --view {name} view delete` removes the view"),
        };
        repaired.note(mended, format!("the record {}{way_out}", path.display()));
    }
    for view in views.list()? {
        let Some(path) = view.damaged_policy() else { continue };
        view.set_policy(store, &lock, &Policy::default())?;
        let again = format!("`aleph --view {} view policy` says anew what is demanded", view.record.name);
        repaired.note(false, format!("the record {}; {again}", path.display()));
    }
    let database = store.rebuild_database(&lock)?;
    (repaired.components, repaired.packages) = (database.components, database.packages);
    Ok(repaired)
}

/// Whether a view has no whole generation besides this one to go back to.
fn is_lost(view: &View, number: u32) -> Outcome<bool> {
    Ok(view.numbers()?.into_iter().all(|other| other == number || !view.damaged(other).is_empty()))
}

impl Repaired {
    fn note(&mut self, mended: bool, what: String) {
        if mended { &mut self.mended } else { &mut self.lost }.push(what);
    }
}

/// Makes a tree again whose listing is damaged: from what scripts wrote, or from the packages of a first generation.
fn recompose(store: &Store, lock: &WriteLock, id: &TreeId) -> Outcome<bool> {
    for view in Views::new(store).list()? {
        for number in view.numbers()? {
            let Ok(generation) = view.generation(number) else { continue };
            let capture = generation.capture.filter(|capture| capture.tree == *id);
            if let Some(Ok(manifest)) = capture.map(|capture| store.manifest(&capture.component))
                && store.replace_tree(lock, id, &manifest.tree)?
            {
                return Ok(true);
            }
            if generation.layers.base == *id
                && let Ok(manifests) = compose::manifests(store, &generation.packages)
            {
                let packages = compose::packages(store, &manifests)?;
                let scripts = scripts::plan(store, None, (&generation.packages, &packages))?;
                let placed = compose::entries_of(store, lock, scripts.placements())?;
                let entries = compose::merge(&packages, placed)?;
                if store.replace_tree(lock, id, &entries)? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Imports a component again from its archive, cached or from a source that still offers it.
fn again(host: &Host, printer: &Printer, store: &Store, lock: &mut WriteLock, id: &ComponentId) -> Outcome<bool> {
    for origin in store.all_origins(id)? {
        let Some(path) = archive(host, printer, store, &origin)? else { continue };
        let expected = Expected { sha256: origin.archive, size: origin.size };
        let staging = store.stage(lock)?;
        let input = OriginInput {
            file_name: origin.file_name,
            source: origin.source,
            vouched_by: origin.vouched_by,
            imported_by: origin.imported_by,
            imported_at: origin.imported_at,
        };
        let staged = import(&staging, &path, Some(&expected), input)?;
        if staged.id == *id {
            store.replace_component(lock, staged)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// The file that an archive was added from, if some generation remembers it and it is still the same.
fn local(store: &Store, origin: &Origin) -> Outcome<Option<PathBuf>> {
    for view in Views::new(store).list()? {
        for number in view.numbers()? {
            // A generation that does not read helps nobody here.
            let Ok(generation) = view.generation(number) else { continue };
            let found = generation.packages.into_iter().find(|package| package.archive == origin.archive);
            let path = found.map(|package| PathBuf::from(package.file)).filter(|path| path.is_absolute());
            if let Some(path) = path
                && digest_file(&path).is_ok_and(|(digest, _)| digest == origin.archive)
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

fn archive(host: &Host, printer: &Printer, store: &Store, origin: &Origin) -> Outcome<Option<PathBuf>> {
    if let Some(path) = local(store, origin)? {
        return Ok(Some(path));
    }
    match super::sources::fetch_again(host, printer, origin) {
        Ok(path) => Ok(Some(path)),
        Err(failure) => {
            printer.warning(&format!("cannot get {} again: {}", origin.file_name, failure.chain().join(": ")));
            Ok(None)
        }
    }
}
