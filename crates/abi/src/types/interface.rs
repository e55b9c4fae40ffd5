//! An interface: every exported function and variable with its type.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::{bare, demangle};

use super::{
    fingerprint::{Fingerprint, Hasher, fingerprints},
    function::Conventions,
    graph::{Graph, Type, TypeId},
    layout::{Facts, facts},
};

/// An exported symbol: its name, and the version node it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol {
    /// Mangled, as in the file.
    pub name: Box<[u8]>,
    /// The version node.
    pub version: Option<Box<[u8]>>,
}

/// What debug information says of an exported symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub role: Role,
    /// Its type. For `_ZTI…`, `_ZTV…` and their kind, that of the class.
    pub of: TypeId,
    /// How its unit was compiled.
    pub conventions: Conventions,
    /// The alignment that a variable was given besides that of its type, in bytes; 0 if none.
    pub alignment: u64,
    /// Whether references without a version reach it.
    pub default: bool,
    /// Whether consumers may carry a definition of their own: inline functions, classes without a key function.
    pub weak: bool,
}

/// What an exported symbol is to the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It is called.
    Function,
    /// It is read or written.
    Variable,
    /// It is a part of a class: virtual table, type information, or the name in it (Itanium C++ ABI, 5.1.4).
    Class,
}

/// Exported symbols with their types.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// The types.
    pub graph: Graph,
    /// What is known of the symbols.
    pub items: BTreeMap<Symbol, Item>,
    /// Symbols that no debug information describes: assembler, or units that were compiled without.
    pub unknown: BTreeSet<Symbol>,
    /// The size of a pointer, in bytes.
    pub word: u64,
    prints: Vec<Fingerprint>,
    facts: Vec<Facts>,
    whole: Fingerprint,
}

impl Interface {
    /// Completes an interface: its types are fingerprinted.
    pub fn new(graph: Graph, items: BTreeMap<Symbol, Item>, unknown: BTreeSet<Symbol>, word: u64) -> Self {
        let prints = fingerprints(&graph);
        let facts = facts(&graph, word);
        let mut hasher = Hasher::new(word);
        for (symbol, item) in &items {
            hasher.bytes(&symbol.name);
            hasher.bytes(symbol.version.as_deref().unwrap_or_default());
            hasher.bytes(
                format!("{:?} {:?} {} {} {}", item.role, item.conventions, item.alignment, item.default, item.weak)
                    .as_bytes(),
            );
            hasher.fingerprint(prints.get(item.of.index()).copied().unwrap_or_default());
        }
        for symbol in &unknown {
            hasher.number(0);
            hasher.bytes(&symbol.name);
            hasher.bytes(symbol.version.as_deref().unwrap_or_default());
        }
        let whole = hasher.finish();
        Self { graph, items, unknown, word, prints, facts, whole }
    }

    /// Equal for interfaces that are equal to all consumers.
    pub fn fingerprint(&self) -> Fingerprint {
        self.whole
    }

    /// Equal for types that are equal to all consumers, also across interfaces.
    pub fn fingerprint_of(&self, id: TypeId) -> Fingerprint {
        self.prints.get(id.index()).copied().unwrap_or_default()
    }

    /// What was worked out of a type's layout; `None` for types of other graphs.
    pub(crate) fn facts_of(&self, id: TypeId) -> Option<Facts> {
        self.facts.get(self.graph.strip(id).index()).copied()
    }

    /// What a reference of a consumer to a symbol of another interface reaches here: the same version; for a reference
    /// without one, the default version; and where there are no versions here, the name.
    pub fn find(&self, symbol: &Symbol) -> Option<(&Symbol, &Item)> {
        if let Some(found) = self.items.get_key_value(symbol) {
            return Some(found);
        }
        let mut named = self.by_name(&symbol.name);
        if symbol.version.is_some() {
            return named.find(|(other, _)| other.version.is_none());
        }
        named.find(|(_, item)| item.default)
    }

    /// Everything that is described completely, by its name with scopes, and without.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let of_type = |(_, found): (TypeId, &Type)| match found {
            Type::Record(record) if !record.declaration => record.name,
            Type::Enumeration(enumeration) => enumeration.name,
            Type::Typedef { name, .. } => Some(*name),
            _ => None,
        };
        let types = self.graph.iter().filter_map(of_type).map(|name| self.graph.text(name).to_owned());
        let symbols = self.items.keys().map(|symbol| bare(&demangle(&symbol.name)).to_owned());
        types.chain(symbols).flat_map(|name| {
            let last = name.rsplit("::").next().map(str::to_owned);
            last.into_iter().chain([name])
        })
    }

    /// All versions of a symbol.
    pub(crate) fn by_name(&self, name: &[u8]) -> impl Iterator<Item = (&Symbol, &Item)> {
        let first = Symbol { name: name.into(), version: None };
        self.items.range(first.clone()..).take_while(move |(other, _)| other.name == first.name)
    }

    /// Whether a symbol of this name is exported and not described.
    pub fn is_unknown(&self, symbol: &Symbol) -> bool {
        self.unknown.contains(symbol)
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.name))?;
        match &self.version {
            Some(version) => write!(formatter, "@{}", String::from_utf8_lossy(version)),
            None => Ok(()),
        }
    }
}
