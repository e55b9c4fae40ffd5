//! What a workshop is given to do, what it tells meanwhile and what it leaves.
//!
//! These types also travel, as JSON, between the two halves of one running program: the caller and its worker process.
//! They are no format; both ends are always the same executable.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::raw;
use crate::ids::IdMap;

/// Steps to run as root-inside in a view that is being composed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The view's tree so far: directories, topmost first, never written to.
    #[serde(with = "raw::list")]
    pub layers: Vec<PathBuf>,
    /// An existing directory that receives every write: new files, whiteouts and opaque directories as overlayfs
    /// makes them with `userxattr`. May hold something already.
    #[serde(with = "raw")]
    pub upper: PathBuf,
    /// An existing, empty directory on the same file system as `upper`; emptied again at the end.
    #[serde(with = "raw")]
    pub work: PathBuf,
    /// Who is who inside.
    pub ids: IdMap,
    /// Files put in place before the first step.
    pub files: Vec<Placed>,
    /// What to run, in order. A step that fails ends the job, unless it may fail.
    pub steps: Vec<Step>,
    /// What the steps may take of the machine.
    pub limits: Limits,
}

/// What steps may take of the machine. Who takes more is ended within a second or two, with everything that it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many processes and threads there may be.
    pub tasks: Option<u32>,
    /// How much room has to be left where they write, in bytes.
    pub free: Option<u64>,
}

/// A file put in place before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Absolute, inside the view; missing directories are made.
    #[serde(with = "raw")]
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The content.
    #[serde(with = "raw")]
    pub bytes: Vec<u8>,
    /// Whether it stays, in `upper`. Else it only covers what is there while the steps run.
    pub lasting: bool,
}

/// One program to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is, for people.
    pub label: String,
    /// The command, looked up in the usual search path unless it holds a `/`, and its arguments.
    #[serde(with = "raw::list")]
    pub argv: Vec<OsString>,
    /// The whole environment. `PATH` is added when it is missing.
    #[serde(with = "raw::pairs")]
    pub env: Vec<(OsString, OsString)>,
    /// The working directory inside.
    #[serde(with = "raw")]
    pub cwd: PathBuf,
    /// What it reads; `None` is `/dev/null`.
    #[serde(with = "raw::option")]
    pub stdin: Option<Vec<u8>>,
    /// How long it may take before it is killed, if that is limited.
    pub timeout: Option<Duration>,
    /// Whether the next steps run although this one failed.
    pub may_fail: bool,
    /// How much of its output is passed on, in bytes, of which every line takes 32 more than it has; what follows is
    /// dropped.
    pub output: usize,
}

impl Step {
    /// A step with an empty environment, in `/`, reading nothing, without a time limit, that must succeed; 4 MiB of its
    /// output are passed on.
    pub fn new(label: impl Into<String>, argv: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            label: label.into(),
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: "/".into(),
            stdin: None,
            timeout: None,
            may_fail: false,
            output: 4 << 20,
        }
    }
}

/// What happens while a job runs. `step` is an index into [`Job::steps`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A step's program is about to start.
    Started {
        /// Which.
        step: usize,
    },
    /// A line that a step wrote, without its newline; cut at 8 KiB.
    Output {
        /// Which.
        step: usize,
        /// Where to.
        stream: Stream,
        /// The line.
        #[serde(with = "raw")]
        line: Vec<u8>,
    },
    /// A step's program and everything it left running have ended.
    Finished {
        /// Which.
        step: usize,
        /// How.
        report: StepReport,
    },
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a step ended and what it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// How it ended.
    pub end: End,
    /// Time from start to end.
    pub wall: Duration,
    /// Processor time in programs, of the step's process and those it waited for.
    pub user: Duration,
    /// Processor time in the kernel, likewise.
    pub system: Duration,
    /// The largest resident set of one process, in KiB.
    pub peak_kib: u64,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With this exit code.
    Exited(i32),
    /// Killed by this signal.
    Signalled(i32),
    /// Killed because its time was up.
    TimedOut,
    /// Killed because it took more than it may.
    TookTooMuch {
        /// Of what.
        what: String,
    },
    /// Its program could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
}

impl End {
    /// Whether it is exit code 0.
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }
}

/// What a finished job leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One report per step that was started, in order. Fewer than there are steps: the last one failed.
    pub steps: Vec<StepReport>,
    /// Every entry below `upper`, parents before children.
    pub harvest: Vec<Harvested>,
}

impl Outcome {
    /// The step that ended the job before its time, as an index into [`Job::steps`].
    pub fn failed_step(&self, job: &Job) -> Option<usize> {
        let last = self.steps.len().checked_sub(1)?;
        (!self.steps[last].end.is_success() && !job.steps[last].may_fail).then_some(last)
    }
}

/// One entry of `upper` as it looked from inside. On disk it now belongs to the caller, is readable by him, and a
/// directory writable; setuid and setgid bits are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvested {
    /// Relative to `upper`.
    #[serde(with = "raw")]
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its owner, as seen inside.
    pub uid: u32,
    /// Its group, as seen inside.
    pub gid: u32,
    /// All twelve mode bits, as seen inside.
    pub mode: u32,
    /// The `security.capability` attribute it was given; no longer on disk.
    #[serde(with = "raw::option")]
    pub capability: Option<Vec<u8>>,
}

/// What a harvested entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Hides what a lower layer has; left as it is.
    Whiteout,
    /// A device node, socket or pipe; no longer on disk.
    Removed,
}
