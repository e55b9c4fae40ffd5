//! What the tour found out, as one answer for programs that read JSON.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_abi::Verdict;
use serde::{Serialize, Serializer};

use super::{
    cast::{Cast, From, Versions},
    story::Step,
};
use crate::{commands::abi::evidence_names, ops::abi::judging::combine};

/// Everything that the tour did, in numbers.
#[derive(Serialize)]
pub(super) struct Facts {
    pub(super) store: PathBuf,
    pub(super) packages_from: From,
    pub(super) versions: Vec<Versions>,
    pub(super) views: Vec<Made>,
    pub(super) programs: Vec<Ran>,
    pub(super) update: Option<Updated>,
    pub(super) rollback: Option<RolledBack>,
    pub(super) refused: Option<Refused>,
    pub(super) relinked: Option<Relinked>,
    pub(super) verify: Option<Verified>,
    pub(super) store_totals: Option<Totals>,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

impl Facts {
    /// Nothing yet.
    pub(super) fn new(store: &Path, cast: &Cast) -> Self {
        Self {
            store: store.to_owned(),
            packages_from: cast.from,
            versions: cast.versions.clone(),
            views: Vec::new(),
            programs: Vec::new(),
            update: None,
            rollback: None,
            refused: None,
            relinked: None,
            verify: None,
            store_totals: None,
            took: Milliseconds::default(),
        }
    }
}

/// A view's first generation.
#[derive(Serialize)]
pub(super) struct Made {
    pub(super) view: String,
    pub(super) owner: String,
    pub(super) generation: u32,
    pub(super) packages: usize,
    /// Packages whose components no other view had brought in.
    pub(super) imported: usize,
    /// The length of their archives.
    pub(super) archive_bytes: u64,
    /// What the store grew by.
    pub(super) new_bytes: u64,
    pub(super) new_names: u64,
    pub(super) warnings: Vec<String>,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// A program that ran.
#[derive(Clone, Serialize)]
pub(super) struct Ran {
    /// `before`, `updated` or `rolled-back`.
    pub(super) when: &'static str,
    pub(super) view: String,
    pub(super) generation: u32,
    pub(super) command: Vec<String>,
    pub(super) output: String,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// An update of one view.
#[derive(Serialize)]
pub(super) struct Updated {
    pub(super) view: String,
    pub(super) generation: u32,
    pub(super) replaced: Vec<Versions>,
    /// Packages bound to one of those directly.
    pub(super) relinked: usize,
    /// Packages bound to one of those through others: their ids changed, for an id names the whole closure.
    pub(super) renamed: usize,
    pub(super) untouched: usize,
    /// What was found of the packages that stay and use what was replaced.
    pub(super) judged: Judged,
    /// What names made from all inputs would have had to build again: everything bound to what was replaced.
    pub(super) rebuilds_avoided: usize,
    pub(super) new_bytes: u64,
    pub(super) new_names: u64,
    /// Whether a program that uses what was replaced is the same file as before.
    pub(super) same_file: bool,
    /// The other view's generation, before and after.
    pub(super) other_view: (u32, u32),
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// Verdicts, by number.
#[derive(Serialize)]
pub(super) struct Judged {
    pub(super) relink: usize,
    pub(super) unknown: usize,
    pub(super) rebuild: usize,
    /// What all of them rest on.
    pub(super) evidence: Vec<&'static str>,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

impl Judged {
    /// Of a step that was taken.
    pub(super) fn of(step: &Step) -> Self {
        let judgements = step.impact.affected.iter().map(|affected| &affected.judgement);
        let number = |verdict| judgements.clone().filter(|judgement| judgement.verdict == verdict).count();
        let took = step.phases().into_iter().find(|(phase, _)| *phase == "judge");
        Self {
            relink: number(Verdict::Relink),
            unknown: number(Verdict::Unknown),
            rebuild: number(Verdict::Rebuild),
            evidence: evidence_names(&combine(judgements.clone()).evidence),
            took: took.map(|(_, took)| took).unwrap_or_default(),
        }
    }
}

/// An update of packages that run from the store.
#[derive(Serialize)]
pub(super) struct Relinked {
    pub(super) view: String,
    /// Packages that were linked anew, besides those that were replaced.
    pub(super) relinked: usize,
    pub(super) judged: Judged,
    /// What the store grew by.
    pub(super) written_bytes: u64,
    #[serde(rename = "link_milliseconds")]
    pub(super) link: Milliseconds,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// An update that was not taken.
#[derive(Serialize)]
pub(super) struct Refused {
    pub(super) view: String,
    /// The generation that the view is still at.
    pub(super) generation: u32,
    pub(super) said: String,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// The way back.
#[derive(Serialize)]
pub(super) struct RolledBack {
    pub(super) view: String,
    pub(super) from: u32,
    pub(super) to: u32,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// What `aleph store verify` found.
#[derive(Serialize)]
pub(super) struct Verified {
    pub(super) components: usize,
    pub(super) packages: usize,
    pub(super) contents: u64,
    pub(super) bytes: u64,
    pub(super) damage: usize,
    #[serde(rename = "milliseconds")]
    pub(super) took: Milliseconds,
}

/// What the store holds in the end.
#[derive(Serialize)]
pub(super) struct Totals {
    /// Packages that the views' current generations hold, counted once for each view.
    pub(super) packages_in_views: usize,
    /// The length of their files, counted likewise.
    pub(super) bytes_in_views: u64,
    /// What there is, everything once.
    pub(super) stored_bytes: u64,
}

/// A time, written as milliseconds with three decimals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Milliseconds(pub(super) Duration);

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0.as_secs_f64() * 1e6).round() / 1e3)
    }
}

/// A time for people: `1.7 ms`, `340 ms`, `2.1 s`.
impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = self.0.as_secs_f64() * 1e3;
        match milliseconds {
            ..10.0 => write!(f, "{milliseconds:.1} ms"),
            10.0..1000.0 => write!(f, "{milliseconds:.0} ms"),
            _ => write!(f, "{:.1} s", milliseconds / 1e3),
        }
    }
}
