//! Structs, classes, unions and enumerations.

use super::graph::{Name, TypeId};

/// Where a type was defined, as far as it tells who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Origin {
    /// In a file that others include, or nobody said.
    #[default]
    Header,
    /// In a file that is compiled by itself (`.c`, `.cc`): nobody outside it can know the layout.
    Source,
}

/// A struct, class or union.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// Struct, class or union.
    pub kind: RecordKind,
    /// Its name with all its scopes and template arguments, or the typedef's that names it; `None` for anonymous ones.
    pub name: Option<Name>,
    /// Whether it is an incomplete type: declared and nowhere defined.
    pub declaration: bool,
    /// Where its definition stands.
    pub origin: Origin,
    /// The base name of the file where it stands.
    pub file: Option<Name>,
    /// `sizeof`, in bytes.
    pub size: u64,
    /// `alignas`, in bytes, where it was asked for.
    pub alignment: Option<u64>,
    /// Data members in the order of declaration, without static ones.
    pub members: Vec<Member>,
    /// Base classes in the order of declaration.
    pub bases: Vec<Base>,
    /// Whether objects carry a pointer to a virtual table of the class's own at this bit offset.
    pub vptr: Option<u64>,
    /// Virtual member functions that the class declares, in the order of declaration.
    pub virtuals: Vec<Virtual>,
    /// How objects are passed by value, as far as the class itself decides it; its members and bases have a say too.
    pub passing: Passing,
}

/// The keyword that a record was declared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RecordKind {
    /// `struct`
    #[default]
    Struct,
    /// `class`, which is laid out as a struct is.
    Class,
    /// `union`
    Union,
}

/// How objects of a class are passed by value (Itanium C++ ABI, 1.1 "non-trivial for the purposes of calls").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Passing {
    /// As the processor's ABI passes a C structure with these members.
    #[default]
    Value,
    /// By the address of a copy, which nobody can make: all copy and move constructors are deleted.
    Uncopyable,
    /// By the address of a copy, because copying or destroying it runs code.
    Reference,
}

/// A data member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// `None` for members of anonymous structs and unions.
    pub name: Option<Name>,
    /// Its type.
    pub of: TypeId,
    /// From the start of the record, in bits.
    pub offset: u64,
    /// The width of a bit-field, in bits.
    pub bits: Option<u64>,
}

/// A base class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// The class.
    pub of: TypeId,
    /// From the start of the derived class, in bytes; `None` where it is found through the virtual table.
    pub offset: Option<u64>,
    /// Whether it is a virtual base.
    pub is_virtual: bool,
}

/// A virtual member function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Virtual {
    /// Its name without scopes.
    pub name: Name,
    /// Its mangled name.
    pub linkage: Option<Name>,
    /// Its place in the virtual table, counted from the address point; destructors have two, and this is the first.
    pub slot: Option<u64>,
    /// Its type.
    pub of: TypeId,
    /// Whether it is a destructor.
    pub destructor: bool,
    /// Whether it is pure, where the compiler says so.
    pub pure_virtual: bool,
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Enumeration {
    /// Its name with all its scopes, or the typedef's that names it.
    pub name: Option<Name>,
    /// Whether it is declared and nowhere defined.
    pub declaration: bool,
    /// Where its definition stands.
    pub origin: Origin,
    /// `sizeof`, in bytes.
    pub size: u64,
    /// `enum class`.
    pub scoped: bool,
    /// Whether its underlying type has a sign, where the debug information says.
    pub signed: Option<bool>,
    /// Names and values in the order of declaration.
    pub enumerators: Vec<(Name, i128)>,
}
