//! What is done in a build, apart from where: here, or on a machine that has nothing of a store.
//!
//! A cluster carries files and directories, and of their modes only whether something can be executed. What it does not
//! carry is in a listing beside each layer, and [`amend`] makes it so; what came of a build goes back as contents, and a
//! listing that says what they are ([`Output`]). So both places have the same `/`, and the same comes of it.

mod amend;
mod carry;
mod output;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use aleph_sandbox::workshop::{End, StepReport};
use serde::{Deserialize, Serialize};

pub use amend::{AmendError, amend};
pub use carry::{Room, carry_out, log_line};
pub use output::{Output, OutputError, collect, list};

/// What is done in a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What is done, in order.
    pub steps: Vec<WorkStep>,
    /// The environment of all steps, but what says how many things may be done at once.
    pub variables: Vec<(String, String)>,
    /// How many things may be done at once; as many as there are processors if that is not said.
    pub jobs: Option<usize>,
    /// The names of the recipes whose components are there.
    pub around: Vec<String>,
    /// The prefix that it is built for.
    pub prefix: String,
    /// How long a step may take.
    pub timeout: Duration,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkStep {
    /// The phase.
    pub name: String,
    /// What is done, as shell.
    pub script: String,
    /// Where, inside.
    pub directory: String,
}

/// What is told of work that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which phase failed, if one did.
    pub failed: Option<String>,
    /// How each step ended, as far as they came.
    pub steps: Vec<StepReport>,
    /// The names of the recipes of which a compiler read headers.
    pub headers: BTreeSet<String>,
}

impl Report {
    /// How the phase ended that failed.
    pub fn end(&self) -> Option<&End> {
        self.failed.as_ref().and(self.steps.last()).map(|step| &step.end)
    }

    /// Processor time of all steps.
    pub fn cpu(&self) -> Duration {
        self.steps.iter().map(|step| step.user + step.system).sum()
    }

    /// The largest process, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.steps.iter().map(|step| step.peak_kib).max().unwrap_or(0)
    }
}

/// Names in the directory where work is carried out elsewhere.
pub mod place {
    /// The work, as JSON.
    pub const WORK: &str = "work.json";
    /// The layers, topmost first, numbered.
    pub const LAYERS: &str = "layers";
    /// Their listings, numbered in the same way.
    pub const LISTINGS: &str = "listings";
    /// What comes of it: a [`super::Report`] as JSON.
    pub const REPORT: &str = "result/report.json";
    /// What was said.
    pub const LOG: &str = "result/log";
    /// What was built, as a listing.
    pub const LISTING: &str = "result/listing";
    /// The contents of it, by digest.
    pub const FILES: &str = "result/files";
    /// Where it is built.
    pub const SCRATCH: &str = "scratch";
}

impl Work {
    /// The environment of all steps, where there are that many processors.
    pub fn environment(&self, processors: usize) -> Vec<(String, String)> {
        let mut variables = self.variables.clone();
        variables.extend(crate::phases::parallel(self.jobs.unwrap_or(processors).max(1)));
        variables
    }

    /// Where what was installed is, in the directory that took what was written.
    pub fn installed(&self, upper: &std::path::Path) -> PathBuf {
        installed(upper, &self.prefix)
    }
}

/// The tree of what was installed for a prefix, in the directory that took what was written.
pub(crate) fn installed(upper: &std::path::Path, prefix: &str) -> PathBuf {
    upper.join(format!("{}{prefix}", crate::phases::OUT).trim_start_matches('/'))
}
