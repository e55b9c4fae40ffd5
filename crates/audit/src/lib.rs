//! Is it safe, and where is it from: advisories, what components have in them, and papers about it.
//!
//! Invariant: this crate changes nothing but the records of its own, below `audit/` of a store; what to do about a finding is
//! for a plan to say.

mod advisory;
mod changelog;
mod contents;
pub mod crates;
mod gather;
mod journal;
mod judge;
mod known;
mod markers;
mod osv;
mod quarantine;
pub mod sbom;
mod version;

pub use advisory::{Advisory, Affected, Answer, End, Span};
pub use changelog::{Changelog, Fix};
pub use contents::{Binary, Contents, Edge, Inside};
pub use gather::{GatherError, Gathered, gather};
pub use journal::{Entry, Head, Journal, JournalError};
pub use judge::{Certainty, Evidence, Finding, Identity, Subject, judge};
pub use known::{Heard, Known, KnownError, Learning};
pub use markers::Marker;
pub use quarantine::{Lifted, Quarantine, QuarantineError, Quarantined};
pub use version::{Scheme, upstream_of};
