//! A file of preferences, and a pattern with what it may fit.
#![no_main]

use aleph_exchange::apt::preferences::{Pattern, Preferences, parse_preferences};
use aleph_fuzz::texts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [text, pattern, name] = texts(data);
    let pattern = Pattern::new(&pattern);
    let _ = (pattern.fits_name(&name), pattern.fits(&name));
    let Ok((pins, _)) = parse_preferences(&text) else { return };
    let _ = Preferences { pins, ..Preferences::default() }.is_silent_about(&name);
});
