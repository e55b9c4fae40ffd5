//! Stored facts.
#![no_main]

use aleph_abi::{Options, Pair, elf::Facts, judge};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let stored = [b"ABI\x01", data].concat();
    let Ok(facts) = Facts::from_bytes(&stored) else { return };
    // There is one form only.
    assert_eq!(facts.to_bytes(), stored);
    judge(Some(&facts), &Pair::new(&facts, &facts), &Options::NONE);
});
