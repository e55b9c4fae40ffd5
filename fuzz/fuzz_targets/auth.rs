//! A file of credentials.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = aleph_exchange::apt::config::parse_auth(text);
});
