//! Building what has to be built: several recipes at once, those first that hold up the most.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use aleph_build::{Action, Built, Dependency, Ended, Member, Record, System, Use, closure_entries};
use aleph_sandbox::workshop::{End, Event};

use super::{
    What, compare,
    scratch::{self, Scratch},
    session::{Decision, Done, Order, Purpose, Session, short},
    sources, take,
};
use crate::{
    cli::WORKER,
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        audit::{
            journal::{self, Deed},
            quarantine,
        },
        sources::Originals,
    },
    output::dim,
};

/// How long one phase may take.
const TIMEOUT: Duration = Duration::from_secs(4 * 3600);
/// How many lines of a log are shown of a build that failed.
const TAIL: usize = 20;

/// What a build tells while it goes on.
enum Message {
    Phase { at: usize, phase: &'static str },
    Line { at: usize, line: Vec<u8> },
    Ended { at: usize, result: Box<Outcome<Finished>> },
}

/// A build that has ended.
struct Finished {
    order: Order,
    ended: Ended,
    scratch: Scratch,
    wall: Duration,
    log: PathBuf,
}

/// Builds everything that has to be built.
pub(crate) fn run(session: &mut Session<'_>) -> Outcome<()> {
    let around = session.around;
    scratch::clean(around.store)?;
    let at_once = session.wanted.builds.unwrap_or(cores().div_ceil(4).max(2)).max(1);
    let jobs = session.wanted.jobs.unwrap_or(cores()).max(1);
    let takes = session.takes();
    let critical = around.graph.critical(|name| takes[name]);
    // Where files may be is read once something has to be fetched.
    let mut originals: Option<Originals<'_>> = None;
    let (sender, receiver) = mpsc::channel();
    let mut display = Display::new(session);
    thread::scope(|scope| -> Outcome<()> {
        let mut waiting: Vec<Order> = Vec::new();
        let mut running = 0;
        let mut stopped = false;
        loop {
            settle(session, &mut waiting)?;
            waiting.sort_by_key(|order| critical[order.at]);
            while running < at_once && !stopped {
                let Some(order) = waiting.pop() else { break };
                if originals.is_none() {
                    originals = Some(self::originals(session)?);
                }
                let at = order.at;
                let prepared = match prepare(session, order, originals.as_ref(), jobs) {
                    Ok(prepared) => prepared,
                    // Such as a source that is nowhere to be had: others are built all the same.
                    Err(failure) => {
                        fail(session, at, failure.chain().join(": "));
                        stopped |= session.wanted.fail_fast;
                        settle(session, &mut waiting)?;
                        continue;
                    }
                };
                let sender: Sender<Message> = sender.clone();
                running += 1;
                display.phase(at, "prepare");
                scope.spawn(move || {
                    let result = Box::new(prepared.carry_out(&sender));
                    // Nobody listens any more only after a failure.
                    let _ = sender.send(Message::Ended { at, result });
                });
            }
            display.left(session.unsettled().len(), work(session, &takes) / u32::try_from(at_once).unwrap_or(1));
            if running == 0 {
                return Ok(());
            }
            let failed = listen(session, &receiver, &mut display)?;
            running -= 1;
            stopped |= failed && session.wanted.fail_fast;
        }
    })
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
fn listen(session: &mut Session<'_>, receiver: &Receiver<Message>, display: &mut Display) -> Outcome<bool> {
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
                return finish(session, at, *result);
            }
        }
    }
}

/// Takes what a build made into the store, or says why there is nothing. Gives whether it failed.
fn finish(session: &mut Session<'_>, at: usize, result: Outcome<Finished>) -> Outcome<bool> {
    let Finished { order, ended, mut scratch, wall, log } = result?;
    let taken = match ended {
        Ended::Failed { phase, end } => Err(format!("{phase} {}", told(&end))),
        Ended::Built(built) => {
            let taken = match &order.purpose {
                Purpose::Repeat(before) | Purpose::Move(before) => repeated(session, &order, &built, before),
                Purpose::Make | Purpose::Confirm(_) => take_in(session, &order, &built, wall),
            };
            taken.map_err(|failure| failure.chain().join(": "))
        }
    };
    let mut row = session.row(at, What::Built, order.why.clone());
    (row.wall, row.log) = (wall, Some(log.clone()));
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
fn take_in(session: &mut Session<'_>, order: &Order, built: &Built, wall: Duration) -> Outcome<Came> {
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

/// A build with everything that it needs.
pub(super) struct Prepared<'a> {
    order: Order,
    pub(super) action: Action<'a>,
    pub(super) scratch: Scratch,
    log: PathBuf,
}

/// Where files may be that recipes name.
pub(super) fn originals<'a>(session: &Session<'a>) -> Outcome<Originals<'a>> {
    Originals::open(session.around.host, session.around.printer)
}

/// How many processors there are.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Makes everything ready for a build.
pub(super) fn prepare<'a>(
    session: &Session<'a>,
    order: Order,
    originals: Option<&Originals<'_>>,
    jobs: usize,
) -> Outcome<Prepared<'a>> {
    let around = session.around;
    let recipe = around.recipe(order.at);
    let used = order.dependencies.iter().map(|(name, dependency)| (name.as_str(), &dependency.component));
    quarantine::refuse(around.store, used)?;
    let scratch = Scratch::make(around.store, &format!("{}-{}", recipe.name, short(&order.keys.key)))?;
    let mut layers = around.toolchains.of(order.at).layers.clone();
    if !order.dependencies.is_empty() {
        let tree = scratch.path.join("around");
        around.store.plant(&tree, &entries(session, &order)?)?;
        layers.insert(0, tree);
    }
    let sources = sources::fetch(&around.directory(order.at), recipe, originals)?;
    let crates = match (recipe.build.system, originals) {
        (System::Cargo, Some(originals)) => sources::crates(recipe, &sources, originals)?,
        _ => Vec::new(),
    };
    let log = around.store.layout().log().join(format!("build-{}-{}.log", recipe.name, short(&order.keys.key)));
    let direct = recipe.dependencies().map(|(name, _)| name);
    let names = &around.graph.names;
    let indirect = around.graph.closure(order.at).into_iter().map(|other| names[other].as_str());
    let mut all: Vec<&str> = direct.collect();
    all.extend(indirect.filter(|name| !recipe.dependencies().any(|(direct, _)| direct == *name)));
    let action = Action {
        recipe,
        layers,
        sources,
        crates,
        around: all,
        jobs,
        prefix: order.prefix(recipe),
        with_tests: session.wanted.tests,
        timeout: TIMEOUT,
        scratch: scratch.path.join("build"),
    };
    Ok(Prepared { order, action, scratch, log })
}

/// The tree of everything that a build needs, each at its prefix.
fn entries(session: &Session<'_>, order: &Order) -> Outcome<Vec<aleph_component::Entry>> {
    let manifest = |(name, dependency): (&String, &Dependency)| {
        Ok((name.clone(), dependency.how, take::manifest(session.around.store, name, &dependency.component)?))
    };
    let all = order.dependencies.iter().map(manifest).collect::<Outcome<Vec<_>>>()?;
    let members: Vec<Member<'_>> = all
        .iter()
        .filter_map(|(name, how, manifest)| {
            let native = manifest.native.as_deref()?;
            Some(Member { name, native, tree: &manifest.tree, is_copied: *how == Use::Copied })
        })
        .collect();
    Ok(closure_entries(&members))
}

impl Prepared<'_> {
    fn carry_out(self, sender: &Sender<Message>) -> Outcome<Finished> {
        let Self { order, action, scratch, log } = self;
        let started = Instant::now();
        let mut file = File::create(&log)?;
        let mut worker = Command::new(Host::program()?);
        worker.arg(WORKER);
        let mut unwritten = None;
        let at = order.at;
        let ended = action.run(worker, &mut |phase, event| {
            let written = match event {
                Event::Started { .. } => {
                    let _ = sender.send(Message::Phase { at, phase: phase.name });
                    writeln!(file, "== {}", phase.name)
                }
                Event::Output { line, .. } => {
                    let _ = sender.send(Message::Line { at, line: line.clone() });
                    file.write_all(line).and_then(|()| file.write_all(b"\n"))
                }
                Event::Finished { report, .. } => {
                    writeln!(file, "== {}: {:?} in {:.1} s", phase.name, report.end, report.wall.as_secs_f64())
                }
            };
            unwritten = unwritten.take().or(written.err());
        })?;
        if let Some(error) = unwritten {
            return Err(error.into());
        }
        Ok(Finished { order, ended, scratch, wall: started.elapsed(), log })
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> Vec<String> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("== ")).collect();
    lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| (*line).to_owned()).collect()
}

/// What is being built, in one line.
struct Display {
    names: Vec<String>,
    running: BTreeMap<usize, &'static str>,
    /// How many recipes are not done, and how long that takes, all of them counted.
    left: (usize, Duration),
    bar: indicatif::ProgressBar,
}

impl Display {
    fn new(session: &Session<'_>) -> Self {
        let bar = session.around.printer.progress().busy("building");
        let names = session.around.graph.names.clone();
        Self { names, running: BTreeMap::new(), left: (0, Duration::ZERO), bar }
    }

    fn phase(&mut self, at: usize, phase: &'static str) {
        self.running.insert(at, phase);
        self.show();
    }

    fn end(&mut self, at: usize) {
        self.running.remove(&at);
        self.show();
    }

    fn left(&mut self, recipes: usize, time: Duration) {
        self.left = (recipes, time);
        self.show();
    }

    fn show(&self) {
        let one = |(at, phase): (&usize, &&str)| format!("{} ({phase})", self.names[*at]);
        let running: Vec<String> = self.running.iter().map(one).collect();
        let (recipes, time) = self.left;
        let minutes = time.as_secs().div_ceil(60);
        let waiting = recipes.saturating_sub(running.len());
        self.bar.set_message(format!("building {}; {waiting} wait, at most {minutes} min", running.join(", ")));
    }
}
