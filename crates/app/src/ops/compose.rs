//! From packages to the entries of a view's tree.

use std::{collections::BTreeSet, sync::atomic::Ordering, thread};

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
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let share = items.len().div_ceil(threads).max(1);
    let failed = std::sync::atomic::AtomicBool::new(false);
    let run = |chunk: &'a [T]| {
        let stop = |_: &T| !failed.load(Ordering::Relaxed);
        let results = chunk.iter().take_while(|item| stop(item)).map(&work);
        results.collect::<Outcome<Vec<R>>>().inspect_err(|_| failed.store(true, Ordering::Relaxed))
    };
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = items.chunks(share).map(|chunk| scope.spawn(move || run(chunk))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect::<Vec<_>>()
    });
    let mut all = Vec::with_capacity(items.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

/// Where a package's names are in a view's tree. The links that merge `/usr` are every view's own.
pub(crate) fn placed(manifest: &Manifest) -> Vec<Entry> {
    let merges = |entry: &&Entry| match &entry.node {
        Node::Symlink { target } => dpkg::usr_links().any(|(path, to)| path == entry.path && to == **target),
        _ => false,
    };
    let rest = manifest.tree.iter().filter(|entry| !merges(entry));
    rest.map(|entry| Entry { path: dpkg::usr_merged(&entry.path), ..entry.clone() }).collect()
}

/// Merges the packages' trees into one listing.
pub(crate) fn merge(packages: &[Package<'_>]) -> Outcome<Vec<Entry>> {
    let mut members: Vec<Member> = packages
        .iter()
        .map(|package| Member { label: label(package.manifest), entries: placed(package.manifest) })
        .collect();
    members.push(Member { label: "the merged /usr".to_owned(), entries: merged_usr(&members) });
    let known = dpkg::diversions(packages);
    let settle = |path: &TreePath, one: usize, other: usize| {
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

/// Lays placements over a listing.
pub(crate) fn with_placements(
    store: &Store,
    lock: &WriteLock,
    entries: Vec<Entry>,
    placements: &[Placement],
) -> Outcome<Vec<Entry>> {
    // Of two entries for one path the first stays.
    let mut all = entries_of(store, lock, placements)?;
    all.extend(entries);
    Ok(aleph_view::with_parents(all))
}

fn label(manifest: &Manifest) -> String {
    format!("{} {}", manifest.name, manifest.version)
}

/// Placements as entries; their bytes go into the pool.
fn entries_of(store: &Store, lock: &WriteLock, placements: &[Placement]) -> Outcome<Vec<Entry>> {
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
fn merged_usr(members: &[Member]) -> Vec<Entry> {
    let tops: BTreeSet<&str> = members
        .iter()
        .flat_map(|member| &member.entries)
        .filter_map(|entry| entry.path.as_str().strip_prefix("usr/")?.split('/').next())
        .collect();
    dpkg::usr_links()
        .filter(|(name, _)| tops.contains(name.as_str()))
        .map(|(path, target)| Entry { path, owner: Owner::default(), node: Node::Symlink { target: target.into() } })
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
