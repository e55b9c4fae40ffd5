//! Which composed trees a generation runs on: a whole one, or an old whole one with what changed laid over it.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
};

use aleph_component::{Entry, Node, TreeId};
use aleph_store::{Store, StoreError, WriteLock};

use crate::compose::with_parents;

/// A difference above this share of a tree's names is not worth a layer: the tree is composed anew.
const DELTA_SHARE: usize = 5;

/// The trees of the packages of a generation, without what scripts wrote.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layers {
    /// A tree with everything.
    pub base: TreeId,
    /// What differs from it, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<TreeId>,
}

/// The entries of the trees of [`Layers`], each sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Those of the whole tree.
    pub base: Vec<Entry>,
    /// Those laid over it.
    pub delta: Vec<Entry>,
}

impl Listing {
    /// What is at `path` with one laid over the other.
    pub fn node(&self, path: &str) -> Option<&Node> {
        fn find<'a>(entries: &'a [Entry], path: &str) -> Option<&'a Node> {
            entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok().map(|index| &entries[index].node)
        }
        if let Some(node) = find(&self.delta, path) {
            return Some(node).filter(|node| **node != Node::Absent);
        }
        // A name that is gone, or no directory any more, hides what was below it.
        let mut above = path.match_indices('/').filter_map(|(index, _)| find(&self.delta, &path[..index]));
        if above.all(|node| matches!(node, Node::Directory { .. })) { find(&self.base, path) } else { None }
    }
}

/// The names of trees that are laid over each other, the lowest first; each sorted by path.
pub fn overlay<'a>(trees: impl IntoIterator<Item = &'a [Entry]>) -> BTreeMap<&'a str, &'a Node> {
    let mut names: BTreeMap<&str, &Node> = BTreeMap::new();
    for entry in trees.into_iter().flatten() {
        let path = entry.path.as_str();
        let was = if entry.node == Node::Absent { names.remove(path) } else { names.insert(path, &entry.node) };
        let was_directory = was.is_some_and(|was| matches!(was, Node::Directory { .. }));
        if was_directory && !matches!(entry.node, Node::Directory { .. }) {
            let below = format!("{path}/");
            let from = (Bound::Excluded(path), Bound::Unbounded);
            let hidden = names.range::<str, _>(from).map(|(name, _)| *name);
            // Names like `path.d` come between a directory and what is in it.
            let hidden: Vec<&str> =
                hidden.take_while(|name| *name < below.as_str() || name.starts_with(&below)).collect();
            hidden.into_iter().filter(|name| name.starts_with(&below)).for_each(|name| {
                names.remove(name);
            });
        }
    }
    names
}

/// What to write so that a composition can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayersPlan {
    /// Compose everything.
    Whole,
    /// Lay these entries over an existing tree. They may be none.
    Delta(Vec<Entry>),
}

/// Decides how to get from the tree `base` to the tree `wanted`, both sorted by path.
pub fn plan_layers(base: &[Entry], wanted: &[Entry]) -> LayersPlan {
    let mut delta = Vec::new();
    let mut gone = HashSet::new();
    let mut rest = base;
    for entry in wanted {
        let path = entry.path.as_str();
        while let Some((old, others)) = rest.split_first().filter(|(old, _)| old.path.as_str() < path) {
            remove(old, &mut gone, &mut delta);
            rest = others;
        }
        match rest.split_first().filter(|(old, _)| old.path == entry.path) {
            Some((old, others)) => {
                if old != entry {
                    delta.push(entry.clone());
                }
                if matches!(old.node, Node::Directory { .. }) && !matches!(entry.node, Node::Directory { .. }) {
                    gone.insert(old.path.as_str());
                }
                rest = others;
            }
            None => delta.push(entry.clone()),
        }
    }
    rest.iter().for_each(|old| remove(old, &mut gone, &mut delta));
    if delta.len() * DELTA_SHARE > wanted.len() {
        return LayersPlan::Whole;
    }
    // A directory of the layer needs the mode that it has in the tree.
    let mut delta = with_parents(delta);
    for entry in &mut delta {
        if let (Node::Directory { .. }, Ok(index)) =
            (&entry.node, wanted.binary_search_by(|real| real.path.cmp(&entry.path)))
        {
            *entry = wanted[index].clone();
        }
    }
    LayersPlan::Delta(delta)
}

/// Notes that a name went. What lies below a name that went, or that is no directory any more, went with it. In a
/// listing that need not follow at once: `d-x` sorts between `d` and `d/x`.
fn remove<'a>(old: &'a Entry, gone: &mut HashSet<&'a str>, delta: &mut Vec<Entry>) {
    let path = old.path.as_str();
    let mut above = path.match_indices('/').map(|(index, _)| &path[..index]);
    if !above.any(|directory| gone.contains(directory)) {
        delta.push(Entry { node: Node::Absent, ..old.clone() });
        if matches!(old.node, Node::Directory { .. }) {
            gone.insert(path);
        }
    }
}

impl Layers {
    /// Writes the trees for `wanted`, laid over a tree that exists (its id and entries) where that is less work.
    ///
    /// # Errors
    /// If a tree cannot be written.
    pub fn write(
        store: &Store,
        lock: &WriteLock,
        existing: Option<(TreeId, &[Entry])>,
        wanted: &[Entry],
    ) -> Result<Self, StoreError> {
        if let Some((base, entries)) = existing
            && let LayersPlan::Delta(delta) = plan_layers(entries, wanted)
        {
            let delta = if delta.is_empty() { None } else { Some(store.write_tree(lock, &delta)?) };
            return Ok(Self { base, delta });
        }
        Ok(Self { base: store.write_tree(lock, wanted)?, delta: None })
    }

    /// What is in the trees.
    ///
    /// # Errors
    /// If a listing does not read.
    pub fn listing(&self, store: &Store) -> Result<Listing, StoreError> {
        let delta = self.delta.map_or(Ok(Vec::new()), |delta| store.tree_entries(&delta))?;
        Ok(Listing { base: store.tree_entries(&self.base)?, delta })
    }

    /// The trees, topmost first.
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + use<> {
        self.delta.into_iter().chain([self.base])
    }
}

#[cfg(test)]
mod tests {
    use aleph_component::{Digest, Owner, TreePath};
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, node: Node) -> Entry {
        Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node }
    }

    fn file(path: &str, content: &str) -> Entry {
        entry(path, Node::File { digest: Digest::of(content.as_bytes()), size: 1, mode: 0o644 })
    }

    fn directory(path: &str) -> Entry {
        entry(path, Node::Directory { mode: 0o1777 })
    }

    /// A tree of many files, so that small changes are small.
    fn base() -> Vec<Entry> {
        let mut entries =
            vec![directory("d"), directory("d/e"), file("d/e/1", "1"), file("d/e/2", "2"), file("z", "z")];
        entries.extend((0..100).map(|number| file(&format!("m{number:03}"), "m")));
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    #[test]
    fn a_change_is_laid_over_and_its_directories_keep_their_mode() {
        let mut wanted = base();
        *wanted.iter_mut().find(|entry| entry.path.as_str() == "d/e/1").unwrap() = file("d/e/1", "new");
        let LayersPlan::Delta(delta) = plan_layers(&base(), &wanted) else { panic!() };
        assert_eq!(delta, [directory("d"), directory("d/e"), file("d/e/1", "new")]);
    }

    #[test]
    fn what_went_is_whited_out_once() {
        let wanted: Vec<Entry> = base().into_iter().filter(|entry| !entry.path.as_str().starts_with("d/e")).collect();
        let LayersPlan::Delta(delta) = plan_layers(&base(), &wanted) else { panic!() };
        assert_eq!(delta, [directory("d"), entry("d/e", Node::Absent)]);
    }

    #[test]
    fn what_sorts_between_a_directory_and_what_is_in_it_is_another_name() {
        let mut base = base();
        base.extend([file("d/e-gone", "x"), file("d/e-stays", "x")]);
        base.sort_by(|a, b| a.path.cmp(&b.path));
        let goes = |entry: &&Entry| entry.path.as_str().starts_with("d/e") && entry.path.as_str() != "d/e-stays";
        let wanted: Vec<Entry> = base.iter().filter(|entry| !goes(entry)).cloned().collect();
        let LayersPlan::Delta(delta) = plan_layers(&base, &wanted) else { panic!() };
        assert_eq!(delta, [directory("d"), entry("d/e", Node::Absent), entry("d/e-gone", Node::Absent)]);
    }

    #[test]
    fn a_directory_that_becomes_a_file_hides_what_was_in_it() {
        let mut wanted: Vec<Entry> =
            base().into_iter().filter(|entry| !entry.path.as_str().starts_with("d/e")).collect();
        wanted.push(file("d/e", "now a file"));
        wanted.sort_by(|a, b| a.path.cmp(&b.path));
        let LayersPlan::Delta(delta) = plan_layers(&base(), &wanted) else { panic!() };
        assert_eq!(delta, [directory("d"), file("d/e", "now a file")]);
    }

    #[test]
    fn a_listing_is_what_one_sees_through_both() {
        let gone = |path: &str| entry(path, Node::Absent);
        let delta = vec![directory("d"), gone("d/e"), file("d/new", "n"), file("z", "other")];
        let listing = Listing { base: base(), delta };
        for (path, content) in [("z", "other"), ("d/new", "n"), ("m001", "m")] {
            assert_eq!(listing.node(path), Some(&file(path, content).node), "{path}");
        }
        assert_eq!((listing.node("d/e"), listing.node("d/e/1"), listing.node("none")), (None, None, None));
        let listing = Listing { base: base(), delta: vec![file("d", "now a file")] };
        assert_eq!(listing.node("d/e/1"), None);
    }

    #[test]
    fn no_change_needs_no_layer_and_a_great_one_a_new_tree() {
        assert_eq!(plan_layers(&base(), &base()), LayersPlan::Delta(Vec::new()));
        assert_eq!(plan_layers(&base(), &base()[..40]), LayersPlan::Whole);
    }
    #[test]
    fn overlaid_names_are_those_that_the_kernel_would_show() {
        let upper = [directory("d"), file("d.d", "sorts between"), file("e", "e"), entry("z", Node::Absent)];
        let lower =
            [directory("d"), file("d.d", "d"), file("d/1", "1"), directory("e"), file("e/1", "1"), file("z", "z")];
        let names = overlay([&lower[..], &upper[..]]);
        assert_eq!(Vec::from_iter(names.keys().copied()), ["d", "d.d", "d/1", "e"]);
        assert_eq!(names["e"], &file("e", "e").node);
    }

    /// A tree out of `names`, each of which is a directory, a file of some content, or not there.
    fn trees(names: &'static [&'static str]) -> impl Strategy<Value = Vec<Entry>> {
        proptest::collection::vec(0..4_u8, names.len()).prop_map(move |kinds| {
            let mut tree: Vec<Entry> = base();
            for (name, kind) in names.iter().zip(kinds) {
                let above = name.rsplit_once('/').map(|(above, _)| above);
                let has_place = above.is_none_or(|above| tree.contains(&directory(above)));
                match kind {
                    _ if !has_place => {}
                    0 => {}
                    1 => tree.push(directory(name)),
                    content => tree.push(file(name, &content.to_string())),
                }
            }
            tree.sort_by(|a, b| a.path.cmp(&b.path));
            tree
        })
    }

    const NAMES: &[&str] = &["a", "a.d", "a/b", "a/b-c", "a/b/c", "a/b/c/d", "a0", "b", "b/c"];

    proptest! {
        #[test]
        fn a_change_laid_over_what_was_is_what_is_wanted(was in trees(NAMES), wanted in trees(NAMES)) {
            let LayersPlan::Delta(delta) = plan_layers(&was, &wanted) else { return Err(TestCaseError::fail("whole")) };
            let names = overlay([&was[..], &delta[..]]);
            let wanted: BTreeMap<&str, &Node> = wanted.iter().map(|entry| (entry.path.as_str(), &entry.node)).collect();
            prop_assert_eq!(names, wanted);
        }
    }
}
