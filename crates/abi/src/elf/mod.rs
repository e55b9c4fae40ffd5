//! Facts: what ELF files say about themselves, in a form that is small enough to keep for every file there is.
//!
//! The `object` crate reads the format; here is which of it counts. Invariants: nothing here judges; a file that cannot
//! be read in full is an error, never facts with a hole in them; whatever the bytes are, reading ends, does not panic,
//! and holds at most a few times the file's length in memory.
//!
//! Sources: the System V gABI (chapters 4 and 5), the LSB on symbol versions, glibc's `elf/` for what a dynamic linker
//! makes of them.

mod archive;
mod budget;
mod codec;
mod dynamic;
mod facts;
mod golang;
mod inclusions;
mod libraries;
mod names;
mod notes;
mod object_file;
mod read;
mod relocations;
mod rest;
mod same;
mod sections;
mod sketch;
mod strings;
mod symbols;
mod versions;

pub use codec::{FactsError, Record};
pub use facts::{Binding, Facts, FileKind, Place, Platform, Symbol, SymbolKind, Visibility};
pub use inclusions::Inclusion;
pub(crate) use libraries::is_provided_by;
pub use notes::Notes;
pub use read::{is_elf_or_archive, read, read_with_addresses};
pub use same::loads_the_same;
pub use sections::sections;

/// Why a file has no facts.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It is something else.
    #[error("it is neither an ELF file nor an archive of them")]
    Foreign,
    /// Its tables do not hold together.
    #[error("its {what} cannot be read")]
    Damaged {
        /// The part of the file.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: object::read::Error,
    },
    /// A part says something that cannot be.
    #[error("its {what} cannot be right")]
    Contradiction {
        /// The part of the file.
        what: &'static str,
    },
    /// It is dynamically linked, and the sections that list its symbols are not there, as in a file that holds only
    /// debug information.
    #[error("its {what} is not there, as in a file of debug information")]
    Missing {
        /// The part of the file.
        what: &'static str,
    },
    /// It asks for more than any honest file would.
    #[error("it has too many {what} for its length")]
    Excessive {
        /// Of what.
        what: &'static str,
    },
    /// A member of an archive cannot be read.
    #[error("member `{member}` cannot be read")]
    Member {
        /// Its name.
        member: String,
        /// Why.
        #[source]
        source: Box<ElfError>,
    },
}

/// Names the part of the file in which `object` found something wrong.
fn damaged(what: &'static str) -> impl FnOnce(object::read::Error) -> ElfError {
    move |source| ElfError::Damaged { what, source }
}
