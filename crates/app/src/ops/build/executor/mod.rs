//! Building on a cluster: what is sent there, what comes back, and what happens if it does not.

mod config;
mod forecast;
mod ship;
mod work;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    time::Instant,
};

use aleph_build::{
    Ended,
    work::{Output, Report, place},
};
use aleph_remote::{Blob, Client, Done, RemoteError, Sent, Stage, Tool};
use aleph_sandbox::workshop::End;
pub(crate) use forecast::forecast;
pub(crate) use work::work;

use self::{config::Executor, ship::Ship};
use super::{
    prepare::{Finished, Message, Prepared},
    session::{Around, Purpose},
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::{Printer, bytes, count},
};

/// How long a report or a listing may be.
const MOST: u64 = 64 << 20;

/// A cluster that builds run on.
pub(crate) struct Cluster {
    executor: Executor,
    client: Arc<Client>,
    ship: Ship,
    told: Mutex<Told>,
}

/// What there is to tell in the end.
#[derive(Default)]
struct Told {
    actions: usize,
    cached: usize,
    sent: Sent,
}

/// Why something was not built there.
struct Trouble {
    why: String,
    /// Whether nothing else would be, either.
    gone: bool,
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Trouble {
    fn from(error: E) -> Self {
        let gone = (&error as &dyn std::error::Error).downcast_ref().is_some_and(RemoteError::is_of_all);
        Self { why: Failure::from(error).chain().join(": "), gone }
    }
}

impl Trouble {
    fn of_this(why: impl Into<String>) -> Self {
        Self { why: why.into(), gone: false }
    }
}

impl Cluster {
    /// The cluster of that name or address.
    pub(crate) fn open(around: &Around<'_>, wanted: &str, is_verbose: bool) -> Outcome<Self> {
        let Around { host, printer, .. } = around;
        let executor = config::find(host, wanted)?;
        let tool = Tool {
            name: "aleph".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            invocation: Host::invocation()?,
        };
        printer.progress().busy("asking the cluster");
        let client = Client::connect(&executor.endpoint, &tool)
            .map_err(|error| Failure::from(error).hint("without --executor it is built on this machine"));
        let client = Arc::new(client?);
        let ship = Ship::new(around.store, around.toolchains.all(), is_verbose)?;
        let cancel = client.clone();
        Host::on_interrupt(move || cancel.cancel())?;
        Ok(Self { executor, client, ship, told: Mutex::default() })
    }

    /// How many builds it may make at once.
    pub(crate) fn jobs(&self) -> usize {
        self.executor.jobs
    }

    /// Says what was moved.
    pub(crate) fn tell(&self, printer: &Printer) {
        let Told { actions, cached, sent } = &*self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *actions > 0 {
            printer.note(&format!(
                "{}: {}, {cached} of them known there; {} sent with {}",
                self.executor.name,
                count(*actions, "action"),
                count(sent.blobs, "content"),
                bytes(sent.bytes)
            ));
        }
    }

    /// Builds something there.
    pub(crate) fn carry_out(&self, prepared: Prepared<'_>, sender: &Sender<Message>) -> Message {
        let started = Instant::now();
        let at = prepared.order.at;
        match self.build(&prepared, sender) {
            Ok((ended, executor)) => {
                let Prepared { order, scratch, log, .. } = prepared;
                let wall = started.elapsed();
                let finished = Finished { order, ended, scratch, wall, log, executor: Some(executor) };
                Message::Ended { at, result: Box::new(Ok(finished)) }
            }
            // Whoever cancelled it does not want it to be built here.
            Err(_) if self.client.is_cancelled() => {
                Message::Ended { at, result: Box::new(Err(Failure::new("it was cancelled"))) }
            }
            Err(Trouble { why, gone }) => Message::Returned { order: Box::new(prepared.order), why, gone },
        }
    }

    fn build(&self, prepared: &Prepared<'_>, sender: &Sender<Message>) -> Result<(Ended, String), Trouble> {
        let order = self.ship.order(prepared, &self.executor)?;
        let at = prepared.order.at;
        let mut on_stage = |stage: Stage| {
            let word = match stage {
                Stage::Sending => "sending",
                Stage::Waiting => "waiting for a worker",
                Stage::Running => "running",
            };
            let _ = sender.send(Message::Phase { at, phase: format!("{word} on {}", self.executor.name) });
        };
        // What is built once more to compare it is not to be what was built before.
        let use_cache = matches!(prepared.order.purpose, Purpose::Make);
        let (mut done, sent) = self.client.run(&order, use_cache, &mut on_stage)?;
        self.note(&done, sent);
        let mut came = self.take_back(prepared, &done, sender);
        if done.is_cached && !matches!(came, Ok(Ended::Built(_))) {
            // What it remembers of this is not all there any more, or a failure, which need not come again.
            let (again, sent) = self.client.run(&order, false, &mut on_stage)?;
            self.note(&again, sent);
            done = again;
            came = self.take_back(prepared, &done, sender);
        }
        let by = match (done.is_cached, done.worker.as_str()) {
            (true, _) => " (known there)".to_owned(),
            (false, "") => String::new(),
            (false, worker) => format!(" ({worker})"),
        };
        Ok((came?, format!("{}{by}", self.executor.name)))
    }

    fn note(&self, done: &Done, sent: Sent) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.actions += 1;
        told.cached += usize::from(done.is_cached);
        told.sent.blobs += sent.blobs;
        told.sent.bytes += sent.bytes;
    }

    /// Takes what came of a build to where it would be had it been built here.
    fn take_back(&self, prepared: &Prepared<'_>, done: &Done, sender: &Sender<Message>) -> Result<Ended, Trouble> {
        let Some(report) = done.files.get(place::REPORT) else {
            let said = String::from_utf8_lossy(&done.said);
            let said = if said.trim().is_empty() { "it said nothing" } else { said.trim() };
            let worker = if done.worker.is_empty() { "the worker" } else { &done.worker };
            return Err(Trouble::of_this(format!("{worker} could not build (exit code {}): {said}", done.exit_code)));
        };
        let report: Report = serde_json::from_slice(&self.read(*report)?)?;
        if let Some(log) = done.files.get(place::LOG) {
            // One of an earlier attempt goes.
            let _ = fs::remove_file(&prepared.log);
            self.client.fetch(vec![(*log, prepared.log.clone())])?;
            self.show(prepared, sender)?;
        }
        if let Some(End::TookTooMuch { what }) = report.end() {
            return Err(Trouble::of_this(format!("{} took {what}", done.worker)));
        }
        if report.failed.is_none() {
            let listing =
                done.files.get(place::LISTING).ok_or_else(|| Trouble::of_this("it tells not what was built"))?;
            let text = String::from_utf8(self.read(*listing)?)?;
            let output = Output::parse(&text)?;
            let tree = prepared.action.tree();
            aleph_store::remove_tree(&tree)?;
            let files = output.directories(&tree)?.into_iter();
            self.client.fetch(files.map(|(digest, size, path)| (Blob { digest, size }, path)).collect::<Vec<_>>())?;
            output.finish(&tree)?;
        }
        Ok(prepared.action.ended(report))
    }

    fn read(&self, blob: Blob) -> Result<Vec<u8>, Trouble> {
        if blob.size > MOST {
            return Err(Trouble::of_this(format!("{blob} is too long for what it is")));
        }
        Ok(self.client.read(blob)?)
    }

    /// Tells what a build said, now that it is known.
    fn show(&self, prepared: &Prepared<'_>, sender: &Sender<Message>) -> Result<(), Trouble> {
        let at = prepared.order.at;
        if self.ship.is_verbose {
            for line in BufReader::new(File::open(&prepared.log)?).split(b'\n') {
                let line = line?;
                if !line.starts_with(b"== ") {
                    let _ = sender.send(Message::Line { at, line });
                }
            }
        }
        Ok(())
    }
}
