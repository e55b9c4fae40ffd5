//! From trees on disk to native components in the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use aleph_component::{ComponentId, Digest, Manifest, Source, StoreName, TreePath, circles};
use aleph_exchange::native::{Description, Offers, Tree};
use aleph_link::Offers as _;
use aleph_store::{Origin, Store, WriteLock};

use super::{
    archives::{self, Archive},
    native::Natives,
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    output::Printer,
};

/// Trees to take in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trees {
    /// What they were made for.
    pub(crate) prefix: PathBuf,
    /// Directories, and archives whose files are taken as a tree.
    pub(crate) paths: Vec<PathBuf>,
    /// The name and version, if there is one tree.
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    /// Sonames that the host brings.
    pub(crate) host: Vec<String>,
    /// `NAME[=VERSION]` of components that are linked to, where several offer a library.
    pub(crate) with: Vec<String>,
    /// Commands that must succeed wherever they are linked.
    pub(crate) checks: Vec<String>,
    /// Sonames of libraries that their programs open when they run.
    pub(crate) opens: Vec<String>,
}

/// A component that came of a tree.
pub(crate) struct Taken {
    pub(crate) id: ComponentId,
    pub(crate) manifest: Manifest,
    pub(crate) notes: Vec<String>,
}

/// Names of libraries and where they are.
type Libraries = BTreeMap<String, TreePath>;

/// A tree with its description.
struct Described {
    tree: Tree,
    of: Description,
    source: String,
}

/// Takes trees in, each after those that it is linked to.
pub(crate) fn import(
    host: &Host,
    printer: &Printer,
    store: &Store,
    lock: &mut WriteLock,
    wanted: &Trees,
) -> Outcome<Vec<Taken>> {
    let trees = describe(host, printer, store, lock, wanted)?;
    let mut offers = store_offers(store, wanted)?;
    let order = order(&trees);
    let own: Vec<(String, [Libraries; 2])> = trees
        .iter()
        .map(|described| {
            let tree = &described.tree;
            (described.of.name.clone(), [tree.offers().clone(), tree.aliases().clone()])
        })
        .collect();
    // What is not made yet has no id; only in a circle somebody needs it before.
    for (name, [sonames, aliases]) in &own {
        offers.add(name, None, (sonames, aliases));
    }
    let mut slots: Vec<Option<Described>> = trees.into_iter().map(Some).collect();
    let mut taken: BTreeMap<usize, Taken> = BTreeMap::new();
    for index in order {
        let Described { tree, of, source } = slots[index].take().expect("each is taken once");
        let staging = store.stage(lock)?;
        let mut one = tree.take_in(&staging, &of, &offers)?;
        let (size, file_name) = (one.staged.manifest.size(), of.name.clone());
        one.staged.originate(|archive: Digest| Origin {
            archive,
            size,
            file_name,
            source,
            vouched_by: None,
            imported_by: host.login.clone(),
            imported_at: Host::now(),
        })?;
        let manifest = one.staged.manifest.clone();
        let id = store.commit(lock, vec![one.staged])?[0];
        let (name, [sonames, aliases]) = &own[index];
        offers.add(name, Some(id), (sonames, aliases));
        taken.insert(index, Taken { id, manifest, notes: one.notes });
    }
    Ok(taken.into_values().collect())
}

/// Looks at every tree. Archives are imported as they are first, and their files taken from there.
fn describe(
    host: &Host,
    printer: &Printer,
    store: &Store,
    lock: &mut WriteLock,
    wanted: &Trees,
) -> Outcome<Vec<Described>> {
    let prefix = wanted.prefix.to_str().filter(|prefix| prefix.starts_with('/'));
    let prefix = prefix.ok_or_else(|| Failure::new("a prefix is an absolute path").with_code(2))?;
    let prefix = prefix.trim_end_matches('/').to_owned();
    let paths: Vec<PathBuf> = match wanted.paths.as_slice() {
        [] => vec![wanted.prefix.clone()],
        paths => paths.iter().map(|path| host.cwd.join(path)).collect(),
    };
    if paths.len() > 1 && (wanted.name.is_some() || wanted.version.is_some()) {
        return Err(Failure::new("--name and --version are for one tree").with_code(2));
    }
    let (directories, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| path.is_dir());
    let archive = |path: &PathBuf| Archive {
        path: path.clone(),
        expect: None,
        source: format!("{}{}", archives::FILE, path.display()),
        vouched_by: None,
    };
    let archives: Vec<Archive> = files.iter().map(archive).collect();
    let ids = archives::import(host, printer, store, lock, &archives)?;
    let mut described = Vec::new();
    for (id, archive) in ids.iter().zip(archives) {
        let manifest = store.manifest(id)?;
        let directory = store.layout().entry(&StoreName::new(id, &manifest.name));
        let of = Description {
            name: wanted.name.clone().unwrap_or(manifest.name),
            version: wanted.version.clone().unwrap_or(manifest.version),
            source: manifest.source,
            summary: manifest.summary,
            prefix: prefix.clone(),
            host: wanted.host.clone(),
            promises: promises(&directory),
            checks: wanted.checks.clone(),
            opens: wanted.opens.clone(),
        };
        check_name(&of.name)?;
        described.push(Described { tree: Tree::scan(&directory)?, of, source: archive.source });
    }
    for directory in directories {
        let (name, version) = names(&directory, wanted)?;
        let source = Source { name: name.clone(), version: version.clone() };
        let summary = format!("the tree of {}", directory.display());
        let (prefix, host) = (prefix.clone(), wanted.host.clone());
        let (checks, opens) = (wanted.checks.clone(), wanted.opens.clone());
        let of = Description { name, version, source, summary, prefix, host, promises: Vec::new(), checks, opens };
        let source = format!("directory {}", directory.display());
        described.push(Described { tree: Tree::scan(&directory)?, of, source });
    }
    Ok(described)
}

/// What a Debian package's control files say of its libraries' compatibility.
fn promises(component: &Path) -> Vec<(TreePath, Vec<u8>)> {
    let one = |name: &str| {
        let bytes = std::fs::read(component.join(".aleph/control").join(name)).ok()?;
        Some((TreePath::new(name).ok()?, bytes))
    };
    ["shlibs", "symbols"].into_iter().filter_map(one).collect()
}

/// Name and version of a directory: as said, or as it is called, `hello-2.12`.
fn names(directory: &Path, wanted: &Trees) -> Outcome<(String, String)> {
    let called = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let split = called.match_indices('-').find(|(at, _)| is_version(&called[at + 1..]));
    let (name, version) = match split {
        Some((at, _)) => (&called[..at], Some(&called[at + 1..])),
        None => (called.as_str(), None),
    };
    let name = wanted.name.clone().unwrap_or_else(|| name.to_owned());
    check_name(&name)?;
    let version = wanted.version.clone().or_else(|| version.map(str::to_owned)).ok_or_else(|| {
        Failure::new(format!("which version {name} has cannot be told from `{}`", directory.display()))
            .with_code(2)
            .hint("--version VERSION says it")
    })?;
    Ok((name, version))
}

/// Fails for a name that could be no slot's.
fn check_name(name: &str) -> Outcome<()> {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(is_safe) {
        return Ok(());
    }
    Err(Failure::new(format!("`{name}` is no name of a component"))
        .with_code(2)
        .hint("--name NAME gives it one, of letters, digits and +._-"))
}

/// What the native components of the store offer: the newest of each name, or the one that was asked for.
fn store_offers(store: &Store, wanted: &Trees) -> Outcome<Offers> {
    let mut natives = Natives::read(store)?;
    let asked: BTreeMap<&str, Option<&str>> = wanted
        .with
        .iter()
        .map(|text| text.split_once('=').map_or((text.as_str(), None), |(name, version)| (name, Some(version))))
        .collect();
    let names: Vec<String> = natives.names().map(str::to_owned).collect();
    if let Some(missing) = asked.keys().find(|name| !names.iter().any(|known| known == *name)) {
        return Err(Failure::new(format!("the store has no native component `{missing}`")).with_code(UNSATISFIABLE));
    }
    let mut offers = Offers::default();
    // Those that were asked for come last, and win.
    let (last, first): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| asked.contains_key(name.as_str()));
    for name in first.into_iter().chain(last) {
        let version = asked.get(name.as_str()).copied().flatten();
        let found =
            natives.named(name).iter().find(|one| version.is_none_or(|version| one.version == version)).cloned();
        let missing = || Failure::new(format!("the store has no native {name} {}", version.unwrap_or_default()));
        let found = found.ok_or_else(missing)?;
        let native = natives.native(&found)?;
        offers.add(name, Some(found.id), (&native.offers, &native.aliases));
    }
    Ok(offers)
}

/// Positions in an order in which each comes after those that it needs; of those that need each other any is first.
fn order(trees: &[Described]) -> Vec<usize> {
    let mut offered: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, described) in trees.iter().enumerate() {
        for soname in described.tree.offers().keys().chain(described.tree.aliases().keys()) {
            offered.insert(soname, index);
        }
    }
    let needs: Vec<BTreeSet<usize>> = trees
        .iter()
        .map(|described| described.tree.needs().into_iter().filter_map(|soname| offered.get(soname).copied()).collect())
        .collect();
    circles(&needs).into_iter().flatten().collect()
}
