//! In what two builds differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use aleph_abi::elf;
use aleph_build::{Built, prefix};
use aleph_component::{
    ComponentId, Entry, Manifest, Node, StoreName,
    native::{Hole, Target, fill},
};
use aleph_store::{Store, WriteLock};

use super::take;
use crate::failure::{Failure, Outcome};

/// How many differences are told.
const MOST: usize = 20;
/// Names a build by all of its bytes, so it is another one where any of them is.
const BUILD_ID: &str = ".note.gnu.build-id";
/// Where files are named by build ids.
const DEBUG: &str = "lib/debug/";

/// In what that which a build installed differs from a component of the store, in words; in nothing if it would be the same
/// component, or would be if it had been built for the same prefix.
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
    let is_moved = from.prefix != prefix(name);
    let compared = |entry: &&Entry| !is_moved || !entry.path.as_str().starts_with(DEBUG);
    let by_path = |tree: &[Entry]| -> BTreeMap<String, Node> {
        tree.iter().filter(compared).map(|entry| (entry.path.to_string(), entry.node.clone())).collect()
    };
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
                let old = fs::read(directory.join(path))?;
                let new = fs::read(store.objects().path(digest, *mode))?;
                let new = moved(new, path, &staged.manifest, &prefix(name))?;
                told.extend(place(&old, &new, is_moved).map(|place| format!("{path} differs {place}")));
            }
            _ => told.push(format!("{path} is of another kind or leads elsewhere")),
        }
    }
    told.extend(new.keys().filter(|path| !old.contains_key(*path)).map(|path| format!("{path} is new")));
    if told.is_empty() && !is_moved {
        told.push("how it is linked differs".to_owned());
    }
    if told.len() > MOST {
        let more = told.len() - MOST;
        told.truncate(MOST);
        told.push(format!("and {more} more"));
    }
    Ok(told)
}

/// The content of a file of a component as it would be for another prefix, as far as it is known where that stands.
fn moved(mut content: Vec<u8>, path: &str, manifest: &Manifest, to: &str) -> Outcome<Vec<u8>> {
    let Some(native) = &manifest.native else { return Ok(content) };
    let is_own = |hole: &&Hole| hole.path.as_str() == path && hole.target == Target::Own;
    let holes: Vec<&Hole> = native.holes.iter().filter(is_own).collect();
    fill(&mut content, &holes, &native.prefix, |_| to.to_owned()).map_err(Failure::from)?;
    Ok(content)
}

/// Where two files differ, if they do: in which sections, or from which byte on.
fn place(old: &[u8], new: &[u8], is_moved: bool) -> Option<String> {
    if old == new {
        return None;
    }
    if let (Ok(old), Ok(new)) = (elf::sections(old), elf::sections(new)) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        let differ: Vec<&str> = differ.map(String::as_str).filter(|name| !is_moved || *name != BUILD_ID).collect();
        if is_moved && differ.is_empty() {
            return None;
        }
        if !differ.is_empty() {
            return Some(format!("in {}", differ.join(", ")));
        }
    }
    let at = old.iter().zip(new).position(|(old, new)| old != new).unwrap_or(old.len().min(new.len()));
    Some(format!("from byte {at} on; it has {} bytes, and had {}", new.len(), old.len()))
}
