//! What one consumer knows of a library's types, from its own debug information.
//!
//! A consumer that has only ever seen `struct foo;` cannot depend on its layout. That it has seen nothing of a type
//! proves nothing: compilers leave out what no variable needs.

use std::collections::HashMap;

/// What a consumer knows of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sight {
    /// It has the definition.
    pub complete: bool,
    /// It has a declaration and the compiler would have written down a definition, had there been one.
    pub declared: bool,
    /// It derives classes from it.
    pub derived_from: bool,
    /// It has the definition, and there are virtual functions in it.
    pub polymorphic: bool,
}

/// The types that a consumer's debug information names.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(crate) types: HashMap<Box<str>, Sight>,
    /// Whether every unit of the consumer has debug information that could be read.
    pub(crate) whole: bool,
}

impl View {
    /// What it knows of the type with this name (scopes and template arguments included).
    pub fn sight(&self, name: &str) -> Sight {
        self.types.get(name).copied().unwrap_or_default()
    }

    /// Whether the consumer knows that the type exists, and no more.
    pub fn is_opaque(&self, name: &str) -> bool {
        let sight = self.sight(name);
        self.whole && sight.declared && !sight.complete
    }

    /// How many types it names.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}
