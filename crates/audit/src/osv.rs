//! Advisories in the Open Source Vulnerability format, version 1: what of it is used here. Specification:
//! <https://ossf.github.io/osv-schema/>.
//!
//! Names of ecosystems and kinds of ranges are text: new ones appear, and an advisory with one that is not known still says
//! something.

use serde::Deserialize;

/// One record.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// Ids of the upstream vulnerabilities that a distribution's advisory is about.
    #[serde(default)]
    pub(crate) upstream: Vec<String>,
    #[serde(default)]
    pub(crate) related: Vec<String>,
    #[serde(default)]
    pub(crate) summary: String,
    #[serde(default)]
    pub(crate) details: String,
    #[serde(default)]
    pub(crate) withdrawn: Option<String>,
    #[serde(default)]
    pub(crate) severity: Vec<Severity>,
    #[serde(default)]
    pub(crate) affected: Vec<Affected>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Severity {
    #[serde(default)]
    pub(crate) score: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Affected {
    #[serde(default)]
    pub(crate) package: Option<Package>,
    #[serde(default)]
    pub(crate) ranges: Vec<Range>,
    #[serde(default)]
    pub(crate) versions: Vec<String>,
    #[serde(default)]
    pub(crate) severity: Vec<Severity>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Range {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
}

/// One of these is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) introduced: Option<String>,
    pub(crate) fixed: Option<String>,
    pub(crate) last_affected: Option<String>,
}
