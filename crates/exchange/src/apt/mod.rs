//! Debian archives: sources, indices, relations and solving.

pub mod config;
pub mod index;
pub mod location;
mod paragraph;
pub mod preferences;
pub mod relation;
pub mod release;
pub mod solve;
pub mod sources;
pub mod update;
