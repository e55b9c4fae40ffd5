//! What the changelogs of a store say of versions that are older than theirs.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{Evidence, findings::Claim};
use crate::{
    Changelog, Fix,
    version::{Scheme, upstream_of},
};

/// What Debian calls some source packages whose upstreams have other names.
const SOURCES: [(&str, &str); 5] = [
    ("sqlite", "sqlite3"),
    ("libpng", "libpng1.6"),
    ("zstd", "libzstd"),
    ("xz", "xz-utils"),
    ("python3", "python3.11"),
];

/// What Debian calls the source package of something.
pub(super) fn source_of(upstream: &str) -> &str {
    SOURCES.iter().find(|(name, _)| *name == upstream).map_or(upstream, |(_, source)| source)
}

/// Changelogs by source package and version.
pub(super) struct Changelogs<'a> {
    by_source: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Changelog>>>,
}

impl<'a> Changelogs<'a> {
    pub(super) fn of(all: impl Iterator<Item = &'a Changelog>) -> Self {
        let mut by_source: BTreeMap<&str, BTreeMap<&str, Vec<&Changelog>>> = BTreeMap::new();
        for changelog in all {
            let known = by_source.entry(&changelog.source).or_default().entry(&changelog.version).or_default();
            // Packages of one source mostly have the same one.
            if !known.iter().any(|other| other.fixed == changelog.fixed) {
                known.push(changelog);
            }
        }
        Self { by_source }
    }

    /// What versions after `version` of a source package fixed, and its own changelog does not mention.
    pub(super) fn fixed_after(&self, source: &str, version: &str) -> Vec<Claim> {
        let Some(versions) = self.by_source.get(source) else { return Vec::new() };
        let own: BTreeSet<&str> =
            versions.get(version).into_iter().flatten().flat_map(|log| log.fixed.keys().map(String::as_str)).collect();
        let is_after = |fix: &Fix| Scheme::Debian.compare(&fix.version, version) == Some(Ordering::Greater);
        self.claims(source, |id, fix| is_after(fix) && !own.contains(id))
    }

    /// What of upstream's `version` of something was fixed in Debian: by a later version of upstream's, or by Debian in a
    /// package of that version.
    pub(super) fn fixed_upstream(&self, name: &str, version: &str) -> Vec<Claim> {
        self.claims(source_of(name), |_, fix| match Scheme::Debian.compare(upstream_of(&fix.version), version) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !fix.by_upstream,
            Some(Ordering::Less) | None => false,
        })
    }

    /// A claim for each id that counts, with the earliest version that fixed it.
    fn claims(&self, source: &str, counts: impl Fn(&str, &Fix) -> bool) -> Vec<Claim> {
        let mut claims: BTreeMap<&str, Claim> = BTreeMap::new();
        for changelog in self.by_source.get(source).into_iter().flatten().flat_map(|(_, logs)| logs) {
            for (id, fix) in changelog.fixed.iter().filter(|(id, fix)| counts(id, fix)) {
                let evidence = Evidence::Changelog(changelog.source.clone(), changelog.version.clone());
                let claim = Claim { id: id.clone(), fixed: vec![fix.version.clone()], evidence };
                let known = claims.entry(id).or_insert_with(|| claim.clone());
                if Scheme::Debian.compare(&fix.version, &known.fixed[0]) == Some(Ordering::Less) {
                    *known = claim;
                }
            }
        }
        claims.into_values().collect()
    }
}
