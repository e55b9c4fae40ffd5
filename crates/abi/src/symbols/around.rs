//! What else is in a process: the libraries that its files need, found by soname.

use std::sync::Arc;

use foldhash::HashSet;

use super::index;
use crate::elf::Facts;

/// Finds the libraries that are there besides the one that is judged.
pub trait Around {
    /// The library that this soname is bound to, if it is known.
    fn library(&self, soname: &[u8]) -> Option<Arc<Facts>>;
}

/// Nothing else is known.
pub struct Nothing;

impl Around for Nothing {
    fn library(&self, _: &[u8]) -> Option<Arc<Facts>> {
        None
    }
}

/// The libraries that are loaded with some files, except the one that is judged.
pub(crate) struct Loaded {
    pub(crate) libraries: Vec<Arc<Facts>>,
    /// Sonames of which nothing is known.
    pub(crate) unseen: Vec<Vec<u8>>,
}

/// The most libraries of one process that are looked at.
const MOST: usize = 4096;

impl Loaded {
    /// Everything that `files` need, and what that needs, and so on; `own` are the sonames of `files` themselves.
    pub(crate) fn new(files: &[&Facts], own: &[&[u8]], around: &dyn Around) -> Self {
        let mut loaded = Self { libraries: Vec::new(), unseen: Vec::new() };
        let mut seen: HashSet<Vec<u8>> = own.iter().map(|soname| soname.to_vec()).collect();
        let mut open: Vec<Vec<u8>> = files.iter().flat_map(|facts| facts.needed()).map(<[u8]>::to_vec).collect();
        // Breadth first, as a dynamic linker searches.
        let mut next = 0;
        while next < open.len() && loaded.libraries.len() < MOST {
            let soname = std::mem::take(&mut open[next]);
            next += 1;
            if !seen.insert(soname.clone()) {
                continue;
            }
            match around.library(&soname) {
                Some(facts) => {
                    open.extend(facts.needed().map(<[u8]>::to_vec));
                    loaded.libraries.push(facts);
                }
                None => loaded.unseen.push(soname),
            }
        }
        loaded
    }

    /// The first library that a reference is bound to.
    pub(crate) fn resolve(&self, name: &[u8], version: Option<&[u8]>) -> Option<&Facts> {
        let defines = |facts: &&Arc<Facts>| index::find(facts, name, version).is_some();
        self.libraries.iter().find(defines).map(Arc::as_ref)
    }

    /// The library with this soname.
    pub(crate) fn library(&self, soname: &[u8]) -> Option<&Facts> {
        self.libraries.iter().find(|facts| facts.soname() == Some(soname)).map(Arc::as_ref)
    }
}
