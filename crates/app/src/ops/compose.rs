//! From packages to the entries of a view's tree.

use std::{
    borrow::Cow,
    iter,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use aleph_component::{Entry, Manifest, Node, Owner, StoreName, TreePath};
use aleph_exchange::deb::dpkg::{self, Content, Package, Placement, Resolution};
use aleph_store::{Store, WriteLock};
use aleph_view::{Member, Pinned, Settlement};

use crate::failure::{Failure, Outcome};

/// The manifests of packages, in their order, read on all processors.
pub(crate) fn manifests(store: &Store, pinned: &[Pinned]) -> Outcome<Vec<Manifest>> {
    in_parallel(pinned, |pinned| Ok(store.manifest_named(&StoreName::new(pinned.component, &pinned.name))?))
}

/// The same packages as dpkg sees them.
pub(crate) fn packages<'a>(store: &Store, manifests: &'a [Manifest]) -> Outcome<Vec<Package<'a>>> {
    in_parallel(manifests, |manifest| Ok(Package::read(manifest, &dpkg::store_contents(store))?))
}

fn in_parallel<'a, T: Sync, R: Send>(items: &'a [T], work: impl Fn(&'a T) -> Outcome<R> + Sync) -> Outcome<Vec<R>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    // Some take much longer than others, so they are handed out one by one.
    let next = AtomicUsize::new(0);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        items.get(index).map(|item| (index, item))
    };
    let run = || {
        let results = iter::from_fn(take).map(|(index, item)| Ok((index, work(item)?)));
        results.collect::<Outcome<Vec<(usize, R)>>>().inspect_err(|_| next.store(items.len(), Ordering::Relaxed))
    };
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect::<Outcome<Vec<_>>>()
    })?;
    let mut all: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// Where a package's names are in a view's tree. The links that merge `/usr` are every view's own.
pub(crate) fn placed(manifest: &Manifest) -> Vec<Cow<'_, Entry>> {
    let merges = |entry: &&Entry| match &entry.node {
        Node::Symlink { target } => dpkg::usr_links().any(|(path, to)| path == entry.path && to == **target),
        _ => false,
    };
    let rest = manifest.tree.iter().filter(|entry| !merges(entry));
    rest.map(|entry| match dpkg::usr_merged(&entry.path) {
        Cow::Borrowed(_) => Cow::Borrowed(entry),
        Cow::Owned(path) => Cow::Owned(Entry { path, ..entry.clone() }),
    })
    .collect()
}

/// Merges the packages' trees and what is placed over them into one listing.
pub(crate) fn merge(packages: &[Package<'_>], placed_over: Vec<Entry>) -> Outcome<Vec<Entry>> {
    let mut members: Vec<Member<'_>> = packages
        .iter()
        .map(|package| Member { label: label(package.manifest), entries: placed(package.manifest) })
        .collect();
    members.push(Member { label: "the merged /usr".to_owned(), entries: merged_usr(&members) });
    let over = members.len();
    let entries = placed_over.into_iter().map(Cow::Owned).collect();
    members.push(Member { label: "the view's own files".to_owned(), entries });
    let known = dpkg::diversions(packages);
    let settle = |path: &TreePath, one: usize, other: usize| {
        if one == over || other == over {
            return Settlement::Winner(over);
        }
        let (Some(first), Some(second)) = (packages.get(one), packages.get(other)) else {
            return Settlement::Conflict;
        };
        match dpkg::resolve_conflict(path, first, second, &known) {
            Resolution::First => Settlement::Winner(one),
            Resolution::Second => Settlement::Winner(other),
            Resolution::Diverted { first_stays, to } => {
                Settlement::Diverted { winner: if first_stays { one } else { other }, to }
            }
            Resolution::Conflict => Settlement::Conflict,
        }
    };
    match aleph_view::compose(&members, &settle) {
        Ok(composition) => Ok(composition.entries),
        Err(conflicts) => {
            let texts: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
            Err(Failure::new(format!("these packages cannot be in one view:\n{}", texts.join("\n")))
                .with_code(crate::failure::UNSATISFIABLE)
                .hint("remove one of them, or put it into a view of its own"))
        }
    }
}

fn label(manifest: &Manifest) -> String {
    format!("{} {}", manifest.name, manifest.version)
}

/// Placements as entries; their bytes go into the pool.
pub(crate) fn entries_of(store: &Store, lock: &WriteLock, placements: &[Placement]) -> Outcome<Vec<Entry>> {
    let entry = |placement: &Placement| {
        let (digest, size) = match &placement.content {
            Content::Pool { digest, size } => (*digest, *size),
            Content::Bytes(bytes) => (store.put_content(lock, bytes, placement.mode)?, bytes.len() as u64),
        };
        let node = Node::File { digest, size, mode: placement.mode };
        Ok(Entry { path: placement.path.clone(), owner: Owner::default(), node })
    };
    placements.iter().map(entry).collect()
}

/// The links at the top whose target some package brings.
fn merged_usr<'a>(members: &[Member<'_>]) -> Vec<Cow<'a, Entry>> {
    let brought = |target: &str| {
        let below = format!("{target}/");
        let is_there = |path: &str| path == target || path.starts_with(&below);
        members.iter().flat_map(|member| &member.entries).any(|entry| is_there(entry.path.as_str()))
    };
    dpkg::usr_links()
        .filter(|(_, target)| brought(target))
        .map(|(path, target)| Entry { path, owner: Owner::default(), node: Node::Symlink { target: target.into() } })
        .map(Cow::Owned)
        .collect()
}

/// `/usr/bin/vi` to `/usr/bin/vim.nox`, for every alternative that scripts set.
pub(crate) fn alternatives(captured: &[Entry]) -> Vec<(String, String)> {
    let target = |path: &str| {
        captured.iter().find(|entry| entry.path.as_str() == path).and_then(|entry| match &entry.node {
            Node::Symlink { target } => Some(target.to_string()),
            _ => None,
        })
    };
    let link = |entry: &Entry| {
        let Node::Symlink { target: to } = &entry.node else { return None };
        let inner = to.strip_prefix("/etc/alternatives/")?;
        Some((format!("/{}", entry.path), target(&format!("etc/alternatives/{inner}"))?))
    };
    captured.iter().filter_map(link).collect()
}
