//! From what a build installed to a component in the store.

use std::collections::{BTreeMap, BTreeSet};

use aleph_build::{Built, Dependency, Interface, Recipe, exposes, interface};
use aleph_component::{ComponentId, Digest, Entry, Manifest, StoreName};
use aleph_exchange::native::{Description, Offers, Tree};
use aleph_store::{Origin, Staged, Staging, Store, WriteLock};

use crate::{failure::Outcome, host::Host};

/// A component that came of a build.
pub(crate) struct Taken {
    pub(crate) component: ComponentId,
    pub(crate) interface: Interface,
    /// Whose headers its own include.
    pub(crate) exposes: BTreeSet<String>,
    pub(crate) notes: Vec<String>,
}

/// What a build goes into a component with.
pub(crate) struct From<'a> {
    pub(crate) host: &'a Host,
    pub(crate) recipe: &'a Recipe,
    /// What it was built with.
    pub(crate) dependencies: &'a BTreeMap<String, Dependency>,
    /// The prefix that it was built for.
    pub(crate) prefix: String,
    /// Sonames of libraries that the host brings, unless a dependency does.
    pub(crate) brought: &'a [String],
    /// Recipes that it is linked to without saying so, and need not use.
    pub(crate) implied: &'a [String],
}

/// Takes what a build installed into the store, linked to what it was built with. Where that is what the component `before`
/// has, this stays.
pub(crate) fn take(
    store: &Store,
    lock: &mut WriteLock,
    from: &From<'_>,
    built: &Built,
    before: Option<&ComponentId>,
) -> Outcome<Taken> {
    let staging = store.stage(lock)?;
    let (staged, mut notes, others) = staged(store, &staging, from, built)?;
    let (manifest, recipe) = (staged.manifest.clone(), from.recipe);
    if let Some(native) = &manifest.native {
        let is_unused = |name: &&String| !native.slots.contains_key(*name) && !from.implied.contains(name);
        for name in recipe.needs.linked.iter().filter(is_unused) {
            notes.push(match built.headers.contains(name) {
                true => format!("it reads headers of {name}, and is not linked to it, as its recipe says"),
                false => format!("it uses nothing of {name}, which its recipe says it is linked to"),
            });
        }
        notes.extend(native.fixed.iter().map(|why| format!("{why}: it is rebuilt where others are relinked")));
    }
    let same = match before {
        Some(before) => is_same(&self::manifest(store, &recipe.name, before)?, &manifest).then_some(*before),
        None => None,
    };
    let component = match same {
        Some(before) => before,
        None => store.commit(lock, vec![staged])?[0],
    };
    let directory = store.layout().entry(&StoreName::new(component, &manifest.name));
    let exposes = exposes(&manifest, &directory, others.iter().map(|(name, tree)| (name.as_str(), tree.as_slice())))?;
    Ok(Taken { component, interface: interface(&manifest, &directory)?, exposes, notes })
}

/// Whether two components of one recipe have the same files, whatever they were linked to.
pub(super) fn is_same(one: &Manifest, other: &Manifest) -> bool {
    let slots = |manifest: &Manifest| {
        let slots = manifest.native.iter().flat_map(|native| &native.slots);
        slots.map(|(name, slot)| (name.clone(), slot.libraries.clone())).collect::<Vec<_>>()
    };
    one.tree == other.tree && slots(one) == slots(other)
}

/// Trees of what something was built with, by name.
type Others = Vec<(String, Vec<Entry>)>;

/// What a build installed as a component that is not in the store, with what is to be said of it.
pub(super) fn staged(
    store: &Store,
    staging: &Staging<'_>,
    from: &From<'_>,
    built: &Built,
) -> Outcome<(Staged, Vec<String>, Others)> {
    let From { host, recipe, dependencies, prefix, brought, .. } = from;
    let tree = Tree::scan(&built.tree)?;
    let mut offers = Offers::default();
    let mut others = Vec::new();
    for (name, dependency) in *dependencies {
        let manifest = manifest(store, name, &dependency.component)?;
        if let Some(native) = manifest.native {
            offers.add(name, Some(dependency.component), (&native.offers, &native.aliases));
        }
        others.push((name.clone(), manifest.tree));
    }
    let host_brings = brought.iter().chain(&recipe.run.host).filter(|soname| offers.get(soname).is_none());
    let of = Description {
        name: recipe.name.clone(),
        version: recipe.version.clone(),
        source: recipe.source_package(),
        summary: recipe.summary.clone(),
        prefix: prefix.clone(),
        host: host_brings.cloned().collect(),
        opens: recipe.run.dlopen.clone(),
        promises: Vec::new(),
        checks: recipe.check.commands.clone(),
    };
    let mut taken = tree.take_in(staging, &of, &offers)?;
    let size = taken.staged.manifest.size();
    taken.staged.originate(|archive: Digest| Origin {
        archive,
        size,
        file_name: recipe.name.clone(),
        source: format!("recipe {}", recipe.name),
        vouched_by: recipe.trust.as_ref().map(|trust| trust.vouched_by.clone()),
        imported_by: host.login.clone(),
        imported_at: Host::now(),
    })?;
    Ok((taken.staged, taken.notes, others))
}

/// The manifest of a component that is called so.
pub(crate) fn manifest(store: &Store, name: &str, id: &ComponentId) -> Outcome<Manifest> {
    Ok(store.manifest_named(&StoreName::new(id, name))?)
}
