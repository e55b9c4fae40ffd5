//! Which version fixed what, as Debian changelogs tell: a source of its own that needs no network.
//!
//! Format: deb-changelog(5). Only the heads of entries and the CVE ids in them are looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use serde::{Deserialize, Serialize};

use crate::version::upstream_of;

/// What the changelog of a source package says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changelog {
    /// The source package.
    pub source: String,
    /// The version that the newest entry is about.
    pub version: String,
    /// The CVE ids that it mentions.
    pub fixed: BTreeMap<String, Fix>,
}

/// What fixed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// The first version whose entry mentions it.
    pub version: String,
    /// Whether that is the first one of an upstream version: then it is upstream's, else Debian's.
    pub by_upstream: bool,
}

/// The most bytes of a changelog that are read.
const LONGEST: u64 = 16 << 20;
/// The most ids that are believed.
const MOST: usize = 1 << 14;

/// Words before an id that say that it is not what was fixed.
const NOT_FIXED: [&str; 5] = ["not affected by", "not vulnerable to", "does not fix", "not fixed", "revert"];

impl Changelog {
    /// Reads one, packed with gzip or not. `None`: it has no entry.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut unpacked = Vec::new();
        let text = if bytes.starts_with(&[0x1f, 0x8b]) {
            // An error leaves what was unpacked before it.
            let _ = flate2::read::MultiGzDecoder::new(bytes).take(LONGEST).read_to_end(&mut unpacked);
            &unpacked
        } else {
            &bytes[..bytes.len().min(usize::try_from(LONGEST).unwrap_or(usize::MAX))]
        };
        Self::parse(&String::from_utf8_lossy(text))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (source, newest) = lines.by_ref().find_map(head)?;
        let mut changelog = Self { source: source.to_owned(), version: newest.to_owned(), fixed: BTreeMap::new() };
        let (mut version, mut mentioned) = (newest, BTreeSet::new());
        for line in lines {
            if let Some((_, before)) = head(line) {
                changelog.enter(version, Some(before), std::mem::take(&mut mentioned));
                version = before;
            } else if !says_not_fixed(line) {
                mentioned.extend(ids(line));
            }
        }
        changelog.enter(version, None, mentioned);
        Some(changelog)
    }

    /// Records what an entry mentions. Entries go from the newest to the oldest.
    fn enter(&mut self, version: &str, before: Option<&str>, mentioned: BTreeSet<&str>) {
        let by_upstream = before.is_some_and(|before| upstream_of(before) != upstream_of(version));
        for id in mentioned {
            if self.fixed.len() < MOST || self.fixed.contains_key(id) {
                self.fixed.insert(id.to_owned(), Fix { version: version.to_owned(), by_upstream });
            }
        }
    }
}

/// Source and version, if a line begins an entry: `source (version) distributions; …`.
fn head(line: &str) -> Option<(&str, &str)> {
    let (source, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let is_version = !version.is_empty() && !version.contains(char::is_whitespace);
    (is_name(source) && is_version && rest.contains(';')).then_some((source, version))
}

fn says_not_fixed(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    NOT_FIXED.iter().any(|words| line.contains(words))
}

/// Every `CVE-YYYY-N…` of a line: four digits, a hyphen, four to nineteen digits.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    memchr::memmem::find_iter(line.as_bytes(), b"CVE-").filter_map(move |at| {
        let rest = &line.as_bytes()[at + 4..];
        let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_year = digits(rest) == 4 && rest.get(4) == Some(&b'-');
        let serial = rest.get(5..).map_or(0, digits);
        (is_year && (4..=19).contains(&serial)).then(|| &line[at..at + 9 + serial])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPAT: &str = "expat (2.5.0-1+deb12u1) bookworm-security; urgency=high

  * Fix CVE-2023-52425 and CVE-2024-45490.
  * CVE-2024-45491 is older.
  * Not affected by CVE-2024-1111.

 -- Somebody <somebody@example.org>  Mon, 01 Jan 2024 00:00:00 +0000

expat (2.5.0-1) unstable; urgency=medium

  * New release, fixes CVE-2024-45491 (see (that); too).

 -- Somebody <somebody@example.org>  Sun, 01 Jan 2023 00:00:00 +0000

expat (2.4.9-1) unstable; urgency=medium

  * Nothing.
";

    #[test]
    fn the_first_entry_that_mentions_an_id_fixed_it() {
        let changelog = Changelog::read(EXPAT.as_bytes()).unwrap();
        assert_eq!((changelog.source.as_str(), changelog.version.as_str()), ("expat", "2.5.0-1+deb12u1"));
        let fixed: Vec<_> =
            changelog.fixed.iter().map(|(id, fix)| (id.as_str(), fix.version.as_str(), fix.by_upstream)).collect();
        let newest = "2.5.0-1+deb12u1";
        let expected =
            [("CVE-2023-52425", newest, false), ("CVE-2024-45490", newest, false), ("CVE-2024-45491", "2.5.0-1", true)];
        assert_eq!(fixed, expected);
    }

    #[test]
    fn what_is_no_changelog_says_nothing() {
        for text in ["", "CVE-2024-0001", "Changes in 1.0 (2024): fixed; CVE-2024-0001", "\x1f\u{8b}"] {
            assert_eq!(Changelog::read(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_read(text in "(a \\(1\\) s; u\n|CVE-|[0-9]{3,5}|-|[0-9]{18,20}|é|\n| ){0,40}") {
            for id in Changelog::read(text.as_bytes()).map(|changelog| changelog.fixed).unwrap_or_default().keys() {
                proptest::prop_assert!(id.len() >= 13);
            }
        }
    }
}
