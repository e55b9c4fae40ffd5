//! The type graph: an arena of C and C++ types that refer to each other by number, and the names they carry.
//!
//! A graph is closed (every id that a node holds exists) and may be cyclic. Numbers mean nothing outside their graph.

use std::collections::HashMap;

use super::{
    function::Function,
    record::{Enumeration, Record},
};

/// A type in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

/// A name in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`, also behind a pointer.
    Void,
    /// What the debug information says could not be understood; nothing can be told of it. The number stands for the
    /// bytes that it was read from: unknown types of equal bytes are equal, and no others.
    Unknown(u64),
    /// `nullptr_t` and its kind: a name without a layout.
    Unspecified(Name),
    /// A scalar that the language builds in.
    Base(Scalar),
    /// `T *`.
    Pointer(TypeId),
    /// `T &` and `T &&`.
    Reference {
        /// What it refers to.
        to: TypeId,
        /// `&&`.
        rvalue: bool,
    },
    /// `T C::*`.
    MemberPointer {
        /// The class whose member is pointed to.
        class: TypeId,
        /// The member's type: a function for pointers to member functions, which are two words large.
        to: TypeId,
    },
    /// `const T` and its kind.
    Qualified {
        /// Which one.
        qualifier: Qualifier,
        /// What is qualified.
        of: TypeId,
    },
    /// Another name for a type.
    Typedef {
        /// The new name.
        name: Name,
        /// The type.
        of: TypeId,
    },
    /// One dimension of an array.
    Array {
        /// The element.
        of: TypeId,
        /// How many there are; `None` for `[]`.
        count: Option<u64>,
    },
    /// A SIMD vector (`__attribute__((vector_size))`, `__m256`).
    Vector {
        /// The element.
        of: TypeId,
        /// How many there are.
        count: u64,
    },
    /// A function.
    Function(Function),
    /// A struct, class or union.
    Record(Box<Record>),
    /// An enumeration.
    Enumeration(Box<Enumeration>),
}

/// A scalar that the language builds in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar {
    /// Its name in the source.
    pub name: Name,
    /// What its bits mean.
    pub encoding: Encoding,
    /// In bytes.
    pub size: u64,
    /// In bits, where it is no multiple of eight (`_BitInt(17)`).
    pub bits: Option<u64>,
    /// Whether the most significant byte comes first though the machine has it last
    /// (`__attribute__((scalar_storage_order))`).
    pub big_endian: bool,
}

/// What the bits of a scalar mean (`DW_ATE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Two's complement.
    Signed,
    /// Without a sign.
    Unsigned,
    /// 0 or 1.
    Boolean,
    /// IEEE or x87 floating point.
    Float,
    /// Two floating point numbers.
    ComplexFloat,
    /// `char16_t` and its kind.
    Character,
    /// One of the others, by number.
    Other(u8),
}

/// What qualifies a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// `_Atomic`
    Atomic,
}

/// The arena.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    types: Vec<Type>,
    names: Vec<Box<str>>,
    by_text: HashMap<Box<str>, Name>,
    by_type: HashMap<Type, TypeId>,
}

impl Graph {
    /// The type with this number. Numbers of other graphs mean nothing here; those that are too large are unknown types.
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(&Type::Unknown(0))
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.get(name.0 as usize).map_or("", |text| text)
    }

    /// How many types there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is no type.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// All types with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.types.iter().enumerate().map(|(at, kind)| (TypeId(at as u32), kind))
    }

    /// The type under typedefs.
    pub fn strip_typedefs(&self, mut id: TypeId) -> TypeId {
        for _ in 0..self.types.len() {
            match self.get(id) {
                Type::Typedef { of, .. } => id = *of,
                _ => break,
            }
        }
        id
    }

    /// The type under typedefs, and under qualifiers.
    pub fn strip(&self, mut id: TypeId) -> TypeId {
        // A graph from foreign bytes may hold a typedef of itself: as many steps as there are types, and no more.
        for _ in 0..self.types.len() {
            match self.get(id) {
                Type::Typedef { of, .. } | Type::Qualified { of, .. } => id = *of,
                _ => break,
            }
        }
        id
    }

    /// Whether any layer of typedefs, qualifiers and array dimensions of this type has the qualifier.
    pub fn is_qualified(&self, mut id: TypeId, wanted: Qualifier) -> bool {
        for _ in 0..self.types.len() {
            match self.get(id) {
                Type::Qualified { qualifier, .. } if *qualifier == wanted => return true,
                Type::Typedef { of, .. } | Type::Qualified { of, .. } | Type::Array { of, .. } => id = *of,
                _ => break,
            }
        }
        false
    }

    /// Takes a name in.
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.by_text.get(text) {
            return *name;
        }
        let name = Name(self.names.len() as u32);
        self.names.push(text.into());
        self.by_text.insert(text.into(), name);
        name
    }

    /// The name with this text, if any type carries it.
    pub fn find_name(&self, text: &str) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    /// Takes a type in; one that is there already keeps its number. Not for records and enumerations, which are told
    /// apart by where they come from: see [`Graph::push`].
    pub fn intern(&mut self, kind: Type) -> TypeId {
        if let Some(id) = self.by_type.get(&kind) {
            return *id;
        }
        let id = self.push(kind.clone());
        self.by_type.insert(kind, id);
        id
    }

    /// Takes a type in under a new number.
    pub fn push(&mut self, kind: Type) -> TypeId {
        let id = TypeId(self.types.len() as u32);
        self.types.push(kind);
        id
    }

    /// Puts a type in the place of another.
    pub(crate) fn set(&mut self, id: TypeId, kind: Type) {
        if let Some(place) = self.types.get_mut(id.0 as usize) {
            *place = kind;
        }
    }

    /// Gives a type's node up for change.
    pub(crate) fn get_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        self.types.get_mut(id.0 as usize)
    }

    /// Drops what is only needed while the graph grows.
    pub(crate) fn finish(&mut self) {
        self.by_type = HashMap::new();
        self.types.shrink_to_fit();
    }
}

impl TypeId {
    /// The place in the arena.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
