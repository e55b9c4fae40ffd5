//! Many trees into one, on paper. Nothing here touches a disk.

use aleph_component::{Entry, Node, Owner, TreePath};

/// One package's contribution to a view.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name with version, as a person would say it.
    pub label: String,
    /// What it puts where, in any order.
    pub entries: Vec<Entry>,
}

/// How two members that want different things at one path are reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The member with this index (one of the two) has the path.
    Winner(usize),
    /// The member with this index keeps the path; the other's thing goes elsewhere.
    Diverted {
        /// Who keeps the path.
        winner: usize,
        /// Where the other's goes.
        to: TreePath,
    },
    /// They cannot be in one view.
    Conflict,
}

/// Two members want different things at one path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`/{path}` is in both {first} and {second}")]
pub struct Conflict {
    /// The path.
    pub path: TreePath,
    /// The label of one owner.
    pub first: String,
    /// The label of the other.
    pub second: String,
}

/// The tree that several members make together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// Sorted by path; every directory is listed before what is in it.
    pub entries: Vec<Entry>,
}

/// Merges the members' trees: directories are united, equal things are one, for the rest `settle` is asked (path, index
/// of one member, index of the other).
///
/// # Errors
/// Every pair that cannot be reconciled.
pub fn compose(
    members: &[Member],
    settle: &dyn Fn(&TreePath, usize, usize) -> Settlement,
) -> Result<Composition, Vec<Conflict>> {
    let mut all: Vec<(usize, &Entry)> =
        members.iter().enumerate().flat_map(|(index, member)| member.entries.iter().map(move |e| (index, e))).collect();
    all.sort_by(|(one, a), (two, b)| a.path.cmp(&b.path).then(one.cmp(two)));
    let mut merged: Vec<Entry> = Vec::with_capacity(all.len());
    let (mut moved, mut conflicts) = (Vec::new(), Vec::new());
    for group in all.chunk_by(|(_, a), (_, b)| a.path == b.path) {
        let (mut holder, mut held) = group[0];
        for &(rival, wanted) in &group[1..] {
            if same(&held.node, &wanted.node) {
                continue;
            }
            // A name that is a directory for one and a link for another is the directory: it has things in it.
            match (&held.node, &wanted.node) {
                (Node::Directory { .. }, Node::Symlink { .. }) => continue,
                (Node::Symlink { .. }, Node::Directory { .. }) => {
                    (holder, held) = (rival, wanted);
                    continue;
                }
                _ => {}
            }
            match settle(&held.path, holder, rival) {
                Settlement::Winner(winner) if winner == rival => (holder, held) = (rival, wanted),
                Settlement::Winner(_) => {}
                Settlement::Diverted { winner, to } => {
                    let loser = if winner == rival { held } else { wanted };
                    moved.push(Entry { path: to, ..loser.clone() });
                    if winner == rival {
                        (holder, held) = (rival, wanted);
                    }
                }
                Settlement::Conflict => conflicts.push(Conflict {
                    path: held.path.clone(),
                    first: members[holder].label.clone(),
                    second: members[rival].label.clone(),
                }),
            }
        }
        merged.push(held.clone());
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    merged.extend(moved);
    Ok(Composition { entries: with_parents(merged) })
}

/// Whether two members may both have this without anybody noticing.
fn same(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Directory { .. }, Node::Directory { .. }) => true,
        (Node::File { digest, mode, .. }, Node::File { digest: other, mode: other_mode, .. }) => {
            digest == other && Node::stored_mode(*mode) == Node::stored_mode(*other_mode)
        }
        (one, other) => one == other,
    }
}

/// Sorts, and adds the directories that nobody listed.
pub fn with_parents(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup_by(|later, earlier| later.path == earlier.path);
    let is_known = |path: &str| entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).is_ok();
    let mut missing = std::collections::BTreeSet::new();
    let mut last = None;
    for entry in &entries {
        // Neighbours are mostly in one directory.
        if entry.path.parent() == last {
            continue;
        }
        last = entry.path.parent();
        let mut path = entry.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            if is_known(parent) || !missing.insert(parent.to_owned()) {
                break;
            }
            path = parent;
        }
    }
    if missing.is_empty() {
        return entries;
    }
    let parents = missing.into_iter().map(|path| Entry {
        path: TreePath::new(&path).expect("the parent of a path is a path"),
        owner: Owner::default(),
        node: Node::Directory { mode: 0o755 },
    });
    entries.extend(parents);
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

#[cfg(test)]
mod tests {
    use aleph_component::Digest;

    use super::*;

    /// `d path`, `f path content`, `l path target`, separated by commas.
    fn entries(text: &str) -> Vec<Entry> {
        let one = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let node = match words[0] {
                "d" => Node::Directory { mode: 0o755 },
                "f" => Node::File { digest: Digest::of(words[2].as_bytes()), size: 1, mode: 0o644 },
                _ => Node::Symlink { target: words[2].into() },
            };
            Entry { path: TreePath::new(words[1]).unwrap(), owner: Owner::default(), node }
        };
        text.split(',').map(one).collect()
    }

    fn run(members: &[&str], settlement: Settlement) -> Result<Vec<String>, Vec<Conflict>> {
        let member = |(index, text): (usize, &&str)| Member { label: format!("p{index}"), entries: entries(text) };
        let members: Vec<Member> = members.iter().enumerate().map(member).collect();
        let composition = compose(&members, &|_, _, _| settlement.clone())?;
        Ok(composition.entries.iter().map(|entry| entry.path.to_string()).collect())
    }

    #[test]
    fn directories_unite_and_equal_files_are_one() {
        let merged = run(&["d usr,f usr/a 1", "d usr,f usr/b 2,f usr/a 1,f x/y/z 3"], Settlement::Conflict).unwrap();
        assert_eq!(merged, ["usr", "usr/a", "usr/b", "x", "x/y", "x/y/z"]);
    }

    #[test]
    fn a_conflict_names_both_owners() {
        let conflicts = run(&["f a 1", "f a 2", "f b 1"], Settlement::Conflict).unwrap_err();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].to_string(), "`/a` is in both p0 and p1");
        assert!(run(&["d a", "f a 2"], Settlement::Conflict).is_err());
    }

    #[test]
    fn a_diversion_keeps_both() {
        let to = TreePath::new("a.distrib").unwrap();
        assert_eq!(run(&["f a 1", "f a 2"], Settlement::Diverted { winner: 1, to }).unwrap(), ["a", "a.distrib"]);
    }

    #[test]
    fn a_listing_sorts_directories_before_what_is_in_them() {
        assert_eq!(run(&["f a/b 1,f a.c 2"], Settlement::Conflict).unwrap(), ["a", "a.c", "a/b"]);
    }
}
