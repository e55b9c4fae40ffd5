//! What mangled names say of symbols: which class they are a part of, and which of them no source names.

/// The class that a symbol is a part of (Itanium C++ ABI, 5.1.4): `foo::Bar` for `_ZTIN3foo3BarE`, and for type
/// information of pointers to it.
pub(super) fn class_of(symbol: &[u8]) -> Option<String> {
    const PARTS: &[&[u8]] = &[b"_ZTV", b"_ZTI", b"_ZTS", b"_ZTT"];
    if !PARTS.iter().any(|part| symbol.starts_with(part)) {
        return None;
    }
    let text = cpp_demangle::Symbol::new(symbol).ok()?.demangle().ok()?;
    // "typeinfo for foo::Bar", "{vtable(foo::Bar)}"
    let class = match text.strip_prefix('{').and_then(|text| text.strip_suffix(")}")) {
        Some(part) => part.split_once('(')?.1,
        None => text.split_once(" for ")?.1,
    };
    Some(class.trim_end_matches(['*', ' ']).trim_end_matches(" const").to_owned())
}

/// A name as both demanglers and compilers have it: without spaces, and with one of the many names that C has for its
/// integers (`long unsigned int` and `unsigned long`).
pub(super) fn canonical(name: &str) -> String {
    let mut found = String::with_capacity(name.len());
    let mut integer = Integer::default();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = match is_word(first) {
            true => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if first == ' ' || integer.takes(token) {
            continue;
        }
        integer.end(&mut found);
        found.push_str(token);
    }
    integer.end(&mut found);
    found
}

/// The words of an integer type.
#[derive(Default)]
struct Integer {
    words: u32,
    unsigned: bool,
    size: &'static str,
}

impl Integer {
    fn takes(&mut self, word: &str) -> bool {
        match word {
            "unsigned" => self.unsigned = true,
            "signed" | "int" => {}
            "short" => self.size = "short",
            "long" if self.size == "long" => self.size = "longlong",
            "long" => self.size = "long",
            _ => return false,
        }
        self.words += 1;
        true
    }

    fn end(&mut self, text: &mut String) {
        if self.words > 0 {
            text.push_str(if self.unsigned { "unsigned" } else { "" });
            text.push_str(if self.size.is_empty() { "int" } else { self.size });
            *self = Self::default();
        }
    }
}

/// Symbols that linkers and compilers make and no source names. Thunks and guards belong to what they are for.
pub(super) fn is_nobodys(symbol: &[u8]) -> bool {
    const MADE: &[&[u8]] =
        &[b"_init", b"_fini", b"_edata", b"_end", b"__bss_start", b"_DYNAMIC", b"_GLOBAL_OFFSET_TABLE_"];
    const KINDS: &[&[u8]] = &[b"_ZTh", b"_ZTv", b"_ZTc", b"_ZTC", b"_ZGV"];
    MADE.contains(&symbol) || KINDS.iter().any(|kind| symbol.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_symbols() {
        let class = |symbol: &str| class_of(symbol.as_bytes()).unwrap_or_default();
        assert_eq!(class("_ZTV4Base"), "Base");
        assert_eq!(class("_ZTIN3foo3BarE"), "foo::Bar");
        assert_eq!(class("_ZTSP4Base"), "Base");
        assert_eq!(class("_ZTIPK4Base"), "Base");
        assert_eq!(class("_ZN3foo3barEv"), "");
    }

    #[test]
    fn names_of_integers() {
        assert_eq!(canonical("Map<long unsigned int, short int>"), canonical("Map<unsigned long, short>"));
        assert_eq!(canonical("Map<long long int>"), canonical("Map<long long>"));
        assert_ne!(canonical("Map<long>"), canonical("Map<long long>"));
        assert_eq!(canonical("V<unsigned>"), canonical("V<unsigned int>"));
        assert_eq!(canonical("V<unsigned char>"), "V<unsignedintchar>");
        assert_eq!(canonical("printer<shorts>"), "printer<shorts>");
    }
}
