//! Debian archives: sources, indices, relations and solving.

pub mod config;
pub mod download;
pub mod index;
mod paragraph;
pub mod preferences;
pub mod relation;
pub mod release;
pub mod solve;
pub mod sources;
pub mod update;
