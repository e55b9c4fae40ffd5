//! Code of the provider that is inside the consumer, where no relinking reaches it.

use foldhash::HashSet;

use super::{is_copied_in, reason};
use crate::{
    Change, Effect,
    elf::{Facts, FileKind, Inclusion, SymbolKind, is_provided_by},
    text::{demangle, lossy},
};

/// What a linker defines in every file.
const EVERYWHERE: &[&[u8]] = &[b"_init", b"_fini", b"_start", b"main", b"_end", b"_edata", b"__bss_start"];
/// Functions that are shorter may be equal by chance.
const SHORTEST: u64 = 32;

/// Evidence that the consumer holds code or data of the provider.
pub(super) fn find(consumer: Option<&Facts>, provider: &Facts) -> Vec<Change> {
    if is_copied_in(provider) {
        return vec![reason(Effect::Breaks, "it is an archive or object: whoever uses it has its code inside")];
    }
    let Some(consumer) = consumer else { return Vec::new() };
    let mut changes: Vec<Change> = marks(consumer, provider).into_iter().collect();
    if matches!(consumer.kind(), FileKind::Executable | FileKind::Pie | FileKind::Shared) {
        changes.extend(functions(consumer, provider));
    }
    changes
}

/// The words of a well-known library.
fn marks(consumer: &Facts, provider: &Facts) -> Option<Change> {
    let soname = provider.soname()?;
    consumer.inclusions().iter().find_map(|inclusion| match inclusion {
        Inclusion::Library { name, version } if is_provided_by(name, soname) => {
            let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            Some(reason(Effect::Breaks, &format!("the consumer has a copy of {name}{version} inside")))
        }
        _ => None,
    })
}

/// Functions of the provider's that the consumer defines for itself, where it is not stripped.
fn functions(consumer: &Facts, provider: &Facts) -> Option<Change> {
    let asks = consumer.needed().any(|needed| Some(needed) == provider.soname());
    let is_function = |kind| matches!(kind, SymbolKind::Function | SymbolKind::Indirect);
    let own: HashSet<(&[u8], u64)> = consumer.held().filter(|(name, _)| !EVERYWHERE.contains(name)).collect();
    if own.is_empty() {
        return None;
    }
    let names: HashSet<&[u8]> = own.iter().map(|(name, _)| *name).collect();
    // A consumer that asks for the library and has a function of the same name may have written its own; hardly of the
    // same length.
    let is_copy = |name: &[u8], size: u64| {
        if asks { size >= SHORTEST && own.contains(&(name, size)) } else { names.contains(name) }
    };
    let exports = provider.exports().iter().filter(|symbol| is_function(symbol.kind));
    let found: Vec<&[u8]> = exports
        .map(|symbol| (provider.name(symbol), symbol.size))
        .filter(|&(name, size)| is_copy(name, size))
        .map(|(name, _)| name)
        .collect();
    let first = found.first()?;
    let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    let of = provider.soname().map(|soname| format!(" of {}", lossy(soname))).unwrap_or_default();
    let text = format!("the consumer has function `{}`{more}{of} inside", demangle(first));
    Some(Change { effect: Effect::Breaks, symbol: lossy(first).into_owned(), text })
}
