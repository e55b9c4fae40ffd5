//! The types of two providers as one consumer meets them: what [`judge`](super::judge) asks for.

use std::collections::HashMap;

use super::{Types, Wanted};
use crate::{
    Change,
    dwarf::{Exported, ExportedKind},
    elf::{Binding, Facts, SymbolKind},
    types::{Comparison, Query, Symbol, View},
};

/// The types of both providers, and what one consumer knows of them.
pub struct Seen<'a> {
    /// The types, compared once for all consumers.
    pub comparison: &'a Comparison<'a>,
    /// What the consumer's own debug information shows it to know, if it has any.
    pub view: Option<&'a View>,
    /// Whether a file of this base name is a public header, where that is known.
    pub public: Option<&'a dyn Fn(&str) -> bool>,
}

impl Types for Seen<'_> {
    fn compare(&self, wanted: &Wanted<'_>, copied: &Wanted<'_>) -> Vec<Change> {
        let wanted = |symbol: &Symbol| wanted(&symbol.name, symbol.version.as_deref());
        let copied = |symbol: &Symbol| copied(&symbol.name, symbol.version.as_deref());
        self.comparison.changes(&Query { wanted: &wanted, copied: &copied, view: self.view, public: self.public })
    }

    fn describes(&self, name: &str) -> bool {
        self.comparison.describes(name)
    }
}

/// The number of the first version node that a file defines besides itself.
const FIRST: u16 = 2;

/// The exports of a provider as its debug information is asked for them. The addresses are those that
/// [`read_with_addresses`](crate::elf::read_with_addresses) gave with the facts.
///
/// A reference without a version, made before a library had any, gets the first version of a name, or the only one
/// (glibc's `do_lookup_x`).
pub fn exported<'f>(facts: &'f Facts, addresses: &[u64]) -> Vec<Exported<'f>> {
    let first = facts.version_numbered(FIRST);
    let mut versions: HashMap<&[u8], usize> = HashMap::new();
    facts.exports().iter().for_each(|symbol| *versions.entry(facts.name(symbol)).or_default() += 1);
    let is_default = |symbol| {
        let version = facts.export_version(symbol);
        version.is_none() || version == first || versions.get(facts.name(symbol)) == Some(&1)
    };
    let one = |(symbol, address): (&'f crate::elf::Symbol, &u64)| Exported {
        name: facts.name(symbol),
        version: facts.export_version(symbol),
        default: is_default(symbol),
        address: *address,
        kind: match symbol.kind {
            SymbolKind::Function => ExportedKind::Function,
            SymbolKind::Indirect => ExportedKind::Indirect,
            SymbolKind::Object => ExportedKind::Object,
            SymbolKind::Tls => ExportedKind::ThreadLocal,
            SymbolKind::Unknown | SymbolKind::Other => ExportedKind::Other,
        },
        weak: symbol.binding != Binding::Global,
    };
    facts.exports().iter().zip(addresses).map(one).collect()
}
