//! A build with everything that it needs, and carrying it out on this machine.

use std::{
    fs::File,
    path::PathBuf,
    process::Command,
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use aleph_build::{Action, Dependency, Ended, Member, System, Use, closure_entries, work::log_line};
use aleph_component::{Entry, TreeId};
use aleph_sandbox::workshop::Event;

use super::{
    scratch::Scratch,
    session::{Order, Session, short},
    sources, take,
};
use crate::{
    cli::WORKER,
    failure::Outcome,
    host::Host,
    ops::{audit::quarantine, sources::Originals},
};

/// How long one phase may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4 * 3600);

/// What a build tells while it goes on.
pub(super) enum Message {
    Phase {
        at: usize,
        phase: String,
    },
    Line {
        at: usize,
        line: Vec<u8>,
    },
    Ended {
        at: usize,
        result: Box<Outcome<Finished>>,
    },
    /// It was not built there where it was sent, and is to be built here; `gone` if nothing else is to be sent there.
    Returned {
        order: Box<Order>,
        why: String,
        gone: bool,
    },
}

/// A build that has ended.
pub(super) struct Finished {
    pub(super) order: Order,
    pub(super) ended: Ended,
    pub(super) scratch: Scratch,
    pub(super) wall: Duration,
    pub(super) log: PathBuf,
    /// Which executor it ran on, if that was not this machine.
    pub(super) executor: Option<String>,
}

/// A build with everything that it needs.
pub(super) struct Prepared<'a> {
    pub(super) order: Order,
    pub(super) action: Action<'a>,
    pub(super) scratch: Scratch,
    pub(super) log: PathBuf,
    /// The topmost layer: what it needs, each at its prefix.
    pub(super) around: Option<(PathBuf, Vec<Entry>)>,
    /// The trees of the tools, which are the other layers.
    pub(super) tools: Vec<TreeId>,
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
) -> Outcome<Prepared<'a>> {
    let around = session.around;
    let recipe = around.recipe(order.at);
    let used = order.dependencies.iter().map(|(name, dependency)| (name.as_str(), &dependency.component));
    quarantine::refuse(around.store, used)?;
    let scratch = Scratch::make(around.store, &format!("{}-{}", recipe.name, short(&order.keys.key)))?;
    let toolchain = around.toolchains.of(order.at);
    let mut layers = toolchain.layers.clone();
    let mut needed = None;
    if !order.dependencies.is_empty() {
        let (tree, entries) = (scratch.path.join("around"), entries(session, &order)?);
        around.store.plant(&tree, &entries)?;
        layers.insert(0, tree.clone());
        needed = Some((tree, entries));
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
        jobs: session.wanted.jobs,
        prefix: order.prefix(recipe),
        with_tests: session.wanted.tests,
        timeout: TIMEOUT,
        scratch: scratch.path.join("build"),
    };
    Ok(Prepared { order, action, scratch, log, around: needed, tools: toolchain.trees.clone() })
}

/// The tree of everything that a build needs, each at its prefix.
fn entries(session: &Session<'_>, order: &Order) -> Outcome<Vec<Entry>> {
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
    /// Builds it on this machine.
    pub(super) fn carry_out(self, sender: &Sender<Message>) -> Outcome<Finished> {
        let Self { order, action, scratch, log, .. } = self;
        let started = Instant::now();
        let mut file = File::create(&log)?;
        let mut worker = Command::new(Host::program()?);
        worker.arg(WORKER);
        let mut unwritten = None;
        let at = order.at;
        let ended = action.run(cores(), worker, &mut |work, event| {
            match event {
                Event::Started { step } => {
                    let _ = sender.send(Message::Phase { at, phase: work.steps[*step].name.clone() });
                }
                Event::Output { line, .. } => {
                    let _ = sender.send(Message::Line { at, line: line.clone() });
                }
                Event::Finished { .. } => {}
            }
            unwritten = unwritten.take().or(log_line(&mut file, work, event).err());
        })?;
        if let Some(error) = unwritten {
            return Err(error.into());
        }
        Ok(Finished { order, ended, scratch, wall: started.elapsed(), log, executor: None })
    }
}
