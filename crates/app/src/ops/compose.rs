//! From packages to the entries of a view's tree.

use aleph_component::{Entry, Manifest, Node, TreePath};
use aleph_store::Store;
use aleph_view::{Generation, Member, Pinned, Settlement};

use crate::failure::{Failure, Outcome};

/// A package with what it puts where.
pub(crate) struct Material {
    pub(crate) pinned: Pinned,
    pub(crate) manifest: Manifest,
    pub(crate) entries: Vec<Entry>,
}

/// Reads the manifests of all packages.
pub(crate) fn gather(store: &Store, pinned: &[Pinned]) -> Outcome<Vec<Material>> {
    let read = |pinned: &Pinned| -> Outcome<Material> {
        let name = aleph_component::StoreName::new(pinned.component, &pinned.name);
        let manifest = store.manifest_named(&name)?;
        let entries = manifest.tree.clone();
        Ok(Material { pinned: pinned.clone(), manifest, entries })
    };
    pinned.iter().map(read).collect()
}

/// Merges all trees into one.
pub(crate) fn merge(material: &[Material], _before: Option<&Generation>) -> Outcome<Vec<Entry>> {
    let members: Vec<Member> = material
        .iter()
        .map(|material| Member { label: format!("{} {}", material.pinned.name, material.pinned.version), entries: material.entries.clone() })
        .collect();
    let settle = |_: &TreePath, one: usize, _: usize| Settlement::Winner(one);
    aleph_view::compose(&members, &settle).map(|composition| composition.entries).map_err(|conflicts| {
        Failure::new(conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
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
