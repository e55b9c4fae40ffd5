//! Whether a new generation does what its owner demands of it, before the view moves to it; and if not, which of all that
//! changed is to blame: that stays what it was, and the rest goes forward.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::circles;
use aleph_exchange::apt::solve::Upgrade;
use aleph_link::{Hold, first_bad};
use aleph_store::Store;
use aleph_view::{Pin, Pinned, Version, View};

use super::{
    apply::{self, Applied, Prepared},
    change::Wish,
    plan::Plan,
    smoke::{self, Failed},
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    output::{Printer, count},
};

/// How many bindings that fail a check are looked for, one after the other.
const MOST: usize = 3;

/// What a new generation is checked with.
pub(crate) struct Checking<'a> {
    pub(crate) host: &'a Host,
    pub(crate) printer: &'a Printer,
    pub(crate) store: &'a Store,
    /// What the plan was made for, if it was no lock file.
    pub(crate) wish: Option<&'a Wish>,
    /// Makes a plan for another wish.
    pub(crate) make: &'a dyn Fn(&Wish) -> Outcome<Plan>,
}

/// Something that changed and can be left as it was.
#[derive(Clone)]
enum Step {
    /// A package, for the whole view.
    Package { name: String, keeps: Version, instead_of: Version },
    /// What a slot of a native package is filled with.
    Binding { hold: Hold, keeps: Version, instead_of: Version },
}

/// Moves the view to a generation if it passes its checks. If it does not, and an update is to blame, finds the one change
/// that is, pins that back, and moves to what is left.
pub(crate) fn take(checking: &Checking<'_>, plan: Plan, prepared: Prepared) -> Outcome<(Plan, Applied)> {
    let Some(mut failed) = checking.run(&plan, &prepared)? else {
        return Ok((plan, prepared.switch(checking.host, checking.store)?));
    };
    let (mut plan, mut prepared) = (plan, prepared);
    for _ in 0..MOST {
        let stays = stays(&failed, &plan);
        let steps = checking.wish.filter(|wish| wish.upgrade != Upgrade::None).map(|_| steps(&plan, &prepared));
        let view = prepared.discard(checking.store)?;
        let (Some(wish), Some(steps)) = (checking.wish, steps.filter(|steps| !steps.is_empty())) else {
            return Err(stays);
        };
        let tries = steps.len().next_power_of_two().ilog2() as usize;
        let looking = format!("; looking for the cause in {}, at most {}", of(&steps), count(tries, "try"));
        checking.printer.warning(&format!("{failed}{}", if tries > 0 { looking } else { String::new() }));
        let culprit = first_bad(steps.len(), |taken| checking.works(wish, &steps, taken, &failed))?;
        // Who names a version wants that or nothing.
        if wish.at.iter().any(|(name, _)| name == steps[culprit].name()) {
            return Err(stays);
        }
        checking.pin(&view, &steps[culprit], &failed)?;
        checking.printer.warning(&format!(
            "{} is pinned back: with {}",
            steps[culprit].kept(),
            steps[culprit].blamed()
        ));
        plan = (checking.make)(wish)?;
        if plan.is_nothing() {
            return Err(stays);
        }
        prepared = apply::prepare(checking.host, checking.printer, checking.store, &plan)?;
        match checking.run(&plan, &prepared)? {
            None => return Ok((plan, prepared.switch(checking.host, checking.store)?)),
            Some(other) => failed = other,
        }
    }
    prepared.discard(checking.store)?;
    Err(stays(&failed, &plan))
}

impl Checking<'_> {
    /// The first check that fails in a generation, and did not before.
    fn run(&self, plan: &Plan, prepared: &Prepared) -> Outcome<Option<Failed>> {
        let view = &prepared.view;
        for check in &prepared.checks {
            let Some(failed) = smoke::run(self.host, self.store, view, &prepared.generation, check)? else { continue };
            let Some(before) = &plan.before else { return Ok(Some(failed)) };
            if smoke::run(self.host, self.store, view, before, check)?.is_none() {
                return Ok(Some(failed));
            }
            self.printer
                .warning(&format!("{failed}; it does in generation {}, too, so that does not count", before.number));
        }
        Ok(None)
    }

    /// Whether the check passes when only the first steps are taken.
    fn works(&self, wish: &Wish, steps: &[Step], taken: usize, failed: &Failed) -> Outcome<bool> {
        let names: Vec<String> = steps[..taken].iter().map(|step| step.name().to_owned()).collect();
        let at = wish.at.iter().filter(|(name, _)| names.contains(name)).cloned().collect();
        let holds = steps[taken..].iter().filter_map(|step| match step {
            Step::Binding { hold, .. } => Some(hold.clone()),
            Step::Package { .. } => None,
        });
        let wish = Wish { upgrade: Upgrade::Names(names), at, holds: holds.collect(), ..wish.clone() };
        let plan = match (self.make)(&wish) {
            // Some go together only: what cannot be tried alone is tried with the next.
            Err(failure) if failure.code() == UNSATISFIABLE.into() => return Ok(true),
            plan => plan?,
        };
        if plan.is_nothing() {
            return Ok(true);
        }
        let prepared = apply::prepare(self.host, self.printer, self.store, &plan)?;
        let found = smoke::run(self.host, self.store, &prepared.view, &prepared.generation, &failed.check)?;
        prepared.discard(self.store)?;
        Ok(found.is_none())
    }

    /// Remembers that something failed, so that it is not taken again.
    fn pin(&self, view: &View, step: &Step, failed: &Failed) -> Outcome<()> {
        let (consumer, provider, keeps, instead_of) = match step.clone() {
            Step::Package { name, keeps, instead_of } => (None, name, keeps, instead_of),
            Step::Binding { hold, keeps, instead_of } => (Some(hold.consumer), hold.slot, keeps, instead_of),
        };
        let lock = self.host.lock(self.store, "pinning", self.printer)?;
        let mut policy = view.policy()?;
        let pin = Pin { consumer, provider, keeps, instead_of, check: failed.check.command.clone() };
        let is_of = |known: &Pin| {
            (&known.consumer, &known.provider, &known.instead_of) == (&pin.consumer, &pin.provider, &pin.instead_of)
        };
        policy.pins.retain(|known| !is_of(known));
        policy.pins.push(pin);
        Ok(view.set_policy(self.store, &lock, &policy)?)
    }
}

impl Step {
    /// What moves, by name.
    fn name(&self) -> &str {
        match self {
            Self::Package { name, .. } => name,
            Self::Binding { hold, .. } => &hold.slot,
        }
    }

    /// What stays what it was, in words.
    fn kept(&self) -> String {
        match self {
            Self::Package { name, keeps, .. } => format!("{name} {}", keeps.version),
            Self::Binding { hold, keeps, .. } => format!("{} of {} ({})", hold.slot, hold.consumer, keeps.version),
        }
    }

    /// What failed, in words.
    fn blamed(&self) -> String {
        let (Self::Package { instead_of, .. } | Self::Binding { instead_of, .. }) = self;
        format!("{} the check fails", instead_of.version)
    }
}

fn of(steps: &[Step]) -> String {
    let bindings = steps.iter().filter(|step| matches!(step, Step::Binding { .. })).count();
    match (steps.len() - bindings, bindings) {
        (0, bindings) => count(bindings, "binding"),
        (packages, 0) => count(packages, "package"),
        (packages, bindings) => format!("{} and {}", count(packages, "package"), count(bindings, "binding")),
    }
}

/// Says that the view does not move.
fn stays(failed: &Failed, plan: &Plan) -> Failure {
    let at =
        plan.before.as_ref().map_or_else(|| "empty".to_owned(), |before| format!("at generation {}", before.number));
    Failure::new(format!("{failed}; the view stays {at}"))
        .hint("`aleph view policy` shows what is demanded; with --no-check COMMAND it is demanded no longer")
}

/// The packages, each after what it needs.
fn providers_first(packages: &[Pinned]) -> Vec<&Pinned> {
    let index: BTreeMap<String, usize> = packages.iter().enumerate().map(|(at, package)| (package.key(), at)).collect();
    let needs = |package: &Pinned| package.slots.values().filter_map(|key| index.get(key).copied()).collect();
    let needs: Vec<BTreeSet<usize>> = packages.iter().map(needs).collect();
    circles(&needs).into_iter().flatten().map(|at| &packages[at]).collect()
}

/// What changed, each after what it needs.
fn steps(plan: &Plan, prepared: &Prepared) -> Vec<Step> {
    let before = plan.before.as_ref().map(|before| before.packages.as_slice()).unwrap_or_default();
    let after = &prepared.generation.packages;
    let version = |package: &Pinned| Version { version: package.version.clone(), component: package.component };
    let mut steps = Vec::new();
    for package in providers_first(after) {
        let same = |old: &&Pinned| old.key() == package.key();
        let Some(old) = before.iter().find(same) else { continue };
        if old.component != package.component {
            let name = package.name.clone();
            // Of native packages only those change by name that were asked for; others are what slots are filled with.
            if !package.is_native() || package.requested {
                steps.push(Step::Package { name, keeps: version(old), instead_of: version(package) });
            }
            continue;
        }
        for (slot, key) in package.slots.iter().filter(|_| package.is_native()) {
            let in_slot = |packages: &[Pinned], key: &String| packages.iter().find(|one| one.key() == *key).cloned();
            let (was, is) = (old.slots.get(slot).and_then(|key| in_slot(before, key)), in_slot(after, key));
            let (Some(was), Some(is)) = (was, is) else { continue };
            if was.component != is.component {
                let hold = Hold { consumer: package.name.clone(), slot: slot.clone(), provider: was.component };
                steps.push(Step::Binding { hold, keeps: version(&was), instead_of: version(&is) });
            }
        }
    }
    steps
}
