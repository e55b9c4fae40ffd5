//! The index file, format 1. All numbers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic `ALEPHAPT` |
//! | 4 | format |
//! | 4 | number of sections |
//! | 8 | length of the whole file |
//! | 16 × sections | offset and length of each [`Section`] |
//! | 32 | SHA-256 of everything after the header |
//! | … | zeros up to [`HEADER`] − 32 |
//! | 32 | SHA-256 of the header up to here |
//!
//! A *string* is an offset and a length (4 bytes each) in [`Section::Strings`]; a *run* is the first row and the number
//! of rows in another section. Rows:
//!
//! - name, 28 bytes, sorted by text: string; run of entries, newest version first; run of providers; offset of its
//!   search text
//! - entry, 40 bytes: name row; version string; architecture string; run of origins; flags; sequence number in the
//!   inputs; zero
//! - origin, 16 bytes, by falling priority: input; length and (8 bytes) offset of the stanza in [`Section::Text`]
//! - provider, 20 bytes: entry; string of the version provided (empty: none); string of an explicit architecture
//!
//! [`Section::Inputs`] holds, per input, eight values, each a 4-byte length and its bytes. [`Section::Search`] holds
//! `name NUL summary LF` in lower case for each name that has entries.

use std::path::Path;

use aleph_component::{Digest, Hasher};

use super::{Input, OpenError};
use crate::apt::relation::MultiArch;

pub(super) const MAGIC: &[u8; 8] = b"ALEPHAPT";
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER: usize = 256;
pub(super) const NAME: usize = 28;
pub(super) const ENTRY: usize = 40;
pub(super) const ORIGIN: usize = 16;
pub(super) const PROVIDER: usize = 20;

/// The parts of the file, in the header's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The inputs' bytes, unchanged.
    Text,
    /// What string references point into.
    Strings,
    /// Name rows.
    Names,
    /// Entry rows.
    Entries,
    /// Origin rows.
    Origins,
    /// Provider rows.
    Providers,
    /// What is known of the inputs.
    Inputs,
    /// Names and summaries to search.
    Search,
}

pub(super) const SECTIONS: usize = 8;

/// Where the sections are; offsets and lengths are known to lie in the file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) sections: [(u64, u64); SECTIONS],
    pub(super) content: Digest,
}

impl Layout {
    pub(super) fn section<'a>(&self, file: &'a [u8], section: Section) -> &'a [u8] {
        let (offset, length) = self.sections[section as usize];
        let (offset, length) = (offset as usize, length as usize);
        file.get(offset..).and_then(|rest| rest.get(..length)).unwrap_or_default()
    }

    /// The header's bytes.
    pub(super) fn header(&self, file_length: u64) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(SECTIONS as u32).to_le_bytes());
        bytes.extend_from_slice(&file_length.to_le_bytes());
        for (offset, length) in self.sections {
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(self.content.as_bytes());
        bytes.resize(HEADER - 32, 0);
        let digest = digest_of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes.try_into().expect("the parts add up to the header's length")
    }
}

pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Checks the header of the file whose bytes are `map`.
pub(super) fn read_header(map: &[u8], path: &Path) -> Result<Layout, OpenError> {
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    if map.get(..8) != Some(MAGIC) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let found = u32_at(map, 8).ok_or_else(|| damaged("it ends in its header"))?;
    if found != FORMAT {
        return Err(OpenError::Format { path: path.to_owned(), found, expected: FORMAT });
    }
    let header = map.get(..HEADER).ok_or_else(|| damaged("it ends in its header"))?;
    if digest_of(&header[..HEADER - 32]).as_bytes() != &header[HEADER - 32..] {
        return Err(damaged("its header differs from its digest"));
    }
    if u32_at(header, 12) != Some(SECTIONS as u32) {
        return Err(damaged("it has another number of sections"));
    }
    if u64_at(header, 16) != Some(map.len() as u64) {
        return Err(damaged("it does not have the length that it states"));
    }
    let mut sections = [(0, 0); SECTIONS];
    for (index, section) in sections.iter_mut().enumerate() {
        let offset = u64_at(header, 24 + index * 16).unwrap_or(u64::MAX);
        let length = u64_at(header, 32 + index * 16).unwrap_or(u64::MAX);
        if offset.checked_add(length).is_none_or(|end| end > map.len() as u64) {
            return Err(damaged("a section lies outside of it"));
        }
        *section = (offset, length);
    }
    let content = header[24 + SECTIONS * 16..][..32].try_into().expect("32 bytes were taken");
    Ok(Layout { sections, content: Digest::from_bytes(content) })
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..)?.get(..4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..)?.get(..8)?.try_into().ok()?))
}

pub(super) fn slice(bytes: &[u8], offset: u64, length: u32) -> Option<&[u8]> {
    bytes.get(usize::try_from(offset).ok()?..)?.get(..length as usize)
}

/// The bytes of row `row` of a section whose rows are `size` long.
fn row(section: &[u8], row: u32, size: usize) -> Option<&[u8]> {
    let start = (row as usize).checked_mul(size)?;
    section.get(start..start.checked_add(size)?)
}

/// Field `index` (each 4 bytes) of a row that is long enough.
fn word(row: &[u8], index: usize) -> u32 {
    u32_at(row, index * 4).unwrap_or_default()
}

#[derive(Clone, Copy, Debug)]
pub(super) struct NameRow {
    pub(super) text: (u32, u32),
    pub(super) entries: (u32, u32),
    pub(super) providers: (u32, u32),
    pub(super) search: u32,
}

impl NameRow {
    pub(super) fn read(section: &[u8], index: u32) -> Option<Self> {
        let row = row(section, index, NAME)?;
        let pair = |index| (word(row, index), word(row, index + 1));
        Some(Self { text: pair(0), entries: pair(2), providers: pair(4), search: word(row, 6) })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { text, entries, providers, search } = *self;
        put(out, &[text.0, text.1, entries.0, entries.1, providers.0, providers.1, search]);
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct EntryRow {
    pub(super) name: u32,
    pub(super) version: (u32, u32),
    pub(super) architecture: (u32, u32),
    pub(super) origins: (u32, u32),
    pub(super) flags: Flags,
    pub(super) sequence: u32,
}

impl EntryRow {
    pub(super) fn read(section: &[u8], index: u32) -> Option<Self> {
        let row = row(section, index, ENTRY)?;
        let pair = |index| (word(row, index), word(row, index + 1));
        Some(Self {
            name: word(row, 0),
            version: pair(1),
            architecture: pair(3),
            origins: pair(5),
            flags: Flags(word(row, 7)),
            sequence: word(row, 8),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { name, version, architecture, origins, flags, sequence } = *self;
        let words = [name, version.0, version.1, architecture.0, architecture.1, origins.0, origins.1];
        put(out, &words);
        put(out, &[flags.0, sequence, 0]);
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct OriginRow {
    pub(super) input: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
}

impl OriginRow {
    pub(super) fn read(section: &[u8], index: u32) -> Option<Self> {
        let row = row(section, index, ORIGIN)?;
        Some(Self { input: word(row, 0), length: word(row, 1), offset: u64_at(row, 8)? })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, &[self.input, self.length]);
        out.extend_from_slice(&self.offset.to_le_bytes());
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderRow {
    pub(super) entry: u32,
    pub(super) version: (u32, u32),
    pub(super) architecture: (u32, u32),
}

impl ProviderRow {
    pub(super) fn read(section: &[u8], index: u32) -> Option<Self> {
        let row = row(section, index, PROVIDER)?;
        let pair = |index| (word(row, index), word(row, index + 1));
        Some(Self { entry: word(row, 0), version: pair(1), architecture: pair(3) })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { entry, version, architecture } = *self;
        put(out, &[entry, version.0, version.1, architecture.0, architecture.1]);
    }
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// An entry's properties: bit 0 essential, bit 1 important or protected, bits 2–3 multi-arch, bits 4–6 priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u32);

impl Flags {
    pub(super) fn new(essential: bool, important: bool, multi_arch: MultiArch, priority: u8) -> Self {
        let multi_arch = match multi_arch {
            MultiArch::No => 0,
            MultiArch::Same => 1,
            MultiArch::Foreign => 2,
            MultiArch::Allowed => 3,
        };
        Self(u32::from(essential) | u32::from(important) << 1 | multi_arch << 2 | u32::from(priority & 7) << 4)
    }

    pub(super) fn essential(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn important(self) -> bool {
        self.0 & 2 != 0
    }

    pub(super) fn multi_arch(self) -> MultiArch {
        match self.0 >> 2 & 3 {
            0 => MultiArch::No,
            1 => MultiArch::Same,
            2 => MultiArch::Foreign,
            _ => MultiArch::Allowed,
        }
    }

    pub(super) fn priority(self) -> u8 {
        (self.0 >> 4 & 7) as u8
    }
}

/// The inputs section of `inputs`.
pub(super) fn write_inputs<'a>(inputs: impl Iterator<Item = &'a super::IndexInput>) -> Vec<u8> {
    let mut out = Vec::new();
    for input in inputs {
        let super::IndexInput { text: _, id, origin, suite, codename, component, architecture, base_uri, priority } =
            input;
        let priority = priority.to_string();
        for value in [id, origin, suite, codename, component, architecture, base_uri, &priority] {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
    out
}

/// Reads the inputs section.
pub(super) fn read_inputs(mut section: &[u8]) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    while !section.is_empty() {
        let mut value = || {
            let length = u32_at(section, 0)? as usize;
            let text = section.get(4..)?.get(..length)?;
            section = &section[4 + length..];
            Some(std::str::from_utf8(text).ok()?.to_owned())
        };
        inputs.push(Input {
            id: value()?,
            origin: value()?,
            suite: value()?,
            codename: value()?,
            component: value()?,
            architecture: value()?,
            base_uri: value()?,
            priority: value()?.parse().ok()?,
        });
    }
    Some(inputs)
}
