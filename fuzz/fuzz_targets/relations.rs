//! Relation fields.
#![no_main]

use aleph_exchange::apt::relation::{MultiArch, parse_provides, parse_relations};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(provided) = parse_provides(text) {
        assert_eq!(provided.len(), parse_relations(text).expect("a simpler form of it").len());
    }
    let Ok(groups) = parse_relations(text) else { return };
    for relation in groups.iter().flatten() {
        let _ = relation.applies("amd64", &["nocheck"]);
        let _ = relation.crosses("i386", "amd64", "amd64", MultiArch::Allowed);
        // Brackets are not shown.
        let mut plain = relation.clone();
        plain.architectures.clear();
        plain.profiles.clear();
        let shown = relation.to_string();
        assert_eq!(parse_relations(&shown).expect("it was read before"), [vec![plain]]);
    }
});
