//! A control file.
#![no_main]

use aleph_exchange::{
    apt::relation::{Name, Version},
    deb::parse_control,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(control) = parse_control(data) else { return };
    // What is accepted here is read again as names and versions.
    assert!(Name::new(&control.name).is_ok() && Name::new(&control.source.name).is_ok(), "{control:?}");
    assert!(Version::new(&control.version).is_ok() && Version::new(&control.source.version).is_ok(), "{control:?}");
    assert!(!control.summary.contains(char::is_control));
    assert!(!control.architecture.is_empty());
});
