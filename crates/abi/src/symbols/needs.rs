//! What the new provider itself needs and the old one did not.

use std::rc::Rc;

use foldhash::HashSet;

use super::{
    around::{Around, Loaded},
    finding::Finding,
    index,
};
use crate::{
    elf::{Facts, Symbol},
    text::{demangle, lossy, versioned},
};

/// Libraries that come with glibc: where `libc.so.6` is, they are.
const WITH_LIBC: &[&[u8]] =
    &[b"libc.so.6", b"libm.so.6", b"libdl.so.2", b"libpthread.so.0", b"librt.so.1", b"libutil.so.1", b"libanl.so.1"];

/// Families of version nodes in which a later one includes all earlier ones.
const CUMULATIVE: &[&str] = &["GLIBC_", "GLIBCXX_", "CXXABI_", "GCC_"];

/// What the new provider needs and the old one did not.
pub(super) struct Needs<'f> {
    old: &'f Facts,
    new: &'f Facts,
    /// Sonames.
    files: Vec<&'f [u8]>,
    /// Version nodes, each with the library that has it.
    nodes: Vec<(&'f [u8], &'f [u8])>,
    /// Symbols without a version node. Of one with a node it is enough that the node is there: nodes lose no symbols.
    imports: Vec<&'f Symbol>,
}

fn needs(facts: &Facts, soname: &[u8]) -> bool {
    facts.needed().any(|needed| needed == soname)
}

impl<'f> Needs<'f> {
    pub(super) fn new(old: &'f Facts, new: &'f Facts) -> Self {
        let known: HashSet<&[u8]> = old.imports().iter().map(|symbol| old.name(symbol)).collect();
        let nodes = new.needed_versions().filter(|(file, node, is_weak)| !is_weak && !is_covered(file, node, old));
        let is_open = |symbol: &&Symbol| {
            let name = new.name(symbol);
            symbol.version.is_none() && !symbol.is_weak() && !known.contains(name) && !defines(new, name)
        };
        Self {
            old,
            new,
            files: new.needed().filter(|soname| !needs(old, soname)).collect(),
            nodes: nodes.map(|(file, node, _)| (file, node)).collect(),
            imports: new.imports().iter().filter(is_open).collect(),
        }
    }

    /// Looks for them in what else the process has: the consumer, the libraries `around`, and those that are `loaded`.
    pub(super) fn compare(
        &self,
        consumer: Option<&Facts>,
        around: &dyn Around,
        loaded: &dyn Fn() -> Rc<Loaded>,
        findings: &mut Vec<Finding>,
    ) {
        let consumer_needs = |soname: &[u8]| consumer.is_some_and(|facts| needs(facts, soname));
        for soname in self.files.iter().filter(|soname| !consumer_needs(soname)) {
            findings.push(self.compare_file(soname, around));
        }
        for (file, node) in &self.nodes {
            if !consumer.is_some_and(|facts| is_covered(file, node, facts)) {
                findings.extend(compare_node(file, node, around));
            }
        }
        for import in &self.imports {
            let name = self.new.name(import);
            if !consumer.is_some_and(|facts| defines(facts, name)) {
                findings.extend(compare_import(name, consumer.is_some(), loaded));
            }
        }
    }

    fn compare_file(&self, soname: &[u8], around: &dyn Around) -> Finding {
        let has_libc = needs(self.old, b"libc.so.6") || needs(self.new, b"libc.so.6");
        let comes_with_libc = has_libc && (WITH_LIBC.contains(&soname) || soname.starts_with(b"ld-linux"));
        if comes_with_libc || around.library(soname).is_some() {
            Finding::compatible("", format!("it needs {} now", lossy(soname)))
        } else {
            Finding::unclear("", format!("it needs {} now, which was not found to be looked at", lossy(soname)))
        }
    }
}

fn defines(facts: &Facts, name: &[u8]) -> bool {
    index::find(facts, name, None).is_some()
}

fn compare_node(file: &[u8], node: &[u8], around: &dyn Around) -> Option<Finding> {
    let label = versioned(file, Some(node));
    let what = format!("it needs {} of {}", lossy(node), lossy(file));
    match around.library(file) {
        Some(facts) if facts.defines_version(node) => None,
        Some(_) => Some(Finding::breaks(label, format!("{what}, which does not have it"))),
        None => Some(Finding::unclear(label, format!("{what} now, which was not found to be looked at"))),
    }
}

fn compare_import(name: &[u8], has_consumer: bool, loaded: &dyn Fn() -> Rc<Loaded>) -> Option<Finding> {
    let known = loaded();
    if known.resolve(name, None).is_some() {
        return None;
    }
    let what = format!("it needs `{}` now, which no library that was found defines", demangle(name));
    Some(match known.unseen.first() {
        // Without a consumer, a program might define it for its library to call.
        _ if !has_consumer => Finding::unclear(versioned(name, None), what),
        None => Finding::breaks(versioned(name, None), what),
        Some(unseen) => Finding::unclear(versioned(name, None), format!("{what}; {} was not found", lossy(unseen))),
    })
}

/// Whether a file that works already needs this version node, or a later one that includes it.
fn is_covered(file: &[u8], node: &[u8], by: &Facts) -> bool {
    let included = |later: &[u8]| {
        let (Ok(node), Ok(later)) = (std::str::from_utf8(node), std::str::from_utf8(later)) else { return false };
        let family =
            CUMULATIVE.iter().find_map(|family| Some((node.strip_prefix(family)?, later.strip_prefix(family)?)));
        family.and_then(|(node, later)| Some(numbers(node)? <= numbers(later)?)).unwrap_or(false)
    };
    by.needed_versions().any(|(of, needed, is_weak)| !is_weak && of == file && (needed == node || included(needed)))
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("2.9") < numbers("2.34") && numbers("2.2.5") < numbers("2.3"));
        assert_eq!(numbers("PRIVATE"), None);
    }
}
