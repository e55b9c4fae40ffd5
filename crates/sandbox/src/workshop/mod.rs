//! Running maintainer scripts: as root-inside, in namespaces of their own, without network, every write captured.
//!
//! Four processes take part. The **caller** (which may have threads) starts a **worker**: its own executable again, with
//! arguments that make it call [`worker_main`]. The worker forks an **overseer**, which leaves the host's user, process,
//! network, host-name and message namespaces; the worker, which has not, writes the id maps. The overseer still sees the
//! host's files; it forks the **inside**, process 1 of the new namespaces, which mounts the view's tree and runs the
//! steps. Meanwhile the overseer answers what the system-call filter refers to it. When the inside has ended, the
//! overseer walks what was written, reports it, and gives it all to the caller.
//!
//! When any of the four dies, those after it are killed.

mod failure;
mod harvest;
mod inside;
mod job;
mod limits;
mod overseer;
mod raw;
mod run;
mod steps;
mod worker;

pub use failure::WorkshopError;
pub use job::{End, Event, Harvested, Job, Kind, Limits, Outcome, Placed, Step, StepReport, Stream};
pub use run::{Running, remove_tree};
pub use worker::worker_main;
