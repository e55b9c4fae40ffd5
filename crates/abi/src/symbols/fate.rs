//! What becomes of one import: the export that it was bound to, and the one that it would be bound to.

use super::finding::Finding;
use crate::{
    elf::{Facts, Place, Symbol, SymbolKind, Visibility},
    text::{described, lossy, versioned},
};

/// What is known of the reference. Without a consumer, anything that a consumer could do counts.
#[derive(Clone, Copy)]
pub(crate) struct Reference<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: Option<&'a [u8]>,
    pub(crate) by: By<'a>,
}

/// Who makes a reference.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// Anybody, in any way.
    Anyone,
    /// A consumer, by this import of its own.
    Import(&'a Symbol),
    /// A consumer that looks the name up at run time.
    Lookup,
}

impl Reference<'_> {
    fn may_be_copied(&self) -> bool {
        match self.by {
            By::Anyone => true,
            By::Import(import) => import.is_copied(),
            By::Lookup => false,
        }
    }

    /// The import, if it is one.
    pub(crate) fn import(&self) -> Option<&Symbol> {
        match self.by {
            By::Import(import) => Some(import),
            By::Anyone | By::Lookup => None,
        }
    }

    pub(crate) fn label(&self) -> String {
        versioned(self.name, self.version)
    }
}

/// Whether callers see the same thing: a function that is chosen at load time is a function.
#[derive(PartialEq, Eq)]
enum Class {
    Any,
    Code,
    Data,
    Thread,
}

fn class(symbol: &Symbol) -> Class {
    match symbol.kind {
        SymbolKind::Function | SymbolKind::Indirect => Class::Code,
        SymbolKind::Object => Class::Data,
        SymbolKind::Tls => Class::Thread,
        SymbolKind::Unknown | SymbolKind::Other => match symbol.place {
            Place::Code => Class::Code,
            Place::ReadOnly | Place::Writable => Class::Data,
            Place::None => Class::Any,
        },
    }
}

/// Whether nobody can tell the two exports apart, whatever reference they have.
pub(crate) fn is_same((old_facts, old): (&Facts, &Symbol), (new_facts, new): (&Facts, &Symbol)) -> bool {
    let describe = |facts: &Facts, symbol: &Symbol| {
        let size = if class(symbol) == Class::Code { 0 } else { symbol.size };
        let reach = (symbol.visibility, symbol.is_relocated(), facts.is_symbolic());
        (symbol.kind, symbol.place, size, reach)
    };
    describe(old_facts, old) == describe(new_facts, new)
        && old_facts.export_version(old) == new_facts.export_version(new)
}

/// Compares the two exports for somebody who has this reference.
pub(crate) fn compare(
    reference: Reference<'_>,
    (old_facts, old): (&Facts, &Symbol),
    (new_facts, new): (&Facts, &Symbol),
    findings: &mut Vec<Finding>,
) {
    let what = described(old_facts, old);
    let (old_class, new_class) = (class(old), class(new));
    let differs = old_class != new_class && old_class != Class::Any && new_class != Class::Any;
    if differs || (old_class == Class::Thread) != (new_class == Class::Thread) {
        let text = format!("{what} is a {} now", crate::text::kind(new.kind));
        findings.push(Finding::breaks(reference.label(), text));
        return;
    }
    if matches!(old_class, Class::Data | Class::Thread) {
        compare_sizes(reference, &what, old, new, findings);
    }
    if old_class == Class::Data {
        compare_reach(reference, &what, (old_facts, old), (new_facts, new), findings);
    }
    let is_protected_now = old.visibility == Visibility::Default && new.visibility == Visibility::Protected;
    if is_protected_now && old_class == Class::Code && reference.import().is_some_and(Symbol::is_address_taken) {
        let text = format!("{what} is protected now: its address is another one for the library than for the program");
        findings.push(Finding::breaks(reference.label(), text));
    }
    let (was, is) = (old_facts.export_version(old), new_facts.export_version(new));
    if let (None, Some(was), Some(is)) = (reference.version, was, is)
        && was != is
    {
        let text = format!("{what} without a version means version {} now; it meant {}", lossy(is), lossy(was));
        findings.push(Finding::unclear(reference.label(), text));
    }
}

fn compare_sizes(reference: Reference<'_>, what: &str, old: &Symbol, new: &Symbol, findings: &mut Vec<Finding>) {
    let is_thread = old.kind == SymbolKind::Tls;
    let expected = match reference.import() {
        Some(import) if import.is_copied() => import.size,
        _ => old.size,
    };
    if expected == new.size || expected == 0 || new.size == 0 {
        return;
    }
    let verb = if new.size > expected { "grew" } else { "shrank" };
    let text = format!("{what} {verb} from {expected} to {} bytes", new.size);
    findings.push(if reference.may_be_copied() && !is_thread {
        let copier = if reference.import().is_some() { "the program has" } else { "programs may have" };
        Finding::breaks(reference.label(), format!("{text}; {copier} a copy of it at the old size"))
    } else if new.size < expected {
        Finding::breaks(
            reference.label(),
            format!("{text}; code that was compiled against the old one may use all of it"),
        )
    } else {
        Finding::unclear(reference.label(), format!("{text}, so that its type may be another one")).hint()
    });
}

/// Whether the library still uses the variable that the program has.
fn compare_reach(
    reference: Reference<'_>,
    what: &str,
    (old_facts, old): (&Facts, &Symbol),
    (new_facts, new): (&Facts, &Symbol),
    findings: &mut Vec<Finding>,
) {
    if !reference.may_be_copied() {
        if old.place == Place::Writable && new.place == Place::ReadOnly {
            let text = format!("{what} cannot be written any more");
            findings.push(Finding::unclear(reference.label(), text).hint());
        }
        return;
    }
    let own = |facts: &Facts, symbol: &Symbol| symbol.visibility == Visibility::Protected || facts.is_symbolic();
    let copier = if reference.import().is_some() { "the program's copy" } else { "a program's copy" };
    if own(new_facts, new) && !own(old_facts, old) {
        let why =
            if new.visibility == Visibility::Protected { "is protected now" } else { "is bound with -Bsymbolic now" };
        let text = format!("{what} {why}: the library no longer sees {copier} of it");
        findings.push(Finding::breaks(reference.label(), text));
    } else if reference.import().is_some() && old.is_relocated() && !new.is_relocated() && !own(old_facts, old) {
        let text = format!(
            "{what} is no longer reached through the dynamic linker by its own library, which may not see {copier} of it"
        );
        findings.push(Finding::unclear(reference.label(), text));
    }
}
