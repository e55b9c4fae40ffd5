//! An inner archive whose headers have right sums; the first byte says which of the two.
#![no_main]

use aleph_fuzz::{CONTROL, deb, import, mend_sums, tar};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, archive)) = data.split_first() else { return };
    let mut archive = archive.to_vec();
    mend_sums(&mut archive);
    import(&match which % 4 {
        0 => deb(("", &archive), ("", &tar(&[]))),
        _ => deb(("", &tar(&[("control", CONTROL.as_bytes())])), ("", &archive)),
    });
});
