//! Formats of others: archives, packages and their relations.

pub mod apt;
pub mod deb;
pub mod native;
pub mod net;
pub mod registry;
pub mod source;
