//! Types of C and C++ as a consumer meets them: the graph, what an interface exports, and the comparison of two.
//!
//! Everything here is plain data, whatever it was read from; [`crate::dwarf`] is what reads it.
//! Sources: System V ABI, AMD64 supplement ("psABI"), chapter 3; Itanium C++ ABI, chapters 1 to 3.

mod compare;
mod fingerprint;
mod function;
mod graph;
mod interface;
mod layout;
mod record;
mod text;
mod view;

pub use compare::{Comparison, Query, compare};
pub use fingerprint::Fingerprint;
pub use function::{Conventions, Function, VectorLevel};
pub use graph::{Encoding, Graph, Name, Qualifier, Scalar, Type, TypeId};
pub use interface::{Interface, Item, Role, Symbol};
pub use record::{Base, Enumeration, Member, Origin, Passing, Record, RecordKind, Virtual};
pub use view::{Sight, View};

pub(crate) use fingerprint::Hasher;
pub(crate) use layout::{is_signed, size};
