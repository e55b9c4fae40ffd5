//! Finding an export as a dynamic linker does.
//!
//! Source: glibc, `elf/dl-lookup.c` (`check_match`, `do_lookup_x`).

use foldhash::{HashMap, HashMapExt as _};

use crate::elf::{Facts, Symbol};

/// The exports of one file, by name.
pub(crate) struct Index<'f> {
    facts: &'f Facts,
    by_name: HashMap<&'f [u8], &'f [Symbol]>,
}

impl<'f> Index<'f> {
    pub(crate) fn new(facts: &'f Facts) -> Self {
        let same = |a: &Symbol, b: &Symbol| facts.name(a) == facts.name(b);
        let groups = facts.exports().chunk_by(same);
        let mut by_name = HashMap::with_capacity(facts.exports().len());
        by_name.extend(groups.filter_map(|group| Some((facts.name(group.first()?), group))));
        Self { facts, by_name }
    }

    /// The exports with this name, in all versions.
    pub(crate) fn named(&self, name: &[u8]) -> &'f [Symbol] {
        self.by_name.get(name).copied().unwrap_or_default()
    }

    /// The export that a reference is bound to.
    pub(crate) fn find(&self, name: &[u8], version: Option<&[u8]>) -> Option<&'f Symbol> {
        choose(self.facts, self.named(name), version)
    }
}

/// As [`Index::find`], for one search: names are sorted.
pub(crate) fn find<'f>(facts: &'f Facts, name: &[u8], version: Option<&[u8]>) -> Option<&'f Symbol> {
    if !facts.may_export(name) {
        return None;
    }
    let exports = facts.exports();
    let start = exports.partition_point(|symbol| facts.name(symbol) < name);
    let length = exports[start..].iter().take_while(|symbol| facts.name(symbol) == name).count();
    choose(facts, &exports[start..start + length], version)
}

/// The one of several exports of one name that a reference is bound to.
fn choose<'f>(facts: &'f Facts, group: &'f [Symbol], version: Option<&[u8]>) -> Option<&'f Symbol> {
    let Some(version) = version else { return choose_any(facts, group) };
    let exact = group.iter().find(|symbol| facts.export_version(symbol) == Some(version));
    // A definition without a version of its own is good for any.
    exact.or_else(|| group.iter().find(|symbol| number(facts, symbol) <= 1 && !symbol.is_hidden()))
}

/// For a reference that names no version: the file's first version node, or the only one that is not hidden.
fn choose_any<'f>(facts: &'f Facts, group: &'f [Symbol]) -> Option<&'f Symbol> {
    if let Some(first) = group.iter().find(|symbol| number(facts, symbol) <= 2) {
        return Some(first);
    }
    let mut visible = group.iter().filter(|symbol| !symbol.is_hidden());
    visible.next().filter(|_| visible.next().is_none())
}

/// The number of a symbol's version node in its file; 1 if it has none.
fn number(facts: &Facts, symbol: &Symbol) -> u16 {
    symbol.version.and_then(|index| facts.definitions.get(usize::from(index))).map_or(1, |node| node.index)
}
