//! Names that two files of one process define: whoever is searched first wins, for all.

use super::{Pair, finding::Finding, index};
use crate::{
    elf::{Binding, Facts, FileKind, Symbol, Visibility},
    text::{described, versioned},
};

/// Looks at names that the consumer and a provider both define.
pub(super) fn compare(pair: &Pair<'_>, consumer: &Facts, findings: &mut Vec<Finding>) {
    if !matches!(consumer.kind(), FileKind::Executable | FileKind::Pie | FileKind::Shared) {
        return;
    }
    for new in &pair.added {
        let version = pair.new.export_version(new);
        let Some(own) = index::find(consumer, pair.new.name(new), version) else { continue };
        if let Some(finding) = newly_defined(pair.new, new, consumer, own) {
            findings.push(finding);
        }
    }
    for (old, new) in &pair.closed {
        let own = index::find(consumer, pair.old.name(old), None).filter(|own| own.binding == Binding::Global);
        findings.extend(own.map(|own| no_longer_replaced(pair, new, consumer, own)));
    }
}

/// C++ emits inline functions, templates and virtual tables into every file that uses them, to be merged at run time.
fn is_merged(facts: &Facts, symbol: &Symbol) -> bool {
    symbol.binding != Binding::Global && facts.name(symbol).starts_with(b"_Z")
}

/// Whether the file's own references to what it defines can be bound elsewhere.
pub(super) fn is_open(facts: &Facts, symbol: &Symbol) -> bool {
    symbol.is_relocated() && symbol.visibility == Visibility::Default && !facts.is_symbolic()
}

fn newly_defined(new_facts: &Facts, new: &Symbol, consumer: &Facts, own: &Symbol) -> Option<Finding> {
    if is_merged(consumer, own) && is_merged(new_facts, new) {
        return None;
    }
    // A program is searched first; which of two libraries is, depends on the program.
    let captures_consumer = consumer.kind() == FileKind::Shared && is_open(consumer, own);
    let captures_provider = is_open(new_facts, new);
    let label = versioned(new_facts.name(new), new_facts.export_version(new));
    let what = described(new_facts, new);
    let text = match (captures_provider, captures_consumer) {
        (true, _) => format!("{what} is defined by it now, and by the consumer: the library would use the consumer's"),
        (false, true) => format!("{what} is defined by it now, and by the consumer, which may get the library's"),
        (false, false) => return None,
    };
    let is_sure = own.binding == Binding::Global && new.binding == Binding::Global;
    Some(if is_sure { Finding::breaks(label, text) } else { Finding::unclear(label, text) })
}

fn no_longer_replaced(pair: &Pair<'_>, new: &Symbol, consumer: &Facts, own: &Symbol) -> Finding {
    let what = described(consumer, own);
    let label = versioned(consumer.name(own), None);
    let is_sure = new.visibility == Visibility::Protected || pair.new.is_symbolic();
    if is_sure {
        Finding::breaks(label, format!("{what} is defined by the consumer, too, and the library no longer uses it"))
    } else {
        Finding::unclear(label, format!("{what} is defined by the consumer, too, and the library may no longer use it"))
    }
}
