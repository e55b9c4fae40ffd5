//! What a package is: digests, ids, paths, manifests, and the closure that gives a package its id.
//!
//! Invariant: this crate performs no I/O and reads no clock.

mod digest;
mod entry;
mod id;
mod link;
mod listing;
mod manifest;
pub mod native;
mod path;

pub use digest::{Digest, DigestError, Hasher};
pub use entry::{Entry, Node, Owner};
pub use id::{ComponentId, IdError, PackageId, StoreName, TreeId};
pub use link::{LinkError, Linked, Unlinked, circles, link};
pub use listing::{ListingError, read_listing, write_listing};
pub use manifest::{FORMAT, Kind, Manifest, ManifestError, NATIVE_FORMAT, Source};
pub use native::Native;
pub use path::{PathError, TreePath};
