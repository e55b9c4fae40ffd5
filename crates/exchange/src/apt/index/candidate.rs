//! Candidates: one package in one version for one architecture, wherever it is on offer.

use std::{fmt, ops::Range};

use super::{
    Input, PreparedIndex,
    format::{EntryRow, OriginRow, ProviderRow, Section},
    stanza,
};
use crate::apt::{
    location::deb_uri,
    relation::{MultiArch, Version},
};

/// A package in one version, as an index offers it. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    index: &'a PreparedIndex,
    number: u32,
    row: EntryRow,
}

/// Where a candidate is on offer.
#[derive(Clone, Copy, Debug)]
pub struct Suite<'a> {
    /// The input that lists it.
    pub input: &'a Input,
    /// Its stanza there.
    pub stanza: &'a str,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(index: &'a PreparedIndex, number: u32) -> Option<Self> {
        let row = EntryRow::read(index.section(Section::Entries), number)?;
        Some(Self { index, number, row })
    }

    /// Its position among all candidates of the index.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.index.name_row(self.row.name).map(|row| self.index.string(row.text)).unwrap_or_default()
    }

    /// Its version's text.
    pub fn version(&self) -> &'a str {
        self.index.string(self.row.version)
    }

    /// Its version, to compare; in a damaged index it may be malformed.
    pub fn debian_version(&self) -> Option<Version<'a>> {
        Version::new(self.version()).ok()
    }

    /// Its architecture (`amd64`, `all`).
    pub fn architecture(&self) -> &'a str {
        self.index.string(self.row.architecture)
    }

    /// Whether every system is expected to have it.
    pub fn essential(&self) -> bool {
        self.row.flags.essential()
    }

    /// Whether it is marked `Important` or `Protected`.
    pub fn important(&self) -> bool {
        self.row.flags.important()
    }

    /// Its `Multi-Arch` field.
    pub fn multi_arch(&self) -> MultiArch {
        self.row.flags.multi_arch()
    }

    /// Its `Priority` field as a rank: 1 for `required` to 5 for `extra`.
    pub fn importance(&self) -> u8 {
        self.row.flags.priority()
    }

    /// The position of its first stanza among all stanzas of the inputs.
    pub fn sequence(&self) -> u32 {
        self.row.sequence
    }

    /// Where it is on offer, the highest priority first.
    pub fn suites(&self) -> impl Iterator<Item = Suite<'a>> + use<'a> {
        let (index, (first, count)) = (self.index, self.row.origins);
        (first..first.saturating_add(count)).map_while(move |number| suite(index, number))
    }

    /// Its stanza in the suite of highest priority.
    pub fn stanza(&self) -> &'a str {
        suite(self.index, self.row.origins.0).map(|suite| suite.stanza).unwrap_or_default()
    }

    /// A field of its stanza, trimmed.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        stanza::field(self.stanza(), name)
    }

    /// The first line of its description.
    pub fn summary(&self) -> &'a str {
        self.field("Description").and_then(|text| text.lines().next()).unwrap_or_default()
    }

    /// Where its file is, relative to the archive's base.
    pub fn filename(&self) -> Option<&'a str> {
        self.field("Filename")
    }

    /// The length of its file in bytes.
    pub fn size(&self) -> Option<u64> {
        self.field("Size")?.parse().ok()
    }

    /// The SHA-256 of its file.
    pub fn sha256(&self) -> Option<aleph_component::Digest> {
        self.field("SHA256")?.parse().ok()
    }

    /// Where its file is, in the suite of highest priority, if that can be fetched.
    pub fn uri(&self) -> Option<String> {
        let suite = suite(self.index, self.row.origins.0)?;
        let filename = stanza::field(suite.stanza, "Filename")?;
        Some(deb_uri(&suite.input.base_uri, filename).ok()?.to_string())
    }

    /// The highest pin priority of the suites that offer it.
    pub fn priority(&self) -> i32 {
        suite(self.index, self.row.origins.0).map_or(0, |suite| suite.input.priority)
    }
}

fn suite(index: &PreparedIndex, number: u32) -> Option<Suite<'_>> {
    let row = OriginRow::read(index.section(Section::Origins), number)?;
    let bytes = super::format::slice(index.section(Section::Text), row.offset, row.length)?;
    Some(Suite { input: index.inputs.get(row.input as usize)?, stanza: std::str::from_utf8(bytes).ok()? })
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.index, other.index) && self.number == other.number
    }
}

impl Eq for Candidate<'_> {}

/// `name=version:architecture`
impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name(), self.version(), self.architecture())
    }
}

/// A run of candidates.
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    index: &'a PreparedIndex,
    run: Range<u32>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(index: &'a PreparedIndex, (first, count): (u32, u32)) -> Self {
        Self { index, run: first..first.saturating_add(count) }
    }
}

impl<'a> Iterator for Candidates<'a> {
    type Item = Candidate<'a>;

    fn next(&mut self) -> Option<Candidate<'a>> {
        // Rows that are not there end the run: only a damaged index has such.
        Candidate::new(self.index, self.run.next()?)
    }
}

/// A candidate that provides a virtual name.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// The candidate.
    pub candidate: Candidate<'a>,
    /// In which version it provides the name.
    pub version: Option<Version<'a>>,
    /// For which architecture, where it says so.
    pub architecture: Option<&'a str>,
}

/// The candidates that provide a name.
#[derive(Clone, Debug)]
pub struct Providers<'a> {
    index: &'a PreparedIndex,
    run: Range<u32>,
}

impl<'a> Providers<'a> {
    pub(super) fn new(index: &'a PreparedIndex, (first, count): (u32, u32)) -> Self {
        Self { index, run: first..first.saturating_add(count) }
    }
}

impl<'a> Iterator for Providers<'a> {
    type Item = Provider<'a>;

    fn next(&mut self) -> Option<Provider<'a>> {
        let row = ProviderRow::read(self.index.section(Section::Providers), self.run.next()?)?;
        let candidate = Candidate::new(self.index, row.entry)?;
        let version = Version::new(self.index.string(row.version)).ok();
        let architecture = Some(self.index.string(row.architecture)).filter(|text| !text.is_empty());
        Some(Provider { candidate, version, architecture })
    }
}
