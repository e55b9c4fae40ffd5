//! A keyring, and a signed text or a signature; the first two bytes say how long the keyring is.
#![no_main]

use std::time::SystemTime;

use aleph_exchange::apt::release::{Keyring, verify_clearsigned, verify_detached};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (keys, signed) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let mut keyring = Keyring::parse(keys);
    assert_eq!(keyring.is_empty(), keyring.fingerprints().is_empty());
    let _ = verify_clearsigned(signed, &keyring, SystemTime::UNIX_EPOCH);
    let _ = verify_detached(b"text", signed, &keyring, SystemTime::UNIX_EPOCH);
    keyring.retain(&[]);
    assert!(keyring.is_empty());
});
