//! Evidence from public headers: what is compiled into whoever includes them, and no symbol or type tells.
//!
//! Macros, inline code, constants, default arguments, attributes. Headers are taken apart without a compiler: no macro is
//! expanded, no condition decided, no name looked up. So what stands under any condition counts, and a word is told to be
//! a type or an attribute by its place. Comments, spaces, the order of declarations, include guards, names of parameters
//! and the division into files do not matter.
//!
//! [`compare`] is directional: it asks what someone meets who was compiled against the old headers and runs with the new
//! library. What was added concerns nobody, and what was removed is a matter of symbols.
//!
//! Invariants: reading never fails and never panics, whatever the bytes are, takes time linear in their number and memory
//! of at most some 100 times as much; what cannot be told is [`Effect::Unclear`](crate::Effect::Unclear).

mod attributes;
mod compare;
mod condition;
mod declaration;
mod directory;
mod enumeration;
mod function;
mod item;
mod prototype;
mod record;
mod scan;
mod text;
mod token;
mod variants;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

pub use compare::{Known, compare};
pub use directory::{ReadError, read_directory};
use item::{Item, Kind};
use token::Words;

/// A file that is larger is not read; [`compare`] says so. 16 MiB.
pub const LARGEST: usize = 16 << 20;

/// What the headers of one side declare.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    items: Vec<Item>,
    /// The macros among them, by name.
    macros: HashMap<Arc<str>, Vec<usize>>,
    /// The base names of all files.
    files: Vec<String>,
    /// Files that were too large.
    unread: Vec<String>,
}

impl Headers {
    /// Reads headers, given by name and content, in any order. The names appear in reasons only.
    pub fn parse<N: AsRef<str>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (N, B)>) -> Self {
        let mut headers = Self::default();
        let mut words = Words::default();
        for (name, bytes) in files {
            let bytes = bytes.as_ref();
            let base = name.as_ref().rsplit('/').next().unwrap_or_default();
            headers.files.push(base.to_owned());
            if bytes.len() > LARGEST {
                headers.unread.push(name.as_ref().to_owned());
                continue;
            }
            let tokens = token::tokenise(&token::decode(bytes), &mut words);
            scan::file(&tokens, &mut headers.items);
        }
        headers.items.shrink_to_fit();
        headers.unread.sort();
        for (index, item) in headers.items.iter().enumerate().filter(|(_, item)| item.kind == Kind::Macro) {
            headers.macros.entry(Arc::clone(&item.name)).or_default().push(index);
        }
        headers
    }

    /// The words of a header in one spelling: equal for two files that differ in nothing but comments and spaces.
    pub fn words(bytes: &[u8]) -> String {
        text::canonical(&token::tokenise(&token::decode(bytes), &mut Words::default()))
    }

    /// The base names of the files that were read.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// How many declarations there are, macros among them.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The definitions of a macro.
    fn macros(&self, name: &str) -> impl Iterator<Item = &Item> {
        self.macros.get(name).into_iter().flatten().filter_map(|index| self.items.get(*index))
    }
}
