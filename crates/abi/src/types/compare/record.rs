//! Structs, classes and unions: size, alignment, bases, and how they are passed; members and virtual functions have
//! modules of their own.

use super::{
    classify::classify,
    fields, vtable,
    walk::{How, Local, Pair, Use, Walk},
};
use crate::types::{
    graph::{Type, TypeId},
    record::{Base, Origin, Passing, Record},
    text::{bytes, record_name, type_name},
};

/// How many findings about one record are told; the first ones are the plainest.
const MOST_FINDINGS: usize = 6;

/// Compares two records.
pub(super) fn compare(
    walk: &Walk<'_>,
    (from, old): (TypeId, &Record),
    (to, new): (TypeId, &Record),
    pair: Pair,
    local: &mut Local,
) {
    let (before, after) = (&walk.old.graph, &walk.new.graph);
    let name = record_name(before, old);
    let same_name = old.name.map(|name| before.text(name)) == new.name.map(|name| after.text(name));
    if pair.usage.how == How::Pointee && walk.is_opaque(from, old) {
        if !same_name && old.name.is_some() && new.name.is_some() {
            let text = format!("a pointer to {name} is now one to {}", record_name(after, new));
            let opaque = new.declaration || new.origin == Origin::Source;
            // To consumers it is a handle before and after.
            if opaque { local.compatible(text) } else { local.unclear(text) }
        } else if !old.declaration && !new.declaration {
            local.compatible(format!("{name}, which consumers cannot look into, has changed"));
        }
        return;
    }
    if old.declaration || new.declaration {
        // What nobody describes cannot be compared; a new definition of what was incomplete harms nobody.
        if old.declaration != new.declaration || pair.usage.how != How::Pointee {
            local.unclear(format!("{name} is not described on both sides"));
        }
        return;
    }
    let mut own = Local::default();
    if old.size != new.size {
        let verb = if new.size > old.size { "grew" } else { "shrank" };
        own.breaks(format!("{name} {verb} from {} to {}", old.size, bytes(new.size)));
    }
    let (Some(left), Some(right)) = (walk.old.facts_of(from), walk.new.facts_of(to)) else { return };
    if left.alignment != right.alignment {
        own.breaks(format!("{name} is aligned to {} instead of {}", bytes(right.alignment), left.alignment));
    }
    passed(left.passing, right.passing, pair, &name, &mut own);
    bases(walk, old, new, &name, &mut own);
    vtable::compare(walk, (from, old), (to, new), &name, &mut own);
    fields::compare(walk, old, new, pair, &name, &mut own);
    if matches!(pair.usage.how, How::Parameter | How::Return)
        && !own.is_bad()
        && walk.old.word == 8
        && classify(before, left.passing, old, 8) != classify(after, right.passing, new, 8)
    {
        own.breaks(format!("{name} is passed in other registers"));
    }
    if !same_name && old.name.is_some() {
        let text = format!("{name} is now {}", record_name(after, new));
        if own.is_bad() {
            // Not a change of one type, but another one.
            local.breaks(text);
            return;
        }
        own.compatible(text);
    }
    own.findings.truncate(MOST_FINDINGS);
    local.findings.append(&mut own.findings);
    local.next.append(&mut own.next);
}

/// Whether copies are made by the bits, or by code (Itanium C++ ABI, 1.1 and 3.1.2.3).
fn passed(old: Passing, new: Passing, pair: Pair, name: &str, local: &mut Local) {
    let by_value = matches!(pair.usage.how, How::Parameter | How::Return);
    match (old, new) {
        (Passing::Value, Passing::Reference) => {
            local.breaks(format!("{name} is no longer trivial to copy and destroy, and is passed by address"));
        }
        (Passing::Value, Passing::Uncopyable) => {
            let text = format!("{name} cannot be copied any more");
            if by_value { local.breaks(text) } else { local.compatible(text) }
        }
        (Passing::Reference | Passing::Uncopyable, Passing::Value) => {
            let text = format!("{name} is trivial to copy and destroy now, and is passed by value");
            // Who only holds its address may go on copying with the code that it has.
            if by_value { local.breaks(text) } else { local.compatible(text) }
        }
        _ => {}
    }
}

/// Base classes: their order, places and virtuality decide where members and virtual functions are, and what
/// `dynamic_cast` and `catch` find.
fn bases(walk: &Walk<'_>, old: &Record, new: &Record, name: &str, local: &mut Local) {
    let (before, after) = (&walk.old.graph, &walk.new.graph);
    let names = |graph: &crate::types::Graph, record: &Record| -> Vec<String> {
        record.bases.iter().map(|base| type_name(graph, graph.strip(base.of))).collect()
    };
    let (left, right) = (names(before, old), names(after, new));
    let added_empty = |base: &Base| {
        // A base without members that moves nothing.
        let of = after.strip(base.of);
        matches!(after.get(of), Type::Record(record) if record.size <= 1 && record.members.is_empty()
            && record.vptr.is_none() && record.virtuals.is_empty() && record.bases.is_empty() && !base.is_virtual)
    };
    let kept: Vec<&Base> = new
        .bases
        .iter()
        .zip(&right)
        .filter(|(base, name)| left.contains(name) || !added_empty(base))
        .map(|(base, _)| base)
        .collect();
    let right: Vec<String> = kept.iter().map(|base| type_name(after, after.strip(base.of))).collect();
    if kept.len() < new.bases.len() {
        local.compatible(format!("{name} has a new base class without members"));
    }
    if left != right {
        let gone: Vec<_> = left.iter().filter(|base| !right.contains(base)).collect();
        let added: Vec<_> = right.iter().filter(|base| !left.contains(base)).collect();
        match (gone.first(), added.first()) {
            (Some(base), None) => local.breaks(format!("{name} no longer derives from {base}")),
            (None, Some(base)) => local.breaks(format!("{name} derives from {base} now")),
            (Some(base), Some(other)) => local.breaks(format!("{name} derives from {other} instead of {base}")),
            (None, None) => local.breaks(format!("the base classes of {name} are in another order")),
        }
        return;
    }
    for (base, other) in old.bases.iter().zip(kept) {
        let text = type_name(before, before.strip(base.of));
        if base.is_virtual != other.is_virtual {
            let now = if other.is_virtual { "a virtual base" } else { "no virtual base" };
            local.breaks(format!("{text} is {now} of {name} now"));
        } else if base.offset != other.offset {
            local.breaks(format!("base {text} of {name} has moved"));
        }
        local.follow(base.of, other.of, Use::part());
    }
}
