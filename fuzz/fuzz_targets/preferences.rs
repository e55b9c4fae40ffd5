//! A file of preferences, and whether its patterns fit a name.
#![no_main]

use aleph_exchange::apt::preferences::{PackagePattern, PinTarget, Preferences, parse_preferences};
use aleph_fuzz::texts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [text, name] = texts(data);
    let Ok((pins, _)) = parse_preferences(&text) else { return };
    for pin in &pins {
        for package in &pin.packages {
            if let PackagePattern::Name(pattern) | PackagePattern::Source(pattern) = package {
                let _ = (pattern.fits_name(&name), pattern.fits("libx1"));
            }
        }
        let conditions: Vec<_> = match &pin.target {
            PinTarget::Version(pattern) | PinTarget::Origin(pattern) => vec![pattern],
            PinTarget::Release(conditions) => conditions.iter().map(|(_, pattern)| pattern).collect(),
        };
        let _ = conditions.iter().filter(|pattern| pattern.fits(&name)).count();
    }
    let _ = Preferences { pins, ..Preferences::default() }.is_silent_about(&name);
});
