//! Who is bound to whom in a generation: what an update reaches.

use std::collections::BTreeSet;

use aleph_view::{Pinned, difference};

/// How an update reached the packages of a view. Each package is counted once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Other components took their place.
    pub(super) replaced: usize,
    /// The same component, bound directly to something that was replaced or added.
    pub(super) relinked: Vec<String>,
    /// The same component and bindings by name, with another id because something further down changed.
    pub(super) renamed: usize,
    /// The same id.
    pub(super) untouched: usize,
}

/// Compares two generations' packages.
pub(super) fn reach(before: &[Pinned], after: &[Pinned]) -> Reach {
    let direct: BTreeSet<String> = difference(before, after)
        .into_iter()
        .filter(|difference| matches!(difference.change, aleph_view::Change::Relinked { .. }))
        .map(|difference| difference.package)
        .collect();
    let mut reach = Reach::default();
    for package in after {
        let old = before.iter().find(|old| old.key() == package.key());
        match old {
            Some(old) if old.id == package.id => reach.untouched += 1,
            Some(old) if old.component != package.component => reach.replaced += 1,
            Some(_) if direct.contains(&package.key()) => reach.relinked.push(package.name.clone()),
            Some(_) => reach.renamed += 1,
            None => reach.replaced += 1,
        }
    }
    reach
}

/// How many packages are bound to one of `names`, directly or through others, those themselves not counted.
pub(super) fn dependents(packages: &[Pinned], names: &[String]) -> usize {
    let keys = |names: &[String]| -> BTreeSet<String> {
        packages.iter().filter(|package| names.contains(&package.name)).map(Pinned::key).collect()
    };
    let roots = keys(names);
    let mut found = roots.clone();
    loop {
        let more: Vec<String> = packages
            .iter()
            .filter(|package| package.slots.values().any(|provider| found.contains(provider)))
            .map(Pinned::key)
            .filter(|key| !found.contains(key))
            .collect();
        if more.is_empty() {
            return found.len() - roots.len();
        }
        found.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use aleph_component::{ComponentId, Digest, PackageId};

    use super::*;

    /// `name version id provider provider`, separated by commas.
    fn set(text: &str) -> Vec<Pinned> {
        let one = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let digest = Digest::of(format!("{} {}", words[0], words[1]).as_bytes());
            Pinned {
                name: words[0].into(),
                version: words[1].into(),
                architecture: "x".into(),
                id: PackageId::from_digest(Digest::of(words[2].as_bytes())),
                component: ComponentId::from_digest(digest),
                archive: digest,
                size: 1,
                file: String::new(),
                requested: false,
                kept_for: None,
                slots: words[3..].iter().map(|slot| ((*slot).to_owned(), format!("{slot}:x"))).collect(),
            }
        };
        text.split(',').map(one).collect()
    }

    #[test]
    fn every_package_is_counted_once() {
        let before = set("top 1 t1 mid,mid 1 m1 lib,lib 1 l1 base,base 1 b1,loop 1 o1 lib loop");
        let after = set("top 1 t2 mid,mid 1 m2 lib,lib 2 l2 base,base 1 b1,loop 1 o2 lib loop");
        let expected =
            Reach { replaced: 1, relinked: vec!["mid".to_owned(), "loop".to_owned()], renamed: 1, untouched: 1 };
        assert_eq!(reach(&before, &after), expected);
        assert_eq!(dependents(&before, &["lib".to_owned()]), 3);
        assert_eq!(dependents(&before, &["top".to_owned()]), 0);
        assert_eq!(dependents(&before, &["nothing".to_owned()]), 0);
    }
}
