//! Carrying work out in a workshop.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use aleph_sandbox::{
    ids::IdMap,
    workshop::{Event, Job, Limits, Step, WorkshopError},
};

use super::{Report, Work};
use crate::{phases::HEADERS, prefix};

/// How much of one phase's output is kept, in bytes.
const OUTPUT: usize = 64 << 20;

/// What a build may take: more than any that was seen takes, and little enough for the machine to stay usable.
const LIMITS: Limits = Limits { tasks: Some(4096), free: Some(512 << 20) };

/// Where work is carried out.
#[derive(Clone, Debug)]
pub struct Room {
    /// The trees that make up `/`, topmost first.
    pub layers: Vec<PathBuf>,
    /// The directory that takes what is written.
    pub upper: PathBuf,
    /// An empty directory beside it.
    pub work: PathBuf,
}

/// Carries work out; `worker` starts this program as a sandbox's worker, `processors` is how many there are. `on_event` is told
/// what happens.
///
/// # Errors
/// If the sandbox does not come about. That a step failed is no such error.
pub fn carry_out(
    work: &Work,
    room: &Room,
    processors: usize,
    worker: Command,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Report, WorkshopError> {
    let variables = work.environment(processors);
    let step = |one: &super::WorkStep| {
        let mut step = Step::new(&one.name, ["/bin/sh", "-c", &one.script]);
        step.env = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        step.cwd = PathBuf::from(&one.directory);
        step.timeout = Some(work.timeout);
        step.output = OUTPUT;
        step
    };
    // One id in a namespace is root's there, whoever called: what is built is the same for all of them.
    let job = Job {
        layers: room.layers.clone(),
        upper: room.upper.clone(),
        work: room.work.clone(),
        ids: IdMap::Single,
        files: Vec::new(),
        steps: work.steps.iter().map(step).collect(),
        limits: LIMITS,
    };
    let outcome = job.run(worker, &mut |event| on_event(&event))?;
    let failed = outcome.failed_step(&job).map(|at| work.steps[at].name.clone());
    Ok(Report { failed, steps: outcome.steps, headers: headers(work, &room.upper) })
}

/// Of which recipes a compiler read headers.
fn headers(work: &Work, upper: &Path) -> std::collections::BTreeSet<String> {
    let read = fs::read_to_string(upper.join(HEADERS.trim_start_matches('/'))).unwrap_or_default();
    let around = work.around.iter().filter(|name| read.contains(&format!("{}/include/", prefix(name))));
    around.cloned().collect()
}

/// Writes what happened as a line of a log.
///
/// # Errors
/// If it cannot be written.
pub fn log_line(log: &mut impl io::Write, work: &Work, event: &Event) -> io::Result<()> {
    match event {
        Event::Started { step } => writeln!(log, "== {}", work.steps[*step].name),
        Event::Output { line, .. } => log.write_all(line).and_then(|()| log.write_all(b"\n")),
        Event::Finished { step, report } => {
            let name = &work.steps[*step].name;
            writeln!(log, "== {name}: {:?} in {:.1} s", report.end, report.wall.as_secs_f64())
        }
    }
}
