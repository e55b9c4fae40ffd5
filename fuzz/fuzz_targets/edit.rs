//! A file is told where its libraries are; what comes out can be told again, and is mapped where it says.
#![no_main]

use aleph_abi::edit::{Edits, edit, mapped};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let edits = Edits {
        paths: [(b"libc.so.6".to_vec(), "$ORIGIN/../.link/libc/lib/libc.so.6".to_owned())].into(),
        runpath: Some("$ORIGIN/../lib".to_owned()),
        reserve_interpreter: true,
    };
    let Ok(edited) = edit(data, &edits) else { return };
    assert!(edited.interpreter.is_none_or(|at| at < edited.bytes.len() as u64));
    assert!(mapped(&edited.bytes).iter().all(|range| range.end <= edited.bytes.len()));
    let _ = edit(&edited.bytes, &edits);
});
