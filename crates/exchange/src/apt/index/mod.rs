//! The prepared package index: every stanza of several `Packages` files in one memory-mapped file that is used without
//! parsing. `format.rs` specifies the file.

mod build;
mod candidate;
mod format;
mod search;
mod stanza;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

pub use build::{BuildError, BuildReport};
pub use candidate::{Candidate, Candidates, Provider, Providers, Suite};
pub use search::Found;
pub use stanza::field;
pub(crate) use stanza::fields;

use format::{Layout, NameRow, Section};

/// One verified, uncompressed `Packages` file that goes into an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexInput {
    /// Where the text is.
    pub text: PathBuf,
    /// Names the input in the caller's terms; kept, not interpreted.
    pub id: String,
    /// The Release file's `Origin`.
    pub origin: String,
    /// The Release file's `Suite`.
    pub suite: String,
    /// The Release file's `Codename`.
    pub codename: String,
    /// The component (`main`).
    pub component: String,
    /// The architecture of the index.
    pub architecture: String,
    /// What a stanza's `Filename` is relative to.
    pub base_uri: String,
    /// Its pin priority, as in apt_preferences(5): usually 500.
    pub priority: i32,
}

/// What is kept of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// See [`IndexInput::id`].
    pub id: String,
    /// See [`IndexInput::origin`].
    pub origin: String,
    /// See [`IndexInput::suite`].
    pub suite: String,
    /// See [`IndexInput::codename`].
    pub codename: String,
    /// See [`IndexInput::component`].
    pub component: String,
    /// See [`IndexInput::architecture`].
    pub architecture: String,
    /// See [`IndexInput::base_uri`].
    pub base_uri: String,
    /// See [`IndexInput::priority`].
    pub priority: i32,
}

/// An index file could not be opened. The caller builds it again.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read.
    #[error("the prepared index {path} could not be opened")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a prepared index.
    #[error("{path} is not a prepared package index")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error("the prepared index {path} has format {found}; this version reads {expected}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format that can be read.
        expected: u32,
    },
    /// It is truncated or altered.
    #[error("the prepared index {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
}

/// An open index. Cheap to open: nothing is read but the header and the list of inputs.
///
/// Every access is checked against the file's bounds, so that damage which the header does not show leads to missing
/// answers, never to a panic. [`PreparedIndex::verify`] reads everything and finds any damage.
#[derive(Debug)]
pub struct PreparedIndex {
    map: memmap2::Mmap,
    layout: Layout,
    inputs: Vec<Input>,
    path: PathBuf,
}

impl PreparedIndex {
    /// Builds an index file from `inputs` and puts it at `out` in one step; a file that was there is replaced whole.
    ///
    /// Stanzas without a valid name, version or architecture are left out and counted.
    ///
    /// # Errors
    /// If an input cannot be read, the file cannot be written, or the texts exceed what the format can hold (4 GiB).
    pub fn build(inputs: &[IndexInput], out: &Path) -> Result<BuildReport, BuildError> {
        build::build(inputs, out)
    }

    /// Opens an index file.
    ///
    /// # Errors
    /// If there is none, or it is foreign, of another format, or visibly damaged.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: index files are only ever replaced by rename, never written in place, so the mapped bytes are stable.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        let layout = format::read_header(&map, path)?;
        let inputs = format::read_inputs(layout.section(&map, Section::Inputs));
        let inputs = inputs
            .ok_or_else(|| OpenError::Damaged { path: path.to_owned(), what: "its list of inputs cannot be read" })?;
        Ok(Self { map, layout, inputs, path: path.to_owned() })
    }

    /// Reads the whole file and compares it with the digest that its header holds.
    ///
    /// # Errors
    /// If they differ.
    pub fn verify(&self) -> Result<(), OpenError> {
        if format::digest_of(&self.map[format::HEADER..]) == self.layout.content {
            return Ok(());
        }
        Err(OpenError::Damaged { path: self.path.clone(), what: "its content differs from its digest" })
    }

    /// The inputs that the index was built from.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The names of all packages that are there, sorted; virtual names are not among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.name_count()).filter_map(|row| {
            let row = self.name_row(row)?;
            (row.entries.1 > 0).then(|| self.string(row.text))
        })
    }

    /// The candidates called `name`, of every architecture, newest version first.
    pub fn candidates(&self, name: &str) -> Candidates<'_> {
        let entries = self.find(name).map_or((0, 0), |row| row.entries);
        Candidates::new(self, entries)
    }

    /// The candidates that provide the virtual name `name`, those of later inputs last. A package does not list itself
    /// under its own name.
    pub fn providers(&self, name: &str) -> Providers<'_> {
        let providers = self.find(name).map_or((0, 0), |row| row.providers);
        Providers::new(self, providers)
    }

    /// Every candidate, sorted by name.
    pub fn all(&self) -> Candidates<'_> {
        let count = self.section(Section::Entries).len() / format::ENTRY;
        Candidates::new(self, (0, count.try_into().unwrap_or(u32::MAX)))
    }

    fn section(&self, section: Section) -> &[u8] {
        self.layout.section(&self.map, section)
    }

    fn name_count(&self) -> u32 {
        (self.section(Section::Names).len() / format::NAME).try_into().unwrap_or(u32::MAX)
    }

    fn name_row(&self, row: u32) -> Option<NameRow> {
        NameRow::read(self.section(Section::Names), row)
    }

    /// The text of a string reference, `""` if it points nowhere.
    fn string(&self, (offset, length): (u32, u32)) -> &str {
        format::slice(self.section(Section::Strings), u64::from(offset), length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Looks a name, real or virtual, up.
    fn find(&self, name: &str) -> Option<NameRow> {
        let (mut low, mut high) = (0, self.name_count());
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.name_row(middle)?;
            match self.string(row.text).cmp(name) {
                std::cmp::Ordering::Equal => return Some(row),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
