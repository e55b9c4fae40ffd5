//! What several commands do: from a request to a plan, from a plan to a generation.

pub(crate) mod abi;
pub(crate) mod apply;
pub(crate) mod archives;
pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod change;
pub(crate) mod checked;
pub(crate) mod compose;
pub(crate) mod cost;
mod foreign;
pub(crate) mod launchers;
pub(crate) mod local;
pub(crate) mod native;
pub(crate) mod once;
pub(crate) mod plan;
pub(crate) mod project;
pub(crate) mod relinked;
pub(crate) mod repair;
pub(crate) mod roots;
pub(crate) mod scripts;
pub(crate) mod smoke;
pub(crate) mod sources;
pub(crate) mod timings;
pub(crate) mod trees;
