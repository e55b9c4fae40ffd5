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

/// What is worked out of every type once, for its parts in memory: pointers end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// In bytes: what was asked for, or what the members ask for (System V psABI, 3.1.2). A packed record seems to be
    /// aligned as its members are; both sides of a comparison are mistaken in the same way.
    pub(crate) alignment: u64,
    /// How objects are passed by value, members and bases considered (Itanium C++ ABI, 1.1).
    pub(crate) passing: Passing,
    /// The size of the widest vector in it, in bytes.
    pub(crate) vector: u64,
    /// Whether there is a `long double` in it, whose format flags can change.
    pub(crate) long_double: bool,
}

impl Facts {
    const NONE: Self = Self { alignment: 1, passing: Passing::Value, vector: 0, long_double: false };

    fn and(self, other: Self) -> Self {
        Self {
            alignment: self.alignment.max(other.alignment),
            passing: self.passing.max(other.passing),
            vector: self.vector.max(other.vector),
            long_double: self.long_double || other.long_double,
        }
    }
}

/// Works out the facts of all types.
pub(crate) fn facts(graph: &Graph, word: u64) -> Vec<Facts> {
    let mut known = vec![None; graph.len()];
    for (id, _) in graph.iter() {
        work_out(graph, id, word, 0, &mut known);
    }
    known.into_iter().map(|facts| facts.unwrap_or(Facts::NONE)).collect()
}

fn work_out(graph: &Graph, id: TypeId, word: u64, depth: u32, known: &mut [Option<Facts>]) -> Facts {
    let id = graph.strip(id);
    match known.get(id.index()) {
        Some(Some(facts)) => return *facts,
        // A record that contains itself is a lie.
        _ if depth > DEEPEST => return Facts::NONE,
        _ => {}
    }
    let found = match graph.get(id) {
        Type::Record(record) if !record.declaration => {
            let parts = record.members.iter().map(|member| member.of).chain(record.bases.iter().map(|base| base.of));
            let mut facts = Facts::NONE;
            for of in parts {
                facts = facts.and(work_out(graph, of, word, depth + 1, known));
            }
            let polymorphic = record.vptr.is_some() || !record.virtuals.is_empty();
            facts.alignment = facts.alignment.max(record.alignment.unwrap_or(1));
            if polymorphic {
                facts.alignment = facts.alignment.max(word);
            }
            facts.passing = facts.passing.max(record.passing);
            if polymorphic || record.bases.iter().any(|base| base.is_virtual) {
                facts.passing = Passing::Reference;
            }
            facts
        }
        Type::Array { of, .. } => work_out(graph, *of, word, depth + 1, known),
        Type::Base(scalar) => {
            let float = matches!(scalar.encoding, Encoding::Float | Encoding::ComplexFloat);
            let unit = if scalar.encoding == Encoding::ComplexFloat { scalar.size / 2 } else { scalar.size };
            let long_double = float && graph.text(scalar.name).contains("long double");
            Facts { alignment: unit.max(1), long_double, ..Facts::NONE }
        }
        kind => {
            let size = size(graph, id, word).unwrap_or(1);
            let vector = if matches!(kind, Type::Vector { .. }) { size } else { 0 };
            Facts { alignment: size.max(1), vector, ..Facts::NONE }
        }
    };
    if let Some(place) = known.get_mut(id.index()) {
        *place = Some(found);
    }
    found
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
