//! Classes that no changed type leads to: what the library throws, and what consumers implement.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Query, unclear};
use crate::{
    Change, Effect,
    types::{
        fingerprint::edges,
        graph::{Graph, Type, TypeId},
        interface::{Interface, Item, Role, Symbol},
        view::View,
    },
};

/// How deep classes may derive.
const DEEPEST: u32 = 64;

/// Classes that no longer derive from one that the consumer uses: it catches the base, or casts to it, without ever
/// naming the class.
pub(super) fn compare(
    changed: &[(&Symbol, &Item, &Item)],
    old: &Interface,
    new: &Interface,
    query: &Query<'_>,
    changes: &mut Vec<Change>,
) {
    let classes = changed.iter().filter(|(symbol, before, after)| {
        symbol.name.starts_with(b"_ZTI") && before.role == Role::Class && after.role == Role::Class
    });
    for (_, before, after) in classes {
        let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
        ancestors(&old.graph, before.of, 0, &mut left);
        ancestors(&new.graph, after.of, 0, &mut right);
        for base in left.difference(&right) {
            let used = old.items.iter().find(|(symbol, item)| {
                symbol.name.starts_with(b"_ZTI")
                    && item.role == Role::Class
                    && record_name(&old.graph, item.of) == Some(base)
                    && (query.wanted)(symbol)
            });
            if let (Some((met, _)), Some(name)) = (used, record_name(&old.graph, before.of)) {
                changes.push(Change {
                    effect: Effect::Breaks,
                    symbol: met.to_string(),
                    text: format!("{name} no longer derives from {base}: who catches {base} does not catch it"),
                });
            }
        }
    }
}

fn record_name(graph: &Graph, of: TypeId) -> Option<&str> {
    match graph.get(graph.strip(of)) {
        Type::Record(record) => record.name.map(|name| graph.text(name)),
        _ => None,
    }
}

fn ancestors<'g>(graph: &'g Graph, of: TypeId, depth: u32, found: &mut BTreeSet<&'g str>) {
    let Type::Record(record) = graph.get(graph.strip(of)) else { return };
    for base in &record.bases {
        // A class that is met again has been walked.
        if let Some(name) = record_name(graph, base.of)
            && found.insert(name)
            && depth < DEEPEST
        {
            ancestors(graph, base.of, depth + 1, found);
        }
    }
}

/// Classes that the library only declares and the consumer has whole. GCC describes a class with virtual functions
/// only where its table is, and a library that calls an interface which consumers implement has none.
pub(super) fn undescribed(old: &Interface, view: &View, query: &Query<'_>, changes: &mut Vec<Change>) {
    let graph = &old.graph;
    let suspects: HashMap<TypeId, &str> = graph
        .iter()
        .filter_map(|(id, kind)| match kind {
            Type::Record(record) if record.declaration => Some((id, graph.text(record.name?))),
            _ => None,
        })
        .filter(|(_, name)| view.sight(name).complete && view.sight(name).polymorphic)
        .collect();
    if suspects.is_empty() {
        return;
    }
    for (symbol, item) in old.items.iter().filter(|(symbol, _)| (query.wanted)(symbol)) {
        let mut seen = HashSet::from([item.of]);
        let mut stack = vec![item.of];
        while let Some(id) = stack.pop() {
            if let Some(name) = suspects.get(&id) {
                changes.push(unclear(
                    symbol,
                    &format!("the library does not describe class {name}, which the consumer knows"),
                ));
                break;
            }
            stack.extend(edges(graph.get(id)).into_iter().filter(|next| seen.insert(*next)));
        }
    }
}
