//! What flags change about how a function is called, its type being the same.

use super::walk::{Finding, Local, Walk};
use crate::types::{
    function::VectorLevel,
    graph::{Encoding, Graph, Type, TypeId},
    interface::Item,
};

/// Compares the conventions of two functions, or of the units of two variables.
pub(super) fn compare(walk: &Walk<'_>, old: &Item, new: &Item) -> Vec<Finding> {
    let mut local = Local::default();
    let (before, after) = (old.conventions, new.conventions);
    let graph = &walk.old.graph;
    let values = values(graph, old.of);
    let returned = values.first().copied();
    if before.long_double != after.long_double && values.iter().chain([&old.of]).any(|of| has_long_double(walk, *of)) {
        local.breaks("long double has another format (-mlong-double)".to_owned());
    }
    if !matches!(graph.get(graph.strip(old.of)), Type::Function(_)) {
        return local.findings;
    }
    if before.microsoft != after.microsoft {
        local.breaks("is called by another convention (-mabi)".to_owned());
    }
    if before.struct_in_memory != after.struct_in_memory
        && returned.is_some_and(|of| is_small_aggregate(walk, graph, of))
    {
        local.breaks(
            "returns its structure in memory on one side and in registers on the other (-fpcc-struct-return)"
                .to_owned(),
        );
    }
    if before.soft_float != after.soft_float && values.iter().any(|of| is_float(graph, *of)) {
        local.breaks("passes floating point numbers elsewhere (-msoft-float)".to_owned());
    }
    if before.regparm != after.regparm && values.len() > 1 {
        local.breaks("takes its parameters elsewhere (-mregparm)".to_owned());
    }
    if after.no_unwinding && !before.no_unwinding && values.iter().any(|of| is_callback(graph, *of)) {
        local.breaks(
            "calls back, and has no tables for unwinding any more: what is thrown there ends the program \
             (-fno-asynchronous-unwind-tables)"
                .to_owned(),
        );
    }
    if before.cxx_abi != after.cxx_abi {
        local.unclear("is compiled for another version of the C++ ABI (-fabi-version)".to_owned());
    }
    let widest = values.iter().filter_map(|of| walk.old.facts_of(*of)).map(|facts| facts.vector).max().unwrap_or(0);
    let needed = if widest > 32 { VectorLevel::Avx512 } else { VectorLevel::Avx };
    if widest > 16 {
        // System V psABI 3.2.3: __m256 is passed in %ymm where AVX is on, and in memory where it is not.
        if !before.recorded || !after.recorded {
            local
                .unclear("passes wide vectors, and nobody recorded with which instructions it was compiled".to_owned());
        } else if (before.vectors >= needed) != (after.vectors >= needed) {
            local.breaks("passes wide vectors in registers on one side and in memory on the other (-mavx)".to_owned());
        }
    }
    local.findings
}

/// What a function returns and takes by value, the returned type first.
fn values(graph: &Graph, id: TypeId) -> Vec<TypeId> {
    match graph.get(graph.strip(id)) {
        Type::Function(function) => {
            std::iter::once(function.returns).chain(function.parameters.iter().copied()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether there is a `long double` in what is passed, or in what a passed pointer points to.
fn has_long_double(walk: &Walk<'_>, of: TypeId) -> bool {
    let graph = &walk.old.graph;
    let has = |of| walk.old.facts_of(of).is_some_and(|facts| facts.long_double);
    match graph.get(graph.strip(of)) {
        Type::Pointer(to) | Type::Reference { to, .. } => has(*to),
        _ => has(of),
    }
}

fn is_small_aggregate(walk: &Walk<'_>, graph: &Graph, id: TypeId) -> bool {
    match graph.get(graph.strip(id)) {
        Type::Record(_) => walk.size(graph, id).is_none_or(|size| size <= 16),
        Type::Base(scalar) => scalar.encoding == Encoding::ComplexFloat,
        _ => false,
    }
}

fn is_callback(graph: &Graph, id: TypeId) -> bool {
    match graph.get(graph.strip(id)) {
        Type::Pointer(to) => matches!(graph.get(graph.strip(*to)), Type::Function(_)),
        _ => false,
    }
}

fn is_float(graph: &Graph, id: TypeId) -> bool {
    match graph.get(graph.strip(id)) {
        Type::Base(scalar) => matches!(scalar.encoding, Encoding::Float | Encoding::ComplexFloat),
        Type::Record(_) | Type::Vector { .. } => true,
        _ => false,
    }
}
