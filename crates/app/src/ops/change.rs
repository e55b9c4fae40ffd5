//! From what somebody wishes to a new generation: read the view, ask the solver, make a plan, apply it.

use std::collections::BTreeMap;

use aleph_component::ComponentId;
use aleph_exchange::apt::solve::Upgrade;
use aleph_link::{Hold, Member};
use aleph_store::Store;
use aleph_view::{Generation, Lock, Pinned, Policy, Request, Views};

use super::{
    abi::{
        impact::{self, Impact},
        moved,
    },
    apply::{self, Applied},
    audit::quarantine,
    checked::{self, Checking},
    cost::Cost,
    foreign, local,
    native::{self, Natives, Settled},
    plan::{Chosen, Plan},
    sources,
    timings::Timings,
};
use crate::{
    failure::{Failure, Outcome},
    host::{Host, Target},
    output::Printer,
};

/// What somebody wishes of a view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Requests to add; one of the same name is replaced.
    pub(crate) add: Vec<String>,
    /// Names to ask for no longer.
    pub(crate) remove: Vec<String>,
    /// What moves to newer versions.
    pub(crate) upgrade: Upgrade,
    /// The versions that some of that moves to: name and version.
    pub(crate) at: Vec<(String, String)>,
    /// Whether recommended packages come along.
    pub(crate) recommends: bool,
    /// Whether packages that stay may be broken.
    pub(crate) accept_breaks: bool,
    /// Bindings of native packages that stay as they are.
    pub(crate) holds: Vec<Hold>,
}

/// What became of a wish.
pub(crate) enum Changed {
    /// The view was as wished.
    Nothing(Plan, Timings),
    /// This would be done, and would mean this.
    Planned(Plan, Impact, Timings),
    /// This was done.
    Done(Box<Plan>, Box<Applied>),
}

/// How often a plan is made anew because another process changed the view meanwhile.
const TRIES: usize = 5;

/// Changes a view as wished.
pub(crate) fn change(host: &Host, printer: &Printer, target: &Target, wish: &Wish, reason: &str) -> Outcome<Changed> {
    carry_out(host, printer, Some(wish), |store, wish| {
        plan(host, printer, store, target, wish.unwrap_or(&Wish::default()), reason)
    })
}

/// Who would keep what it has, were the view changed as wished, because it has to be rebuilt to go on.
pub(crate) fn to_rebuild(host: &Host, printer: &Printer, target: &Target, wish: &Wish) -> Outcome<Vec<String>> {
    let store = host.store_to_read()?;
    let (plan, _) = plan(host, printer, Some(&store), target, wish, "")?;
    Ok(plan.to_rebuild())
}

/// Brings a project's view to its lock file, or, where that is missing or was made for other wishes, to its manifest.
pub(crate) fn sync(host: &Host, printer: &Printer) -> Outcome<Changed> {
    let target = host.target()?;
    let project = target.project.clone().ok_or_else(|| Failure::new("this is no project"))?;
    match Lock::read(&project.lock_file())? {
        Some(lock) if super::project::is_same(&lock.requested, &project.packages) => {
            carry_out(host, printer, None, |store, _| Ok((plan_of_lock(store, &target, &lock)?, Timings::default())))
        }
        _ => change(host, printer, &target, &Wish::default(), "sync with aleph.toml"),
    }
}

fn carry_out(
    host: &Host,
    printer: &Printer,
    wish: Option<&Wish>,
    make: impl Fn(Option<&Store>, Option<&Wish>) -> Outcome<(Plan, Timings)>,
) -> Outcome<Changed> {
    if host.global.dry_run {
        let store = match host.store_to_read() {
            Err(failure) if failure.is_no_store() => None,
            store => Some(store?),
        };
        let (plan, mut timings) = make(store.as_ref(), wish)?;
        if plan.is_nothing() {
            return plan.blocked().map_or(Ok(Changed::Nothing(plan, timings)), Err);
        }
        let impact = timings.measure("judge", || planned_impact(host, store.as_ref(), &plan))?;
        return Ok(Changed::Planned(plan, impact, timings));
    }
    let store = host.store()?;
    for _ in 0..TRIES {
        let (plan, timings) = make(Some(&store), wish)?;
        if plan.is_nothing() {
            follow_unchanged(host, &store, &plan)?;
            return plan.blocked().map_or(Ok(Changed::Nothing(plan, timings)), Err);
        }
        let changed = apply::prepare(host, printer, &store, &plan).and_then(|mut prepared| {
            prepared.timings.add(timings);
            let make = |wish: &Wish| Ok(make(Some(&store), Some(wish))?.0);
            checked::take(&Checking { host, printer, store: &store, wish, make: &make }, plan, prepared)
        });
        match changed {
            Err(failure) if failure.is_stale() => {}
            Err(failure) => return Err(failure),
            Ok((plan, applied)) => {
                super::project::follow(host, &applied.view, &applied.generation)?;
                return Ok(Changed::Done(Box::new(plan), Box::new(applied)));
            }
        }
    }
    Err(Failure::new("another process keeps changing this view").hint("wait for it and run this again"))
}

/// What a plan means, as far as what it brings is in the store.
fn planned_impact(host: &Host, store: Option<&Store>, plan: &Plan) -> Outcome<Impact> {
    let Some(store) = store else { return Ok(Impact::default()) };
    let stored = |chosen: &Chosen| store.component_of_archive(&chosen.archive);
    let stored: Vec<Option<ComponentId>> = plan.chosen.iter().map(stored).collect::<Result<_, _>>()?;
    let stored = plan.chosen.iter().zip(&stored).filter_map(|(chosen, id)| Some((chosen.name.as_str(), id.as_ref()?)));
    quarantine::refuse(store, stored)?;
    let held = plan.before.as_ref().map(|before| impact::holding(&before.packages)).unwrap_or_default();
    let foreign = plan.chosen.iter().filter(|chosen| !chosen.is_native());
    let one = |chosen: &Chosen| Ok((chosen.key(), store.component_of_archive(&chosen.archive)?));
    let mut impact = impact::judge(host, &held, &foreign.map(one).collect::<Outcome<_>>()?, plan.policy.evidence)?;
    plan.add_native(&mut impact);
    Ok(impact)
}

/// A lock file that went missing is written again although nothing else changes.
fn follow_unchanged(host: &Host, store: &Store, plan: &Plan) -> Outcome<()> {
    match (Views::new(store).get(&plan.record.name)?, &plan.before) {
        (Some(view), Some(before)) => super::project::follow(host, &view, before),
        _ => Ok(()),
    }
}

fn before(store: Option<&Store>, target: &Target) -> Outcome<Option<Generation>> {
    let Some(store) = store else { return Ok(None) };
    Ok(match Views::new(store).get(&target.record.name)? {
        Some(view) => view.current()?,
        None => None,
    })
}

fn plan(
    host: &Host,
    printer: &Printer,
    store: Option<&Store>,
    target: &Target,
    wish: &Wish,
    reason: &str,
) -> Outcome<(Plan, Timings)> {
    let mut timings = Timings::default();
    let before = before(store, target)?;
    let mut requested: Vec<Request> = match (&target.project, &before) {
        (Some(project), _) => project.packages.clone(),
        (None, Some(before)) => before.requested.clone(),
        (None, None) => Vec::new(),
    };
    let (files, names): (Vec<_>, Vec<_>) = wish.add.iter().partition(|text| local::is_file(text));
    let locals = files.iter().map(|file| local::look(host, file)).collect::<Outcome<Vec<_>>>()?;
    let architectures = sources::architectures(host)?;
    locals.iter().try_for_each(|local| check_architecture(local, &architectures))?;
    for name in &wish.remove {
        let found = requested.iter().position(|request| request.0 == *name || request.name() == name);
        let index = found.ok_or_else(|| not_requested(name, before.as_ref()))?;
        requested.remove(index);
    }
    let added = names.into_iter().cloned().chain(locals.iter().map(|local| local.request(&architectures.native)));
    for request in added.map(Request) {
        if !requested.contains(&request) {
            requested.retain(|known| known.name() != request.name());
            requested.push(request);
        }
    }
    // Who names another version than the one that was asked for asks for that from now on.
    for (name, version) in &wish.at {
        let is_other = |request: &&mut Request| request.name() == name && request.0.contains('=');
        if let Some(request) = requested.iter_mut().find(is_other) {
            let (before, _) = request.0.split_once('=').unwrap_or_default();
            *request = Request(format!("{before}={version}"));
        }
    }
    // Where a project's lock file and its view disagree, the lock file is what the project holds.
    let lock = match &target.project {
        Some(project) => Lock::read(&project.lock_file())?,
        None => None,
    };
    let held = match (lock, &before) {
        (Some(lock), _) => Some(lock),
        (None, before) => before.as_ref().map(Lock::of),
    };
    let mut plan = Plan {
        record: target.record.clone(),
        project: target.project.clone(),
        before,
        requested,
        chosen: Vec::new(),
        locked: Vec::new(),
        reason: reason.to_owned(),
        accept_breaks: wish.accept_breaks,
        policy: policy(store, target)?,
        native: Settled::default(),
        kept: Vec::new(),
        cost: Cost::default(),
    };
    // Made for just these requests and files, there is nothing to ask a solver.
    let has = |held: &Lock, local: &local::Local| held.packages.iter().any(|p| p.archive == local.archive().0);
    let satisfied = held.as_ref().filter(|held| super::project::is_same(&held.requested, &plan.requested));
    let satisfied = satisfied.filter(|held| locals.iter().all(|local| has(held, local)));
    let only_adds = wish.remove.is_empty() && wish.upgrade == Upgrade::None && !wish.recommends;
    if let (true, Some(held)) = (only_adds, satisfied) {
        plan.chosen = chosen_of(&held.packages)?;
        locals.iter().for_each(|local| name_file(&mut plan.chosen, local));
        return Ok((plan, timings));
    }
    let held = held.map(|held| held.packages).unwrap_or_default();
    let (native, held): (Vec<&Pinned>, Vec<&Pinned>) = held.iter().partition(|pinned| pinned.is_native());
    if !held.is_empty() || plan.requested.iter().any(|request| request.native().is_none()) {
        let offers = timings.measure("load_index", || sources::offers(host, printer))?;
        let around = foreign::Around { host, printer, store, architectures, offers: &offers };
        (plan.chosen, plan.kept) =
            timings.measure("solve", || foreign::choose(&around, &plan, wish, (&held, &locals)))?;
    }
    plan.cost = Cost::fetched(store, &plan.chosen)?;
    if plan.requested.iter().any(|request| request.native().is_some()) {
        timings.measure("judge", || link_natives(host, store, &mut plan, wish, &native))?;
    }
    Ok((plan, timings))
}

/// Adds the native packages to a plan, with what their slots are filled with.
fn link_natives(host: &Host, store: Option<&Store>, plan: &mut Plan, wish: &Wish, held: &[&Pinned]) -> Outcome<()> {
    let nowhere = || Failure::new("there is no store yet, so no native component");
    let mut natives = Natives::read(store.ok_or_else(nowhere)?)?;
    let demand = plan.policy.evidence;
    let around = native::Around {
        before: plan.before.as_ref(),
        policy: &plan.policy,
        holds: &wish.holds,
        at: &wish.at,
        accept_breaks: wish.accept_breaks,
    };
    let judge = |natives: &mut Natives<'_>, members: &[Member], moved: &[native::Moved]| {
        moved::judge(host, natives, members, moved, demand)
    };
    let settled = native::settle(&mut natives, &plan.requested, held, &wish.upgrade, &around, &judge)?;
    plan.chosen.extend(settled.chosen(&mut natives, plan.chosen.len())?);
    plan.kept.extend(settled.kept.iter().cloned());
    let has = plan.before.iter().flat_map(|before| &before.packages).map(|package| package.id).collect();
    plan.cost.add_linked(&mut natives, &settled, &has)?;
    plan.native = settled;
    Ok(())
}

/// What is demanded of a view.
fn policy(store: Option<&Store>, target: &Target) -> Outcome<Policy> {
    let view = match store {
        Some(store) => Views::new(store).get(&target.record.name)?,
        None => None,
    };
    Ok(view.map(|view| view.policy()).transpose()?.unwrap_or_default())
}

/// Fails for a file that this host's packages could do nothing with.
fn check_architecture(local: &local::Local, architectures: &sources::Architectures) -> Outcome<()> {
    let own = &local.architecture;
    if own == "all" || *own == architectures.native || architectures.foreign.contains(own) {
        return Ok(());
    }
    let message = format!("{} {} is made for {own}, not for {}", local.name, local.version, architectures.native);
    Err(Failure::new(message).with_code(crate::failure::UNSATISFIABLE).hint(format!(
        "where a program for {own} can run, `dpkg --add-architecture {own}` makes it an architecture of this host"
    )))
}

/// What a view that exists holds, as a plan has it.
fn chosen_of(packages: &[Pinned]) -> Outcome<Vec<Chosen>> {
    let index: BTreeMap<String, usize> = packages.iter().enumerate().map(|(index, p)| (p.key(), index)).collect();
    let one = |pinned: &Pinned| {
        let slot = |(slot, key): (&String, &String)| {
            let missing = || Failure::new(format!("`{}` is bound to `{key}`, which is not there", pinned.name));
            Ok((slot.clone(), *index.get(key).ok_or_else(missing)?))
        };
        Ok(Chosen {
            name: pinned.name.clone(),
            version: pinned.version.clone(),
            architecture: pinned.architecture.clone(),
            archive: pinned.archive,
            size: pinned.size,
            file: pinned.file.clone(),
            uri: None,
            named: false,
            source: "lock file".to_owned(),
            vouched_by: None,
            requested: pinned.requested,
            kept_for: pinned.kept_for.clone(),
            slots: pinned.slots.iter().map(slot).collect::<Outcome<_>>()?,
        })
    };
    packages.iter().map(one).collect()
}

/// Says that an archive which the view is to hold was named as a file.
fn name_file(chosen: &mut [Chosen], local: &local::Local) {
    let (archive, _, file) = local.archive();
    for chosen in chosen.iter_mut().filter(|chosen| chosen.archive == archive) {
        (chosen.file, chosen.named, chosen.source) = (file.clone(), true, local.source());
    }
}

fn plan_of_lock(store: Option<&Store>, target: &Target, lock: &Lock) -> Outcome<Plan> {
    Ok(Plan {
        record: target.record.clone(),
        project: target.project.clone(),
        before: before(store, target)?,
        requested: lock.requested.clone(),
        chosen: chosen_of(&lock.packages)?,
        locked: lock.packages.clone(),
        reason: "sync with aleph.lock".to_owned(),
        // Whoever wrote the lock file has decided.
        accept_breaks: true,
        policy: policy(store, target)?,
        native: Settled::default(),
        kept: Vec::new(),
        cost: Cost::default(),
    })
}

fn not_requested(name: &str, before: Option<&Generation>) -> Failure {
    let there = before.is_some_and(|before| before.packages.iter().any(|package| package.name == name));
    let failure = Failure::new(format!("`{name}` was not asked for")).with_code(crate::failure::UNSATISFIABLE);
    if there {
        return failure.hint(format!("`aleph why {name}` says what needs it"));
    }
    failure.hint("`aleph list` shows what was asked for")
}
