//! In which registers a structure is passed: System V psABI, AMD64 supplement, 3.2.3 "Parameter Passing".

use crate::types::{
    graph::{Encoding, Graph, Type, TypeId},
    layout::{self, Field},
    record::{Passing, Record},
};

/// The class of one eightbyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    None,
    Integer,
    Sse,
    X87,
}

/// How a structure is passed and returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the stack, or through a hidden pointer when returned.
    Memory,
    /// By the address of a copy.
    Address,
    /// In registers, an eightbyte each.
    Registers(Vec<Class>),
}

/// Classifies a record.
pub(super) fn classify(graph: &Graph, passing: Passing, record: &Record, word: u64) -> Way {
    if passing != Passing::Value {
        return Way::Address;
    }
    if record.size > 16 {
        // Structures that hold one wide vector are passed as the vector is; their members differ where they do.
        return Way::Memory;
    }
    let mut classes = vec![Class::None; record.size.div_ceil(8) as usize];
    if merge(graph, record, word, 0, 0, &mut classes).is_none() {
        return Way::Memory;
    }
    // An x87 number in a structure goes to memory unless it is alone in both of its eightbytes.
    if classes.contains(&Class::X87) && classes.iter().any(|class| *class != Class::X87) {
        return Way::Memory;
    }
    Way::Registers(classes)
}

/// Merges the classes of all members; `None` for memory.
fn merge(graph: &Graph, record: &Record, word: u64, start: u64, depth: u32, classes: &mut [Class]) -> Option<()> {
    if depth > 16 {
        return None;
    }
    for base in &record.bases {
        if let Type::Record(inner) = graph.get(graph.strip(base.of)) {
            let offset = start.checked_add(base.offset?.checked_mul(8)?)?;
            merge(graph, inner, word, offset, depth + 1, classes)?;
        }
    }
    for Field { of, offset, width, bit_field, .. } in layout::fields(graph, record, word) {
        let offset = start.checked_add(offset)?;
        if bit_field {
            mark(classes, offset, width.unwrap_or(0), Class::Integer);
        } else {
            member(graph, of, word, offset, depth + 1, classes)?;
        }
    }
    Some(())
}

fn member(graph: &Graph, of: TypeId, word: u64, offset: u64, depth: u32, classes: &mut [Class]) -> Option<()> {
    let of = graph.strip(of);
    let width = layout::size(graph, of, word).unwrap_or(0).checked_mul(8)?;
    let aligned = |bytes: u64| bytes == 0 || offset.is_multiple_of(bytes * 8);
    match graph.get(of) {
        Type::Record(inner) => merge(graph, inner, word, offset, depth + 1, classes)?,
        Type::Array { of: element, count } => {
            let step = layout::size(graph, *element, word).unwrap_or(0).checked_mul(8)?;
            // More than sixteen elements do not fit into what is passed in registers.
            for at in 0..count.unwrap_or(0).min(17) {
                member(graph, *element, word, offset.checked_add(step.checked_mul(at)?)?, depth + 1, classes)?;
            }
        }
        Type::Base(scalar) => {
            let unit = if scalar.encoding == Encoding::ComplexFloat { scalar.size / 2 } else { scalar.size };
            if !aligned(unit) {
                return None;
            }
            let class = match scalar.encoding {
                Encoding::Float | Encoding::ComplexFloat
                    if unit > 8 && graph.text(scalar.name).contains("long double") =>
                {
                    Class::X87
                }
                Encoding::Float | Encoding::ComplexFloat => Class::Sse,
                _ => Class::Integer,
            };
            mark(classes, offset, width, class);
        }
        Type::Vector { .. } => mark(classes, offset, width, Class::Sse),
        _ if !aligned(width / 8) => return None,
        _ => mark(classes, offset, width, Class::Integer),
    }
    Some(())
}

/// Merges a class into the eightbytes from one bit to another.
fn mark(classes: &mut [Class], offset: u64, width: u64, class: Class) {
    if width == 0 {
        return;
    }
    let (first, last) = (offset / 64, offset.saturating_add(width - 1) / 64);
    for (at, place) in classes.iter_mut().enumerate() {
        if (first..=last).contains(&(at as u64)) {
            *place = match (*place, class) {
                (Class::None, other) | (other, Class::None) => other,
                (Class::Integer, _) | (_, Class::Integer) => Class::Integer,
                (Class::X87, _) | (_, Class::X87) => Class::X87,
                _ => Class::Sse,
            };
        }
    }
}
