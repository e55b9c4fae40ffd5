//! How packages are made: recipes, what has to be built, and building it.
//!
//! A [`Recipe`] says how; a [`RecipeTree`] has many of them. A [`BuildKey`] tells one build from another: over the *interfaces*
//! of what is linked, and over the *content* of what is copied in or runs as a tool. An [`Action`] is a build that can be carried out: trees
//! that make up its `/`, sources, and a script for each phase, which [`Action::run`] runs in a sandbox; [`work`] is what of it can be
//! done elsewhere, too. What was built is remembered by [`Records`].
//!
//! Invariants: nothing here knows views of users, or where packages come from; nothing decides by the time or by the
//! machine's state; nothing that a build writes is trusted before somebody has looked at it; nothing here prints.

mod action;
mod digest;
mod graph;
mod interface;
mod key;
mod lock;
mod phases;
mod place;
mod recipe;
mod record;
mod tree;
pub mod work;

pub use action::{Action, ActionError, Built, Ended, Source as ActionSource};
pub use digest::{DigestError, copy_directory, digest_directory};
pub use graph::{Graph, GraphError};
pub use interface::{Interface, InterfaceError, exposes, interface};
pub use key::{BuildKey, Inputs, KeyParts};
pub use lock::{LockError, Locked, locked};
pub use phases::{Phase, environment, phases};
pub use place::{Member, PREFIX_LENGTH, closure_entries, other_prefix, prefix};
pub use recipe::{
    Build, Check, Choice, ChoiceError, Chosen, Needs, Origin, Patches, Recipe, RecipeError, Registry, Run, Source,
    System, Trust, Value, When, schema,
};
pub use record::{Dependency, Record, RecordError, Records, Use};
pub use tree::{RecipeTree, Tools, TreeError};
