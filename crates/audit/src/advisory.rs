//! An advisory as it is kept, and whether a version is affected by it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{osv, version::Scheme};

/// What is known of a weakness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// Its id at who wrote it, such as `GHSA-…`, `DSA-…`, `RUSTSEC-…`.
    pub id: String,
    /// Its other ids, such as `CVE-…`.
    pub aliases: Vec<String>,
    /// One line.
    pub summary: String,
    /// A CVSS base score from 0 to 10, if somebody gave it one.
    pub severity: Option<f64>,
    /// Whom it is about.
    pub affected: Vec<Affected>,
}

/// A package that an advisory is about, and which versions of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Where the package is from, in OSV's names: `PyPI`, `Debian:12`.
    pub ecosystem: String,
    /// What it is called there.
    pub name: String,
    /// Spans of affected versions.
    pub spans: Vec<Span>,
    /// Affected versions, letter by letter.
    pub versions: Vec<String>,
}

/// Affected versions from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first one; `0` stands before all.
    pub from: String,
    /// What ends it.
    pub to: End,
}

/// What ends a span of affected versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// This version is not affected any more.
    Fixed(String),
    /// This one is the last that is.
    Last(String),
    /// Nothing so far.
    Open,
}

/// Whether a version is affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is; from these versions on it is not any more.
    Yes(Vec<String>),
    /// It is not.
    No,
    /// The version, or one of the advisory's, does not read.
    Unknown,
}

/// The longest line that is kept of what an advisory says, in bytes.
const LONGEST: usize = 200;

impl Advisory {
    /// Reads a record of OSV. `None`: it was withdrawn.
    ///
    /// # Errors
    /// If it is no such record.
    pub fn from_osv(bytes: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        let record: osv::Record = serde_json::from_slice(bytes)?;
        if record.withdrawn.is_some() {
            return Ok(None);
        }
        let mut aliases = record.aliases;
        let also = record.upstream.into_iter().chain(record.related.into_iter().filter(|id| is_of(&record.id, id)));
        aliases.extend(also.filter(|id| *id != record.id));
        aliases.sort();
        aliases.dedup();
        let scores = record.severity.iter().chain(record.affected.iter().flat_map(|affected| &affected.severity));
        let severity = scores.filter_map(|severity| score(&severity.score)).max_by(f64::total_cmp);
        let summary = if record.summary.is_empty() { &record.details } else { &record.summary };
        let affected = record.affected.into_iter().filter_map(Affected::from_osv).collect();
        Ok(Some(Self { summary: line(summary), id: record.id, aliases, severity, affected }))
    }

    /// The ids that people know what it is about by: those of CVEs, of which a distribution's may name several, or else its own.
    pub fn known_as(&self) -> Vec<&str> {
        let ids = std::iter::once(&self.id).chain(&self.aliases).map(String::as_str);
        let cves: Vec<&str> = ids.filter(|id| id.starts_with("CVE-")).collect();
        if cves.is_empty() { vec![&self.id] } else { cves }
    }
}

/// Whether an id among those that an advisory is related to is only a longer name of it, such as `DEBIAN-CVE-2024-1` of
/// `CVE-2024-1`.
fn is_of(own: &str, other: &str) -> bool {
    own.ends_with(other)
}

/// The base score of a vector, such as `CVSS:3.1/AV:N/…`.
fn score(vector: &str) -> Option<f64> {
    vector.parse::<cvss::Cvss>().ok().map(|cvss| cvss.score())
}

/// The first line of a text, not too long.
fn line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let end = line.char_indices().map(|(at, _)| at).find(|&at| at >= LONGEST);
    end.map_or_else(|| line.to_owned(), |end| format!("{}…", &line[..end]))
}

impl Affected {
    fn from_osv(affected: osv::Affected) -> Option<Self> {
        let package = affected.package?;
        let ranges = affected.ranges.iter().filter(|range| range.kind != "GIT");
        let spans = ranges.flat_map(|range| spans(&range.events)).collect();
        Some(Self { ecosystem: package.ecosystem, name: package.name, spans, versions: affected.versions })
    }

    /// Whether `version` of the package is affected.
    pub fn affects(&self, version: &str) -> Answer {
        let fixes = || {
            let fixed = self.spans.iter().filter_map(|span| match &span.to {
                End::Fixed(fixed) => Some(fixed.clone()),
                End::Last(_) | End::Open => None,
            });
            fixed.collect::<Vec<_>>()
        };
        if self.versions.iter().any(|listed| listed == version) {
            return Answer::Yes(later(Scheme::of(&self.ecosystem), version, fixes()));
        }
        if self.spans.is_empty() {
            return Answer::No;
        }
        let Some(scheme) = Scheme::of(&self.ecosystem) else { return Answer::Unknown };
        let mut is_unknown = false;
        for span in &self.spans {
            match span.holds(scheme, version) {
                Some(true) => return Answer::Yes(later(Some(scheme), version, fixes())),
                Some(false) => {}
                None => is_unknown = true,
            }
        }
        if is_unknown { Answer::Unknown } else { Answer::No }
    }
}

/// Those of `fixes` that come after `version`.
fn later(scheme: Option<Scheme>, version: &str, fixes: Vec<String>) -> Vec<String> {
    let Some(scheme) = scheme else { return fixes };
    fixes.into_iter().filter(|fix| scheme.compare(fix, version) == Some(Ordering::Greater)).collect()
}

/// The spans that events in their order make.
fn spans(events: &[osv::Event]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut from: Option<&String> = None;
    for event in events {
        if let Some(introduced) = &event.introduced {
            if let Some(from) = from.replace(introduced) {
                spans.push(Span { from: from.clone(), to: End::Open });
            }
        } else if let Some(end) = match (&event.fixed, &event.last_affected) {
            (Some(fixed), _) => Some(End::Fixed(fixed.clone())),
            (None, Some(last)) => Some(End::Last(last.clone())),
            (None, None) => None,
        } {
            let from = from.take().map_or_else(|| "0".to_owned(), Clone::clone);
            spans.push(Span { from, to: end });
        }
    }
    spans.extend(from.map(|from| Span { from: from.clone(), to: End::Open }));
    spans
}

impl Span {
    /// Whether a version is in it. `None`: something does not read as a version.
    fn holds(&self, scheme: Scheme, version: &str) -> Option<bool> {
        let is_from = self.from == "0" || scheme.compare(version, &self.from)? != Ordering::Less;
        let is_before = match &self.to {
            End::Fixed(fixed) => scheme.compare(version, fixed)? == Ordering::Less,
            End::Last(last) => scheme.compare(version, last)? != Ordering::Greater,
            End::Open => true,
        };
        Some(is_from && is_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Advisory {
        Advisory::from_osv(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_record_says_which_versions_are_affected() {
        let advisory = read(
            r#"{"id": "GHSA-1", "aliases": ["CVE-2024-1"], "details": "\n# Title\nA line.\nMore.",
             "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
             "affected": [{"package": {"ecosystem": "PyPI", "name": "pillow"}, "versions": ["0.1-odd"],
              "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]},
               {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.0"}, {"introduced": "10.0rc1"}, {"last_affected": "10.2"}]}]}]}"#,
        );
        assert_eq!(
            (advisory.known_as(), advisory.summary.as_str(), advisory.severity),
            (vec!["CVE-2024-1"], "A line.", Some(9.8))
        );
        let affects = |version| advisory.affected[0].affects(version);
        assert_eq!(affects("8.4"), Answer::Yes(vec!["9.0".to_owned()]));
        assert_eq!(affects("10.2"), Answer::Yes(Vec::new()));
        assert_eq!(affects("0.1-odd"), Answer::Yes(Vec::new()));
        assert_eq!((affects("9.0"), affects("9.9"), affects("10.2.1")), (Answer::No, Answer::No, Answer::No));
        assert_eq!(affects("no version"), Answer::Unknown);
    }

    #[test]
    fn what_is_withdrawn_or_of_an_unheard_ecosystem_says_little() {
        assert_eq!(Advisory::from_osv(br#"{"id": "X", "withdrawn": "2024-01-01T00:00:00Z"}"#).unwrap(), None);
        let advisory = read(
            r#"{"id": "X", "affected": [{"package": {"ecosystem": "Unheard", "name": "n"}, "versions": ["1"],
             "ranges": [{"type": "ODD", "events": [{"introduced": "0"}]}]}, {}]}"#,
        );
        let affects = |version| advisory.affected[0].affects(version);
        assert_eq!((affects("1"), affects("2")), (Answer::Yes(Vec::new()), Answer::Unknown));
        assert!(Advisory::from_osv(b"{}").is_err());
    }
}
