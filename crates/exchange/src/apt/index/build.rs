//! Building the index file.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use aleph_component::{Digest, Hasher};

use super::{
    IndexInput,
    format::{self, EntryRow, Flags, HEADER, Layout, NameRow, OriginRow, ProviderRow, SECTIONS, Section},
    stanza::{fields, stanzas},
};
use crate::apt::relation::{MultiArch, Name, Qualifier, Version, parse_provides};

/// An index could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An input could not be read.
    #[error("the package list {path} could not be read")]
    Read {
        /// The input.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The index could not be written.
    #[error("the prepared index {path} could not be written")]
    Write {
        /// The file, or the temporary file beside it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The inputs are larger than the format allows.
    #[error("the package lists hold more than the index format can: {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
}

/// What went into an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildReport {
    /// Stanzas read.
    pub stanzas: u64,
    /// Stanzas left out because their name, version or architecture is missing or malformed.
    pub skipped: u64,
    /// Distinct candidates.
    pub candidates: u64,
    /// Length of the index file in bytes.
    pub length: u64,
}

/// One usable stanza.
struct Row {
    name: (u32, u32),
    version: (u32, u32),
    architecture: (u32, u32),
    summary: (u32, u32),
    provides: (u32, u32),
    /// What makes two stanzas of one version the same package: the file's digest.
    identity: Digest,
    flags: Flags,
    sequence: u32,
    origin: OriginRow,
}

/// The rows of all inputs, and the strings that they refer to.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    strings: Vec<u8>,
    /// `Provides` and summaries, which do not go into the file as they are.
    scratch: Vec<u8>,
    architectures: HashMap<String, (u32, u32)>,
    report: BuildReport,
}

/// See [`super::PreparedIndex::build`].
pub(super) fn build(inputs: &[IndexInput], out: &Path) -> Result<BuildReport, BuildError> {
    let temporary = Temporary::create(out)?;
    let write_error = |source| BuildError::Write { path: temporary.path.clone(), source };
    let mut rows = Rows::default();
    let mut text_length = 0_u64;
    let mut hasher = Hasher::new();
    for (number, input) in inputs.iter().enumerate() {
        let text = read_text(&input.text)?;
        let (rows, hasher, file) = (&mut rows, &mut hasher, &temporary.file);
        // Bytes go to the disk while they are parsed.
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                hasher.update(text.as_bytes());
                file.write_all_at(text.as_bytes(), HEADER as u64 + text_length)
            });
            rows.read(number, input, &text, text_length)?;
            writer.join().expect("the writer does not panic").map_err(write_error)
        })?;
        text_length += text.len() as u64;
    }
    let tables = tables(&mut rows, inputs)?;
    let mut layout = Layout { sections: [(0, 0); SECTIONS], content: Digest::of(b"") };
    layout.sections[Section::Text as usize] = (HEADER as u64, text_length);
    let mut offset = HEADER as u64 + text_length;
    for (section, bytes) in &tables {
        layout.sections[*section as usize] = (offset, bytes.len() as u64);
        temporary.file.write_all_at(bytes, offset).map_err(write_error)?;
        hasher.update(bytes);
        offset += bytes.len() as u64;
    }
    layout.content = hasher.finish();
    temporary.file.write_all_at(&layout.header(offset), 0).map_err(write_error)?;
    temporary.publish(out)?;
    Ok(BuildReport { length: offset, ..rows.report })
}

/// Reads an input; bytes that are not UTF-8 become replacement characters.
fn read_text(path: &Path) -> Result<String, BuildError> {
    let bytes = fs::read(path).map_err(|source| BuildError::Read { path: path.to_owned(), source })?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Appends `text` to `strings` and returns where it is.
fn push(strings: &mut Vec<u8>, text: &str) -> Result<(u32, u32), BuildError> {
    let too_large = |_| BuildError::TooLarge { what: "4 GiB of names" };
    let offset = u32::try_from(strings.len()).map_err(too_large)?;
    strings.extend_from_slice(text.as_bytes());
    u32::try_from(strings.len()).map_err(too_large)?;
    Ok((offset, text.len() as u32))
}

/// The text of a string that [`push`] made.
fn text(strings: &[u8], (offset, length): (u32, u32)) -> &str {
    std::str::from_utf8(&strings[offset as usize..][..length as usize]).expect("it was pushed as text")
}

impl Rows {
    /// Reads the stanzas of `input`, whose text starts at `start` of the text section.
    fn read(&mut self, number: usize, input: &IndexInput, text: &str, start: u64) -> Result<(), BuildError> {
        for (from, to) in stanzas(text) {
            self.report.stanzas += 1;
            let too_large = |_| BuildError::TooLarge { what: "a stanza or the number of stanzas" };
            let origin = OriginRow {
                input: u32::try_from(number).map_err(too_large)?,
                length: u32::try_from(to - from).map_err(too_large)?,
                offset: start + from as u64,
            };
            if !self.read_stanza(input, &text[from..to], origin)? {
                self.report.skipped += 1;
            }
        }
        Ok(())
    }

    /// Adds one stanza; says whether it could be used.
    fn read_stanza(&mut self, input: &IndexInput, stanza: &str, origin: OriginRow) -> Result<bool, BuildError> {
        let found = Stanza::read(stanza);
        let valid = |text: &str| Version::new(text).is_ok();
        let (Ok(name), true) = (Name::new(found.name), valid(found.version)) else { return Ok(false) };
        let architecture = if found.architecture.is_empty() { &*input.architecture } else { found.architecture };
        if Name::new(architecture).is_err() {
            return Ok(false);
        }
        let architecture = match self.architectures.get(architecture) {
            Some(&known) => known,
            None => {
                let place = push(&mut self.strings, architecture)?;
                self.architectures.insert(architecture.to_owned(), place);
                place
            }
        };
        let identity = if found.sha256.is_empty() { found.filename } else { found.sha256 };
        let multi_arch = MultiArch::from_field(Some(found.multi_arch));
        let sequence = u32::try_from(self.rows.len()).map_err(|_| BuildError::TooLarge { what: "stanzas" })?;
        self.rows.push(Row {
            name: push(&mut self.strings, name.as_str())?,
            version: push(&mut self.strings, found.version)?,
            architecture,
            summary: push(&mut self.scratch, found.description.lines().next().unwrap_or_default())?,
            provides: push(&mut self.scratch, found.provides)?,
            identity: Digest::of(identity.as_bytes()),
            flags: Flags::new(found.essential, found.important, multi_arch, priority(found.priority)),
            sequence,
            origin,
        });
        Ok(true)
    }
}

/// The fields of a stanza that the tables need.
#[derive(Default)]
struct Stanza<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    description: &'a str,
    provides: &'a str,
    sha256: &'a str,
    filename: &'a str,
    multi_arch: &'a str,
    priority: &'a str,
    essential: bool,
    important: bool,
}

impl<'a> Stanza<'a> {
    fn read(text: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in fields(text) {
            match name {
                "Package" => found.name = value,
                "Version" => found.version = value,
                "Architecture" => found.architecture = value,
                "Description" => found.description = value,
                "Provides" => found.provides = value,
                "SHA256" => found.sha256 = value,
                "Filename" => found.filename = value,
                "Multi-Arch" => found.multi_arch = value,
                "Priority" => found.priority = value,
                "Essential" => found.essential = value == "yes",
                "Important" | "Protected" => found.important |= value == "yes",
                _ => {}
            }
        }
        found
    }
}

/// Policy §2.5's priorities, the most important as 1; apt takes an unknown one for `extra`.
fn priority(value: &str) -> u8 {
    match value {
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        _ => 5,
    }
}

/// One provision, before virtual names have rows.
struct Provision {
    name: (u32, u32),
    row: ProviderRow,
}

/// Makes the tables from the rows. The sections come in the order in which they are written.
fn tables(rows: &mut Rows, inputs: &[IndexInput]) -> Result<Vec<(Section, Vec<u8>)>, BuildError> {
    let Rows { rows, strings, scratch, report, .. } = rows;
    sort(rows, strings);
    let mut entries = Vec::with_capacity(rows.len() * format::ENTRY);
    let mut origins = Vec::with_capacity(rows.len() * format::ORIGIN);
    let mut provisions: Vec<Provision> = Vec::new();
    // Name, the run of its entries, and the summary of the first.
    let mut names: Vec<((u32, u32), (u32, u32), (u32, u32))> = Vec::new();
    let mut count = 0_u32;
    let chunks = rows.chunk_by(|a, b| identity(a, strings) == identity(b, strings));
    let lengths: Vec<usize> = chunks.map(<[Row]>::len).collect();
    let mut rest = &rows[..];
    for length in lengths {
        let same;
        (same, rest) = rest.split_at(length);
        let row = &same[0];
        match names.last_mut() {
            Some((name, run, _)) if text(strings, *name) == text(strings, row.name) => run.1 += 1,
            _ => names.push((row.name, (count, 1), row.summary)),
        }
        let mut places: Vec<&OriginRow> = same.iter().map(|row| &row.origin).collect();
        places.sort_by_key(|origin| (-i64::from(inputs[origin.input as usize].priority), origin.input));
        places.dedup_by_key(|origin| origin.input);
        let entry = EntryRow {
            name: names.len() as u32 - 1,
            version: row.version,
            architecture: row.architecture,
            origins: ((origins.len() / format::ORIGIN) as u32, places.len() as u32),
            flags: row.flags,
            sequence: same.iter().map(|row| row.sequence).min().unwrap_or_default(),
        };
        entry.write(&mut entries);
        places.into_iter().for_each(|origin| origin.write(&mut origins));
        provide(row, count, strings, scratch, &mut provisions)?;
        count += 1;
    }
    report.candidates = u64::from(count);
    let Names { names, entries, providers, search } = name_tables(&names, entries, &mut provisions, strings, scratch)?;
    Ok(vec![
        (Section::Strings, std::mem::take(strings)),
        (Section::Names, names),
        (Section::Entries, entries),
        (Section::Origins, origins),
        (Section::Providers, providers),
        (Section::Inputs, format::write_inputs(inputs.iter())),
        (Section::Search, search),
    ])
}

/// Sorts by name, then newest version, architecture and identity, then the order of the inputs.
fn sort(rows: &mut [Row], strings: &[u8]) {
    let version = |row: &Row| Version::new(text(strings, row.version)).expect("it was checked when it was read");
    rows.sort_by(|a, b| {
        text(strings, a.name)
            .cmp(text(strings, b.name))
            .then_with(|| version(b).cmp(&version(a)))
            .then_with(|| text(strings, a.version).cmp(text(strings, b.version)))
            .then_with(|| text(strings, a.architecture).cmp(text(strings, b.architecture)))
            .then_with(|| a.identity.as_bytes().cmp(b.identity.as_bytes()))
            .then_with(|| a.sequence.cmp(&b.sequence))
    });
}

/// What two stanzas of one candidate have in common.
fn identity<'a>(row: &Row, strings: &'a [u8]) -> (&'a str, &'a str, &'a str, [u8; 32]) {
    let of = |place| text(strings, place);
    (of(row.name), of(row.version), of(row.architecture), *row.identity.as_bytes())
}

/// Adds what the entry `entry` provides. A malformed field provides nothing.
fn provide(
    row: &Row,
    entry: u32,
    strings: &mut Vec<u8>,
    scratch: &[u8],
    provisions: &mut Vec<Provision>,
) -> Result<(), BuildError> {
    if row.provides.1 == 0 {
        return Ok(());
    }
    for provided in parse_provides(text(scratch, row.provides)).unwrap_or_default() {
        let architecture = match provided.qualifier {
            Some(Qualifier::Architecture(architecture)) => push(strings, architecture)?,
            Some(Qualifier::Any) => push(strings, "any")?,
            Some(Qualifier::Native) => push(strings, "native")?,
            None => (0, 0),
        };
        let version = match provided.version {
            Some(version) => push(strings, version.as_str())?,
            None => (0, 0),
        };
        let name = push(strings, provided.name.as_str())?;
        provisions.push(Provision { name, row: ProviderRow { entry, version, architecture } });
    }
    Ok(())
}

/// The tables that need to know all names, real and virtual.
struct Names {
    names: Vec<u8>,
    entries: Vec<u8>,
    providers: Vec<u8>,
    search: Vec<u8>,
}

/// Merges real names with virtual ones, and makes entries refer to the merged rows.
fn name_tables(
    real: &[((u32, u32), (u32, u32), (u32, u32))],
    mut entries: Vec<u8>,
    provisions: &mut [Provision],
    strings: &[u8],
    scratch: &[u8],
) -> Result<Names, BuildError> {
    provisions.sort_by(|a, b| {
        let names = text(strings, a.name).cmp(text(strings, b.name));
        names.then_with(|| a.row.entry.cmp(&b.row.entry))
    });
    let mut out = Names { names: Vec::new(), entries: Vec::new(), providers: Vec::new(), search: Vec::new() };
    let (mut real, mut provisions) = (real.iter().peekable(), provisions.iter().peekable());
    loop {
        let real_name = real.peek().map(|(name, ..)| text(strings, *name));
        let virtual_name = provisions.peek().map(|provision| text(strings, provision.name));
        let name = match (real_name, virtual_name) {
            (Some(real), Some(other)) => real.min(other),
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => break,
        };
        let row_number = (out.names.len() / format::NAME) as u32;
        let search = u32::try_from(out.search.len()).map_err(|_| BuildError::TooLarge { what: "summaries" })?;
        let mut row = NameRow { text: (0, 0), entries: (0, 0), providers: (0, 0), search };
        if let Some((place, run, summary)) = real.next_if(|(other, ..)| text(strings, *other) == name) {
            (row.text, row.entries) = (*place, *run);
            for entry in run.0..run.0 + run.1 {
                let at = entry as usize * format::ENTRY;
                entries[at..at + 4].copy_from_slice(&row_number.to_le_bytes());
            }
            let line = format!("{name}\0{}\n", text(scratch, *summary).replace(['\0', '\n'], " "));
            out.search.extend_from_slice(line.to_lowercase().as_bytes());
        }
        row.providers.0 = (out.providers.len() / format::PROVIDER) as u32;
        while let Some(provision) = provisions.next_if(|provision| text(strings, provision.name) == name) {
            row.text = if row.entries.1 > 0 { row.text } else { provision.name };
            row.providers.1 += 1;
            provision.row.write(&mut out.providers);
        }
        row.write(&mut out.names);
    }
    out.entries = entries;
    Ok(out)
}

/// A file beside `out` that is removed unless it is published.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn create(out: &Path) -> Result<Self, BuildError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let path = out.with_file_name(name);
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(BuildError::Write { path, source }),
        }
    }

    /// Puts the file in the place of `out`.
    fn publish(mut self, out: &Path) -> Result<(), BuildError> {
        let result = self.file.flush().and_then(|()| self.file.sync_data()).and_then(|()| fs::rename(&self.path, out));
        result.map_err(|source| BuildError::Write { path: out.to_owned(), source })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After publication there is nothing under this name any more.
        let _ = fs::remove_file(&self.path);
    }
}
