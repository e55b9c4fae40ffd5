//! What building on a cluster will take, told before it begins.

use std::{collections::BTreeSet, time::Duration};

use super::{config, ship::Ship};
use crate::{
    failure::Outcome,
    ops::build::session::Session,
    output::{bytes, count},
};

/// What a build takes that was never made.
const GUESS: Duration = Duration::from_secs(60);

/// Says what a dry run found would take on a cluster, by what the last builds took.
pub(crate) fn forecast(session: &Session<'_>, wanted: &str) -> Outcome<()> {
    let around = session.around;
    let executor = config::find(around.host, wanted)?;
    let (graph, printer) = (around.graph, around.printer);
    let open: BTreeSet<usize> = session.unsettled().into_iter().collect();
    if open.is_empty() {
        return Ok(());
    }
    let latest = session.records.latest();
    let record = |at: &usize| latest.get(graph.names[*at].as_str());
    let new = open.iter().filter(|at| record(at).is_none()).count();
    let cpu = |at: &usize| record(at).map_or(GUESS, |record| Duration::from_millis(record.cpu_ms));
    let takes = session.takes();
    let lasts = |at_once: usize| minutes(graph.lasts(&open, at_once, |name| takes[name]));
    let guessed = match new {
        0 => String::new(),
        _ => format!(", a minute being counted for each of {new} that were never built"),
    };
    let jobs = executor.jobs;
    printer.note(&format!(
        "{}: at most {} with {} of processor time{guessed}",
        executor.name,
        count(open.len(), "action"),
        minutes(open.iter().map(cpu).sum())
    ));
    let tools = Ship::new(around.store, around.toolchains.all(), false)?.size();
    printer.note(&format!(
        "  {} of tools to send, as far as the cluster does not have them, and the sources",
        bytes(tools)
    ));
    printer.note(&format!(
        "  about {} with {jobs} at once, {} with one; not under {}, however many there are",
        lasts(jobs),
        lasts(1),
        lasts(open.len())
    ));
    Ok(())
}

fn minutes(time: Duration) -> String {
    format!("{} min", time.as_secs().div_ceil(60))
}
