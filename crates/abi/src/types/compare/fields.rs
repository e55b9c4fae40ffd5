//! Data members: where each one of the old side is found on the new side.
//!
//! Members are compared flat, with those of anonymous structs and unions in their place, so that wrapping and
//! unwrapping changes nothing. A member is known by its name: one that is found at another place has moved, also when
//! another of the same type has taken its place. Only a name that is gone, with a new name in its place, is a renaming.

use std::collections::{HashMap, HashSet};

use super::walk::{How, Local, Pair, Use, Walk};
use crate::types::{
    graph::Graph,
    layout::{self, Field},
    record::{Record, RecordKind},
    text::{bytes, place, type_name},
};

/// Names that say that a member means nothing yet.
const RESERVED: &[&str] =
    &["reserved", "unused", "pad", "padding", "dummy", "spare", "filler", "future", "rsvd", "fill", "expansion"];

/// Compares the members of two records.
pub(super) fn compare(walk: &Walk<'_>, old: &Record, new: &Record, pair: Pair, name: &str, local: &mut Local) {
    let (before, after) = (&walk.old.graph, &walk.new.graph);
    let left = layout::fields(before, old, walk.old.word);
    let right = layout::fields(after, new, walk.new.word);
    let by_name: HashMap<&str, &Field> = right.iter().filter_map(|field| Some((text(after, field)?, field))).collect();
    let old_names: HashSet<&str> = left.iter().filter_map(|field| text(before, field)).collect();
    let usage = pair.usage.with(How::Value);
    if old.vptr != new.vptr {
        let verb = if new.vptr.is_some() { "has virtual functions" } else { "has no virtual functions" };
        local.breaks(format!("{name} {verb} now"));
    }
    let mut renamed: HashSet<u64> = HashSet::new();
    for field in &left {
        let Some(text) = text(before, field) else { continue };
        if is_reserved(text) {
            continue;
        }
        if let Some(other) = by_name.get(text) {
            one(walk, field, other, &format!("{text} of {name}"), usage, local);
            continue;
        }
        let heir = right.iter().find(|other| {
            other.offset == field.offset
                && other.width == field.width
                && self::text(after, other).is_some_and(|text| !old_names.contains(text))
        });
        match heir.and_then(|other| Some((other, self::text(after, other)?))) {
            Some((_, other)) if is_reserved(other) => {
                local.unclear(format!("{text} of {name} is gone; its place is kept"));
            }
            Some((other, now)) => {
                renamed.insert(other.offset);
                local.compatible(format!("{text} of {name} is now called {now}"));
                local.follow(field.of, other.of, usage);
            }
            None => local.breaks(format!("{text} of {name} is gone")),
        }
    }
    for field in &right {
        let Some(text) = text(after, field) else { continue };
        if old_names.contains(text) || renamed.contains(&field.offset) || is_reserved(text) {
            continue;
        }
        added(&left, before, old, field, &format!("{text} of {name}"), usage, local);
    }
}

/// Compares a member with the one of its name.
fn one(walk: &Walk<'_>, old: &Field, new: &Field, what: &str, usage: Use, local: &mut Local) {
    if old.offset != new.offset {
        local.breaks(format!("{what} moved from {} to {}", place(old.offset), place(new.offset)));
        return;
    }
    match (old.width, new.width) {
        (Some(before), Some(after)) if before != after => {
            let bits = old.bit_field || new.bit_field;
            let size = if bits {
                format!("{after} bits instead of {before}")
            } else {
                format!("{} instead of {}", bytes(after / 8), before / 8)
            };
            let types = (type_name(&walk.old.graph, old.of), type_name(&walk.new.graph, new.of));
            let types = if types.0 == types.1 { String::new() } else { format!(" ({} is now {})", types.0, types.1) };
            local.breaks(format!("{what} has {size}{types}"));
        }
        _ if old.bit_field || new.bit_field => {
            // The declared type says how the bits are extended, and nothing else.
            let signs = (layout::is_signed(&walk.old.graph, old.of), layout::is_signed(&walk.new.graph, new.of));
            let size = |graph, of| layout::size(graph, of, walk.old.word);
            if signs.0 != signs.1 || size(&walk.old.graph, old.of) == size(&walk.new.graph, new.of) {
                local.follow(old.of, new.of, usage);
            }
        }
        _ => local.follow(old.of, new.of, usage),
    }
}

/// A member that the old side does not have.
fn added(left: &[Field], before: &Graph, old: &Record, field: &Field, what: &str, usage: Use, local: &mut Local) {
    let width = field.width.unwrap_or(0);
    let end = field.offset.saturating_add(width);
    if old.kind == RecordKind::Union && left.iter().all(|other| other.offset == 0) {
        local.compatible(format!("{what} is new"));
        return;
    }
    if field.offset >= old.size.saturating_mul(8) || width == 0 {
        // That the record has grown was said.
        local.compatible(format!("{what} is new"));
        return;
    }
    let inside = |other: &&Field| other.offset < end && field.offset < other.end();
    let (reserved, used): (Vec<&Field>, Vec<&Field>) =
        left.iter().filter(inside).partition(|other| text(before, other).is_none_or(is_reserved));
    if !used.is_empty() {
        // Where nothing moved, the old member is still there: the two share their bytes.
        let shares = if local.is_bad() { "is new" } else { "shares its place with another member" };
        local.compatible(format!("{what} {shares}"));
    } else if covers(&reserved, field.offset, end) {
        local.compatible(format!("{what} takes the place of a reserved member"));
    } else if usage.given {
        local.breaks(format!("{what} lies in what was padding, which the consumer leaves unset"));
    } else {
        local.compatible(format!("{what} lies in what was padding"));
    }
}

/// Whether the fields leave no gap between two places.
fn covers(fields: &[&Field], mut start: u64, end: u64) -> bool {
    let mut sorted: Vec<(u64, u64)> = fields.iter().map(|field| (field.offset, field.end())).collect();
    sorted.sort_unstable();
    for (from, to) in sorted {
        if from > start {
            return false;
        }
        start = start.max(to);
    }
    start >= end
}

fn text<'g>(graph: &'g Graph, field: &Field) -> Option<&'g str> {
    field.name.map(|name| graph.text(name)).filter(|text| !text.is_empty())
}

/// Whether a name says that the member is there to be used later: `reserved1`, `_pad`, `__glibc_reserved`.
fn is_reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.split(|letter: char| !letter.is_ascii_alphabetic()).any(|word| RESERVED.contains(&word))
}
