//! Building what has to be built: several recipes at once, those first that hold up the most.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use aleph_build::{Built, Dependency, Ended, Record};
use aleph_sandbox::workshop::End;

use super::{
    What, compare,
    display::{Display, tail},
    executor::Cluster,
    prepare::{Finished, Message, Prepared, TIMEOUT, cores, originals, prepare},
    scratch,
    session::{Decision, Done, Order, Purpose, Session},
    take,
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        audit::journal::{self, Deed},
        sources::Originals,
    },
    output::dim,
};

/// Builds everything that has to be built: on the cluster, if there is one, and what it cannot build, here.
pub(crate) fn run(session: &mut Session<'_>, cluster: Option<&Cluster>) -> Outcome<()> {
    let around = session.around;
    scratch::clean(around.store)?;
    let mut slots = Slots::new(session.wanted.builds, cluster);
    let takes = session.takes();
    let critical = around.graph.critical(|name| takes[name]);
    // Where files may be is read once something has to be fetched.
    let mut originals: Option<Originals<'_>> = None;
    let (sender, receiver) = mpsc::channel();
    let mut display = Display::new(session);
    thread::scope(|scope| -> Outcome<()> {
        let mut waiting: Vec<Order> = Vec::new();
        let mut stopped = false;
        loop {
            settle(session, &mut waiting)?;
            waiting.sort_by_key(|order| critical[order.at]);
            while let Some((order, on)) = slots.next(&mut waiting, cluster).filter(|_| !stopped) {
                if originals.is_none() {
                    originals = Some(self::originals(session)?);
                }
                let at = order.at;
                let prepared = match prepare(session, order, originals.as_ref()) {
                    Ok(prepared) => prepared,
                    // Such as a source that is nowhere to be had: others are built all the same.
                    Err(failure) => {
                        fail(session, at, failure.chain().join(": "));
                        stopped |= session.wanted.fail_fast;
                        settle(session, &mut waiting)?;
                        continue;
                    }
                };
                slots.take(at, on.is_some());
                display.phase(at, "prepare".to_owned());
                let sender: Sender<Message> = sender.clone();
                scope.spawn(move || carry_out(prepared, on, &sender));
            }
            let at_once = u32::try_from(slots.all()).unwrap_or(u32::MAX);
            display.left(session.unsettled().len(), work(session, &takes) / at_once.max(1));
            if slots.running.is_empty() {
                return Ok(());
            }
            let failed = listen(session, &receiver, &mut display, (&mut slots, &mut waiting))?;
            stopped |= failed && session.wanted.fail_fast;
        }
    })
}

/// Builds something where it is to be built.
fn carry_out(prepared: Prepared<'_>, on: Option<&Cluster>, sender: &Sender<Message>) {
    let at = prepared.order.at;
    let message = match on {
        None => Message::Ended { at, result: Box::new(prepared.carry_out(sender)) },
        Some(cluster) => cluster.carry_out(prepared, sender),
    };
    // Nobody listens any more only after a failure.
    let _ = sender.send(message);
}

/// What is built where, and how much may be.
struct Slots {
    /// How many builds this machine may make at once, if it shares in what a cluster could build, too.
    here: usize,
    shares: bool,
    /// How many the cluster may make at once.
    there: usize,
    /// What is being built, and whether that is on the cluster.
    running: BTreeMap<usize, bool>,
    /// What the cluster could not build.
    returned: BTreeSet<usize>,
}

impl Slots {
    fn new(builds: Option<usize>, cluster: Option<&Cluster>) -> Self {
        Self {
            here: builds.unwrap_or(cores().div_ceil(4).max(2)).max(1),
            shares: cluster.is_none() || builds.is_some(),
            there: cluster.map_or(0, Cluster::jobs),
            running: BTreeMap::new(),
            returned: BTreeSet::new(),
        }
    }

    /// How many builds there may be at once.
    fn all(&self) -> usize {
        self.there + if self.shares { self.here } else { 0 }
    }

    /// The last of those that wait for which there is room, and where.
    fn next<'a>(&self, waiting: &mut Vec<Order>, cluster: Option<&'a Cluster>) -> Option<(Order, Option<&'a Cluster>)> {
        let there = self.running.values().filter(|there| **there).count();
        let here = self.running.len() - there;
        let place = |order: &Order| {
            let returned = self.returned.contains(&order.at);
            if there < self.there && !returned {
                return Some(cluster);
            }
            (here < self.here && (self.shares || returned)).then_some(None)
        };
        let (index, on) = waiting.iter().enumerate().rev().find_map(|(index, order)| Some((index, place(order)?)))?;
        Some((waiting.remove(index), on))
    }

    fn take(&mut self, at: usize, there: bool) {
        self.running.insert(at, there);
    }

    /// What was sent to the cluster is built here; so is everything else if the cluster is `gone`.
    fn give_back(&mut self, at: usize, gone: bool) {
        self.returned.insert(at);
        if gone {
            (self.there, self.shares) = (0, true);
        }
    }
}

/// How long all builds take that may still have to be made, one after the other.
fn work(session: &Session<'_>, takes: &BTreeMap<String, Duration>) -> Duration {
    session.unsettled().into_iter().map(|at| takes[&session.around.graph.names[at]]).sum()
}

/// Notes that a recipe could not be built.
fn fail(session: &mut Session<'_>, at: usize, why: String) {
    let row = session.row(at, What::Failed, why);
    session.around.printer.warning(&format!("{} {} could not be built: {}", row.name, row.version, row.why));
    session.settle(at, None, row);
}

/// Decides of every recipe that is ready whether it has to be built.
fn settle(session: &mut Session<'_>, waiting: &mut Vec<Order>) -> Outcome<()> {
    session.skip_blocked();
    // What is decided may make others ready, which come later in the graph.
    for at in 0..session.done.len() {
        if !session.is_ready(at) {
            continue;
        }
        match session.decide(at)? {
            Decision::Done(done, row) => session.settle(at, Some(done), *row),
            Decision::Build(order) => {
                session.begin(at);
                waiting.push(*order);
            }
        }
    }
    Ok(())
}

/// Hears what builds tell until one of them ends. Gives whether that failed.
fn listen(
    session: &mut Session<'_>,
    receiver: &Receiver<Message>,
    display: &mut Display,
    (slots, waiting): (&mut Slots, &mut Vec<Order>),
) -> Outcome<bool> {
    loop {
        match receiver.recv().map_err(|_| Failure::new("no build tells anything any more"))? {
            Message::Phase { at, phase } => display.phase(at, phase),
            Message::Line { at, line } => {
                if session.wanted.verbose {
                    let name = dim(&session.around.graph.names[at]);
                    session.around.printer.note(&format!("{name} {}", String::from_utf8_lossy(&line)));
                }
            }
            Message::Ended { at, result } => {
                display.end(at);
                slots.running.remove(&at);
                return finish(session, at, *result);
            }
            Message::Returned { order, why, gone } => {
                display.end(order.at);
                slots.running.remove(&order.at);
                slots.give_back(order.at, gone);
                let name = &session.around.graph.names[order.at];
                let rest = if gone { ", and so is what follows" } else { "" };
                session.around.printer.warning(&format!("{name} is built here{rest}: {why}"));
                waiting.push(*order);
                return Ok(false);
            }
        }
    }
}

/// Takes what a build made into the store, or says why there is nothing. Gives whether it failed.
fn finish(session: &mut Session<'_>, at: usize, result: Outcome<Finished>) -> Outcome<bool> {
    let Finished { order, ended, mut scratch, wall, log, executor } = result?;
    let taken = match ended {
        Ended::Failed { phase, end } => Err(format!("{phase} {}", told(&end))),
        Ended::Built(built) => {
            let taken = match &order.purpose {
                Purpose::Repeat(before) | Purpose::Move(before) => repeated(session, &order, &built, before),
                Purpose::Make | Purpose::Confirm(_) => take_in(session, &order, &built, (wall, executor.as_deref())),
            };
            taken.map_err(|failure| failure.chain().join(": "))
        }
    };
    let mut row = session.row(at, What::Built, order.why.clone());
    (row.wall, row.log, row.executor) = (wall, Some(log.clone()), executor.clone());
    match taken {
        Ok(Came { done, what, notes, differences }) => {
            (row.what, row.component, row.notes, row.differences) = (what, Some(done.component), notes, differences);
            session.settle(at, Some(done), row);
            Ok(what.is_bad())
        }
        Err(why) => {
            let printer = session.around.printer;
            scratch.keep = session.wanted.keep;
            printer.warning(&format!("{} {} could not be built: {why}", row.name, row.version));
            tail(&log).iter().for_each(|line| printer.note(&format!("  {line}")));
            printer.note(&format!("  all of it: {}", log.display()));
            if scratch.keep {
                printer.note(&format!("  where it was built: {}", scratch.path.join("upper/build").display()));
            }
            (row.what, row.why) = (What::Failed, why);
            session.settle(at, None, row);
            Ok(true)
        }
    }
}

fn told(end: &End) -> String {
    match end {
        End::Exited(code) => format!("exited with {code}"),
        End::Signalled(signal) => format!("was killed by signal {signal}"),
        End::TimedOut => format!("took longer than {} hours", TIMEOUT.as_secs() / 3600),
        End::TookTooMuch { what } => format!("took {what}"),
        End::NotStarted { reason } => reason.clone(),
    }
}

/// What came of a build.
struct Came {
    done: Done,
    what: What,
    notes: Vec<String>,
    differences: Vec<String>,
}

/// Compares what was built once more with what is in the store, which stays.
fn repeated(session: &Session<'_>, order: &Order, built: &Built, before: &Record) -> Outcome<Came> {
    let around = session.around;
    let recipe = around.recipe(order.at);
    let mut lock = around.host.lock(around.store, "comparing what was built", around.printer)?;
    let from = take::From {
        host: around.host,
        recipe,
        dependencies: &order.dependencies,
        prefix: order.prefix(recipe),
        brought: &around.tree.tools.host,
        implied: &around.tree.tools.closed,
    };
    let differences = compare::differences(around.store, &mut lock, &from, built, &before.component)?;
    let what = if differences.is_empty() { What::Reproduced } else { What::Differs };
    let done = Done { component: before.component, interface: before.offers(&order.dependencies) };
    Ok(Came { done, what, notes: Vec::new(), differences })
}

/// Takes what was built into the store.
fn take_in(
    session: &mut Session<'_>,
    order: &Order,
    built: &Built,
    (wall, executor): (Duration, Option<&str>),
) -> Outcome<Came> {
    let around = session.around;
    let recipe = around.recipe(order.at);
    let mut lock = around.host.lock(around.store, "taking in what was built", around.printer)?;
    let (dependencies, brought) = (&order.dependencies, around.tree.tools.host.as_slice());
    let prefix = order.prefix(recipe);
    let implied = around.tree.tools.closed.as_slice();
    let from = take::From { host: around.host, recipe, dependencies, prefix, brought, implied };
    let before = match &order.purpose {
        Purpose::Confirm(before) => Some(&before.component),
        Purpose::Make | Purpose::Repeat(_) | Purpose::Move(_) => None,
    };
    let taken = take::take(around.store, &mut lock, &from, built, before)?;
    around.store.sync(&lock)?;
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let record = Record {
        format: Record::FORMAT,
        name: recipe.name.clone(),
        version: recipe.version.clone(),
        options: recipe.chosen.clone(),
        keys: order.keys,
        component: taken.component,
        interface: taken.interface,
        exposes: taken.exposes,
        dependencies: used(order, built),
        tools: vec![around.toolchains.of(order.at).digest],
        kept: None,
        wall_ms: milliseconds(wall),
        cpu_ms: milliseconds(built.cpu),
        peak_kib: built.peak_kib,
        built_at_ms: Host::now_ms(),
        built_by: around.host.login.clone(),
        built_on: executor.map(str::to_owned),
    };
    let done = Done { component: record.component, interface: record.offers(&order.dependencies) };
    let (what, differences) = match &order.purpose {
        Purpose::Confirm(before) if before.interface != record.interface => {
            let text = "built with what it was linked to, it offers something else: who is linked to it may not work";
            (What::Alarm, vec![text.to_owned()])
        }
        Purpose::Confirm(_) => (What::Confirmed, Vec::new()),
        Purpose::Make | Purpose::Repeat(_) | Purpose::Move(_) => (What::Built, Vec::new()),
    };
    let deed =
        Deed { did: "build", view: None, what: format!("{} {}: {}", record.name, record.version, record.component) };
    journal::record(around.host, around.store, &lock, deed)?;
    session.records.put(record)?;
    Ok(Came { done, what, notes: taken.notes, differences })
}

/// What a build was made with, and of which of it a compiler read headers.
fn used(order: &Order, built: &Built) -> BTreeMap<String, Dependency> {
    let mut dependencies = order.dependencies.clone();
    for (name, dependency) in &mut dependencies {
        dependency.headers = built.headers.contains(name);
    }
    dependencies
}
