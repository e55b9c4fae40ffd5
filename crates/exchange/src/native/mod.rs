//! Trees that were made to run below a prefix: what a build installed, an unpacked archive, a package's files. They become
//! native components.
//!
//! First a tree is looked at ([`Tree::scan`]), then it is taken in with what others offer ([`Tree::take_in`]). Libraries
//! are found relative to who needs them from then on; what has to stay absolute becomes a hole. Nothing here runs what
//! it reads.

mod binary;
mod bind;
mod error;
mod packed;
mod scan;
mod search;
mod take;

use std::{collections::BTreeMap, path::PathBuf};

use aleph_component::{ComponentId, Entry, Source, TreePath};

use binary::Binary;
pub use error::NativeError;
pub use take::Taken;

/// A tree that was looked at.
pub struct Tree {
    directory: PathBuf,
    /// Its names; the digests of files are not known yet.
    entries: Vec<Entry>,
    binaries: BTreeMap<TreePath, Binary>,
    /// Soname to path.
    offers: BTreeMap<String, TreePath>,
    /// Other names of libraries to their paths.
    aliases: BTreeMap<String, TreePath>,
}

/// What somebody says of a tree.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The package that it was made from.
    pub source: Source,
    /// One line that says what it is.
    pub summary: String,
    /// The directory that it was made for, without `/` at the end; empty for the root.
    pub prefix: String,
    /// Sonames that the host has to bring.
    pub host: Vec<String>,
    /// Sonames of libraries that its programs open when they run, by names that are nowhere in them.
    pub opens: Vec<String>,
    /// What its origin promises of its libraries: control files with their names.
    pub promises: Vec<(TreePath, Vec<u8>)>,
    /// Commands that must succeed wherever it is linked.
    pub checks: Vec<String>,
}

/// A library that another component offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The component's name, which its slot gets.
    pub name: String,
    /// The component; of those that need each other in a circle one is not made yet.
    pub component: Option<ComponentId>,
    /// Where it has the library.
    pub path: TreePath,
    /// Whether the name is not the library's soname.
    pub is_alias: bool,
}

/// What others offer, by the names that libraries are asked for by.
#[derive(Clone, Debug, Default)]
pub struct Offers(BTreeMap<String, Offer>);

impl Offers {
    /// Adds the sonames and other names of a component's libraries. Those that come later win, sonames over others.
    pub fn add(
        &mut self,
        name: &str,
        component: Option<ComponentId>,
        (sonames, aliases): (&BTreeMap<String, TreePath>, &BTreeMap<String, TreePath>),
    ) {
        for (names, is_alias) in [(aliases, true), (sonames, false)] {
            for (library, path) in names {
                if is_alias && self.get(library).is_some_and(|known| !known.is_alias) {
                    continue;
                }
                let offer = Offer { name: name.to_owned(), component, path: path.clone(), is_alias };
                self.0.insert(library.clone(), offer);
            }
        }
    }

    /// Who offers a library.
    pub fn get(&self, library: &str) -> Option<&Offer> {
        self.0.get(library)
    }
}
