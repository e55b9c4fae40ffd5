//! Which of two versions is later: each ecosystem has its own rules, and a library that knows them.

use std::cmp::Ordering;

/// The rules by which an ecosystem orders its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Debian's and its derivatives'.
    Debian,
    /// PEP 440.
    Python,
    /// npm's reading of semantic versions.
    Npm,
    /// Semantic versions, as of crates and, after a `v`, of Go's modules.
    Semantic,
}

impl Scheme {
    /// The rules of an ecosystem by its name in OSV, such as `Debian:12`. `None`: it is not known, and what is said of it can
    /// only be compared letter by letter.
    pub fn of(ecosystem: &str) -> Option<Self> {
        match ecosystem.split(':').next().unwrap_or_default() {
            "Debian" | "Ubuntu" => Some(Self::Debian),
            "PyPI" => Some(Self::Python),
            "npm" => Some(Self::Npm),
            "crates.io" | "Go" | "Hex" | "SwiftURL" => Some(Self::Semantic),
            _ => None,
        }
    }

    /// The order of two versions. `None`: one of them is no version.
    pub fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        fn both<T: Ord>(parse: impl Fn(&str) -> Option<T>, one: &str, other: &str) -> Option<Ordering> {
            Some(parse(one)?.cmp(&parse(other)?))
        }
        match self {
            Self::Debian => both(|text| text.parse::<debversion::Version>().ok(), one, other),
            Self::Python => both(|text| text.parse::<pep440_rs::Version>().ok(), one, other),
            Self::Npm => both(|text| nodejs_semver::Version::parse(text).ok(), one, other),
            Self::Semantic => both(semantic, one, other),
        }
    }
}

/// Build metadata says nothing of the order.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    // Advisories leave out what is zero.
    let parsed = semver::Version::parse(text).or_else(|error| match text.split('.').count() {
        1 => semver::Version::parse(&format!("{text}.0.0")),
        2 => semver::Version::parse(&format!("{text}.0")),
        _ => Err(error),
    });
    parsed.ok().map(|version| semver::Version { build: semver::BuildMetadata::EMPTY, ..version })
}

/// The part of a Debian version that upstream gave it, without what repacking and backporting add.
pub fn upstream_of(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let end = ["+dfsg", "~dfsg", ".dfsg", "+ds", "+really", "+deb", "~deb"]
        .iter()
        .filter_map(|mark| version.find(mark))
        .min();
    &version[..end.unwrap_or(version.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ecosystem_has_its_order() {
        let is_less =
            |ecosystem, one, other| Scheme::of(ecosystem).unwrap().compare(one, other) == Some(Ordering::Less);
        assert!(is_less("Debian:12", "3.0.20-1~deb12u2", "3.0.20-1"));
        assert!(is_less("Debian", "2:1.0-1", "3:0.1-1"));
        assert!(is_less("PyPI", "1.0rc1", "1.0") && is_less("PyPI", "1.9", "1.10"));
        assert!(is_less("npm", "1.0.0-beta.2", "1.0.0-beta.11"));
        assert!(is_less("crates.io", "0.9.9", "0.10.0"));
        assert!(is_less("Go", "v1.2.3", "1.3") && is_less("Go", "0", "v0.0.1"));
        assert_eq!(Scheme::Semantic.compare("1.0.0+one", "1.0.0+other"), Some(Ordering::Equal));
        assert_eq!((Scheme::of("Unheard"), Scheme::Semantic.compare("one", "2")), (None, None));
    }

    #[test]
    fn a_debian_version_has_an_upstream_part() {
        let upstream =
            ["3.0.20-1~deb12u2", "1:1.2.13.dfsg-1", "2.9.14+dfsg-1.3~deb12u1", "7.88.1-10+deb12u15", "20230311"];
        assert_eq!(upstream.map(upstream_of), ["3.0.20", "1.2.13", "2.9.14", "7.88.1", "20230311"]);
    }
}
