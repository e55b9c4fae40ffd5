//! The only room that makes namespaces and mounts. It has two doors:
//!
//! - [`enter`]: run a program of a view, as the user, in place of this process;
//! - [`workshop`]: run a distribution's maintainer scripts as root-inside, cut off from the host, with every write
//!   captured and every change of ownership recorded.
//!
//! A view's tree is given as a list of read-only **layers**, topmost first, which overlayfs stacks inside an
//! unprivileged user namespace. Writes go to a private tmpfs (`enter`) or to a directory of the caller's (`workshop`).
//!
//! Invariants: nothing here decides what belongs to a view; nothing here writes to a layer; nothing here prints.
//! Linux only (5.12 or newer), x86-64 and aarch64.

#![cfg(target_os = "linux")]

mod device;
mod emulate;
mod enter;
mod environment;
mod etc;
mod exec;
mod host;
pub mod ids;
mod layers;
mod locale;
mod mount;
pub mod probe;
mod process;
mod pure;
mod trust;
mod userns;
pub mod workshop;

pub use enter::{EnterError, Outside, RunSpec, enter};
pub use mount::MountError;
