//! Debian binary packages: reading archives, importing them as components, and what a view needs so that Debian's own
//! tools work in it.
//!
//! Invariant: nothing here runs foreign code. What has to run is described ([`dpkg::ConfigurePlan`]) and run by others,
//! in a sandbox.

mod ar;
mod archive;
mod contents;
mod control;
mod cve;
pub mod dpkg;
mod error;
mod import;
mod limits;
mod many;
mod md5sums;
mod tarball;
pub(crate) mod unpack;

pub use ar::ArError;
pub use contents::{Contents, Found, ReadError, read_contents};
pub use control::{Control, ControlError, is_package_name, parse_control, read_control_member};
pub use error::{ImportError, Refusal};
pub use import::{Expected, OriginInput, import, import_with, look};
pub use limits::Limits;
pub use many::{Job, import_many};
pub(crate) use unpack::Packing;

#[cfg(test)]
mod tests;
