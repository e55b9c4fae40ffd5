//! Bringing the indices of all sources up to date, and what there is of them.
//!
//! Below the directory of the lists:
//! ```text
//! state.json           what is there: the only thing that gives the files meaning; replaced in one step
//! packages/<sha256>    Packages files, uncompressed and verified, named by their digest
//! release/<sha256>     the signed files that vouch for them
//! partial/             downloads
//! lock                 held by whoever updates
//! ```
//! Killed at any instant, `state.json` is the old one or the new one, and every file it names is there.

mod archive;
mod changes;
mod files;
mod index;
mod keys;
mod release;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod trust;

use std::{path::PathBuf, time::SystemTime};

pub use index::IndexError;
pub use report::{InfoChange, SourceFailure, SourceOutcome, SourceReport, SourceWarning};
pub use state::StateError;

use super::{config::AptConfig, release::Timestamp, sources::AptSource};
use crate::net::{Fetcher, Monitor};
use archive::Archive;
use index::Indices;
use keys::Keys;
use state::{ArchiveState, State};

/// The indices of all sources, in a directory.
#[derive(Clone, Debug)]
pub struct Lists {
    directory: PathBuf,
}

/// One component of one suite for one architecture: what a verified `Packages` file is an index of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Names it, and stays the same from update to update.
    pub id: String,
    /// `Origin` of the Release file.
    pub origin: String,
    /// `Label` of the Release file.
    pub label: String,
    /// `Suite` of the Release file, or the name used in the source if there is none.
    pub suite: String,
    /// `Codename` of the Release file.
    pub codename: String,
    /// `Version` of the Release file.
    pub version: String,
    /// The component; empty for a flat archive.
    pub component: String,
    /// The architecture.
    pub architecture: String,
    /// What the `Filename` of a package is relative to.
    pub base_uri: String,
    /// Where else they are, if the source has a list of mirrors.
    pub mirrors: Vec<String>,
    /// Its priority where nothing is pinned.
    pub priority: i32,
    /// The verified, uncompressed `Packages` file.
    pub packages: PathBuf,
    /// Who vouches for it.
    pub trust: Trust,
    /// `Date` of the Release file.
    pub date: Option<Timestamp>,
}

/// What there is of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What can be used.
    pub suites: Vec<Suite>,
    /// The addresses and suites of the sources of which something was heard that nobody vouches for any more: their keys
    /// or whether they are trusted changed since. They have to be asked again.
    pub doubted: Vec<(String, String)>,
}

/// Who vouches for a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The key with this fingerprint, in upper-case hexadecimal digits.
    Signed(String),
    /// Nobody: the source says `trusted=yes`.
    Unverified,
}

/// The lists could not be read or written at all.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file of the directory could not be written.
    #[error("{path} could not be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `written` and the like.
        action: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Lists {
    /// The lists in `directory`, which need not exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// What there is of the `sources` since the last update, in their order: of those that are still configured, with
    /// what is still wanted of them, as far as somebody who may still do so vouches for it.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn known(&self, sources: &[AptSource], config: &AptConfig, now: SystemTime) -> Result<Known, StateError> {
        let state = State::read(&self.directory)?;
        let default = config.default_release.as_ref();
        let mut keys = Keys::new(config);
        let mut known = Known::default();
        for archive in archive::group(sources, config) {
            let Some(state) = state.find(&archive) else { continue };
            match trust::vouches(&archive, state, &mut keys, &self.directory, now) {
                Some(trust) => known.suites.extend(state.suites(&archive, &trust, &self.directory, default)),
                None => known.doubted.push((archive.shown_uri(), archive.suite.clone())),
            }
        }
        Ok(known)
    }

    /// Brings everything up to date; the reports are in the order in which the sources first name each archive and suite.
    ///
    /// A source that fails keeps what there was of it, if that is still vouched for, and does not keep the others from
    /// being updated. What is no longer among the `sources` is forgotten.
    ///
    /// # Errors
    /// If the directory of the lists cannot be used; nothing has changed then.
    pub fn update(
        &self,
        sources: &[AptSource],
        config: &AptConfig,
        fetcher: &Fetcher,
        now: SystemTime,
        monitor: &dyn Monitor,
    ) -> Result<Vec<SourceReport>, ListsError> {
        let _lock = files::lock(&self.directory, monitor)?;
        // A state that cannot be read is replaced: everything in it can be fetched again.
        let old = State::read(&self.directory).unwrap_or_default();
        let archives = archive::group(sources, config);
        let releases = release::fetch(&archives, &old, &self.directory, config, fetcher, now, monitor);
        let Indices { results, unfinished } = index::fetch(&archives, releases, &self.directory, fetcher, monitor);
        let mut keys = Keys::new(config);
        let mut state = State::default();
        let mut reports = Vec::new();
        for (archive, result) in archives.iter().zip(results) {
            let before = old.find(archive);
            let report = match result {
                Ok(found) => {
                    let unchanged = before.is_some_and(|before| before.same_content(&found.state));
                    state.archives.push(found.state);
                    let outcome = match unchanged {
                        true => SourceOutcome::Unchanged,
                        false => SourceOutcome::Updated { transferred: found.transferred },
                    };
                    archive.report(outcome, found.warnings)
                }
                Err(reason) => {
                    let is_good = |before: &&ArchiveState| {
                        trust::vouches(archive, before, &mut keys, &self.directory, now).is_some()
                    };
                    let before = before.filter(is_good);
                    state.archives.extend(before.cloned());
                    archive.report(SourceOutcome::Failed { reason, kept: before.is_some() }, Vec::new())
                }
            };
            reports.push(report);
        }
        state.write(&self.directory)?;
        files::clean(&self.directory, [&old, &state], &unfinished);
        Ok(reports)
    }
}

/// An archive that could be brought up to date.
struct Found {
    state: ArchiveState,
    transferred: u64,
    warnings: Vec<SourceWarning>,
}

impl Archive<'_> {
    fn report(&self, outcome: SourceOutcome, warnings: Vec<SourceWarning>) -> SourceReport {
        SourceReport {
            uri: self.shown_uri(),
            suite: self.suite.clone(),
            places: self.sources.iter().map(|source| source.place.clone()).collect(),
            outcome,
            warnings,
        }
    }
}
