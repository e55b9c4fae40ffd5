//! Building the index file.

mod tables;

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
    format::{Flags, HEADER, Layout, OriginRow, SECTIONS, Section},
    stanza::{fields, stanzas},
};
use crate::apt::relation::{MultiArch, Name, Version};

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
    let tables = tables::tables(&mut rows, inputs)?;
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
        let (name, version) = (found.name.unwrap_or_default(), found.version.unwrap_or_default());
        let (Ok(name), true) = (Name::new(name), valid(version)) else { return Ok(false) };
        let architecture = found.architecture.filter(|text| !text.is_empty()).unwrap_or(&input.architecture);
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
        let identity = found.sha256.filter(|text| !text.is_empty()).or(found.filename).unwrap_or_default();
        let yes = |value: Option<&str>| value == Some("yes");
        let multi_arch = MultiArch::from_field(found.multi_arch);
        let sequence = u32::try_from(self.rows.len()).map_err(|_| BuildError::TooLarge { what: "stanzas" })?;
        self.rows.push(Row {
            name: push(&mut self.strings, name.as_str())?,
            version: push(&mut self.strings, version)?,
            architecture,
            summary: push(&mut self.scratch, found.description.unwrap_or_default().lines().next().unwrap_or_default())?,
            provides: push(&mut self.scratch, found.provides.unwrap_or_default())?,
            identity: Digest::of(identity.as_bytes()),
            flags: Flags::new(
                yes(found.essential),
                yes(found.important) || yes(found.protected),
                multi_arch,
                priority(found.priority.unwrap_or_default()),
            ),
            sequence,
            origin,
        });
        Ok(true)
    }
}

/// The fields of a stanza that the tables need: the first of each name, as [`super::field`] has it.
#[derive(Default)]
struct Stanza<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    architecture: Option<&'a str>,
    description: Option<&'a str>,
    provides: Option<&'a str>,
    sha256: Option<&'a str>,
    filename: Option<&'a str>,
    multi_arch: Option<&'a str>,
    priority: Option<&'a str>,
    essential: Option<&'a str>,
    important: Option<&'a str>,
    protected: Option<&'a str>,
}

impl<'a> Stanza<'a> {
    fn read(text: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in fields(text) {
            if let Some(slot) = found.slot(name) {
                slot.get_or_insert(value);
            }
        }
        found
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        let known = [
            ("Package", &mut self.name),
            ("Version", &mut self.version),
            ("Architecture", &mut self.architecture),
            ("Description", &mut self.description),
            ("Provides", &mut self.provides),
            ("SHA256", &mut self.sha256),
            ("Filename", &mut self.filename),
            ("Multi-Arch", &mut self.multi_arch),
            ("Priority", &mut self.priority),
            ("Essential", &mut self.essential),
            ("Important", &mut self.important),
            ("Protected", &mut self.protected),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, slot)| slot)
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
