//! A lock file.
#![no_main]

use aleph_view::{Launcher, Lock};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(launcher) = Launcher::parse("x", text) {
        let again = Launcher::parse("x", &launcher.to_text("/aleph".as_ref()));
        assert_eq!(again.expect("it was just written"), launcher);
    }
    let head = Lock::parse_requested("x", text);
    let Ok(lock) = Lock::parse("x", text) else { return };
    assert_eq!(head.expect("the rest was read as well"), lock.requested);
    let written = lock.to_text();
    assert_eq!(Lock::parse("x", &written).expect("it was just written"), lock);
    assert_eq!(Lock::parse_requested("x", &written).expect("it was just written"), lock.requested);
});
