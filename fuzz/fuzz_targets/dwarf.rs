//! Debug information: two lengths, abbreviations, units, and strings. What can be read is compared with itself.
#![no_main]

use aleph_abi::{
    dwarf::{Exported, ExportedKind, Input, read, view},
    types::{Query, compare},
};
use aleph_fuzz::elf;

/// Symbols at no address, so that they are known by name.
fn symbols() -> Vec<Exported<'static>> {
    let function = [&b"f"[..], b"use", b"_Z3useR4Data", b"_ZN4Base1fEv"].map(|name| (name, ExportedKind::Function));
    let others = [(&b"table"[..], ExportedKind::Object), (b"_ZTI4Base", ExportedKind::Object)];
    let all = function.into_iter().chain(others);
    all.map(|(name, kind)| Exported { name, version: None, default: true, address: 0, kind, weak: false }).collect()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((lengths, rest)) = data.split_first_chunk::<4>() else { return };
    let length = |at: usize| usize::from(u16::from_le_bytes([lengths[at], lengths[at + 1]]));
    let (abbreviations, rest) = rest.split_at(length(0).min(rest.len()));
    let (units, strings) = rest.split_at(length(2).min(rest.len()));
    let file = elf(&[
        (".debug_abbrev", abbreviations),
        (".debug_info", units),
        (".debug_types", units),
        (".debug_str", strings),
        (".debug_line", strings),
    ]);
    let input = Input { main: &file, supplement: Some(&file), ..Input::default() };
    let _ = view(&input);
    if let Ok(interface) = read(&input, &symbols()) {
        let changes =
            compare(&interface, &interface, &Query { wanted: &|_| true, copied: &|_| true, view: None, public: None });
        assert!(changes.iter().all(|change| change.text.contains("no debug information")));
    }
});
