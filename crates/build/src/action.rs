//! A build that can be carried out: what makes up its `/`, its sources, and what is done.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use aleph_sandbox::{
    ids::IdMap,
    workshop::{End, Event, Job, Limits, Step, StepReport, WorkshopError},
};

use crate::{
    DigestError, Phase, Recipe, copy_directory, environment, phases,
    phases::{CRATES, HEADERS, OUT, exports},
    prefix,
};

/// How much of one phase's output is kept, in bytes.
const OUTPUT: usize = 64 << 20;

/// What a build may take: more than any that was seen takes, and little enough for the machine to stay usable.
const LIMITS: Limits = Limits { tasks: Some(4096), free: Some(512 << 20) };

/// A build that can be carried out.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// How.
    pub recipe: &'a Recipe,
    /// The trees that make up `/`, topmost first.
    pub layers: Vec<PathBuf>,
    /// The sources, in the recipe's order.
    pub sources: Vec<Source>,
    /// The crates that the source's `Cargo.lock` names.
    pub crates: Vec<PathBuf>,
    /// The names of the recipes whose components are in the layers, those that are asked first at the beginning.
    pub around: Vec<&'a str>,
    /// How many things may be done at once.
    pub jobs: usize,
    /// The prefix that it is built for.
    pub prefix: String,
    /// Whether the build system's tests are run.
    pub with_tests: bool,
    /// How long one phase may take.
    pub timeout: Duration,
    /// A directory for it alone, which is made. It holds the output afterwards.
    pub scratch: PathBuf,
}

/// Files of a source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Files, which keep their names, and directories, whose contents are taken.
    pub paths: Vec<PathBuf>,
}

/// How a build ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Well.
    Built(Built),
    /// A phase failed.
    Failed {
        /// The phase.
        phase: &'static str,
        /// How it ended.
        end: End,
    },
}

/// What came of a build.
#[derive(Clone, Debug)]
pub struct Built {
    /// The tree that was made for the recipe's prefix.
    pub tree: PathBuf,
    /// The names of the recipes of which a compiler read headers.
    pub headers: BTreeSet<String>,
    /// Processor time of all phases.
    pub cpu: Duration,
    /// The largest process, in KiB.
    pub peak_kib: u64,
}

/// A build could not be carried out. That it failed is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Its directories or sources could not be prepared.
    #[error("cannot prepare `{}`", path.display())]
    Prepare {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory of sources could not be copied.
    #[error(transparent)]
    Source(#[from] DigestError),
    /// The sandbox did not come about.
    #[error("cannot build in a sandbox")]
    Sandbox(#[from] WorkshopError),
}

impl Action<'_> {
    /// What is done, in order.
    pub fn phases(&self) -> Vec<Phase> {
        phases(self.recipe, self.with_tests)
    }

    /// Carries it out; `worker` starts this program as a sandbox's worker. `on_event` is told the phase and what happens in
    /// it.
    ///
    /// # Errors
    /// If it cannot be carried out.
    pub fn run(&self, worker: Command, on_event: &mut dyn FnMut(&Phase, &Event)) -> Result<Ended, ActionError> {
        let phases = self.phases();
        let job = self.job(phases.iter().map(|phase| self.step(phase)).collect())?;
        let outcome = job.run(worker, &mut |event| {
            let (Event::Started { step } | Event::Output { step, .. } | Event::Finished { step, .. }) = &event;
            on_event(&phases[*step], &event);
        })?;
        if let Some(failed) = outcome.failed_step(&job) {
            return Ok(Ended::Failed { phase: phases[failed].name, end: outcome.steps[failed].end.clone() });
        }
        let cpu = |step: &StepReport| step.user + step.system;
        let read = fs::read_to_string(self.upper().join(HEADERS.trim_start_matches('/'))).unwrap_or_default();
        let headers = self.around.iter().filter(|name| read.contains(&format!("{}/include/", prefix(name))));
        Ok(Ended::Built(Built {
            headers: headers.map(|name| (*name).to_owned()).collect(),
            tree: self.upper().join(format!("{OUT}{}", self.prefix).trim_start_matches('/')),
            cpu: outcome.steps.iter().map(cpu).sum(),
            peak_kib: outcome.steps.iter().map(|step| step.peak_kib).max().unwrap_or(0),
        }))
    }

    fn upper(&self) -> PathBuf {
        self.scratch.join("upper")
    }

    /// Puts the sources in place, and says in which tree.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn lay_out(&self) -> Result<PathBuf, ActionError> {
        let upper = self.upper();
        let make = |path: &Path, mode: u32| {
            let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
            made.map_err(|source| ActionError::Prepare { path: path.to_owned(), source })
        };
        make(&self.scratch, 0o700)?;
        make(&upper, 0o755)?;
        make(&self.scratch.join("work"), 0o755)?;
        let numbered = self.sources.iter().enumerate().map(|(number, source)| (number.to_string(), &source.paths));
        for (name, paths) in numbered.chain([(CRATES.to_owned(), &self.crates)]) {
            let directory = upper.join("sources").join(name);
            make(&directory, 0o755)?;
            for path in paths {
                if path.is_dir() {
                    copy_directory(path, &directory)?;
                } else {
                    let target = directory.join(path.file_name().unwrap_or_default());
                    fs::copy(path, target).map_err(|source| ActionError::Prepare { path: path.clone(), source })?;
                }
            }
        }
        Ok(upper)
    }

    fn job(&self, steps: Vec<Step>) -> Result<Job, ActionError> {
        let (upper, work) = (self.lay_out()?, self.scratch.join("work"));
        // One id in a namespace is root's there, whoever called: what is built is the same for all of them.
        Ok(Job {
            layers: self.layers.clone(),
            upper,
            work,
            ids: IdMap::Single,
            files: Vec::new(),
            steps,
            limits: LIMITS,
        })
    }

    fn step(&self, phase: &Phase) -> Step {
        let mut step = Step::new(phase.name, ["/bin/sh", "-c", &self.script(phase)]);
        step.env = self.variables().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        step.cwd = PathBuf::from(&phase.directory);
        step.timeout = Some(self.timeout);
        step.output = OUTPUT;
        step
    }

    /// What is done in a phase, as shell, with the recipe's own variables.
    pub fn script(&self, phase: &Phase) -> String {
        format!("{}set -e\n{}", exports(self.recipe), phase.script)
    }

    /// The environment of all phases.
    pub fn variables(&self) -> Vec<(String, String)> {
        environment(self.recipe, &self.prefix, &self.around, self.jobs)
    }
}
