//! Carrying out a plan: archives, components, packages, trees, scripts, generation. No decisions are made here.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    thread,
};

use aleph_component::{ComponentId, Digest, Entry, Linked, Manifest, Unlinked, link};
use aleph_store::{PackageSpec, Store, WriteLock};
use aleph_view::{Binding, Draft, Generation, Launcher, Layers, Pinned, View, Views};

use super::{
    abi::{
        check,
        impact::{self, Impact},
        stored::Stored,
    },
    archives::{self, Archive},
    audit::{
        journal::{self, Deed},
        quarantine,
    },
    compose, native,
    plan::{Chosen, Plan},
    scripts,
    smoke::{self, Check},
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
    pub(crate) impact: Impact,
    pub(crate) timings: Timings,
}

/// A generation that is there and not yet current.
pub(crate) struct Prepared {
    pub(crate) view: View,
    pub(crate) generation: Generation,
    pub(crate) impact: Impact,
    /// What it must pass.
    pub(crate) checks: Vec<Check>,
    pub(crate) timings: Timings,
    lock: WriteLock,
}

impl Prepared {
    /// Makes it current.
    pub(crate) fn switch(self, host: &Host, store: &Store) -> Outcome<Applied> {
        let Self { view, generation, impact, mut timings, lock, .. } = self;
        let from = generation.parent.map_or_else(String::new, |parent| format!("{parent} -> "));
        let deed = Deed {
            did: "switch",
            view: Some(view.record.name.as_str()),
            what: format!("generation {from}{}: {}", generation.number, generation.reason),
        };
        timings.measure("switch", || journal::record(host, store, &lock, deed))?;
        timings.measure("switch", || view.switch(&lock, generation.number))?;
        Ok(Applied { view, generation, impact, timings })
    }

    /// Forgets it; the view stays what it was.
    pub(crate) fn discard(self, store: &Store) -> Outcome<View> {
        self.view.forget(store, &self.lock, self.generation.number)?;
        Ok(self.view)
    }
}

/// Downloads, then takes the lock and makes the new generation, which is not current yet. Fails with [`Failure::stale`] if
/// the view moved on since the plan was made.
pub(crate) fn prepare(host: &Host, printer: &Printer, store: &Store, plan: &Plan) -> Outcome<Prepared> {
    let mut timings = Timings::default();
    let download = || super::sources::download(host, printer, store, &plan.chosen);
    let mut paths = timings.measure("download", download)?;
    let mut lock = host.lock(store, &plan.reason, printer)?;
    if collected(store, &plan.chosen, &paths)? {
        paths = timings.measure("download", download)?;
    }
    let view = Views::new(store).get_or_create(plan.record.clone())?;
    if view.current_number()? != plan.before.as_ref().map(|before| before.number) {
        return Err(Failure::stale());
    }
    view.forget_trials(store, &lock)?;
    let components = timings.measure("import", || import(host, printer, store, &mut lock, &plan.chosen, &paths))?;
    quarantine::refuse(store, plan.chosen.iter().map(|chosen| chosen.name.as_str()).zip(&components))?;
    let pinned = timings.measure("link", || linked(store, &mut lock, &plan.chosen, &components))?;
    if let Some(wrong) = plan.locked.iter().find(|locked| !pinned.iter().any(|p| p.id == locked.id)) {
        let message = format!("{} came out with another id than aleph.lock has: {}", wrong.name, wrong.id);
        return Err(Failure::new(message).hint("the lock file was edited or made by an incompatible version"));
    }
    let held = plan.before.as_ref().map(|before| impact::holding(&before.packages)).unwrap_or_default();
    let demand = plan.policy.evidence;
    let mut impact = timings.measure("judge", || impact::judge(host, &held, &impact::holding(&pinned), demand))?;
    if !plan.accept_breaks {
        impact.refuse_breaks(demand)?;
    }
    plan.add_native(&mut impact);
    let (native, foreign): (Vec<Pinned>, Vec<Pinned>) = pinned.iter().cloned().partition(Pinned::is_native);
    let (programs, checks) = timings.measure("gather", || -> Outcome<_> {
        let manifests = compose::manifests(store, &native)?;
        let programs = native::commands(store, &native, &manifests);
        Ok((programs, smoke::checks(&plan.policy, &native, &manifests)))
    })?;
    let manifests = timings.measure("gather", || compose::manifests(store, &foreign))?;
    let packages = timings.measure("gather", || compose::packages(store, &manifests))?;
    let planned = |before: Option<&Generation>| -> Outcome<_> {
        let scripts = scripts::plan(store, before, (&foreign, &packages))?;
        let placed = compose::entries_of(store, &lock, scripts.placements())?;
        Ok((scripts, placed))
    };
    let ((scripts, placed), before) = timings.measure("gather", || {
        let Some(before) = plan.before.as_ref() else { return Ok((planned(None)?, None)) };
        thread::scope(|scope| -> Outcome<_> {
            let reading = scope.spawn(|| before.layers.listing(store));
            let planned_on = planned(Some(before))?;
            match reading.join().expect("reading does not panic") {
                Ok(listing) => Ok((planned_on, Some((before, listing)))),
                // A generation whose listing does not read is as good as none.
                Err(_) => Ok((planned(None)?, None)),
            }
        })
    })?;
    let before = before.as_ref().map(|(generation, listing)| (*generation, listing));
    let (entries, layers) = timings.measure("compose", || -> Outcome<_> {
        let entries = compose::merge(&packages, placed)?;
        let existing = before.map(|(generation, listing)| (generation.layers.base, listing.base.as_slice()));
        let layers = Layers::write(store, &lock, existing, &entries)?;
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
    let launchers = launchers(host, &view, &foreign, &manifests, &captured.entries);
    let mut generation = Generation {
        format: 0,
        number: 0,
        parent: None,
        created: Host::now(),
        by: host.login.clone(),
        reason: plan.reason.clone(),
        requested: plan.requested.clone(),
        bindings: bindings(plan.before.as_ref(), &pinned, &impact),
        packages: pinned,
        layers,
        capture: captured.reference,
        warnings: captured.warnings,
    };
    timings.measure("check", || gates(host, plan, &native, &mut generation))?;
    let lock_digest = plan.project.as_ref().map(|_| Digest::of(aleph_view::Lock::of(&generation).to_text().as_bytes()));
    let draft = Draft { generation, launchers, programs, aleph: Host::program()?, lock: lock_digest };
    let generation = timings.measure("switch", || view.write(store, &lock, draft))?;
    Ok(Prepared { view, generation, impact, checks, timings, lock })
}

/// Fails if programs would lack what they need. What new programs of a tree lack becomes a warning.
fn gates(host: &Host, plan: &Plan, native: &[Pinned], generation: &mut Generation) -> Outcome<()> {
    if plan.accept_breaks {
        return Ok(());
    }
    // What only changes its bindings was judged; what is new was bound by the names of its libraries when it was taken in.
    let before = plan.before.as_ref();
    let had = |package: &Pinned| {
        before.is_some_and(|before| before.packages.iter().any(|old| old.component == package.component))
    };
    if native.iter().any(|package| package.requested && !had(package)) {
        check::gate_of_natives(&Stored::open(host)?, generation)?;
    }
    if before.is_none_or(|before| before.trees() != generation.trees()) {
        let lacks = check::gate(&Stored::open(host)?, generation, before)?;
        generation.warnings.extend(lacks);
    }
    Ok(())
}

/// On what bindings rest that this change moves, and those before it as long as they are what they were.
fn bindings(before: Option<&Generation>, packages: &[Pinned], impact: &Impact) -> Vec<Binding> {
    let by_key: BTreeMap<String, &Pinned> = packages.iter().map(|package| (package.key(), package)).collect();
    let new = impact.affected.iter().flat_map(|affected| affected.uses.iter().map(move |used| (affected, used)));
    let new = new.filter_map(|(affected, (provider, to, judgement))| {
        Some(Binding {
            package: affected.package.clone(),
            component: by_key.get(&affected.package)?.component,
            provider: provider.clone(),
            to: *to,
            verdict: judgement.verdict.as_str().to_owned(),
            evidence: judgement.evidence.iter().map(|evidence| evidence.as_str().to_owned()).collect(),
            generation: 0,
        })
    });
    let mut all: Vec<Binding> = new.collect();
    let there: HashSet<(&str, ComponentId)> =
        packages.iter().map(|package| (package.name.as_str(), package.component)).collect();
    let stays = |old: &&Binding| {
        let is_new = all.iter().any(|new| new.package == old.package && new.provider == old.provider);
        let package = by_key.get(&old.package).filter(|package| package.component == old.component);
        !is_new && package.is_some() && there.contains(&(old.provider.as_str(), old.to))
    };
    let old: Vec<Binding> = before.iter().flat_map(|before| &before.bindings).filter(stays).cloned().collect();
    all.extend(old);
    all.sort_by(|a, b| (&a.package, &a.provider).cmp(&(&b.package, &b.provider)));
    all
}

/// Whether something that the store had before there was a lock is gone again.
fn collected(store: &Store, chosen: &[Chosen], paths: &[Option<PathBuf>]) -> Outcome<bool> {
    for (chosen, _) in chosen.iter().zip(paths).filter(|(_, path)| path.is_none()) {
        if store.component_of_archive(&chosen.archive)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
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
            kept_for: chosen.kept_for.clone(),
            slots: chosen.slots.iter().map(|(slot, &index)| (slot.clone(), keys[index].clone())).collect(),
        })
        .collect();
    let spec = |(chosen, linked): (&Chosen, Linked)| PackageSpec {
        name: chosen.name.clone(),
        version: chosen.version.clone(),
        architecture: chosen.architecture.clone(),
        linked,
    };
    let specs: Vec<PackageSpec> = chosen.iter().zip(linked).map(spec).collect();
    store.add_packages(lock, &specs)?;
    pinned.sort_by(|a, b| (&a.name, &a.architecture, &a.kept_for).cmp(&(&b.name, &b.architecture, &b.kept_for)));
    Ok(pinned)
}

/// What the view puts on `PATH`.
fn launchers(
    host: &Host,
    view: &View,
    pinned: &[Pinned],
    manifests: &[Manifest],
    captured: &[Entry],
) -> Vec<(String, Launcher)> {
    let launcher = |command| Launcher { store: host.store_root.clone(), view: view.record.name.to_string(), command };
    let found = super::launchers::launched(pinned, manifests, captured);
    found.into_iter().map(|(name, command)| (name, launcher(command))).collect()
}
