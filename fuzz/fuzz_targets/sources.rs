//! Files of sources in both forms.
#![no_main]

use std::path::Path;

use aleph_exchange::apt::sources::{Defaults, parse_deb822_sources, parse_one_line_sources};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let defaults = Defaults { architecture: "amd64".to_owned(), architectures: vec!["amd64".to_owned()] };
    for parse in [parse_deb822_sources, parse_one_line_sources] {
        for source in parse(text, Path::new("x"), &defaults).unwrap_or_default() {
            assert!((1..=text.lines().count()).contains(&source.place.line));
            assert!(!source.uri.is_empty() && !source.suite.is_empty());
        }
    }
});
