//! Which commands of a view its users get on `PATH`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aleph_component::{Entry, Manifest, TreePath};
use aleph_exchange::deb::dpkg;
use aleph_view::{Pinned, commands};

use super::compose;

/// How far the commands of a package without any are looked for: `postgresql` needs `postgresql-15`, which needs
/// `postgresql-client-15`.
const DEEPEST: usize = 2;

/// Names of commands, each with its path in the view. They are those of the packages that somebody asked for, of what
/// was built together with them (`python3` has its program in `python3-minimal`), and, for a package that has none
/// (`build-essential`), of the packages that it needs. Links that scripts made to any of these packages' files count.
pub(crate) fn launched(pinned: &[Pinned], manifests: &[Manifest], captured: &[Entry]) -> BTreeMap<String, String> {
    let alternatives = compose::alternatives(captured);
    let mut own: HashMap<usize, BTreeMap<String, String>> = HashMap::new();
    let mut has_commands =
        |index: usize| !own.entry(index).or_insert_with(|| commands_of(&manifests[index], &alternatives)).is_empty();
    let offering = offering(pinned, manifests, &mut has_commands);
    let (asked, others): (Vec<usize>, Vec<usize>) = offering.into_iter().partition(|&index| pinned[index].requested);
    let mut found = BTreeMap::new();
    // Of two commands with one name that of a package which was asked for stays.
    for index in others.into_iter().chain(asked) {
        found.extend(own.remove(&index).unwrap_or_default());
    }
    found
}

/// A package's own commands, and those that scripts linked to its files, wherever they are.
fn commands_of(manifest: &Manifest, alternatives: &[(String, String)]) -> BTreeMap<String, String> {
    let entries = compose::placed(manifest);
    let paths: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let has = |target: &str| {
        let path = TreePath::new(target.trim_start_matches('/'));
        path.is_ok_and(|path| paths.contains(dpkg::usr_merged(&path).as_str()))
    };
    let mut found = commands(&entries);
    for (path, _) in alternatives.iter().filter(|(path, target)| is_command(path) && has(target)) {
        found.entry(path.rsplit('/').next().unwrap_or_default().to_owned()).or_insert_with(|| path.clone());
    }
    found
}

/// Whether a link there is found as a command.
fn is_command(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(directory, _)| {
        matches!(directory, "/usr/bin" | "/usr/sbin" | "/usr/games" | "/bin" | "/sbin" | "/usr/local/bin")
    })
}

/// The packages whose commands are offered, as indices.
fn offering(pinned: &[Pinned], manifests: &[Manifest], has_commands: &mut dyn FnMut(usize) -> bool) -> BTreeSet<usize> {
    let index_of: HashMap<String, usize> = pinned.iter().enumerate().map(|(index, p)| (p.key(), index)).collect();
    let mut offering = BTreeSet::new();
    let mut next: Vec<(usize, usize)> =
        pinned.iter().enumerate().filter(|(_, p)| p.requested).map(|(index, _)| (index, 0)).collect();
    let mut seen = BTreeSet::new();
    while let Some((index, depth)) = next.pop() {
        if !seen.insert((index, depth)) {
            continue;
        }
        offering.insert(index);
        let stands_for_others = !has_commands(index) && depth < DEEPEST;
        for needed in pinned[index].slots.values().filter_map(|key| index_of.get(key)) {
            let together = manifests[*needed].source.name == manifests[index].source.name;
            // `perl` has its program in `perl-base`; but who wants `build-essential` does not want another `dpkg`.
            if together && (depth == 0 || !is_basic(&manifests[*needed])) {
                next.push((*needed, depth));
            } else if stands_for_others && offers_programs(&manifests[*needed]) {
                next.push((*needed, depth + 1));
            }
        }
    }
    offering
}

/// Whether a package that another needs is there for its programs: a library is not, and what every view has neither.
fn offers_programs(manifest: &Manifest) -> bool {
    let is_library = manifest.field("Section").rsplit('/').next().is_some_and(|section| section.contains("lib"));
    !is_library && !is_basic(manifest)
}

/// Whether every view has it.
fn is_basic(manifest: &Manifest) -> bool {
    manifest.field("Essential") == "yes" || manifest.field("Priority") == "required"
}

#[cfg(test)]
mod tests {
    use aleph_component::{ComponentId, Digest, Kind, PackageId, Source};

    use super::*;

    fn package(name: &str, source: &str, section: &str, requested: bool, needs: &[&str]) -> (Pinned, Manifest) {
        let digest = Digest::of(name.as_bytes());
        let pinned = Pinned {
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            id: PackageId::from_digest(digest),
            component: ComponentId::from_digest(digest),
            archive: digest,
            size: 1,
            file: String::new(),
            requested,
            kept_for: None,
            slots: needs.iter().map(|need| ((*need).to_owned(), format!("{need}:all"))).collect(),
        };
        let manifest = Manifest {
            format: aleph_component::FORMAT,
            kind: Kind::Deb,
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            source: Source { name: source.to_owned(), version: "1".to_owned() },
            summary: String::new(),
            fields: [("Section".to_owned(), section.to_owned())].into(),
            conffiles: Vec::new(),
            cves: Vec::new(),
            native: None,
            tree: Vec::new(),
            control: Vec::new(),
        };
        (pinned, manifest)
    }

    #[test]
    fn commands_come_from_those_who_stand_behind_what_was_asked_for() {
        let check = |packages: &[(Pinned, Manifest)], with_commands: &[&str], expected: &[&str]| {
            let (pinned, manifests): (Vec<_>, Vec<_>) = packages.iter().cloned().unzip();
            let mut has = |index: usize| with_commands.contains(&manifests[index].name.as_str());
            let found: Vec<&str> =
                offering(&pinned, &manifests, &mut has).into_iter().map(|index| pinned[index].name.as_str()).collect();
            assert_eq!(found, expected);
        };
        let python = [
            package("python3", "python3-defaults", "python", true, &["python3-minimal", "mime"]),
            package("python3-minimal", "python3-defaults", "python", false, &[]),
            package("mime", "mime", "net", false, &[]),
        ];
        check(&python, &["python3", "python3-minimal", "mime"], &["python3", "python3-minimal"]);
        let essential = [
            package("build-essential", "build-essential", "devel", true, &["gcc", "libc6-dev"]),
            package("gcc", "gcc-defaults", "devel", false, &["binutils"]),
            package("libc6-dev", "glibc", "libdevel", false, &["rpcsvc"]),
            package("rpcsvc", "rpcsvc", "devel", false, &[]),
            package("binutils", "binutils", "devel", false, &[]),
        ];
        check(&essential, &["gcc", "binutils", "rpcsvc"], &["build-essential", "gcc"]);
    }
}
