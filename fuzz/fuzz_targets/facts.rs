//! Stored facts.
#![no_main]

use aleph_abi::{
    Options, Pair,
    elf::{Facts, Record},
    judge,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((length, data)) = data.split_first_chunk() else { return };
    let (head, rest) = data.split_at(data.len().min(u16::from_le_bytes(*length).into()));
    let stored = Record { head: [b"ABI\x02", head].concat(), rest: rest.to_vec() };
    let Ok(facts) = Facts::from_record(stored.clone()) else { return };
    // There is one form only.
    assert_eq!(facts.to_record(), stored);
    judge(Some(&facts), &Pair::new(&facts, &facts), &Options::NONE);
});
