//! Which part of a package is its component's, and which is its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Hole, Native};
use crate::{Entry, Node, TreePath};

/// A name in a package's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Where it is.
    pub path: &'a TreePath,
    /// What it is.
    pub place: Place<'a>,
}

/// What a name in a package's directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A directory of its own.
    Directory,
    /// A symbolic link to the directory of the component: nothing below it depends on where it is.
    Whole,
    /// The component's file, by another name.
    Shared(&'a Node),
    /// A private copy with its holes filled.
    Filled(&'a Node, Vec<&'a Hole>),
}

/// The names of a package of the component with this tree, every directory before what is in it.
///
/// Directories are what costs, so a directory in which nothing depends on its place is one link. What is anchored or has a
/// hole is the package's own, and so is what leads to it.
pub fn layout<'a>(native: &'a Native, tree: &'a [Entry]) -> Vec<Placed<'a>> {
    let own = own_directories(native, tree);
    let mut holes: BTreeMap<&str, Vec<&Hole>> = BTreeMap::new();
    for hole in &native.holes {
        holes.entry(hole.path.as_str()).or_default().push(hole);
    }
    let is_own = |path: Option<&str>| path.is_none_or(|path| own.contains(path));
    let place = |entry: &'a Entry| {
        let path = entry.path.as_str();
        match &entry.node {
            Node::Directory { .. } if own.contains(path) => Place::Directory,
            Node::Directory { .. } => Place::Whole,
            node => holes.get(path).map_or(Place::Shared(node), |holes| Place::Filled(node, holes.clone())),
        }
    };
    let placed = tree.iter().filter(|entry| is_own(entry.path.parent()));
    placed.map(|entry| Placed { path: &entry.path, place: place(entry) }).collect()
}

/// The directories that hold, at some depth, what depends on its place.
fn own_directories<'a>(native: &'a Native, tree: &'a [Entry]) -> BTreeSet<&'a str> {
    let mut dependent: BTreeSet<&str> = native.anchored.iter().map(TreePath::as_str).collect();
    dependent.extend(native.holes.iter().map(|hole| hole.path.as_str()));
    let mut own = BTreeSet::new();
    dependent.iter().for_each(|path| add_parents(&mut own, path));
    let links: Vec<(&str, String)> = tree
        .iter()
        .filter_map(|entry| match &entry.node {
            Node::Symlink { target } => Some((entry.path.as_str(), destination(&entry.path, target)?)),
            _ => None,
        })
        .collect();
    // A link to something that depends on its place depends on its own.
    loop {
        let leads = |path: &str| dependent.contains(path) || own.contains(path);
        let more: Vec<&str> =
            links.iter().filter(|(path, to)| !dependent.contains(path) && leads(to)).map(|(path, _)| *path).collect();
        if more.is_empty() {
            return own;
        }
        for path in more {
            dependent.insert(path);
            add_parents(&mut own, path);
        }
    }
}

fn add_parents<'a>(directories: &mut BTreeSet<&'a str>, path: &'a str) {
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if !directories.insert(parent) {
            return;
        }
        above = parent;
    }
}

/// Where a relative link leads inside its tree, without following others.
fn destination(path: &TreePath, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.parent().map(|parent| parent.split('/').collect()).unwrap_or_default();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Digest, Owner,
        native::{HoleKind, Target},
    };

    /// `tree` has a line for each name: `bin/`, `bin/x`, `lib -> usr/lib`; `bin/x *` is anchored, `bin/y !` has a hole.
    fn check(tree: &str, expected: &str) {
        let mut native = Native::default();
        let mut entries = Vec::new();
        for line in tree.lines().map(str::trim) {
            let (path, node) = match line.split_once(" -> ") {
                Some((path, target)) => (path, Node::Symlink { target: target.into() }),
                None if line.ends_with('/') => (line.trim_end_matches('/'), Node::Directory { mode: 0o755 }),
                None => (
                    line.trim_end_matches([' ', '*', '!']),
                    Node::File { digest: Digest::of(b""), size: 0, mode: 0o644 },
                ),
            };
            let path = TreePath::new(path).unwrap();
            match line.chars().last() {
                Some('*') => native.anchored.push(path.clone()),
                Some('!') => native.holes.push(Hole {
                    path: path.clone(),
                    offset: 0,
                    length: 1,
                    kind: HoleKind::Text,
                    target: Target::Own,
                }),
                _ => {}
            }
            entries.push(Entry { path, owner: Owner::default(), node });
        }
        let mark = |place: &Place<'_>| match place {
            Place::Directory => "/",
            Place::Whole => " whole",
            Place::Shared(_) => "",
            Place::Filled(..) => " filled",
        };
        let found: Vec<String> =
            layout(&native, &entries).iter().map(|placed| format!("{}{}", placed.path, mark(&placed.place))).collect();
        assert_eq!(found, expected.lines().map(str::trim).collect::<Vec<_>>());
    }

    #[test]
    fn what_does_not_depend_on_its_place_is_linked_as_a_whole() {
        check(
            "bin/\nbin/x *\nlib/\nlib/data\nlib/plugins/\nlib/plugins/p.so *\nlib/sub/\nlib/sub/data\nshare/\nshare/doc",
            "bin/\nbin/x\nlib/\nlib/data\nlib/plugins/\nlib/plugins/p.so\nlib/sub whole\nshare whole",
        );
        check("etc/\netc/x.conf !\nshare/\nshare/a", "etc/\netc/x.conf filled\nshare whole");
    }

    #[test]
    fn what_leads_to_something_that_depends_on_its_place_does_so_too() {
        check(
            "alt/\nalt/x -> ../more/y\nbin/\nbin/x *\nmore/\nmore/y -> ../bin/x\nother/\nother/z -> ../share\nshare/\nshare/a",
            "alt/\nalt/x\nbin/\nbin/x\nmore/\nmore/y\nother whole\nshare whole",
        );
        check("bin/\nbin/x *\nsbin -> bin", "bin/\nbin/x\nsbin");
    }
}
