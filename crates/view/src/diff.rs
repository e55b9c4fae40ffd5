//! What changed from one generation to another.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Pinned;

/// What became of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Change {
    /// It is new.
    Added {
        /// Its version.
        version: String,
    },
    /// It is gone.
    Removed {
        /// Its version.
        version: String,
    },
    /// Another component took its place.
    Replaced {
        /// The version before.
        from: String,
        /// The version after.
        to: String,
    },
    /// The same component, bound to other packages.
    Relinked {
        /// Its version.
        version: String,
        /// Slots that are now bound to something else.
        slots: Vec<String>,
    },
}

/// One package that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `name:architecture`.
    pub package: String,
    /// What became of it.
    #[serde(flatten)]
    pub change: Change,
}

/// Everything that changed, sorted by package; a rebinding deep in the closure is not repeated for those above it.
pub fn difference(before: &[Pinned], after: &[Pinned]) -> Vec<Difference> {
    let by_key = |list: &[Pinned]| list.iter().map(|p| (p.key(), p.clone())).collect::<BTreeMap<_, _>>();
    let (before, after) = (by_key(before), by_key(after));
    let component = |list: &BTreeMap<String, Pinned>, key: &String| list.get(key).map(|p| p.component);
    let mut differences = Vec::new();
    for (key, old) in &before {
        let change = match after.get(key) {
            None => Change::Removed { version: old.version.clone() },
            Some(new) if new.component != old.component => {
                Change::Replaced { from: old.version.clone(), to: new.version.clone() }
            }
            Some(new) => {
                let moved = |(slot, provider): (&String, &String)| {
                    let was = old.slots.get(slot).and_then(|was| component(&before, was));
                    (was.is_none() || was != component(&after, provider)).then(|| slot.clone())
                };
                let slots: Vec<String> = new.slots.iter().filter_map(moved).collect();
                if slots.is_empty() {
                    continue;
                }
                Change::Relinked { version: new.version.clone(), slots }
            }
        };
        differences.push(Difference { package: key.clone(), change });
    }
    let added = after.iter().filter(|(key, _)| !before.contains_key(*key));
    differences.extend(
        added.map(|(key, new)| Difference {
            package: key.clone(),
            change: Change::Added { version: new.version.clone() },
        }),
    );
    differences.sort_by(|a, b| a.package.cmp(&b.package));
    differences
}

#[cfg(test)]
mod tests {
    use aleph_component::{ComponentId, Digest, PackageId};

    use super::*;

    /// `name version provider provider`, separated by commas.
    fn set(text: &str) -> Vec<Pinned> {
        let one = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let digest = Digest::of(format!("{} {}", words[0], words[1]).as_bytes());
            Pinned {
                name: words[0].into(),
                version: words[1].into(),
                architecture: "x".into(),
                id: PackageId::from_digest(Digest::of(text.as_bytes())),
                component: ComponentId::from_digest(digest),
                archive: digest,
                size: 1,
                file: String::new(),
                requested: false,
                kept_for: None,
                slots: words[2..].iter().map(|slot| ((*slot).to_owned(), format!("{slot}:x"))).collect(),
            }
        };
        text.split(',').map(one).collect()
    }

    #[test]
    fn direct_consumers_of_what_changed_are_relinked_and_the_rest_is_quiet() {
        let before = set("app 1 lib,lib 1 base,base 1,gone 1");
        let after = set("app 1 lib,lib 2 base,base 1,new 3");
        let shown: Vec<String> = difference(&before, &after)
            .into_iter()
            .map(|difference| {
                let change = match difference.change {
                    Change::Added { version } => format!("+{version}"),
                    Change::Removed { version } => format!("-{version}"),
                    Change::Replaced { from, to } => format!("{from}->{to}"),
                    Change::Relinked { slots, .. } => format!("relinked {}", slots.join(" ")),
                };
                format!("{} {change}", difference.package)
            })
            .collect();
        assert_eq!(shown, ["app:x relinked lib", "gone:x -1", "lib:x 1->2", "new:x +3"]);
        assert_eq!(difference(&before, &before), []);
    }
}
