//! Changing what a dynamic linker is told by an ELF file: which libraries it needs, where it looks, who interprets it.
//!
//! Nothing that is in the file moves: what has no room is appended as one more segment, and the headers are pointed to it.
//! So code, data, build id, symbol tables and separate debug information stay what they are. Whoever edits twice edits the
//! original twice.
//!
//! Sources: the System V gABI, chapter 5; glibc, `elf/dl-load.c` and `elf/dl-version.c`; Linux, `fs/binfmt_elf.c`.

mod dynamic;
mod image;

use std::{collections::BTreeMap, ops::Range};

use object::elf;

use self::{dynamic::Dynamic, image::Image};

/// How many bytes are reserved for an interpreter's path, its end included.
pub const INTERPRETER_ROOM: usize = 512;

/// What is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Needed names with the path that is loaded first: `$ORIGIN/../.link/openssl/lib/libssl.so.3`.
    ///
    /// The name stays needed behind its path. It is found among what is loaded already, so nothing is searched for; and
    /// glibc looks for version nodes by that name.
    pub paths: BTreeMap<Vec<u8>, String>,
    /// What takes the place of `DT_RUNPATH` and `DT_RPATH`; empty for none. `None` leaves them.
    pub runpath: Option<String>,
    /// Whether the interpreter's path gets [`INTERPRETER_ROOM`].
    pub reserve_interpreter: bool,
}

/// An edited file.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where the interpreter's path is, if there was one to make room for.
    pub interpreter: Option<u64>,
}

/// Why a file cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is of a kind that is not edited.
    #[error("{what} are not edited")]
    Unsupported {
        /// Of what kind.
        what: &'static str,
    },
    /// A part of it says something that cannot be.
    #[error("its {what} cannot be right")]
    Contradiction {
        /// Which part.
        what: &'static str,
    },
}

/// The parts of a file that are in memory when it runs; none of what is no 64-bit program or shared object.
pub fn mapped(data: &[u8]) -> Vec<Range<usize>> {
    Image::read(data).map_or_else(|_| Vec::new(), |image| image.mapped())
}

/// The file with all edits made. Edits that do not concern it are left out; without any, its bytes are what they were.
///
/// # Errors
/// If it is no 64-bit program or shared object, or if its headers do not hold together.
pub fn edit(data: &[u8], edits: &Edits) -> Result<Edited, EditError> {
    let mut image = Image::read(data)?;
    let mut dynamic = Dynamic::read(&image)?;
    let has_changed = dynamic.as_mut().is_some_and(|dynamic| dynamic.change(&mut image, edits));
    let interpreter = image.segment(elf::PT_INTERP).filter(|_| edits.reserve_interpreter);
    if !has_changed && interpreter.is_none() {
        return Ok(Edited { bytes: image.bytes, interpreter: None });
    }
    let mut extra = image.begin_extra()?;
    let placed = interpreter.map(|segment| extra.interpreter(&mut image, segment)).transpose()?;
    if let Some(dynamic) = dynamic.filter(|_| has_changed) {
        dynamic.place(&mut image, &mut extra)?;
    }
    image.append(extra)?;
    Ok(Edited { bytes: image.bytes, interpreter: placed })
}
