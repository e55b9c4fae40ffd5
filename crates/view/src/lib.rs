//! What users see: views, their generations, the trees that they run in.
//!
//! Invariant: this crate builds nothing and knows no foreign format; what a distribution's own tools want to find in a
//! view is handed to it as entries and steps.

mod capture;
mod compose;
mod configure;
mod diff;
mod draft;
mod files;
mod generation;
mod launcher;
mod layers;
mod lockfile;
mod names;
mod policy;
mod project;
mod run;
mod switch;

pub use capture::{CaptureError, Captured, Intended, merge as merge_captures, read_upper};
pub use compose::{Composition, Conflict, Member, Settlement, compose, with_parents};
pub use configure::{ConfigureError, Configured, Session, configure, keep};
pub use diff::{Change, Difference, difference};
pub use draft::Draft;
pub use generation::{Binding, CaptureRef, FORMAT, Generation, Pinned, Request, key};
pub use launcher::{Launcher, LauncherError, commands};
pub use layers::{Layers, LayersPlan, Listing, overlay, plan_layers};
pub use lockfile::{Lock, LockError};
pub use names::{Kind, NameError, ViewName};
pub use policy::{Demand, Pin, Policy, Version};
pub use project::{Project, ProjectError};
pub use run::RunLayers;
pub use switch::{View, ViewError, ViewRecord, Views};
