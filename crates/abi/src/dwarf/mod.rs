//! Types from DWARF 4 and 5: the debug information of a binary, wherever it is, as an [`Interface`] or a [`View`].
//!
//! [`find`] finds and reads files; everything else works on bytes. Only what exported symbols reach is read. The bytes
//! are foreign: whatever they say, time and memory stay within a multiple of their size. Decompressed sections may be
//! 128 times as large as in the file, and what is built from them takes at most another 64 times that.

mod build;
mod entry;
mod files;
mod lines;
mod mangled;
mod names;
mod producer;
mod read;
mod records;
mod scan;
mod sections;
mod sight;
mod units;
mod wanted;

pub use files::{DebugFiles, FindError, find, find_of, may_be_there};
pub use read::{Input, ReadError, read};
pub use sections::SectionsError;
pub use sight::view;
pub use wanted::{Exported, ExportedKind};

#[cfg(doc)]
use crate::types::{Interface, View};
