//! The types of two providers as one consumer meets them: what [`judge`](super::judge) asks for.

use super::{Types, Wanted};
use crate::{
    Change,
    dwarf::{Exported, ExportedKind},
    elf::{Binding, Facts, SymbolKind},
    types::{Comparison, Query, View},
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
    fn compare(&self, wanted: &Wanted<'_>) -> Vec<Change> {
        let wanted = |symbol: &crate::types::Symbol| wanted(&symbol.name, symbol.version.as_deref());
        self.comparison.changes(&Query { wanted: &wanted, view: self.view, public: self.public })
    }
}

/// The exports of a provider as its debug information is asked for them. The addresses are those that
/// [`read_with_addresses`](crate::elf::read_with_addresses) gave with the facts.
pub fn exported<'f>(facts: &'f Facts, addresses: &[u64]) -> Vec<Exported<'f>> {
    let one = |(symbol, address): (&'f crate::elf::Symbol, &u64)| Exported {
        name: facts.name(symbol),
        version: facts.export_version(symbol),
        default: !symbol.is_hidden(),
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
