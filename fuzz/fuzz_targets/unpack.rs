//! A packed inner archive; the first byte says how it is packed.
#![no_main]

use aleph_fuzz::{CONTROL, deb, import, tar};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((packing, packed)) = data.split_first() else { return };
    let suffix = [".xz", ".zst", ".gz", ""][usize::from(packing % 4)];
    import(&deb(("", &tar(&[("control", CONTROL.as_bytes())])), (suffix, packed)));
});
