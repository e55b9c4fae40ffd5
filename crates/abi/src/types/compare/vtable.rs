//! Virtual functions: which slot of the virtual table holds which (Itanium C++ ABI, 2.5).
//!
//! A caller knows a slot's number; a class that derives knows all of them, and how many there are.

use super::{
    function,
    walk::{Local, Walk},
};
use crate::types::{
    graph::{Graph, Type, TypeId},
    interface::{Interface, Role},
    record::{Record, Virtual},
};

/// How deep classes may derive.
const DEEPEST: u32 = 64;

/// Larger tables are made up.
const MOST_SLOTS: u64 = 1 << 14;

/// Compares the virtual tables of two classes: their own and what they inherit in it from their primary bases.
pub(super) fn compare(
    walk: &Walk<'_>,
    (from, old): (TypeId, &Record),
    (to, new): (TypeId, &Record),
    name: &str,
    local: &mut Local,
) {
    if old.virtuals.is_empty() && new.virtuals.is_empty() {
        return;
    }
    let (before, after) = (slots(&walk.old.graph, from, 0), slots(&walk.new.graph, to, 0));
    let texts = (&walk.old.graph, &walk.new.graph);
    let mut moved = false;
    for (at, slot) in before.iter().enumerate() {
        let Some(slot) = slot else { continue };
        let text = slot.text(texts.0);
        match after.get(at).and_then(Option::as_ref) {
            Some(other) if slot.is_like(texts.0, other, texts.1) => {
                if let (Type::Function(left), Type::Function(right)) = (texts.0.get(slot.of), texts.1.get(other.of))
                    && !slot.second
                {
                    function::method(walk, left, right, local);
                }
                let mangled = (slot.method.linkage, other.method.linkage);
                if let (Some(left), Some(right)) = mangled
                    && !slot.method.destructor
                    && texts.0.text(left) != texts.1.text(right)
                    && may_derive(walk, from, old)
                {
                    local.breaks(format!("{name} overrides {text} now: tables of consumers' classes go past it"));
                }
                if other.pure_virtual && !slot.pure_virtual && may_derive(walk, from, old) {
                    local.breaks(format!("{text} of {name} is pure now: consumers' classes do not define it"));
                }
            }
            _ if moved => {}
            other => {
                moved = true;
                let now = after
                    .iter()
                    .position(|other| other.as_ref().is_some_and(|other| slot.is_like(texts.0, other, texts.1)));
                local.breaks(match (now, other) {
                    (Some(now), _) => format!("virtual function {text} of {name} moved from slot {at} to {now}"),
                    (None, Some(other)) => {
                        format!("slot {at} of {name} holds {} instead of {text}", other.text(texts.1))
                    }
                    (None, None) => format!("virtual function {text} of {name} is gone"),
                });
            }
        }
    }
    if moved || after.len() <= before.len() {
        return;
    }
    let added = after[before.len()..].iter().flatten().next().map_or("another", |slot| slot.text(texts.1));
    if before.is_empty() {
        // That there was no table was said where its pointer was looked for.
    } else if may_derive(walk, from, old) {
        local.breaks(format!("virtual function {added} was added to {name}: classes that derive from it lack it"));
    } else {
        local.compatible(format!("virtual function {added} was added at the end of {name}"));
    }
}

/// Whether the consumer may have a virtual table for this class: it derives from it, or the class has no key function
/// and every unit that makes objects makes a table (Itanium C++ ABI, 5.2.3).
fn may_derive(walk: &Walk<'_>, id: TypeId, record: &Record) -> bool {
    let old = walk.old;
    let Some(name) = record.name else { return true };
    if !record.virtuals.iter().any(|method| is_defined_by_library(old, method)) {
        return true;
    }
    if let Some(view) = walk.query.view {
        let sight = view.sight(old.graph.text(name));
        if sight.derived_from || view.whole {
            return sight.derived_from;
        }
    }
    // What derived classes need of it: its type information, its table, its constructors for bases.
    let part = |symbol: &[u8]| symbol.starts_with(b"_ZTV") || symbol.starts_with(b"_ZTI");
    let parts: Vec<_> = old
        .items
        .iter()
        .filter(|(symbol, item)| item.role == Role::Class && part(&symbol.name) && is_class(old, item.of, id))
        .collect();
    parts.is_empty() || parts.iter().any(|(symbol, _)| (walk.query.wanted)(symbol)) || uses_base_constructor(walk, id)
}

/// Whether a virtual function is compiled into the library and nowhere else, so that the class has a key function.
fn is_defined_by_library(old: &Interface, method: &Virtual) -> bool {
    let Some(linkage) = method.linkage else { return false };
    let text = old.graph.text(linkage);
    // Debug information names a destructor for all its bodies.
    let names = if method.destructor {
        vec![text.replacen("D4E", "D1E", 1), text.replacen("D4E", "D2E", 1)]
    } else {
        vec![text.to_owned()]
    };
    names.iter().any(|name| old.by_name(name.as_bytes()).any(|(_, item)| !item.weak))
}

fn is_class(old: &Interface, of: TypeId, id: TypeId) -> bool {
    old.graph.strip(of) == id || old.fingerprint_of(of) == old.fingerprint_of(id)
}

/// Whether the consumer calls a constructor or destructor that is meant for derived classes (`C2`, `D2`).
fn uses_base_constructor(walk: &Walk<'_>, id: TypeId) -> bool {
    let graph = &walk.old.graph;
    walk.old.items.iter().any(|(symbol, item)| {
        let base = [&b"C2E"[..], b"D2E"].iter().any(|kind| symbol.name.windows(3).any(|part| part == *kind));
        base && (walk.query.wanted)(symbol)
            && match graph.get(item.of) {
                Type::Function(function) => function.parameters.first().is_some_and(
                    |this| matches!(graph.get(graph.strip(*this)), Type::Pointer(to) if is_class(walk.old, *to, id)),
                ),
                _ => false,
            }
    })
}

/// One slot.
#[derive(Clone, Debug)]
struct Slot<'g> {
    method: &'g Virtual,
    of: TypeId,
    pure_virtual: bool,
    /// The second of a destructor's two slots: the one that also frees.
    second: bool,
}

impl<'g> Slot<'g> {
    fn text(&self, graph: &'g Graph) -> &'g str {
        graph.text(self.method.name)
    }

    /// Whether two slots hold the same function: that of one name, or of one mangled name where there are several.
    fn is_like(&self, graph: &Graph, other: &Slot<'_>, others: &Graph) -> bool {
        if self.method.destructor || other.method.destructor {
            return self.method.destructor == other.method.destructor && self.second == other.second;
        }
        if self.text(graph) != others.text(other.method.name) {
            return false;
        }
        let mangled = (self.method.linkage, other.method.linkage);
        let (Some(left), Some(right)) = mangled else { return true };
        // The class that overrides last gives the name; what follows the function's own name is its parameters.
        let name = self.text(graph);
        signature(graph.text(left), name) == signature(others.text(right), name)
    }
}

/// What follows the function's name in its mangled name. Substitutions in it may count what stands before the name, so
/// that different texts can still mean the same: then the classes differ, which is told elsewhere.
fn signature<'t>(mangled: &'t str, name: &str) -> &'t str {
    let own = format!("{}{name}", name.len());
    mangled.rfind(&own).map_or(mangled, |at| &mangled[at + own.len()..])
}

/// The slots of a class's table, what it inherits first.
fn slots(graph: &Graph, id: TypeId, depth: u32) -> Vec<Option<Slot<'_>>> {
    let Type::Record(record) = graph.get(graph.strip(id)) else { return Vec::new() };
    let primary = record.bases.iter().find(|base| base.offset == Some(0) && !base.is_virtual);
    let mut table = match primary {
        Some(base) if depth < DEEPEST => slots(graph, base.of, depth + 1),
        _ => Vec::new(),
    };
    let mut next = table.len() as u64;
    for method in &record.virtuals {
        let inherited = || {
            let known = table.iter().position(|slot| slot.as_ref().is_some_and(|slot| slot.method.destructor));
            known.filter(|_| method.destructor).map(|at| at as u64)
        };
        // GCC gives destructors no slot: they come where they stand, or where the base has its own.
        let at = method.slot.or_else(inherited).unwrap_or(next);
        let count = if method.destructor { 2 } else { 1 };
        if at >= MOST_SLOTS {
            continue;
        }
        if table.len() < (at + count) as usize {
            table.resize((at + count) as usize, None);
        }
        for second in 0..count {
            let pure_virtual = method.pure_virtual;
            table[(at + second) as usize] = Some(Slot { method, of: method.of, pure_virtual, second: second == 1 });
        }
        next = next.max(at + count);
    }
    table
}
