//! Carrying out a plan: archives, components, packages, trees, scripts, generation. No decisions are made here.

use std::{collections::BTreeMap, path::PathBuf};

use aleph_component::{ComponentId, Digest, Entry, Manifest, Unlinked, link};
use aleph_store::{PackageSpec, Store, WriteLock};
use aleph_view::{Draft, Generation, Launcher, Layers, Pinned, View, Views, commands};

use super::{
    archives::{self, Archive},
    compose,
    plan::{Chosen, Plan},
    scripts,
    timings::Timings,
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::Printer,
};

/// What came of a plan.
pub(crate) struct Applied {
    pub(crate) view: View,
    pub(crate) generation: Generation,
    pub(crate) timings: Timings,
}

/// Downloads, then takes the lock and makes the new generation. Fails with [`Failure::stale`] if the view moved on since
/// the plan was made.
pub(crate) fn apply(host: &Host, printer: &Printer, store: &Store, plan: &Plan) -> Outcome<Applied> {
    let mut timings = Timings::default();
    let paths = timings.measure("download", || super::sources::download(host, printer, store, &plan.chosen))?;
    let mut lock = host.lock(store, &plan.reason, printer)?;
    let view = Views::new(store).get_or_create(plan.record.clone())?;
    if view.current_number()? != plan.before.as_ref().map(|before| before.number) {
        return Err(Failure::stale());
    }
    let components = timings.measure("import", || import(host, printer, store, &mut lock, &plan.chosen, &paths))?;
    let pinned = timings.measure("link", || linked(store, &mut lock, &plan.chosen, &components))?;
    if let Some(wrong) = plan.locked.iter().find(|locked| !pinned.iter().any(|p| p.id == locked.id)) {
        let message = format!("{} came out with another id than aleph.lock has: {}", wrong.name, wrong.id);
        return Err(Failure::new(message).hint("the lock file was edited or made by an incompatible version"));
    }
    let before = plan.before.as_ref();
    let manifests = timings.measure("gather", || compose::manifests(store, &pinned))?;
    let packages = timings.measure("gather", || compose::packages(store, &manifests))?;
    let listing = timings.measure("compose", || compose::merge(&packages))?;
    let scripts = timings.measure("gather", || scripts::plan(store, before, (&pinned, &packages)))?;
    let (entries, layers) = timings.measure("compose", || -> Outcome<_> {
        let entries = compose::with_placements(store, &lock, listing, scripts.placements())?;
        let layers = Layers::write(store, &lock, before.map(|before| &before.layers), &entries)?;
        Ok((entries, layers))
    })?;
    let input = scripts::Input {
        printer,
        store,
        view: plan.record.name.as_str(),
        before,
        entries: &entries,
        layers: layers.trees().map(|tree| store.layout().tree_root(&tree)).collect(),
    };
    let captured = timings.measure("configure", || scripts::run(&input, scripts, &mut lock))?;
    let launchers = launchers(host, &view, &pinned, &manifests, &captured.entries);
    let generation = Generation {
        format: 0,
        number: 0,
        parent: None,
        created: Host::now(),
        by: host.login.clone(),
        reason: plan.reason.clone(),
        requested: plan.requested.clone(),
        packages: pinned,
        layers,
        capture: captured.reference,
        warnings: captured.warnings,
    };
    let lock_digest = plan.project.as_ref().map(|_| Digest::of(aleph_view::Lock::of(&generation).to_text().as_bytes()));
    let draft = Draft { generation, launchers, aleph: Host::program()?, lock: lock_digest };
    let generation = timings.measure("switch", || view.advance(store, &lock, draft))?;
    Ok(Applied { view, generation, timings })
}

fn import(
    host: &Host,
    printer: &Printer,
    store: &Store,
    lock: &mut WriteLock,
    chosen: &[Chosen],
    paths: &[Option<PathBuf>],
) -> Outcome<Vec<ComponentId>> {
    let archive = |(chosen, path): (&Chosen, &Option<PathBuf>)| Archive {
        path: path.clone().unwrap_or_default(),
        expect: Some(chosen.expected()),
        source: chosen.source.clone(),
        vouched_by: chosen.vouched_by.clone(),
    };
    let archives: Vec<Archive> = chosen.iter().zip(paths).map(archive).collect();
    archives::import(host, printer, store, lock, &archives)
}

/// Gives every component its bindings, makes the packages, and pins them.
fn linked(store: &Store, lock: &mut WriteLock, chosen: &[Chosen], components: &[ComponentId]) -> Outcome<Vec<Pinned>> {
    let unlinked =
        |(chosen, component): (&Chosen, &ComponentId)| Unlinked { component: *component, slots: chosen.slots.clone() };
    let set: Vec<Unlinked> = chosen.iter().zip(components).map(unlinked).collect();
    let linked = link(&set)?;
    let keys: Vec<String> = chosen.iter().map(Chosen::key).collect();
    let mut pinned: Vec<Pinned> = chosen
        .iter()
        .zip(&linked)
        .map(|(chosen, linked)| Pinned {
            name: chosen.name.clone(),
            version: chosen.version.clone(),
            architecture: chosen.architecture.clone(),
            id: linked.id,
            component: linked.component,
            archive: chosen.archive,
            size: chosen.size,
            file: chosen.file.clone(),
            requested: chosen.requested,
            slots: chosen.slots.iter().map(|(slot, &index)| (slot.clone(), keys[index].clone())).collect(),
        })
        .collect();
    let specs: Vec<PackageSpec> =
        chosen.iter().zip(linked).map(|(chosen, linked)| PackageSpec { name: chosen.name.clone(), linked }).collect();
    store.add_packages(lock, &specs)?;
    pinned.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    Ok(pinned)
}

/// The commands of the packages that somebody asked for, and what scripts linked to them.
fn launchers(
    host: &Host,
    view: &View,
    pinned: &[Pinned],
    manifests: &[Manifest],
    captured: &[Entry],
) -> Vec<(String, Launcher)> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (_, manifest) in pinned.iter().zip(manifests).filter(|(pinned, _)| pinned.requested) {
        found.extend(commands(&compose::placed(manifest)));
    }
    // `/usr/bin/vi -> /etc/alternatives/vi -> /usr/bin/vim.nox`: a command too if what it ends at is one.
    let paths: std::collections::BTreeSet<&String> = found.values().collect();
    let alternatives = compose::alternatives(captured);
    let linked: Vec<(String, String)> = alternatives
        .into_iter()
        .filter(|(_, target)| paths.contains(target))
        .map(|(path, _)| (path.rsplit('/').next().unwrap_or_default().to_owned(), path))
        .collect();
    for (name, path) in linked {
        found.entry(name).or_insert(path);
    }
    let launcher = |command| Launcher { store: host.store_root.clone(), view: view.record.name.to_string(), command };
    found.into_iter().map(|(name, command)| (name, launcher(command))).collect()
}
