//! What a binary promises: facts from ELF and DWARF, the comparison of two interfaces, and the verdict for one consumer.
//!
//! Invariants: this crate knows nothing of packages, stores or views; nobody else parses ELF. A file that cannot be
//! read is never an argument for `relink`.

mod change;

pub use change::{Change, Effect};
