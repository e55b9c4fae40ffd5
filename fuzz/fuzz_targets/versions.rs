//! Three versions, which must have one order.
#![no_main]

use std::cmp::Ordering;

use aleph_exchange::apt::relation::{Operator, Version};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let versions: Vec<_> = text.split('\n').take(3).filter_map(|text| Version::new(text).ok()).collect();
    for a in &versions {
        assert_eq!(a.cmp(a), Ordering::Equal);
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            assert_eq!(a == b, a.cmp(b).is_eq());
            assert_ne!(Operator::Earlier.holds(*a, *b), Operator::AtLeast.holds(*a, *b));
            for c in &versions {
                // Whatever two steps lead the same way, or stay, lead there together.
                let (first, second) = (a.cmp(b), b.cmp(c));
                if first == second || second.is_eq() {
                    assert_eq!(a.cmp(c), first, "{a} {b} {c}");
                } else if first.is_eq() {
                    assert_eq!(a.cmp(c), second, "{a} {b} {c}");
                }
            }
        }
    }
});
