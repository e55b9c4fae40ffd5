//! A file of preferences, and what it says of a package.
#![no_main]

use aleph_exchange::apt::{
    preferences::{Preferences, parse_preferences},
    update::{Suite, Trust},
};
use aleph_fuzz::texts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [text, name] = texts(data);
    let Ok((pins, _)) = parse_preferences(&text) else { return };
    let suite = Suite {
        id: "s".to_owned(),
        origin: "Debian".to_owned(),
        label: "Debian".to_owned(),
        suite: "stable".to_owned(),
        codename: "bookworm".to_owned(),
        version: "12.1".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
        base_uri: "http://mirror.example/debian".to_owned(),
        priority: 500,
        packages: "x".into(),
        trust: Trust::Unverified,
        date: None,
    };
    let preferences = Preferences { pins, warnings: Vec::new() };
    for name in ["libx1", &name] {
        let _ = preferences.priority(name, "1.2-3", &suite);
    }
});
