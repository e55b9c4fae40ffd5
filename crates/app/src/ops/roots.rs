//! Everything outside the store that keeps things in it alive.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, TreeId};
use aleph_store::{Root, Store, WriteLock};
use aleph_view::{View, Views};

use crate::{
    failure::Outcome,
    ops::{build, once},
};

/// The roots of all views. Views that were made for one `aleph run` and in which nothing runs are forgotten first, and so
/// are those of projects whose directory is gone; with `dry_run` they are only left out.
pub(crate) fn all(store: &Store, lock: &WriteLock, dry_run: bool) -> Outcome<Vec<Root>> {
    let mut roots = Vec::new();
    for view in Views::new(store).list()? {
        let orphaned = view.record.project.as_deref().is_some_and(is_gone);
        let is_doomed = once::is_once(&view.record.name) || orphaned;
        let is_gone = is_doomed && if dry_run { !is_used(&view)? } else { view.delete(store, lock)? };
        if !is_gone {
            roots.extend(view.roots()?);
        }
    }
    let components = build::latest(store)?;
    if !components.is_empty() {
        let label = "the last build of each recipe".to_owned();
        roots.push(Root { label, packages: Vec::new(), components, trees: Vec::new() });
    }
    Ok(roots)
}

/// Whether a program runs in a generation of the view, or might.
pub(crate) fn is_used(view: &View) -> Outcome<bool> {
    Ok(view.numbers()?.into_iter().any(|number| view.is_in_use(number)))
}

/// Whether a directory is gone, rather than out of sight: on a disk that is not mounted, or where this user may not look.
fn is_gone(directory: &Path) -> bool {
    let is_there = |path: &Path| path.try_exists().ok();
    is_there(directory) == Some(false) && directory.parent().is_some_and(|parent| is_there(parent) == Some(true))
}

/// Something that a generation needs and the store does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missing {
    /// The generation and what it lacks, in words.
    pub(crate) what: String,
    /// What it lacks, if it is a tree.
    pub(crate) tree: Option<TreeId>,
}

/// What generations need and the store does not have. What a writer is just removing together with its generation is
/// looked at again.
pub(crate) fn missing(store: &Store) -> Outcome<BTreeSet<Missing>> {
    const TRIES: usize = 5;
    let mut missing = look(store)?;
    for _ in 1..TRIES {
        if missing.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = look(store)?;
        missing.retain(|one| now.contains(one));
    }
    Ok(missing)
}

fn look(store: &Store) -> Outcome<BTreeSet<Missing>> {
    let packages = store.packages()?;
    let components: BTreeSet<ComponentId> = store.component_rows(None)?.into_iter().map(|row| row.id).collect();
    let mut missing = BTreeSet::new();
    for view in Views::new(store).list()? {
        for number in view.numbers()? {
            let Ok(generation) = view.generation(number) else { continue };
            let whose = format!("generation {number} of view {}", view.record.name);
            for package in &generation.packages {
                let there = packages.contains_key(&package.id) && components.contains(&package.component);
                if !there {
                    let what = format!("{whose} needs {} {}", package.name, package.version);
                    missing.insert(Missing { what, tree: None });
                }
            }
            for tree in generation.trees().into_iter().filter(|tree| !store.layout().tree_root(tree).exists()) {
                missing.insert(Missing { what: format!("{whose} needs the tree {tree}"), tree: Some(tree) });
            }
        }
    }
    Ok(missing)
}

/// Records of generations that are missing or do not read, with their view and number. What a writer is just removing is
/// not among them.
pub(crate) fn damaged(store: &Store) -> Outcome<Vec<(View, u32, PathBuf)>> {
    let mut damaged = Vec::new();
    for view in Views::new(store).list()? {
        for number in view.numbers()? {
            damaged.extend(view.damaged(number).into_iter().map(|path| (view.clone(), number, path)));
        }
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_gone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "").expect("a file");
        for (name, gone) in [("project", true), ("file", false), ("unmounted/project", false), ("file/project", false)]
        {
            assert_eq!(is_gone(&path(name)), gone, "{name}");
        }
    }
}
