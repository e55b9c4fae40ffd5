//! What a binary promises: facts from ELF and DWARF, the comparison of two interfaces, and the verdict for one consumer.
//!
//! Invariants: this crate knows nothing of packages, stores or views; nobody else parses ELF. A file that cannot be
//! read is never an argument for `relink`.

mod change;
pub mod closure;
pub mod dwarf;
pub mod edit;
pub mod elf;
pub mod headers;
mod symbols;
mod text;
pub mod types;
mod verdict;

pub use change::{Change, Effect};
pub use symbols::{Around, Nothing, Pair};
pub use text::demangle;
pub use verdict::{Evidence, Judgement, Options, Seen, Suppression, Types, Verdict, Wanted, exported, judge};
