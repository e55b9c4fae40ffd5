//! From components and what their slots are filled with to packages. Never runs a compiler, never touches a disk.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::{algo::tarjan_scc, graph::DiGraph};

use crate::{ComponentId, Hasher, PackageId};

/// A component with its slots filled, by position in the list given to [`link`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// What is linked.
    pub component: ComponentId,
    /// Slot name to the index of its provider.
    pub slots: BTreeMap<String, usize>,
}

/// A package: a component and all its bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its id.
    pub id: PackageId,
    /// What was linked.
    pub component: ComponentId,
    /// Slot name to the package that fills it.
    pub bindings: BTreeMap<String, PackageId>,
}

/// The closure is not closed.
#[derive(Debug, thiserror::Error)]
#[error("slot `{slot}` of {component} is bound to a package that is not in the set")]
pub struct LinkError {
    /// The consumer.
    pub component: ComponentId,
    /// Its slot.
    pub slot: String,
}

/// Gives every member of a closed set its package id, in the order given.
///
/// Packages that need each other in a circle (`libc6` and `libgcc-s1`) are named together: the circle has a digest over
/// its members' components and their outside bindings, and each member's id is made from that and its own component.
///
/// # Errors
/// If a slot points outside `set`.
pub fn link(set: &[Unlinked]) -> Result<Vec<Linked>, LinkError> {
    for member in set {
        if let Some((slot, _)) = member.slots.iter().find(|(_, provider)| **provider >= set.len()) {
            return Err(LinkError { component: member.component, slot: slot.clone() });
        }
    }
    let needs: Vec<BTreeSet<usize>> = set.iter().map(|member| member.slots.values().copied().collect()).collect();
    let mut ids: Vec<Option<PackageId>> = vec![None; set.len()];
    for mut members in circles(&needs) {
        members.sort_by_key(|&member| set[member].component);
        let mut whole = Hasher::new();
        whole.field(b"aleph circle 1");
        for &member in &members {
            feed(&mut whole, &set[member], set, &ids);
        }
        let whole = whole.finish();
        let named: Vec<PackageId> = members
            .iter()
            .map(|&member| {
                let mut hasher = Hasher::new();
                hasher.field(b"aleph package 1");
                hasher.field(set[member].component.as_bytes());
                hasher.field(whole.as_bytes());
                PackageId::from_digest(hasher.finish())
            })
            .collect();
        for (member, id) in members.into_iter().zip(named) {
            ids[member] = Some(id);
        }
    }
    let id = |index: usize| ids[index].expect("every node is in one circle");
    Ok(set
        .iter()
        .enumerate()
        .map(|(index, member)| Linked {
            id: id(index),
            component: member.component,
            bindings: member.slots.iter().map(|(slot, &provider)| (slot.clone(), id(provider))).collect(),
        })
        .collect())
}

/// The strongly connected parts of a graph, given what each node needs: each comes after all that it needs.
pub fn circles(needs: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::with_capacity(needs.len(), needs.len() * 4);
    let nodes: Vec<_> = needs.iter().map(|_| graph.add_node(())).collect();
    for (node, needed) in needs.iter().enumerate() {
        graph.extend_with_edges(needed.iter().map(|&needed| (nodes[node], nodes[needed])));
    }
    let parts = tarjan_scc(&graph);
    parts.into_iter().map(|part| part.into_iter().map(petgraph::graph::NodeIndex::index).collect()).collect()
}

/// Feeds a member's component and its slots, each bound to a finished package or to a component of the same circle.
fn feed(hasher: &mut Hasher, member: &Unlinked, set: &[Unlinked], ids: &[Option<PackageId>]) {
    hasher.field(member.component.as_bytes());
    hasher.field(&(member.slots.len() as u64).to_le_bytes());
    for (slot, &provider) in &member.slots {
        hasher.field(slot.as_bytes());
        match &ids[provider] {
            Some(id) => hasher.field(id.as_bytes()),
            None => hasher.field(set[provider].component.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    /// `spec` is `name: provider provider`, one package a line; returns the ids by name.
    fn ids(spec: &str) -> BTreeMap<String, PackageId> {
        let lines: Vec<(&str, &str)> = spec.lines().map(|line| line.trim().split_once(':').unwrap()).collect();
        // A name such as `c'` is another component in the place of `c`.
        let index = |wanted: &str| lines.iter().position(|(name, _)| name.trim_end_matches('\'') == wanted).unwrap();
        let set: Vec<Unlinked> = lines
            .iter()
            .map(|(name, slots)| Unlinked {
                component: ComponentId::from_digest(Digest::of(name.as_bytes())),
                slots: slots.split_whitespace().map(|slot| (slot.to_owned(), index(slot))).collect(),
            })
            .collect();
        let linked = link(&set).unwrap();
        lines.iter().zip(linked).map(|((name, _), linked)| ((*name).to_owned(), linked.id)).collect()
    }

    #[test]
    fn an_id_names_the_whole_closure_and_nothing_else() {
        let old = ids("a: b\nb: c\nc:\nd: b\ne:");
        let new = ids("a: b\nb: c\nc':\nd: b\ne:");
        assert_ne!(old["a"], new["a"]);
        assert_ne!(old["b"], new["b"]);
        assert_eq!(old["e"], new["e"]);
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(ids("a: b\nb: c\nc: b\nd:"), ids("d:\nc: b\nb: c\na: b"));
    }

    #[test]
    fn circles_have_ids_that_depend_on_every_member() {
        let old = ids("libc6: gcc\ngcc: libc6 base\nbase:");
        let new = ids("libc6: gcc\ngcc': libc6 base\nbase:");
        assert_ne!(old["libc6"], old["gcc"]);
        assert_ne!(old["libc6"], new["libc6"]);
        assert_eq!(old["base"], new["base"]);
    }

    #[test]
    fn an_open_set_is_refused() {
        let component = ComponentId::from_digest(Digest::of(b"a"));
        let error = link(&[Unlinked { component, slots: [("libc".to_owned(), 7)].into() }]).unwrap_err();
        assert_eq!(error.slot, "libc");
    }
}
