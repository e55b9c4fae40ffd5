//! `/var/lib/dpkg/info` and the small files around it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aleph_component::{Node, TreePath};

use super::{
    Content, Package, Placement, Resolution,
    divert::{diversions, in_force, resolve_conflict},
    usr::merged,
};
use crate::apt::relation::parse_relations;

/// Files of dpkg's database that say what its packages consist of.
pub(super) fn info_placements(packages: &[Package<'_>]) -> Vec<Placement> {
    let mut placements = vec![
        Placement::bytes("var/lib/dpkg/info/format", "1\n", false),
        Placement::bytes("var/lib/dpkg/available", "", false),
        Placement::bytes("var/lib/dpkg/diversions", in_force(packages), false),
        Placement::bytes("var/lib/dpkg/statoverride", "", false),
    ];
    if let Some(architectures) = architectures(packages) {
        placements.push(Placement::bytes("var/lib/dpkg/arch", architectures, true));
    }
    let overwritten = overwritten(packages);
    let none = BTreeSet::new();
    for (index, package) in packages.iter().enumerate() {
        members(package, overwritten.get(&index).unwrap_or(&none), &mut placements);
    }
    placements
}

/// The control members of one package, its list of files without the `overwritten` ones, and its MD5 sums.
fn members(package: &Package<'_>, overwritten: &BTreeSet<&str>, placements: &mut Vec<Placement>) {
    let name = package.qualified_name();
    let path = |member: &str| TreePath::new(&format!("var/lib/dpkg/info/{name}.{member}"));
    for entry in &package.manifest.control {
        let member = entry.path.as_str();
        let (Node::File { digest, size, mode }, Ok(path)) = (&entry.node, path(member)) else { continue };
        // `control` is in the status file; `list` would be taken for dpkg's own; dpkg skips names with a dot, which could
        // be another package's.
        if member != "control" && member != "list" && !member.contains('.') {
            let content = Content::Pool { digest: *digest, size: *size };
            placements.push(Placement { path, content, mode: *mode, replaces: true });
        }
    }
    let mut made = vec![("list", list(package, overwritten))];
    if let Some(sums) = &package.md5sums {
        made.push(("md5sums", sums.clone()));
    }
    for (member, text) in made {
        if let Ok(path) = path(member) {
            placements.push(Placement { path, content: Content::Bytes(text.into()), mode: 0o644, replaces: true });
        }
    }
}

/// The list of a package's names as dpkg writes it: absolute, one a line, the root as `/.`, with the directories that
/// the archive leaves out added by the import.
fn list(package: &Package<'_>, overwritten: &BTreeSet<&str>) -> String {
    let length: usize = package.manifest.tree.iter().map(|entry| entry.path.as_str().len() + 2).sum();
    let mut text = String::with_capacity(length + 3);
    text.push_str("/.\n");
    for entry in package.manifest.tree.iter().filter(|entry| !overwritten.contains(entry.path.as_str())) {
        text.push('/');
        text.push_str(entry.path.as_str());
        text.push('\n');
    }
    text
}

/// dpkg's list of architectures, needed only if there are foreign ones: that of `dpkg` itself first.
fn architectures(packages: &[Package<'_>]) -> Option<String> {
    let all: BTreeSet<&str> = packages.iter().map(|package| package.manifest.architecture.as_str()).collect();
    let dpkg = packages.iter().find(|package| package.manifest.name == "dpkg");
    let native = dpkg.map(|package| package.manifest.architecture.as_str());
    let foreign: Vec<&str> = all.into_iter().filter(|arch| *arch != "all" && Some(*arch) != native).collect();
    let native = native.filter(|_| !foreign.is_empty())?;
    Some([&[native], foreign.as_slice()].concat().join("\n") + "\n")
}

/// Which paths of which packages (by index) are another's by its `Replaces`: dpkg strikes them off their lists.
fn overwritten<'a>(packages: &'a [Package<'a>]) -> BTreeMap<usize, BTreeSet<&'a str>> {
    let mut lost = BTreeMap::<usize, BTreeSet<&str>>::new();
    let known = diversions(packages);
    for (loser, winner) in replaced(packages) {
        let (package, other) = (&packages[loser], &packages[winner]);
        let own_is_smaller = package.manifest.tree.len() <= other.manifest.tree.len();
        let (small, large) = if own_is_smaller { (package, other) } else { (other, package) };
        for entry in small.manifest.tree.iter().filter(|entry| !matches!(entry.node, Node::Directory { .. })) {
            let path = merged(entry.path.as_str());
            let Some(found) = large.in_view(&path).filter(|found| found.node != entry.node) else { continue };
            let Ok(path) = TreePath::new(&path) else { continue };
            // In the order in which whoever composes the tree asks.
            let taken = match loser < winner {
                true => resolve_conflict(&path, package, other, &known) == Resolution::Second,
                false => resolve_conflict(&path, other, package, &known) == Resolution::First,
            };
            if taken {
                let own = if own_is_smaller { entry } else { found };
                lost.entry(loser).or_default().insert(own.path.as_str());
            }
        }
    }
    lost
}

/// Pairs of packages of which the second one's `Replaces` names the first, however often it does.
fn replaced(packages: &[Package<'_>]) -> BTreeSet<(usize, usize)> {
    let mut named = HashMap::<&str, Vec<usize>>::new();
    for (index, package) in packages.iter().enumerate() {
        named.entry(&package.manifest.name).or_default().push(index);
    }
    let mut pairs = BTreeSet::new();
    for (winner, package) in packages.iter().enumerate() {
        let groups = parse_relations(package.manifest.field("Replaces")).unwrap_or_default();
        for relation in groups.iter().flatten() {
            let losers = named.get(relation.name.as_str()).into_iter().flatten().filter(|loser| **loser != winner);
            pairs.extend(losers.map(|loser| (*loser, winner)));
        }
    }
    pairs
}
