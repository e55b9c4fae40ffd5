//! Numbers, pointers and what is passed like them.

use super::walk::{How, Local, Pair, Walk};
use crate::types::{
    graph::{Encoding, Graph, Type, TypeId},
    layout,
    text::type_name,
};

/// Whether a type is passed in one register.
pub(super) fn is_scalar(kind: &Type) -> bool {
    matches!(
        kind,
        Type::Base(_)
            | Type::Enumeration(_)
            | Type::Pointer(_)
            | Type::Reference { .. }
            | Type::MemberPointer { .. }
            | Type::Unspecified(_)
    )
}

/// What kind of bits a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer(bool),
    Boolean,
    Float,
    Complex,
    Enumeration,
    Address,
    Other(u8),
}

fn kind(graph: &Graph, id: TypeId) -> Kind {
    match graph.get(id) {
        Type::Base(scalar) => match scalar.encoding {
            Encoding::Signed => Kind::Integer(true),
            Encoding::Unsigned | Encoding::Character => Kind::Integer(false),
            Encoding::Boolean => Kind::Boolean,
            Encoding::Float => Kind::Float,
            Encoding::ComplexFloat => Kind::Complex,
            Encoding::Other(other) => Kind::Other(other),
        },
        Type::Enumeration(_) => Kind::Enumeration,
        _ => Kind::Address,
    }
}

/// Compares two scalars.
///
/// `long` and `long long`, `wchar_t` and `int` are the same to a machine where they have the same size and sign. A
/// changed sign is not: System V psABI 3.2.3 leaves the upper bits of small arguments undefined and compilers extend
/// them by the type they know, and what a caller compares with zero means something else.
pub(super) fn compare(walk: &Walk<'_>, pair: Pair, local: &mut Local) {
    let (old, new) = (&walk.old.graph, &walk.new.graph);
    let (from, to) = (old.strip(pair.old), new.strip(pair.new));
    let sizes = (walk.size(old, from), walk.size(new, to));
    let texts = (type_name(old, pair.old), type_name(new, pair.new));
    if sizes.0 != sizes.1 {
        if let (Some(before), Some(after)) = sizes {
            let what = if texts.0 == texts.1 { texts.0 } else { format!("{}, now {},", texts.0, texts.1) };
            local.breaks(format!("{what} has {after} bytes instead of {before}"));
        } else {
            local.unclear(format!("{} is now {}", texts.0, texts.1));
        }
        return;
    }
    if big_endian(old, from) != big_endian(new, to) {
        local.breaks(format!("{} has another byte order", texts.0));
        return;
    }
    let changed = || format!("{} is now {}", texts.0, texts.1);
    match (kind(old, from), kind(new, to)) {
        (Kind::Integer(left), Kind::Integer(right)) if left == right => {
            if bits(old, from) != bits(new, to) {
                walk.replaced(pair, local);
            }
        }
        (Kind::Integer(_), Kind::Integer(_)) if pair.usage.how == How::Pointee && sizes.0 == Some(1) => {
            // Buffers of bytes are declared one way or the other. Where `char` itself changed its sign, a flag did.
            if name(old, from) == name(new, to) {
                local.breaks(format!("{} has changed its sign", texts.0));
            } else {
                local.compatible(format!("{} * is now {} *", texts.0, texts.1));
            }
        }
        (Kind::Integer(_), Kind::Integer(_)) => {
            if texts.0 == texts.1 {
                local.breaks(format!("{} has changed its sign", texts.0));
            } else {
                local.breaks(changed());
            }
        }
        (Kind::Enumeration, Kind::Integer(_)) | (Kind::Integer(_), Kind::Enumeration) => {
            let signs = (layout::is_signed(old, from), layout::is_signed(new, to));
            let negative = |graph: &Graph, id| match graph.get(id) {
                Type::Enumeration(enumeration) => enumeration.enumerators.iter().any(|(_, value)| *value < 0),
                _ => false,
            };
            // An enumeration of C without negative values is unsigned to GCC and compares like an int all the same.
            if signs.0 == signs.1 || !(negative(old, from) || negative(new, to)) && sizes.0 == Some(4) {
                local.compatible(changed());
            } else {
                local.breaks(changed());
            }
        }
        (Kind::Float, Kind::Float) | (Kind::Complex, Kind::Complex) => {
            // The x87 format and IEEE quadruple precision have the same size and nothing else in common.
            if sizes.0.is_some_and(|size| size > 8) && name(old, from) != name(new, to) {
                local.breaks(changed());
            }
        }
        (left, right) if left == right => {}
        _ => local.breaks(changed()),
    }
}

fn name(graph: &Graph, id: TypeId) -> &str {
    match graph.get(id) {
        Type::Base(scalar) => graph.text(scalar.name),
        _ => "",
    }
}

fn big_endian(graph: &Graph, id: TypeId) -> bool {
    matches!(graph.get(id), Type::Base(scalar) if scalar.big_endian)
}

fn bits(graph: &Graph, id: TypeId) -> Option<u64> {
    match graph.get(id) {
        Type::Base(scalar) => scalar.bits,
        _ => None,
    }
}
