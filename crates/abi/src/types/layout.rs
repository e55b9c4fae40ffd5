//! Sizes, alignments and signs of types, and records laid out flat.

use super::{
    graph::{Encoding, Graph, Name, Qualifier, Type, TypeId},
    record::{Passing, Record},
};

/// How deep records may contain each other. Real ones stay under ten.
const DEEPEST: u32 = 64;

/// How many members one record may have, those of anonymous records in it included.
const MOST_MEMBERS: usize = 1 << 16;

/// `sizeof` in bytes, on a machine with this word size; `None` for what has no size, or none that is known.
pub(crate) fn size(graph: &Graph, id: TypeId, word: u64) -> Option<u64> {
    match graph.get(graph.strip(id)) {
        Type::Base(scalar) => Some(scalar.size),
        Type::Pointer(_) | Type::Reference { .. } => Some(word),
        Type::MemberPointer { to, .. } => {
            // Itanium C++ ABI, 2.3: a pointer to a member function is a pointer and an adjustment.
            Some(if matches!(graph.get(graph.strip(*to)), Type::Function(_)) { 2 * word } else { word })
        }
        Type::Unspecified(_) => Some(word),
        Type::Record(record) if !record.declaration => Some(record.size),
        Type::Enumeration(enumeration) if !enumeration.declaration => Some(enumeration.size),
        Type::Array { .. } => array_size(graph, graph.strip(id), word),
        Type::Vector { of, count } => size(graph, *of, word)?.checked_mul(*count),
        _ => None,
    }
}

fn array_size(graph: &Graph, mut id: TypeId, word: u64) -> Option<u64> {
    let mut product = 1_u64;
    for _ in 0..=graph.len() {
        let Type::Array { of, count } = graph.get(id) else { return size(graph, id, word)?.checked_mul(product) };
        product = product.checked_mul((*count)?)?;
        id = graph.strip(*of);
    }
    None
}

/// Whether numbers of this type have a sign; `None` where it is no number.
pub(crate) fn is_signed(graph: &Graph, id: TypeId) -> Option<bool> {
    match graph.get(graph.strip(id)) {
        Type::Base(scalar) => match scalar.encoding {
            Encoding::Signed => Some(true),
            Encoding::Unsigned | Encoding::Boolean | Encoding::Character => Some(false),
            _ => None,
        },
        Type::Enumeration(enumeration) => {
            enumeration.signed.or_else(|| Some(enumeration.enumerators.iter().any(|(_, value)| *value < 0)))
        }
        _ => None,
    }
}

/// The alignment in bytes: what was asked for, or what the members ask for (System V psABI, 3.1.2). A packed record
/// seems to be aligned as its members are; both sides of a comparison are mistaken in the same way.
pub(crate) fn alignment(graph: &Graph, id: TypeId, word: u64, depth: u32) -> Option<u64> {
    if depth > DEEPEST {
        return None;
    }
    match graph.get(graph.strip(id)) {
        Type::Record(record) if !record.declaration => {
            let members = record.members.iter().map(|member| member.of);
            let natural = members
                .chain(record.bases.iter().map(|base| base.of))
                .filter_map(|of| alignment(graph, of, word, depth + 1))
                .chain(record.vptr.map(|_| word))
                .max();
            Some(natural.unwrap_or(1).max(record.alignment.unwrap_or(1)))
        }
        Type::Array { of, .. } => alignment(graph, *of, word, depth + 1),
        Type::Base(scalar) if scalar.encoding == Encoding::ComplexFloat => Some((scalar.size / 2).max(1)),
        _ => size(graph, id, word),
    }
}

/// How objects of this class are passed by value, its members and bases considered (Itanium C++ ABI, 1.1).
pub(crate) fn passing(graph: &Graph, id: TypeId, depth: u32) -> Passing {
    match graph.get(graph.strip(id)) {
        Type::Array { of, .. } if depth < DEEPEST => passing(graph, *of, depth + 1),
        Type::Record(record) if !record.declaration && depth < DEEPEST => {
            let own = record.passing == Passing::Reference
                || !record.virtuals.is_empty()
                || record.vptr.is_some()
                || record.bases.iter().any(|base| base.is_virtual);
            let of = || record.members.iter().map(|member| member.of).chain(record.bases.iter().map(|base| base.of));
            if own || of().any(|of| passing(graph, of, depth + 1) == Passing::Reference) {
                Passing::Reference
            } else {
                Passing::Value
            }
        }
        _ => Passing::Value,
    }
}

/// Whether a type contains a vector wider than what every processor of its kind passes in one register.
pub(crate) fn widest_vector(graph: &Graph, id: TypeId, word: u64, depth: u32) -> u64 {
    match graph.get(graph.strip(id)) {
        Type::Vector { .. } => size(graph, id, word).unwrap_or(0),
        Type::Array { of, .. } if depth < DEEPEST => widest_vector(graph, *of, word, depth + 1),
        Type::Record(record) if depth < DEEPEST => {
            record.members.iter().map(|member| widest_vector(graph, member.of, word, depth + 1)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Whether a type contains `long double`, whose format flags can change.
pub(crate) fn has_long_double(graph: &Graph, id: TypeId, depth: u32) -> bool {
    match graph.get(graph.strip(id)) {
        Type::Base(scalar) => {
            matches!(scalar.encoding, Encoding::Float | Encoding::ComplexFloat)
                && graph.text(scalar.name).contains("long double")
        }
        Type::Pointer(of) | Type::Reference { to: of, .. } | Type::Array { of, .. } if depth < DEEPEST => {
            has_long_double(graph, *of, depth + 1)
        }
        Type::Record(record) if depth < DEEPEST => {
            record.members.iter().any(|member| has_long_double(graph, member.of, depth + 1))
        }
        _ => false,
    }
}

/// A data member as a consumer names it: those of anonymous structs and unions belong to the record around them.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Unnamed bit-fields have none, nor has padding that was given a type.
    pub(crate) name: Option<Name>,
    pub(crate) of: TypeId,
    /// In bits, from the start of the outermost record.
    pub(crate) offset: u64,
    /// The width in bits: of a bit-field or of the type; `None` for flexible arrays and what is not known.
    pub(crate) width: Option<u64>,
    pub(crate) bit_field: bool,
}

impl Field {
    /// Where it ends, in bits.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.width.unwrap_or(0))
    }
}

/// The data members of a record, with those of its anonymous members in their place.
pub(crate) fn fields(graph: &Graph, record: &Record, word: u64) -> Vec<Field> {
    let mut found = Vec::new();
    collect(graph, record, word, 0, 0, &mut found);
    found
}

fn collect(graph: &Graph, record: &Record, word: u64, outer: u64, depth: u32, found: &mut Vec<Field>) {
    for member in &record.members {
        if found.len() >= MOST_MEMBERS {
            return;
        }
        let offset = outer.saturating_add(member.offset);
        let inner = match graph.get(graph.strip(member.of)) {
            Type::Record(inner) if member.name.is_none() && !inner.declaration => Some(inner),
            _ => None,
        };
        match inner {
            Some(inner) if depth < DEEPEST => collect(graph, inner, word, offset, depth + 1, found),
            _ => {
                let whole = || size(graph, member.of, word).and_then(|bytes| bytes.checked_mul(8));
                found.push(Field {
                    name: member.name,
                    of: member.of,
                    offset,
                    width: member.bits.or_else(whole),
                    bit_field: member.bits.is_some(),
                });
            }
        }
    }
}

/// Whether one class is another's base at its very start, so that pointers to them are the same.
pub(crate) fn starts_with(graph: &Graph, derived: TypeId, base: &str, depth: u32) -> bool {
    let Type::Record(record) = graph.get(graph.strip(derived)) else { return false };
    record.bases.iter().any(|inner| {
        let Type::Record(other) = graph.get(graph.strip(inner.of)) else { return false };
        inner.offset == Some(0)
            && !inner.is_virtual
            && (other.name.is_some_and(|name| graph.text(name) == base)
                || (depth < DEEPEST && starts_with(graph, inner.of, base, depth + 1)))
    })
}

/// Whether the type is qualified as read-only at its outermost layer.
pub(crate) fn is_read_only(graph: &Graph, id: TypeId) -> bool {
    graph.is_qualified(id, Qualifier::Const)
}
