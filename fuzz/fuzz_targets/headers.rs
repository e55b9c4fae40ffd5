//! Two headers, divided by a line of dashes: each is the same as itself, and they can be compared.
#![no_main]

use aleph_abi::headers::{Headers, Known, compare};

/// Of every other name something is known.
struct Half;

impl Known for Half {
    fn is_compared(&self, name: &str) -> bool {
        name.len().is_multiple_of(2)
    }

    fn uses(&self, function: &str) -> Option<bool> {
        (!function.len().is_multiple_of(3)).then_some(function.len().is_multiple_of(2))
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let divider = b"\n---\n";
    let middle = data.windows(divider.len()).position(|window| window == divider);
    let (old, new) = middle.map_or((data, data), |at| (&data[..at], &data[at + divider.len()..]));
    let (old, new) = (Headers::parse([("old.h", old)]), Headers::parse([("new.h", new)]));
    assert!(compare(&old, &old, &Half).is_empty());
    for (old, new) in [(&old, &new), (&new, &old)] {
        let changes = compare(old, new, &Half);
        assert!(changes.iter().all(|change| change.text.len() < 4000));
    }
});
