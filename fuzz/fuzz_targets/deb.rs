//! A whole package, as it comes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    aleph_fuzz::import(data);
});
