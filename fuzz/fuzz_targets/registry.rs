//! What registries of languages tell of packages, and configurations of the tools that use them.
#![no_main]

use std::path::Path;

use aleph_exchange::{
    net::Uri,
    registry::{cargo, npm, pypi},
    source::files_of_dsc,
};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let page: Uri = "https://registry.example/simple/a/".parse().expect("an address");
    let _ = (cargo::replacement(text, Path::new("/")), pypi::index(&[text]), npm::registry(&[text], "@a/b"));
    for wanted in [None, Some("1.0")] {
        let _ = (pypi::find(text.as_bytes(), &page, "a", wanted), npm::find(text.as_bytes(), "a"));
        if let Ok(config) = cargo::IndexConfig::parse(text.lines().next().unwrap_or_default().as_bytes()) {
            let _ = cargo::find(text, "a", wanted, &config);
        }
    }
    assert!(files_of_dsc(text).iter().all(|(name, _)| !name.contains('/')));
});
