//! Many trees into one, on paper. Nothing here touches a disk.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap};

use aleph_component::{Entry, Node, Owner, TreePath};

/// One package's contribution to a view.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name with version, as a person would say it.
    pub label: String,
    /// What it puts where, in any order; the quickest has neighbours together.
    pub entries: Vec<Cow<'a, Entry>>,
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
    members: &[Member<'_>],
    settle: &dyn Fn(&TreePath, usize, usize) -> Settlement,
) -> Result<Composition, Vec<Conflict>> {
    let mut directories = Directories::default();
    for (index, member) in members.iter().enumerate() {
        member.entries.iter().for_each(|entry| directories.add(index, entry));
    }
    for directory in &mut directories.all {
        directory.entries.sort_unstable_by_key(|(name, member, _)| (*name, *member));
    }
    let mut merge = Merge { members, settle, merged: Vec::new(), moved: Vec::new(), conflicts: Vec::new() };
    merge.directory(&directories.all, 0);
    let Merge { mut merged, mut moved, conflicts, .. } = merge;
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    if !moved.is_empty() {
        merged.append(&mut moved);
        merged = with_parents(merged);
    }
    Ok(Composition { entries: merged })
}

/// All names by their directory: sorting the few of each is much quicker than sorting all paths.
struct Directories<'a> {
    /// The top is the first.
    all: Vec<Directory<'a>>,
    /// Where in `all` the directory with a path is.
    places: HashMap<&'a str, usize>,
    /// The path and place of the last one: neighbours are mostly in one directory.
    last: (&'a str, usize),
}

#[derive(Default)]
struct Directory<'a> {
    path: &'a str,
    /// Name, index of the member, and what it wants there.
    entries: Vec<(&'a str, usize, &'a Entry)>,
    /// Name and place of the directories in it that have something in them.
    below: Vec<(&'a str, usize)>,
}

impl Default for Directories<'_> {
    fn default() -> Self {
        Self { all: vec![Directory::default()], places: HashMap::from([("", 0)]), last: ("", 0) }
    }
}

impl<'a> Directories<'a> {
    fn add(&mut self, member: usize, entry: &'a Entry) {
        let (parent, name) = split(entry.path.as_str());
        if self.last.0 != parent {
            self.last = (parent, self.place(parent));
        }
        self.all[self.last.1].entries.push((name, member, entry));
    }

    fn place(&mut self, path: &'a str) -> usize {
        if let Some(place) = self.places.get(path) {
            return *place;
        }
        let (parent, name) = split(path);
        let above = self.place(parent);
        let place = self.all.len();
        self.all.push(Directory { path, ..Directory::default() });
        self.all[above].below.push((name, place));
        self.places.insert(path, place);
        place
    }
}

/// The directory of a path, `""` at the top, and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The order of names in one directory, some of which stand for what is under them: these have a `/` after them.
fn by_path((one, under): (&str, bool), (other, other_under): (&str, bool)) -> Ordering {
    let common = one.len().min(other.len());
    let rest = |name: &str, under: bool| name.as_bytes().get(common).copied().or(under.then_some(b'/'));
    one.as_bytes()[..common]
        .cmp(&other.as_bytes()[..common])
        .then_with(|| rest(one, under).cmp(&rest(other, other_under)))
}

/// One thing to list of a directory.
enum Item<'a, 'b> {
    /// What members want at one name.
    Wanted(&'b [(&'a str, usize, &'a Entry)]),
    /// A directory that nobody listed.
    Implied(&'a str),
    /// What is in a directory.
    Below(usize),
}

/// A composition in the making.
struct Merge<'m> {
    members: &'m [Member<'m>],
    settle: &'m dyn Fn(&TreePath, usize, usize) -> Settlement,
    merged: Vec<Entry>,
    moved: Vec<Entry>,
    conflicts: Vec<Conflict>,
}

impl Merge<'_> {
    /// Lists what is in a directory, and in those in it, in the order of whole paths: `d-x` is between `d` and `d/x`.
    fn directory(&mut self, all: &[Directory<'_>], place: usize) {
        let Directory { entries, below, .. } = &all[place];
        let wanted = entries.chunk_by(|(one, ..), (other, ..)| one == other);
        let mut items: Vec<(&str, bool, Item<'_, '_>)> =
            wanted.map(|wanted| (wanted[0].0, false, Item::Wanted(wanted))).collect();
        for &(name, inner) in below {
            if entries.binary_search_by_key(&name, |(name, ..)| name).is_err() {
                items.push((name, false, Item::Implied(all[inner].path)));
            }
            items.push((name, true, Item::Below(inner)));
        }
        if !below.is_empty() {
            items.sort_unstable_by(|(one, under, _), (other, other_under, _)| {
                by_path((one, *under), (other, *other_under))
            });
        }
        for (_, _, item) in items {
            match item {
                Item::Wanted(wanted) => self.settle(wanted),
                Item::Implied(path) => self.merged.push(implied(path)),
                Item::Below(place) => self.directory(all, place),
            }
        }
    }

    /// Takes what stays at one path.
    fn settle(&mut self, wanted: &[(&str, usize, &Entry)]) {
        let (_, mut holder, mut held) = wanted[0];
        for &(_, rival, wanted) in &wanted[1..] {
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
            match (self.settle)(&held.path, holder, rival) {
                Settlement::Winner(winner) if winner == rival => (holder, held) = (rival, wanted),
                Settlement::Winner(_) => {}
                Settlement::Diverted { winner, to } => {
                    let loser = if winner == rival { held } else { wanted };
                    self.moved.push(Entry { path: to, ..loser.clone() });
                    if winner == rival {
                        (holder, held) = (rival, wanted);
                    }
                }
                Settlement::Conflict => self.conflicts.push(Conflict {
                    path: held.path.clone(),
                    first: self.members[holder].label.clone(),
                    second: self.members[rival].label.clone(),
                }),
            }
        }
        self.merged.push(held.clone());
    }
}

/// A directory that nobody listed.
fn implied(path: &str) -> Entry {
    Entry {
        path: TreePath::new(path).expect("the parent of a path is a path"),
        owner: Owner::default(),
        node: Node::Directory { mode: 0o755 },
    }
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
    entries.extend(missing.iter().map(|path| implied(path)));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

#[cfg(test)]
mod tests {
    use aleph_component::Digest;
    use proptest::{collection, prelude::*};

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
        let owned = |text: &str| entries(text).into_iter().map(Cow::Owned).collect();
        let member = |(index, text): (usize, &&str)| Member { label: format!("p{index}"), entries: owned(text) };
        let members: Vec<Member<'_>> = members.iter().enumerate().map(member).collect();
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

    proptest! {
        #[test]
        fn any_members_come_out_sorted_with_all_parents(texts in collection::vec(collection::vec("[a-c](-|/[a-c]){0,3}", 0..6), 0..5)) {
            let file = |path: &String| Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node: Node::Absent };
            let member = |paths: &Vec<String>| Member { label: String::new(), entries: paths.iter().map(file).map(Cow::Owned).collect() };
            let members: Vec<Member<'_>> = texts.iter().map(member).collect();
            let merged = compose(&members, &|_, one, _| Settlement::Winner(one)).unwrap().entries;
            let all = members.iter().flat_map(|member| member.entries.iter().map(|entry| entry.clone().into_owned()));
            prop_assert_eq!(merged, with_parents(all.collect()));
        }
    }

    #[test]
    fn a_listing_sorts_directories_before_what_is_in_them() {
        assert_eq!(run(&["f a/b 1,f a.c 2"], Settlement::Conflict).unwrap(), ["a", "a.c", "a/b"]);
    }
}
