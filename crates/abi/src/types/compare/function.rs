//! Functions: what is passed, what comes back, and how.

use super::walk::{How, Local, Use, Walk};
use crate::types::{
    function::Function,
    graph::{Encoding, Graph, Type, TypeId},
    record::Passing,
    text::type_name,
};

/// Compares two functions. `usage` says whether the consumer calls it, or may be called through a pointer to it.
pub(super) fn compare(walk: &Walk<'_>, old: &Function, new: &Function, usage: Use, local: &mut Local) {
    let callback = usage.callback && usage.how != How::Call;
    let (before, after) = (old.parameters.len(), new.parameters.len());
    if before != after {
        local.breaks(format!(
            "takes {} instead of {}",
            count(after),
            if before == 0 { "none".to_owned() } else { before.to_string() }
        ));
    }
    for (left, right) in old.parameters.iter().zip(&new.parameters) {
        local.follow(*left, *right, Use::passed(How::Parameter, true, callback));
    }
    returns(walk, old.returns, new.returns, callback, local);
    if usage.how == How::Call && old.noreturn && !new.noreturn {
        local.breaks("returns now, and callers have nothing behind the call".to_owned());
    }
    match (old.variadic, new.variadic) {
        // System V psABI 3.2.3: a caller of a variadic function says in %al how many vector registers it used; one that
        // does not know leaves there what was there.
        (false, true) => local.unclear("takes a variable number of parameters now".to_owned()),
        (true, false) => local.breaks("no longer takes a variable number of parameters".to_owned()),
        _ => {}
    }
    if old.prototyped != new.prototyped {
        // Without a prototype the caller promotes: `float` to `double`, small integers to `int`.
        let promoted = |of: &TypeId| is_promoted(&walk.old.graph, *of);
        if old.parameters.iter().any(promoted) {
            local.breaks(
                "is declared with a prototype on one side only, and a parameter is promoted without".to_owned(),
            );
        } else {
            local.compatible("is declared with a prototype on one side only".to_owned());
        }
    }
}

/// Compares two virtual functions that share a slot. `this` is not looked at: it is of the class that overrides last.
pub(super) fn method(walk: &Walk<'_>, old: &Function, new: &Function, local: &mut Local) {
    for (left, right) in old.parameters.iter().zip(&new.parameters).skip(1) {
        // Consumers' classes may override it, and are called then.
        local.follow(*left, *right, Use::passed(How::Parameter, true, true));
    }
    returns(walk, old.returns, new.returns, true, local);
}

fn returns(walk: &Walk<'_>, old: TypeId, new: TypeId, callback: bool, local: &mut Local) {
    let is_void = |graph: &Graph, id| matches!(graph.get(graph.strip(id)), Type::Void);
    match (is_void(&walk.old.graph, old), is_void(&walk.new.graph, new)) {
        (true, true) => {}
        (false, false) => local.follow(old, new, Use::passed(How::Return, callback, callback)),
        (false, true) => {
            let text = format!("returns nothing instead of {}", type_name(&walk.old.graph, old));
            if callback { local.compatible(text) } else { local.breaks(text) }
        }
        (true, false) => {
            let text = format!("returns {} instead of nothing", type_name(&walk.new.graph, new));
            // A result in a register, which the caller expects to be overwritten, hurts nobody. One in memory takes a
            // hidden first parameter.
            if callback || is_in_memory(walk, new) { local.breaks(text) } else { local.compatible(text) }
        }
    }
}

/// Whether a type of the new interface is returned through a hidden pointer.
fn is_in_memory(walk: &Walk<'_>, id: TypeId) -> bool {
    let graph = &walk.new.graph;
    match graph.get(graph.strip(id)) {
        Type::Record(_) => {
            walk.new.facts_of(id).is_none_or(|facts| facts.passing != Passing::Value)
                || walk.size(graph, id).is_none_or(|size| size > 16)
        }
        Type::Vector { .. } | Type::Unknown(_) => true,
        _ => false,
    }
}

fn is_promoted(graph: &Graph, id: TypeId) -> bool {
    match graph.get(graph.strip(id)) {
        Type::Base(scalar) => match scalar.encoding {
            Encoding::Float => scalar.size < 8,
            _ => scalar.size < 4,
        },
        _ => false,
    }
}

fn count(parameters: usize) -> String {
    match parameters {
        0 => "no parameters".to_owned(),
        1 => "1 parameter".to_owned(),
        many => format!("{many} parameters"),
    }
}
