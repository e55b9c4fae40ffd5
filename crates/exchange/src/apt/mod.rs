//! Debian archives: sources, indices, relations and solving.

pub mod index;
pub mod relation;
