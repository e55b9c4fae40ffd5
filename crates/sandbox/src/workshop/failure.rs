//! What can go wrong with a workshop, and how it travels from the worker to the caller.

use std::io;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

use super::job::{Event, Harvested};
use crate::ids::IdMap;
use crate::mount::MountError;
use crate::probe::{self, Forbidden};

/// Why a job could not be carried out. That a step failed is not among these: see [`super::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// The worker process could not be started or spoken to.
    #[error("cannot start the worker process")]
    Spawn {
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses to make the namespaces or the mounts in them. [`Forbidden::hint`] tells what to do.
    #[error("cannot make the room to run scripts in: {reason}")]
    Namespaces {
        /// Why, as far as it can be found out.
        reason: Forbidden,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Something failed in preparing the room, running a step or collecting what was written.
    #[error("cannot {doing}")]
    Inside {
        /// What was being done, and to what.
        doing: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The worker ended without having said how the job went.
    #[error("the worker process ended early ({status}){said}")]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// Its last words, with a leading `: `, or nothing.
        said: String,
    },
}

/// What the worker is asked for. Bytes on its standard input, up to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Run a job.
    Job(super::Job),
    /// Remove what a job that was killed left behind.
    Remove {
        #[serde(with = "super::raw")]
        path: std::path::PathBuf,
        ids: IdMap,
    },
}

/// What the worker answers: one per line on its standard output. The last one is `Done` or `Failed`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    Event(Event),
    Harvested(Harvested),
    Done { ids: IdMap },
    Failed(Failure),
}

/// An error on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    cause: Cause,
    /// The kernel's error number.
    errno: i32,
}

/// What was being done.
#[derive(Debug, Serialize, Deserialize)]
enum Cause {
    /// Making namespaces, or the first mounts in them.
    Namespaces,
    /// Stacking layers, refused for lack of a right or of overlayfs.
    Overlay,
    /// In words.
    Doing(String),
}

impl Failure {
    pub(super) fn new(doing: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::of(Cause::Doing(doing.into()), &error.into())
    }

    pub(super) fn namespaces(error: impl Into<io::Error>) -> Self {
        Self::of(Cause::Namespaces, &error.into())
    }

    fn of(cause: Cause, error: &io::Error) -> Self {
        Self { cause, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }

    /// A stack of layers that could not be mounted.
    pub(super) fn overlay(error: MountError) -> Self {
        match error.source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ENODEV) => Self::of(Cause::Overlay, &error.source),
            _ => error.into(),
        }
    }

    /// The first mount, which shows whether any can be made.
    pub(super) fn first_mount(error: MountError) -> Self {
        match error.source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::namespaces(error.source),
            _ => error.into(),
        }
    }
}

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        let text = error.to_string();
        Self::new(text.strip_prefix("cannot ").unwrap_or(&text), error.source)
    }
}

impl From<Failure> for WorkshopError {
    fn from(failure: Failure) -> Self {
        let source = io::Error::from_raw_os_error(failure.errno);
        match failure.cause {
            Cause::Doing(doing) => Self::Inside { doing, source },
            Cause::Namespaces => Self::Namespaces { reason: probe::explain_workers(&source), source },
            Cause::Overlay => Self::Namespaces { reason: probe::explain_overlay(&source), source },
        }
    }
}
