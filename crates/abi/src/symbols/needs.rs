//! What the new provider itself needs and the old one did not.

use std::collections::HashSet;

use super::{around::Loaded, finding::Finding, index};
use crate::{
    elf::{Facts, Symbol},
    text::{demangle, lossy, versioned},
};

/// Libraries that come with glibc: where `libc.so.6` is, they are.
const WITH_LIBC: &[&[u8]] =
    &[b"libc.so.6", b"libm.so.6", b"libdl.so.2", b"libpthread.so.0", b"librt.so.1", b"libutil.so.1", b"libanl.so.1"];

/// Families of version nodes in which a later one includes all earlier ones.
const CUMULATIVE: &[&str] = &["GLIBC_", "GLIBCXX_", "CXXABI_", "GCC_"];

/// Compares what two providers need. `loaded` gives what else the process has.
pub(crate) fn compare(
    old: &Facts,
    new: &Facts,
    consumer: Option<&Facts>,
    loaded: &dyn Fn() -> std::rc::Rc<Loaded>,
    findings: &mut Vec<Finding>,
) {
    compare_files(old, new, consumer, loaded, findings);
    compare_nodes(old, new, consumer, loaded, findings);
    compare_imports(old, new, consumer, loaded, findings);
}

fn needs(facts: &Facts, soname: &[u8]) -> bool {
    facts.needed().any(|needed| needed == soname)
}

fn compare_files(
    old: &Facts,
    new: &Facts,
    consumer: Option<&Facts>,
    loaded: &dyn Fn() -> std::rc::Rc<Loaded>,
    findings: &mut Vec<Finding>,
) {
    let somebody_needs = |soname: &[u8]| needs(old, soname) || consumer.is_some_and(|facts| needs(facts, soname));
    for soname in new.needed().filter(|soname| !somebody_needs(soname)) {
        let comes_with_libc = (WITH_LIBC.contains(&soname) || soname.starts_with(b"ld-linux"))
            && (somebody_needs(b"libc.so.6") || needs(new, b"libc.so.6"));
        if comes_with_libc || !loaded().unseen.iter().any(|unseen| unseen == soname) {
            findings.push(Finding::compatible("", format!("it needs {} now", lossy(soname))));
        } else {
            let text = format!("it needs {} now, which was not found to be looked at", lossy(soname));
            findings.push(Finding::unclear("", text));
        }
    }
}

fn compare_nodes(
    old: &Facts,
    new: &Facts,
    consumer: Option<&Facts>,
    loaded: &dyn Fn() -> std::rc::Rc<Loaded>,
    findings: &mut Vec<Finding>,
) {
    for (file, node, is_weak) in new.needed_versions() {
        if is_weak || is_covered(file, node, old) || consumer.is_some_and(|facts| is_covered(file, node, facts)) {
            continue;
        }
        let known = loaded();
        let has_node = |facts: &Facts| facts.defined_versions().any(|(defined, _)| defined == node);
        let label = || versioned(file, Some(node));
        match known.library(file) {
            Some(facts) if has_node(facts) => {}
            Some(_) => {
                let text = format!("it needs {} of {}, which does not have it", lossy(node), lossy(file));
                findings.push(Finding::breaks(label(), text));
            }
            None => {
                let text =
                    format!("it needs {} of {} now, which was not found to be looked at", lossy(node), lossy(file));
                findings.push(Finding::unclear(label(), text));
            }
        }
    }
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

fn compare_imports(
    old: &Facts,
    new: &Facts,
    consumer: Option<&Facts>,
    loaded: &dyn Fn() -> std::rc::Rc<Loaded>,
    findings: &mut Vec<Finding>,
) {
    // A symbol of a version node is there if its node is: nodes do not lose symbols, and that the node is there was
    // looked at. What remains are symbols without one.
    let is_plain = |symbol: &&Symbol| symbol.version.is_none() && !symbol.is_weak();
    let known: HashSet<&[u8]> = old.imports().iter().map(|symbol| old.name(symbol)).collect();
    for import in new.imports().iter().filter(is_plain) {
        let name = new.name(import);
        let is_defined = |facts: &Facts| index::find(facts, name, None).is_some();
        if known.contains(name) || is_defined(new) || consumer.is_some_and(is_defined) {
            continue;
        }
        let known = loaded();
        if known.resolve(name, None).is_some() {
            continue;
        }
        let what = format!("it needs `{}` now, which no library that was found defines", demangle(name));
        findings.push(match known.unseen.first() {
            // Without a consumer, a program might define it for its library to call.
            _ if consumer.is_none() => Finding::unclear(versioned(name, None), what),
            None => Finding::breaks(versioned(name, None), what),
            Some(unseen) => {
                let text = format!("{what}; {} was not found", lossy(unseen));
                Finding::unclear(versioned(name, None), text)
            }
        });
    }
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
