//! `Release` files: what a suite's archive says of itself, and whose signature vouches for it.
//!
//! Invariant: a [`Release`] is only ever made of text that a signature covers, or that the user said to trust unsigned.

mod cleartext;
mod date;
mod key;
mod keyring;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

use std::{collections::BTreeMap, time::SystemTime};

use aleph_component::Digest;

pub use cleartext::ClearsignError;
pub use date::Timestamp;
pub use keyring::{Keyring, KeyringError};
pub use verify::{Refusal, Verified, VerifyError, split_clearsigned, verify_clearsigned, verify_detached};

use super::paragraph::paragraphs;

/// What a `Release` file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// `Origin`, e.g. `Debian`; empty if it is not given, as are the following.
    pub origin: String,
    /// `Label`
    pub label: String,
    /// `Suite`, e.g. `stable`.
    pub suite: String,
    /// `Codename`, e.g. `bookworm`.
    pub codename: String,
    /// `Version`
    pub version: String,
    /// `Date`: when it was made.
    pub date: Option<Timestamp>,
    /// `Valid-Until`: after this it is not to be used.
    pub valid_until: Option<Timestamp>,
    /// `NotAutomatic`: its packages are only taken when asked for.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades`: but those that came from it are updated from it.
    pub but_automatic_upgrades: bool,
    /// `Acquire-By-Hash`: its files can be fetched by digest.
    pub acquire_by_hash: bool,
    /// `Architectures`
    pub architectures: Vec<String>,
    /// True unless `No-Support-for-Architecture-all` says that packages for all architectures are in every index.
    pub has_architecture_all: bool,
    /// The `SHA256` table: files by their path below the suite's directory.
    pub files: BTreeMap<String, IndexFile>,
}

/// One line of the table of a `Release` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// A Release file is not one, or may not be used now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A line is not a field.
    #[error("line {line} of the Release file is not a field")]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
    /// There is not exactly one paragraph.
    #[error("the Release file has {found} paragraphs; it should have one")]
    Paragraphs {
        /// How many.
        found: usize,
    },
    /// A date that is none.
    #[error("the field {field} of the Release file is no date: `{value}`")]
    Date {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// The table has a line that is none.
    #[error("the SHA256 table of the Release file has a line that is not `digest size path`: `{line}`")]
    Table {
        /// The line.
        line: String,
    },
    /// There is no table.
    #[error("the Release file has no SHA256 table")]
    NoTable,
    /// Its end has come.
    #[error("the Release file was valid until {until}")]
    Expired {
        /// When that was.
        until: Timestamp,
    },
    /// It is from the future; perhaps the clock is wrong.
    #[error("the Release file is dated {date}, which is in the future")]
    Future {
        /// When that is.
        date: Timestamp,
    },
    /// It is older than one seen before: somebody may be replaying an old one.
    #[error("the Release file is dated {date}, but one dated {seen} was seen before")]
    Older {
        /// Its date.
        date: Timestamp,
        /// The date of the one before.
        seen: Timestamp,
    },
}

/// Which dates a Release file must satisfy.
#[derive(Clone, Copy, Debug)]
pub struct DateRules {
    /// What time it is.
    pub now: SystemTime,
    /// Whether [`Release::valid_until`] counts.
    pub check_valid_until: bool,
    /// Whether a date in the future is refused.
    pub check_date: bool,
    /// The date of the last one that was accepted from the same place.
    pub seen: Option<Timestamp>,
}

/// How far a Release file may be ahead of our clock, in seconds; apt's default.
const FUTURE: i64 = 10;

impl Release {
    /// Reads the text of a `Release` file.
    ///
    /// # Errors
    /// If it is malformed or has no SHA256 table.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let paragraphs = paragraphs(text).map_err(|error| ReleaseError::Malformed { line: error.line })?;
        let [fields] = &paragraphs[..] else { return Err(ReleaseError::Paragraphs { found: paragraphs.len() }) };
        let text = |name| fields.get(name).unwrap_or("").to_owned();
        let yes = |name| fields.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("yes"));
        let date = |field: &'static str| {
            let value = fields.get(field);
            let parse = |value| Timestamp::parse(value).ok_or(ReleaseError::Date { field, value: clip(value) });
            value.map(parse).transpose()
        };
        let all = fields.get("No-Support-for-Architecture-all").is_some_and(|value| value.trim() == "Packages");
        Ok(Self {
            origin: text("Origin"),
            label: text("Label"),
            suite: text("Suite"),
            codename: text("Codename"),
            version: text("Version"),
            date: date("Date")?,
            valid_until: date("Valid-Until")?,
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            acquire_by_hash: yes("Acquire-By-Hash"),
            architectures: text("Architectures").split_whitespace().map(str::to_owned).collect(),
            has_architecture_all: !all,
            files: table(fields.get("SHA256").ok_or(ReleaseError::NoTable)?)?,
        })
    }

    /// Checks that it may be used at this time.
    ///
    /// # Errors
    /// If it is past its end, from the future, or older than one seen before.
    pub fn check_dates(&self, rules: &DateRules) -> Result<(), ReleaseError> {
        let now = Timestamp::from(rules.now);
        if let (Some(date), Some(seen)) = (self.date, rules.seen)
            && date < seen
        {
            return Err(ReleaseError::Older { date, seen });
        }
        match (self.date, self.valid_until) {
            (Some(date), _) if rules.check_date && date.0 > now.0.saturating_add(FUTURE) => {
                Err(ReleaseError::Future { date })
            }
            (_, Some(until)) if rules.check_valid_until && until < now => Err(ReleaseError::Expired { until }),
            _ => Ok(()),
        }
    }

    /// The priority of its packages where nothing is pinned: 500; 1 if they are not automatic; 100 if upgrades are.
    pub fn priority(&self) -> i32 {
        match (self.not_automatic, self.but_automatic_upgrades) {
            (false, _) => 500,
            (true, false) => 1,
            (true, true) => 100,
        }
    }
}

fn table(text: &str) -> Result<BTreeMap<String, IndexFile>, ReleaseError> {
    let mut files = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let entry = (|| {
            let digest = words.next()?.parse().ok()?;
            let size = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), IndexFile { size, digest }))
        })();
        let (path, file) = entry.ok_or_else(|| ReleaseError::Table { line: clip(line) })?;
        files.insert(path, file);
    }
    Ok(files)
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
