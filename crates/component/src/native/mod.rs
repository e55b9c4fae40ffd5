//! Native components: trees whose files know each other, and what they are linked to, by path.
//!
//! What can be relative is made so when a component is taken in: libraries are found through `.link/<slot>` beside the
//! program ([`Native::anchored`]). What cannot is a [`Hole`]: it is filled in a private copy of just that file when the
//! component is linked ([`fill`]). Everything else a package shares with its component ([`layout`]).

mod fill;
mod layout;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use fill::{FillError, ends_name, fill};
pub use layout::{Place, Placed, layout};

use crate::{ComponentId, TreePath};

/// The directory inside a package that holds its bindings.
pub const LINKS: &str = ".link";
/// The link inside [`LINKS`] that names the package's component; `@` occurs in no slot.
pub const COMPONENT_LINK: &str = "@component";

/// What is known of a native component beyond its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Native {
    /// The directory that the tree was made for, absolute and without `/` at its end; empty for the root.
    pub prefix: String,
    /// The libraries that it offers: soname to path.
    pub offers: BTreeMap<String, TreePath>,
    /// Other names in its library directories by which some programs ask for a library.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, TreePath>,
    /// What it is linked to.
    pub slots: BTreeMap<String, Slot>,
    /// Sonames that it takes from the host.
    pub host: Vec<String>,
    /// Files that find their libraries from where they are, sorted.
    pub anchored: Vec<TreePath>,
    /// Where paths are baked in, sorted by file and offset.
    pub holes: Vec<Hole>,
    /// Where it holds its prefix and has no room for another path, in words. It is linked once, to what it was made with,
    /// and then made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Commands that must succeed wherever it is linked, for `/bin/sh`, with its own programs first on `PATH`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

impl Native {
    /// Where it has the library that is asked for by a name.
    pub fn library(&self, name: &str) -> Option<&TreePath> {
        self.offers.get(name).or_else(|| self.aliases.get(name))
    }
}

/// A named link dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// What filled it when the component was made. Of components that need each other in a circle one does not know.
    pub built_with: Option<ComponentId>,
    /// The libraries that it is used for: the name that is needed, and the path in the provider.
    pub libraries: BTreeMap<String, TreePath>,
}

/// A place where a path is baked in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// The file.
    pub path: TreePath,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes are taken: those of the path itself, or, where the file cannot change its length, all that there is
    /// room for, the end included.
    pub length: u64,
    /// How it is written.
    pub kind: HoleKind,
    /// The path that belongs there.
    pub target: Target,
}

/// How a path is written into a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoleKind {
    /// In the place of the prefix, in a file that may change its length.
    Text,
    /// As a whole string that ends with a NUL byte, in a file of fixed length.
    Bytes,
    /// In the place of the prefix in such a string, whose rest moves along.
    String,
    /// The same, of 16-bit units in little-endian order.
    Wide16,
    /// The same, of 32-bit units.
    Wide32,
}

/// The path that belongs into a hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The package's own directory, in the place of the prefix.
    Own,
    /// A file of the package.
    File {
        /// Its path below the package's directory.
        path: TreePath,
    },
    /// A file of what fills a slot.
    Slot {
        /// The slot.
        name: String,
        /// The path below the provider's directory.
        path: TreePath,
    },
}
