//! What a view needs so that Debian's own tools work in it: dpkg's database as files, and the maintainer scripts to run,
//! as data. Deciding is done here; placing the files and running the steps in a sandbox is done by others.
//!
//! Formats and order of events are those of dpkg 1.21 (dpkg(1), deb-triggers(5), deb-postinst(5) and its sources).

mod divert;
mod info;
mod order;
mod package;
mod plan;
mod script;
mod status;
#[cfg(test)]
mod tests;
mod triggers;
mod update;
mod usr;

use aleph_component::{Digest, TreePath};

pub use divert::{Diversion, Resolution, diversions, resolve_conflict};
pub use order::configure_order;
pub use package::{Contents, Package, PackageError, store_contents};
pub use plan::{ConfigurePlan, Cover, Step, fresh};
pub use status::{Unconfigured, unconfigured};
pub use update::{Previous, UpdatePlan, update};
pub use usr::{usr_links, usr_merged, view_path};

/// A file that the tree of a view must have besides those of its packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub path: TreePath,
    /// What.
    pub content: Content,
    /// Its permission bits.
    pub mode: u16,
    /// Whether it also takes the place of what scripts wrote there in the generation before.
    pub replaces: bool,
}

/// What a placed file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Something that the store has.
    Pool {
        /// Its digest.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
    },
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Placement {
    fn bytes(path: &str, bytes: impl Into<Vec<u8>>, replaces: bool) -> Self {
        let path = TreePath::new(path).expect("dpkg's own paths are paths");
        Self { path, content: Content::Bytes(bytes.into()), mode: 0o644, replaces }
    }
}
