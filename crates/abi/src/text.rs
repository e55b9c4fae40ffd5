//! Names as a person reads them.

use std::borrow::Cow;

use crate::elf::{Facts, Symbol, SymbolKind};

/// Longer names are shown as they are: demangling can make a name of many times its length.
const LONGEST: usize = 4096;

/// A symbol's name as its source spells it: demangled if it is C++, with a mark for bytes that are no text.
pub fn demangle(name: &[u8]) -> Cow<'_, str> {
    if name.starts_with(b"_Z") && name.len() <= LONGEST {
        let options = cpp_demangle::DemangleOptions::new().recursion_limit(128);
        let mut text = Bounded(String::new());
        let symbol = cpp_demangle::Symbol::new(name).ok();
        if symbol.is_some_and(|symbol| symbol.structured_demangle(&mut text, &options).is_ok()) {
            return Cow::Owned(text.0);
        }
    }
    String::from_utf8_lossy(name)
}

/// Takes no more than a few times the longest name: a short one may stand for one that fills the memory.
struct Bounded(String);

impl cpp_demangle::DemangleWrite for Bounded {
    fn write_string(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > 4 * LONGEST {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A demangled name without what it takes.
pub(crate) fn bare(name: &str) -> &str {
    name.find('(').filter(|end| *end > 0).map_or(name, |end| &name[..end])
}

/// `name` or `name@VERSION`, mangled.
pub(crate) fn versioned(name: &[u8], version: Option<&[u8]>) -> String {
    let mut text = String::from_utf8_lossy(name).into_owned();
    if let Some(version) = version {
        text.push('@');
        text.push_str(&String::from_utf8_lossy(version));
    }
    text
}

/// "function `foo(int)`".
pub(crate) fn described(facts: &Facts, symbol: &Symbol) -> String {
    format!("{} `{}`", kind(symbol.kind), demangle(facts.name(symbol)))
}

/// What a kind of symbol is called.
pub(crate) fn kind(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Function | SymbolKind::Indirect => "function",
        SymbolKind::Object => "variable",
        SymbolKind::Tls => "thread variable",
        SymbolKind::Unknown | SymbolKind::Other => "symbol",
    }
}

/// Bytes of a file that are nearly always text.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_their_source_spells_them() {
        assert_eq!(demangle(b"_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle(b"_Znonsense"), "_Znonsense");
        assert_eq!(demangle(b"plain"), "plain");
        assert_eq!(demangle(b"\xff"), "\u{fffd}");
        assert_eq!(versioned(b"foo", Some(b"V1")), "foo@V1");
    }
}
