//! From entries to the type graph: reads what is reachable from the entries that are asked for, and nothing else.
//!
//! Records are numbered when they are first met and read later from a queue, so that neither cycles nor long chains of
//! structures nest calls. What cannot be read becomes [`Type::Unknown`].

use std::collections::{HashMap, VecDeque};

use gimli::{AttributeValue, constants as dw};

use super::{
    entry::Entry,
    lines::Files,
    names::Scopes,
    sections::Slice,
    units::{Die, Units},
};
use crate::types::{Encoding, Function, Graph, Name, Qualifier, Scalar, Type, TypeId};

/// How many pointers, arrays, typedefs and functions may be nested in one type.
const DEEPEST: u32 = 100;

/// How many entries may refer to each other as the same thing (`DW_AT_specification`, `DW_AT_signature`).
const LONGEST_CHAIN: u32 = 8;

/// What a record is known by before its members' types are read: entries of several units that agree in this are one.
pub(super) type Likeness = u128;

/// Builds a graph from entries.
pub(super) struct Builder<'u, 'a> {
    pub(super) units: &'u Units<'a>,
    pub(super) graph: Graph,
    pub(super) files: Files,
    /// `None` for what is being read.
    known: HashMap<Die, Option<TypeId>>,
    pub(super) alike: HashMap<Likeness, TypeId>,
    pub(super) waiting: VecDeque<(TypeId, Die)>,
    /// Incomplete types, by the name under which their definition may be found.
    pub(super) declared: Vec<(TypeId, Die)>,
    pub(super) declared_by_name: HashMap<(Name, bool), TypeId>,
    scopes: HashMap<u32, Scopes>,
    print: Option<u64>,
}

impl<'u, 'a> Builder<'u, 'a> {
    pub(super) fn new(units: &'u Units<'a>) -> Self {
        Self {
            units,
            graph: Graph::default(),
            files: Files::default(),
            known: HashMap::new(),
            alike: HashMap::new(),
            waiting: VecDeque::new(),
            declared: Vec::new(),
            declared_by_name: HashMap::new(),
            scopes: HashMap::new(),
            print: None,
        }
    }

    /// Reads the records that were met and not yet read.
    pub(super) fn finish_records(&mut self) {
        while let Some((id, die)) = self.waiting.pop_front() {
            if self.fill_record(id, die).is_err() {
                let unknown = Type::Unknown(self.print());
                self.graph.set(id, unknown);
            }
        }
    }

    /// The type of an entry for a function or a variable: its own, or that of the entry that it completes.
    pub(super) fn type_of_symbol(&mut self, die: Die, function: bool) -> TypeId {
        if function { self.function(die, 0) } else { self.variable(die) }
    }

    fn variable(&mut self, mut die: Die) -> TypeId {
        let mut found = None;
        for _ in 0..LONGEST_CHAIN {
            let Ok(entry) = self.units.entry(die) else { break };
            let own = entry.die(self.units, die.unit, dw::DW_AT_type).map(|of| self.type_at(of, 0));
            // `int table[]` in a header is completed by `int table[4]` where it is defined.
            found = found.or(own);
            match origin(self.units, die.unit, &entry) {
                Some(next) => die = next,
                None => break,
            }
        }
        found.unwrap_or_else(|| self.unknown())
    }

    /// The type that an attribute refers to; `void` where there is none.
    pub(super) fn type_by(&mut self, unit: u32, entry: &Entry<'a>, depth: u32) -> TypeId {
        match entry.get(dw::DW_AT_type) {
            None => self.graph.intern(Type::Void),
            Some(value) => match self.units.refers(unit, value) {
                Some(die) => self.type_at(die, depth),
                None => self.unknown(),
            },
        }
    }

    /// A number for what is read here.
    fn print(&mut self) -> u64 {
        *self.print.get_or_insert_with(|| self.units.print())
    }

    pub(super) fn unknown(&mut self) -> TypeId {
        let unknown = Type::Unknown(self.print());
        self.graph.intern(unknown)
    }

    pub(super) fn name(&mut self, text: Slice<'a>) -> Name {
        self.graph.name(&text.to_string_lossy())
    }

    /// The type that this entry describes.
    pub(super) fn type_at(&mut self, die: Die, depth: u32) -> TypeId {
        self.named_type_at(die, depth, None)
    }

    fn named_type_at(&mut self, die: Die, depth: u32, typedef: Option<Slice<'a>>) -> TypeId {
        match self.known.get(&die) {
            Some(Some(id)) => return *id,
            Some(None) => return self.unknown(),
            None => {}
        }
        if depth > DEEPEST {
            return self.unknown();
        }
        // Only records may be part of a cycle. What else refers to itself is a lie, and found unknown here.
        self.known.insert(die, None);
        let id = match self.units.entry(die) {
            Ok(entry) => self.read(die, &entry, depth + 1, typedef),
            Err(_) => self.unknown(),
        };
        self.known.insert(die, Some(id));
        id
    }

    fn read(&mut self, die: Die, entry: &Entry<'a>, depth: u32, typedef: Option<Slice<'a>>) -> TypeId {
        let unit = die.unit;
        let qualified = |builder: &mut Self, qualifier| {
            let of = builder.type_by(unit, entry, depth);
            builder.graph.intern(Type::Qualified { qualifier, of })
        };
        match entry.tag {
            Some(dw::DW_TAG_base_type) => self.scalar(unit, entry),
            Some(dw::DW_TAG_unspecified_type) => {
                let name = entry.text(self.units, unit, dw::DW_AT_name);
                match name {
                    Some(name) => {
                        let name = self.name(name);
                        self.graph.intern(Type::Unspecified(name))
                    }
                    None => self.graph.intern(Type::Void),
                }
            }
            Some(dw::DW_TAG_pointer_type) => {
                let to = self.type_by(unit, entry, depth);
                self.graph.intern(Type::Pointer(to))
            }
            Some(tag @ (dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type)) => {
                let to = self.type_by(unit, entry, depth);
                self.graph.intern(Type::Reference { to, rvalue: tag == dw::DW_TAG_rvalue_reference_type })
            }
            Some(dw::DW_TAG_ptr_to_member_type) => {
                let to = self.type_by(unit, entry, depth);
                let class = entry.die(self.units, unit, dw::DW_AT_containing_type);
                let class = match class {
                    Some(class) => self.type_at(class, depth),
                    None => self.unknown(),
                };
                self.graph.intern(Type::MemberPointer { class, to })
            }
            Some(dw::DW_TAG_const_type) => qualified(self, Qualifier::Const),
            Some(dw::DW_TAG_volatile_type) => qualified(self, Qualifier::Volatile),
            Some(dw::DW_TAG_restrict_type) => qualified(self, Qualifier::Restrict),
            Some(dw::DW_TAG_atomic_type) => qualified(self, Qualifier::Atomic),
            Some(dw::DW_TAG_typedef | dw::DW_TAG_template_alias) => self.typedef(unit, entry, depth),
            Some(dw::DW_TAG_array_type) => self.array(die, entry, depth),
            Some(dw::DW_TAG_subroutine_type | dw::DW_TAG_subprogram) => self.function(die, depth),
            Some(
                tag @ (dw::DW_TAG_structure_type
                | dw::DW_TAG_class_type
                | dw::DW_TAG_interface_type
                | dw::DW_TAG_union_type),
            ) => self.record(die, entry, tag, typedef, depth),
            Some(dw::DW_TAG_enumeration_type) => self.enumeration(die, entry, typedef, depth),
            _ => self.unknown(),
        }
    }

    fn scalar(&mut self, unit: u32, entry: &Entry<'a>) -> TypeId {
        let name = entry.text(self.units, unit, dw::DW_AT_name);
        let name = match name {
            Some(name) => self.name(name),
            None => self.graph.name(""),
        };
        let encoding = match entry.get(dw::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => match encoding {
                dw::DW_ATE_signed | dw::DW_ATE_signed_char => Encoding::Signed,
                dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char => Encoding::Unsigned,
                dw::DW_ATE_boolean => Encoding::Boolean,
                dw::DW_ATE_float => Encoding::Float,
                dw::DW_ATE_complex_float => Encoding::ComplexFloat,
                dw::DW_ATE_UTF | dw::DW_ATE_UCS | dw::DW_ATE_ASCII => Encoding::Character,
                other => Encoding::Other(other.0),
            },
            _ => Encoding::Other(0),
        };
        let size = entry.unsigned(dw::DW_AT_byte_size).unwrap_or(0);
        let bits = entry.unsigned(dw::DW_AT_bit_size).filter(|bits| Some(*bits) != size.checked_mul(8));
        let big = Some(u64::from(dw::DW_END_big.0));
        let big_endian = entry.unsigned(dw::DW_AT_endianity) == big;
        self.graph.intern(Type::Base(Scalar { name, encoding, size, bits, big_endian }))
    }

    fn typedef(&mut self, unit: u32, entry: &Entry<'a>, depth: u32) -> TypeId {
        let name = entry.text(self.units, unit, dw::DW_AT_name);
        let of = match entry.die(self.units, unit, dw::DW_AT_type) {
            Some(of) => self.named_type_at(of, depth, name),
            None => self.type_by(unit, entry, depth),
        };
        match name {
            Some(name) => {
                let name = self.name(name);
                self.graph.intern(Type::Typedef { name, of })
            }
            None => of,
        }
    }

    fn array(&mut self, die: Die, entry: &Entry<'a>, depth: u32) -> TypeId {
        let mut of = self.type_by(die.unit, entry, depth);
        let counts = self.dimensions(die).unwrap_or_default();
        if entry.flag(dw::DW_AT_GNU_vector) {
            let count = counts.first().copied().flatten().unwrap_or(0);
            return self.graph.intern(Type::Vector { of, count });
        }
        if counts.is_empty() {
            return self.graph.intern(Type::Array { of, count: None });
        }
        for count in counts.into_iter().rev() {
            of = self.graph.intern(Type::Array { of, count });
        }
        of
    }

    /// The number of elements of each dimension of an array.
    fn dimensions(&self, die: Die) -> gimli::Result<Vec<Option<u64>>> {
        let mut counts = Vec::new();
        self.children(die, |entry| {
            if entry.tag == Some(dw::DW_TAG_subrange_type) && counts.len() < DEEPEST as usize {
                let lower = entry.unsigned(dw::DW_AT_lower_bound).unwrap_or(0);
                let upper = || match entry.get(dw::DW_AT_upper_bound)? {
                    AttributeValue::Sdata(bound) if bound < 0 => Some(0),
                    // Some compilers write the bound of an array without elements as -1 in as many bits as it takes.
                    AttributeValue::Data4(u32::MAX) => Some(0),
                    value => Some(value.udata_value()?.wrapping_add(1).saturating_sub(lower)),
                };
                counts.push(entry.unsigned(dw::DW_AT_count).or_else(upper));
            }
            true
        })?;
        Ok(counts)
    }

    /// A function's type, from its entry or from the declaration that the entry completes.
    pub(super) fn function(&mut self, mut die: Die, depth: u32) -> TypeId {
        let mut returns = None;
        let mut prototyped = false;
        let (mut parameters, mut variadic, mut noreturn) = (Vec::new(), false, false);
        for _ in 0..LONGEST_CHAIN {
            let Ok(entry) = self.units.entry(die) else { return self.unknown() };
            prototyped |= entry.flag(dw::DW_AT_prototyped);
            noreturn |= entry.flag(dw::DW_AT_noreturn);
            if returns.is_none() && entry.get(dw::DW_AT_type).is_some() {
                returns = Some(self.type_by(die.unit, &entry, depth));
            }
            // A body may have lost parameters to the optimiser, and a declaration that stands for a type unit has none.
            match self.parameters(die, depth) {
                Ok((found, more)) if found.len() >= parameters.len() => {
                    (parameters, variadic) = (found, variadic | more)
                }
                Ok(_) => {}
                Err(_) => return self.unknown(),
            }
            match origin(self.units, die.unit, &entry) {
                Some(next) => die = next,
                None => break,
            }
        }
        let returns = returns.unwrap_or_else(|| self.graph.intern(Type::Void));
        let prototyped = prototyped || self.units.units[die.unit as usize].has_scopes();
        let function = Function { returns, parameters: parameters.into(), variadic, prototyped, noreturn };
        self.graph.intern(Type::Function(function))
    }

    fn parameters(&mut self, die: Die, depth: u32) -> gimli::Result<(Vec<TypeId>, bool)> {
        let (mut types, mut variadic) = (Vec::new(), false);
        let units = self.units;
        let mut raw = units.raw(die)?;
        let mut entry = Entry::default();
        entry.read(&mut raw)?;
        if !entry.has_children {
            return Ok((types, variadic));
        }
        let mut packs = 0;
        loop {
            units.spend(1)?;
            if !entry.read(&mut raw)? {
                if packs == 0 {
                    break;
                }
                packs -= 1;
                continue;
            }
            match entry.tag {
                Some(dw::DW_TAG_formal_parameter) => {
                    let of = match entry.get(dw::DW_AT_type) {
                        Some(_) => self.type_by(die.unit, &entry, depth),
                        None => self.unknown(),
                    };
                    types.push(of);
                }
                Some(dw::DW_TAG_unspecified_parameters) => variadic = true,
                Some(dw::DW_TAG_GNU_formal_parameter_pack) if entry.has_children => {
                    packs += 1;
                    continue;
                }
                // The body starts: parameters come before it.
                Some(
                    dw::DW_TAG_lexical_block
                    | dw::DW_TAG_variable
                    | dw::DW_TAG_label
                    | dw::DW_TAG_call_site
                    | dw::DW_TAG_GNU_call_site
                    | dw::DW_TAG_inlined_subroutine,
                ) => break,
                _ => {}
            }
            entry.skip_children(units, die.unit, &mut raw)?;
        }
        Ok((types, variadic))
    }

    /// Calls `each` with every child of an entry, as long as it returns `true`.
    pub(super) fn children(&self, die: Die, mut each: impl FnMut(&Entry<'a>) -> bool) -> gimli::Result<()> {
        let units = self.units;
        let mut raw = units.raw(die)?;
        let mut entry = Entry::default();
        entry.read(&mut raw)?;
        if !entry.has_children {
            return Ok(());
        }
        loop {
            units.spend(1)?;
            if !entry.read(&mut raw)? || !each(&entry) {
                return Ok(());
            }
            entry.skip_children(units, die.unit, &mut raw)?;
        }
    }

    /// The scopes around an entry, as they stand before its name.
    pub(super) fn path(&mut self, die: Die) -> String {
        if !self.units.units[die.unit as usize].has_scopes() {
            return String::new();
        }
        if !self.scopes.contains_key(&die.unit) {
            match Scopes::read(self.units, die.unit) {
                Ok(scopes) => self.scopes.insert(die.unit, scopes),
                Err(_) => return String::new(),
            };
        }
        self.scopes.get(&die.unit).map_or(String::new(), |scopes| scopes.path(self.units, die))
    }
}

/// The entry that this one completes.
pub(super) fn origin<'a>(units: &Units<'a>, unit: u32, entry: &Entry<'a>) -> Option<Die> {
    entry.die(units, unit, dw::DW_AT_specification).or_else(|| entry.die(units, unit, dw::DW_AT_abstract_origin))
}
