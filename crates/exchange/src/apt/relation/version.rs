//! Debian versions: `[epoch:]upstream[-revision]`, ordered as dpkg orders them.
//!
//! They borrow their text and compare without allocating, because solving compares tens of thousands of them.

use std::{cmp::Ordering, fmt};

/// A version that has the right form. Versions that dpkg holds equal (`1.0`, `0:1.00-0`) are equal.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a>(&'a str);

/// The text is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Debian version")]
pub struct VersionError {
    text: String,
}

impl<'a> Version<'a> {
    /// Checks that `text` is a version: an epoch that fits 31 bits, an upstream version, characters that policy
    /// §5.6.12 allows, at most 512 bytes.
    ///
    /// # Errors
    /// If it is not.
    pub fn new(text: &'a str) -> Result<Self, VersionError> {
        let error = || VersionError { text: text.chars().take(80).collect() };
        let (epoch, upstream, revision) = split(text);
        let epoch_fits = epoch.is_none_or(|digits| {
            !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<u32>().is_ok_and(|number| number <= i32::MAX as u32)
        });
        let valid = |part: &str, extra: &[u8]| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
        };
        let fits = text.len() <= 512 && epoch_fits;
        if fits && valid(upstream, b".+-~:") && revision.is_none_or(|revision| valid(revision, b".+~")) {
            return Ok(Self(text));
        }
        Err(error())
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Epoch, upstream version and revision of a text.
fn split(text: &str) -> (Option<&str>, &str, Option<&str>) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    match rest.rsplit_once('-') {
        Some((upstream, revision)) => (epoch, upstream, Some(revision)),
        None => (epoch, rest, None),
    }
}

/// Where a character that is no digit stands: `~` before the end, the end before letters, letters before the rest.
fn rank(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Compares two upstream versions or two revisions.
fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let is_word = |bytes: &[u8]| bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
        while is_word(left) || is_word(right) {
            let order = rank(left.first()).cmp(&rank(right.first()));
            if order.is_ne() {
                return order;
            }
            // Equal ranks that are not both digits or ends are the same character.
            left = left.get(1..).unwrap_or_default();
            right = right.get(1..).unwrap_or_default();
        }
        let (left_number, left_rest) = number(left);
        let (right_number, right_rest) = number(right);
        let order = left_number.len().cmp(&right_number.len()).then_with(|| left_number.cmp(right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// The leading digits without leading zeros, and what follows them.
fn number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(end);
    let zeros = digits.iter().position(|&byte| byte != b'0').unwrap_or(digits.len());
    (&digits[zeros..], rest)
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0 == other.0 {
            return Ordering::Equal;
        }
        let (left, right) = (split(self.0), split(other.0));
        compare_parts(left.0.unwrap_or_default(), right.0.unwrap_or_default())
            .then_with(|| compare_parts(left.1, right.1))
            .then_with(|| compare_parts(left.2.unwrap_or_default(), right.2.unwrap_or_default()))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, order: Ordering, right: &str) {
        let (a, b) = (Version::new(left).unwrap(), Version::new(right).unwrap());
        assert_eq!(a.cmp(&b), order, "{left} {right}");
        assert_eq!(b.cmp(&a), order.reverse(), "{right} {left}");
    }

    #[test]
    fn the_order_is_that_of_dpkg() {
        for (left, right) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0~~", "1.0~"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+b1"),
            ("1.9", "1.10"),
            ("9", "1:0"),
            ("3.0.17-1~deb12u2", "3.0.17-1"),
            ("3.0.17-1~deb12u2", "3.0.17-1~deb12u10"),
            ("2.36-9+deb12u9", "2.36-9+deb12u13"),
            ("1-1", "1-1.1"),
            ("1.2-3", "1.2-3-1"),
            ("0.99999999999999999999999999999998", "0.99999999999999999999999999999999"),
        ] {
            check(left, Ordering::Less, right);
        }
        for (left, right) in [("1.0", "1.0"), ("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("01:1", "1:1")] {
            check(left, Ordering::Equal, right);
        }
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in ["", ":1", "a:1", "99999999999:1", "1-", "-1", "1_2", "1 2", "1:", "1-a_b", "1/2", "é"] {
            assert!(Version::new(text).is_err(), "{text}");
        }
        assert!(Version::new(&"1".repeat(513)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_another_implementation(left in "[0-2]{0,2}[a+.~]{0,2}[0-2]{1,3}(-[0-2a+.~]{1,3})?",
                                                 right in "[0-2]{0,2}[a+.~]{0,2}[0-2]{1,3}(-[0-2a+.~]{1,3})?") {
            let (Ok(a), Ok(b)) = (Version::new(&left), Version::new(&right)) else { return Ok(()) };
            let other = |text: &str| text.parse::<debversion::Version>().expect("both accept it");
            proptest::prop_assert_eq!(a.cmp(&b), other(&left).cmp(&other(&right)), "{} {}", left, right);
        }

        #[test]
        fn all_versions_have_one_order(texts in proptest::collection::vec("([01]:)?[01a.~+:-]{1,4}", 3)) {
            let mut versions: Vec<_> = texts.iter().filter_map(|text| Version::new(text).ok()).collect();
            versions.sort();
            for (index, a) in versions.iter().enumerate() {
                for b in &versions[index..] {
                    proptest::prop_assert!(a.cmp(b).is_le() && b.cmp(a).is_ge(), "{} {}", a, b);
                }
            }
        }

        #[test]
        fn any_text_is_accepted_or_refused(text in "\\PC{0,40}") {
            if let Ok(version) = Version::new(&text) {
                proptest::prop_assert_eq!(version, version);
            }
        }
    }
}
