//! CVE ids in changelogs.

use std::{collections::BTreeSet, io::Read};

/// Whether a file of a package is a changelog or news file: `usr/share/doc/PACKAGE/changelog.Debian.gz` and its kin.
pub(super) fn is_changelog(path: &str) -> bool {
    let Some((_, name)) = path.strip_prefix("usr/share/doc/").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let name = name.strip_suffix(".gz").unwrap_or(name);
    ["changelog", "changelog.Debian", "NEWS", "NEWS.Debian"].contains(&name)
        || name.strip_prefix("changelog.Debian.").is_some_and(|arch| !arch.contains(['.', '/']))
}

/// The most CVE ids that are kept of one archive.
const MOST_IDS: usize = 20_000;

/// Adds the CVE ids in a changelog to `found`; at most `left` bytes of it are looked at, which are taken from `left`.
/// One that does not unpack is searched as far as it does: it is evidence, not structure.
pub(super) fn search_changelog(path: &str, bytes: &[u8], left: &mut u64, found: &mut BTreeSet<String>) {
    let mut unpacked = Vec::new();
    let text = if path.ends_with(".gz") {
        let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(*left);
        // An error leaves what was unpacked before it.
        let _ = reader.read_to_end(&mut unpacked);
        &unpacked
    } else {
        &bytes[..bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX))]
    };
    *left -= text.len() as u64;
    search(text, found);
}

/// Adds every `CVE-YYYY-N…` in `text`: four digits, a hyphen, four to nineteen digits.
fn search(text: &[u8], found: &mut BTreeSet<String>) {
    for at in memchr::memmem::find_iter(text, b"CVE-") {
        if found.len() >= MOST_IDS {
            return;
        }
        let rest = &text[at + 4..];
        let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits(rest) != 4 || rest.get(4) != Some(&b'-') {
            continue;
        }
        let serial = digits(&rest[5..]);
        if (4..=19).contains(&serial) {
            found.insert(String::from_utf8_lossy(&text[at..at + 9 + serial]).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_once_and_whole() {
        let mut found = BTreeSet::new();
        search(b"CVE-2023-12345, CVE-2023-12345 (CVE-2024-0001) CVE-24-1 CVE-2024-12 CVE-2024- CVE-", &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["CVE-2023-12345", "CVE-2024-0001"]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_is_an_id(text in "(CVE-|[0-9]{3,5}|-|[0-9]{18,20}|é| ){0,20}") {
            let mut found = BTreeSet::new();
            search(text.as_bytes(), &mut found);
            for id in found {
                let words: Vec<&str> = id.split('-').collect();
                let digits = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
                proptest::prop_assert!(text.contains(&id) && words.len() == 3 && words[0] == "CVE", "{}", id);
                proptest::prop_assert!(words[1].len() == 4 && digits(words[1]) && digits(words[2]), "{}", id);
            }
        }
    }

    #[test]
    fn all_changelogs_together_are_bounded() {
        let (mut left, mut found) = (30, BTreeSet::new());
        search_changelog("a", b"CVE-2023-0001 xxxxxx", &mut left, &mut found);
        search_changelog("b", b"CVE-2023-0002 CVE-2023-0003", &mut left, &mut found);
        assert_eq!((left, found.len()), (0, 1));
        let many: String = (0..MOST_IDS + 10).map(|n| format!("CVE-2023-{n:08} ")).collect();
        search_changelog("c", many.as_bytes(), &mut (many.len() as u64), &mut found);
        assert_eq!(found.len(), MOST_IDS);
    }

    #[test]
    fn changelogs_are_known_by_their_place() {
        for (path, expected) in [
            ("usr/share/doc/a/changelog.Debian.gz", true),
            ("usr/share/doc/a/changelog.gz", true),
            ("usr/share/doc/a/changelog.Debian.amd64.gz", true),
            ("usr/share/doc/a/NEWS.Debian.gz", true),
            ("usr/share/doc/a/html/changelog.gz", false),
            ("usr/share/man/changelog.gz", false),
        ] {
            assert_eq!(is_changelog(path), expected, "{path}");
        }
    }
}
