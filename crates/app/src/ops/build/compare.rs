//! In what two builds of one key differ.

use std::{collections::BTreeMap, fs};

use aleph_abi::elf;
use aleph_build::Built;
use aleph_component::{ComponentId, Entry, Node, StoreName};
use aleph_store::{Store, WriteLock};

use super::take;
use crate::failure::Outcome;

/// How many differences are told.
const MOST: usize = 20;

/// In what that which a build installed differs from a component of the store, in words; in nothing if it would be the same
/// component.
pub(super) fn differences(
    store: &Store,
    lock: &mut WriteLock,
    from: &take::From<'_>,
    built: &Built,
    before: &ComponentId,
) -> Outcome<Vec<String>> {
    let staging = store.stage(lock)?;
    let (staged, ..) = take::staged(store, &staging, from, built)?;
    let name = &from.recipe.name;
    let manifest = take::manifest(store, name, before)?;
    if take::is_same(&manifest, &staged.manifest) {
        return Ok(Vec::new());
    }
    let directory = store.layout().entry(&StoreName::new(before, name));
    let (old, new) = (by_path(&manifest.tree), by_path(&staged.manifest.tree));
    let mut told = Vec::new();
    for (path, node) in &old {
        match (node, new.get(path)) {
            (_, None) => told.push(format!("{path} is missing")),
            (was, Some(is)) if was == is => {}
            (Node::File { mode: was, .. }, Some(Node::File { mode: is, .. })) if was != is => {
                told.push(format!("{path} has mode {is:04o}, not {was:04o}"));
            }
            (Node::File { .. }, Some(Node::File { digest, mode, .. })) => {
                let old = fs::read(directory.join(path)).unwrap_or_default();
                let new = fs::read(store.objects().path(digest, *mode)).unwrap_or_default();
                told.push(format!("{path} differs {}", place(&old, &new)));
            }
            _ => told.push(format!("{path} is of another kind or leads elsewhere")),
        }
    }
    told.extend(new.keys().filter(|path| !old.contains_key(*path)).map(|path| format!("{path} is new")));
    if told.is_empty() {
        told.push("how it is linked differs".to_owned());
    }
    if told.len() > MOST {
        let more = told.len() - MOST;
        told.truncate(MOST);
        told.push(format!("and {more} more"));
    }
    Ok(told)
}

fn by_path(tree: &[Entry]) -> BTreeMap<&str, &Node> {
    tree.iter().map(|entry| (entry.path.as_str(), &entry.node)).collect()
}

/// Where two files differ: in which sections, or from which byte on.
fn place(old: &[u8], new: &[u8]) -> String {
    if let (Ok(old), Ok(new)) = (elf::sections(old), elf::sections(new)) {
        let mut names: Vec<&str> =
            old.iter().filter(|(name, bytes)| new.get(*name) != Some(*bytes)).map(|(name, _)| name.as_str()).collect();
        names.extend(new.keys().filter(|name| !old.contains_key(*name)).map(String::as_str));
        if !names.is_empty() {
            return format!("in {}", names.join(", "));
        }
    }
    let at = old.iter().zip(new).position(|(old, new)| old != new).unwrap_or(old.len().min(new.len()));
    format!("from byte {at} on; it has {} bytes, and had {}", new.len(), old.len())
}
