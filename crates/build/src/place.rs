//! Where components are while something is built, and while they are.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::{Entry, Native, Node, Owner, TreePath, native::LINKS};

/// The directory of all prefixes.
const ROOT: &str = "aleph";
/// How long every prefix is, in bytes: a path of a store that takes its place in a program may be as long.
pub const PREFIX_LENGTH: usize = 128;

/// The prefix that a component is built for, and found below while others are. It says nothing but the name: what is built
/// with one version of it shall not differ for that.
pub fn prefix(name: &str) -> String {
    let start = format!("/{ROOT}/{name}-");
    let missing = PREFIX_LENGTH.saturating_sub(start.len());
    format!("{start}{}", "_".repeat(missing.max(1)))
}

/// Another prefix of the same length for the same component: what is built for both must differ in nothing but known places.
pub fn other_prefix(name: &str) -> String {
    prefix(name).replacen(ROOT, "moved", 1)
}

/// A component that is there while something is built.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it is linked.
    pub native: &'a Native,
    /// Its tree.
    pub tree: &'a [Entry],
    /// Whether it may be copied from: its static archives are there only then, so that nobody copies unseen.
    pub is_copied: bool,
}

/// The names of a tree in which each member is at its own prefix, linked to the others.
pub fn closure_entries(members: &[Member<'_>]) -> Vec<Entry> {
    let mut entries: BTreeMap<String, Node> = BTreeMap::new();
    for member in members {
        let home = prefix(member.name);
        let home = home.trim_start_matches('/');
        for entry in member.tree.iter().filter(|entry| member.is_copied || !is_archive(&entry.path)) {
            entries.insert(format!("{home}/{}", entry.path), entry.node.clone());
        }
        for slot in member.native.slots.keys() {
            let there = prefix(slot);
            let target = format!("../../{}", there.rsplit('/').next().unwrap_or_default());
            entries.insert(format!("{home}/{LINKS}/{slot}"), Node::Symlink { target: target.into() });
        }
        // What finds its libraries from where it is names them so; a linker takes that for the name of a directory.
        let directories: BTreeSet<&str> = member.native.anchored.iter().filter_map(|path| path.parent()).collect();
        for directory in directories {
            let last = directory.rsplit('/').next().unwrap_or(directory);
            entries
                .insert(format!("{home}/{directory}/$ORIGIN"), Node::Symlink { target: format!("../{last}").into() });
        }
    }
    let mut directories = BTreeSet::new();
    for path in entries.keys() {
        let above = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        directories.extend(above.filter(|above| !entries.contains_key(above)));
    }
    entries.extend(directories.into_iter().map(|path| (path, Node::Directory { mode: 0o755 })));
    let mut entries: Vec<Entry> = entries
        .into_iter()
        .filter_map(|(path, node)| Some(Entry { path: TreePath::new(&path).ok()?, owner: Owner::default(), node }))
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

fn is_archive(path: &TreePath) -> bool {
    path.file_name().ends_with(".a") && !path.file_name().ends_with("_nonshared.a")
}

#[cfg(test)]
mod tests {
    use aleph_component::{Digest, native::Slot};

    use super::*;

    #[test]
    fn prefixes_differ_by_name_and_by_nothing_else() {
        assert_ne!(prefix("a"), prefix("b"));
        for name in ["a", "a-name-that-is-long", "gcc-runtime"] {
            assert_eq!(prefix(name).len(), PREFIX_LENGTH);
            assert_eq!(other_prefix(name).len(), PREFIX_LENGTH);
            assert_ne!(other_prefix(name), prefix(name));
        }
    }

    #[test]
    fn members_find_each_other_and_nobody_copies_unseen() {
        let file = |path: &str| Entry {
            path: TreePath::new(path).unwrap(),
            owner: Owner::default(),
            node: Node::File { digest: Digest::of(b""), size: 0, mode: 0o644 },
        };
        let zlib = [file("lib/libz.a"), file("lib/libz.so.1")];
        let png = [file("lib/libpng.so")];
        let slot = ("zlib".to_owned(), Slot { built_with: None, libraries: BTreeMap::new() });
        let anchored = vec![TreePath::new("lib/libpng.so").unwrap()];
        let natives = [Native::default(), Native { slots: [slot].into(), anchored, ..Native::default() }];
        let mut members = [
            Member { name: "zlib", native: &natives[0], tree: &zlib, is_copied: false },
            Member { name: "png", native: &natives[1], tree: &png, is_copied: false },
        ];
        let paths = |members: &[Member<'_>]| -> Vec<String> {
            let entries = closure_entries(members).into_iter();
            entries.map(|entry| entry.path.to_string().replace('_', "")).collect()
        };
        let all = paths(&members);
        assert!(all.contains(&"aleph/zlib-/lib/libz.so.1".to_owned()), "{all:?}");
        assert!(all.contains(&"aleph/png-/.link/zlib".to_owned()), "{all:?}");
        assert!(all.contains(&"aleph/png-/lib/$ORIGIN".to_owned()), "{all:?}");
        assert!(!all.iter().any(|path| path.ends_with("libz.a")), "{all:?}");
        members[0].is_copied = true;
        assert!(paths(&members).iter().any(|path| path.ends_with("libz.a")));
    }
}
