//! Structs, classes, unions and enumerations: from entries to [`Record`] and [`Enumeration`].

use gimli::{AttributeValue, DwTag, constants as dw};

use super::{
    build::{Builder, Likeness, origin},
    entry::Entry,
    sections::Slice,
    units::Die,
};
use crate::types::{
    Base, Enumeration, Fingerprint, Hasher, Member, Name, Origin, Passing, Record, RecordKind, Type, TypeId, Virtual,
};

impl<'a> Builder<'_, 'a> {
    /// The number of a record, whose members are read later.
    pub(super) fn record(
        &mut self,
        die: Die,
        entry: &Entry<'a>,
        tag: DwTag,
        typedef: Option<Slice<'a>>,
        depth: u32,
    ) -> TypeId {
        // A declaration that stands for a type unit, or a definition that completes a declaration in a class.
        if let Some(of) = entry.die(self.units, die.unit, dw::DW_AT_signature) {
            return self.type_at(of, depth);
        }
        let name = self.scoped_name(die, entry, typedef);
        let kind = match tag {
            dw::DW_TAG_union_type => RecordKind::Union,
            dw::DW_TAG_class_type | dw::DW_TAG_interface_type => RecordKind::Class,
            _ => RecordKind::Struct,
        };
        if entry.flag(dw::DW_AT_declaration) {
            return self.declaration(die, name, false, kind);
        }
        let likeness = name.and_then(|name| self.likeness(die, entry, name, kind));
        if let Some(id) = likeness.and_then(|likeness| self.alike.get(&likeness)) {
            return *id;
        }
        let (file, origin) = self.file(die, entry);
        let record = Record {
            kind,
            name,
            origin,
            file,
            size: entry.unsigned(dw::DW_AT_byte_size).unwrap_or(0),
            alignment: entry.unsigned(dw::DW_AT_alignment),
            ..Record::default()
        };
        let id = self.graph.push(Type::Record(Box::new(record)));
        if let Some(likeness) = likeness {
            self.alike.insert(likeness, id);
        }
        self.waiting.push_back((id, die));
        id
    }

    fn file(&mut self, die: Die, entry: &Entry<'a>) -> (Option<Name>, Origin) {
        let number = entry.unsigned(dw::DW_AT_decl_file);
        match number.and_then(|number| self.files.get(self.units, die.unit, number)) {
            Some(declared) => {
                let origin = if self.units.is_joined(die.unit) { Origin::Header } else { declared.origin };
                (Some(self.graph.name(&declared.file)), origin)
            }
            None => (None, Origin::Header),
        }
    }

    /// One node for all declarations of a name.
    fn declaration(&mut self, die: Die, name: Option<Name>, enumeration: bool, kind: RecordKind) -> TypeId {
        if let Some(id) = name.and_then(|name| self.declared_by_name.get(&(name, enumeration))) {
            return *id;
        }
        let node = if enumeration {
            Type::Enumeration(Box::new(Enumeration { name, declaration: true, ..Enumeration::default() }))
        } else {
            Type::Record(Box::new(Record { kind, name, declaration: true, ..Record::default() }))
        };
        let id = self.graph.push(node);
        if let Some(name) = name {
            self.declared_by_name.insert((name, enumeration), id);
        }
        self.declared.push((id, die));
        id
    }

    fn scoped_name(&mut self, die: Die, entry: &Entry<'a>, typedef: Option<Slice<'a>>) -> Option<Name> {
        let specified = origin(self.units, die.unit, entry);
        let declared = specified.and_then(|of| Some((of, self.units.entry(of).ok()?)));
        let (at, own) = match &declared {
            Some((of, declared)) => (*of, declared.text(self.units, of.unit, dw::DW_AT_name)),
            None => (die, None),
        };
        let name = entry.text(self.units, die.unit, dw::DW_AT_name).or(own).or(typedef)?;
        let mut scoped = self.path(at);
        scoped.push_str(&name.to_string_lossy());
        self.units.spend(1 + scoped.len() as u64 / 16).ok()?;
        Some(self.graph.name(&scoped))
    }

    /// What a record is known by: name, size, line, and the names and places of its members.
    fn likeness(&self, die: Die, entry: &Entry<'a>, name: Name, kind: RecordKind) -> Option<Likeness> {
        let mut hasher = Hasher::new(0);
        hasher.bytes(self.graph.text(name).as_bytes());
        hasher.number(u64::from(kind == RecordKind::Union));
        for attribute in [dw::DW_AT_byte_size, dw::DW_AT_decl_line] {
            hasher.number(entry.unsigned(attribute).unwrap_or(u64::MAX));
        }
        let units = self.units;
        self.children(die, |child| {
            if matches!(child.tag, Some(dw::DW_TAG_member | dw::DW_TAG_inheritance)) {
                let name = child.text(units, die.unit, dw::DW_AT_name);
                hasher.bytes(name.map(|name| name.slice()).unwrap_or_default());
                for attribute in [dw::DW_AT_data_member_location, dw::DW_AT_data_bit_offset, dw::DW_AT_bit_size] {
                    hasher.number(child.unsigned(attribute).unwrap_or(u64::MAX));
                }
            }
            true
        })
        .ok()?;
        let Fingerprint(hash) = hasher.finish();
        Some(hash)
    }

    /// Reads the members of a record that was numbered before.
    pub(super) fn fill_record(&mut self, id: TypeId, die: Die) -> gimli::Result<()> {
        let units = self.units;
        let mut filled = Record::default();
        let mut special = Special::default();
        let own = units.entry(die)?;
        let class = own.text(units, die.unit, dw::DW_AT_name).map(|name| name.slice()).unwrap_or_default();
        let plain = class.split(|byte| *byte == b'<').next().unwrap_or_default();
        let mut raw = units.raw(die)?;
        let mut entry = Entry::default();
        entry.read(&mut raw)?;
        while entry.has_children || entry.offset != die.offset {
            units.spend(1)?;
            if !entry.read(&mut raw)? {
                break;
            }
            match entry.tag {
                Some(dw::DW_TAG_member) => self.member(die, &entry, &mut filled),
                Some(dw::DW_TAG_variant_part) => {
                    // Rust's enumerations: which members there are depends on a value.
                    let of = self.unknown();
                    filled.members.push(Member { name: None, of, offset: 0, bits: None });
                }
                Some(dw::DW_TAG_inheritance) => self.base(die, &entry, &mut filled),
                Some(dw::DW_TAG_subprogram) => {
                    let at = Die { unit: die.unit, offset: entry.offset };
                    self.method(at, &entry, plain, die, &mut filled, &mut special)?;
                }
                _ => {}
            }
            entry.skip_children(units, die.unit, &mut raw)?;
        }
        filled.passing = match own.get(dw::DW_AT_calling_convention) {
            Some(AttributeValue::CallingConvention(dw::DW_CC_pass_by_reference)) => Passing::Reference,
            Some(AttributeValue::CallingConvention(dw::DW_CC_pass_by_value)) => Passing::Value,
            _ => special.passing(),
        };
        if let Some(Type::Record(record)) = self.graph.get_mut(id) {
            record.members = filled.members;
            record.bases = filled.bases;
            record.virtuals = filled.virtuals;
            record.vptr = filled.vptr;
            record.passing = filled.passing;
        }
        Ok(())
    }

    fn member(&mut self, die: Die, entry: &Entry<'a>, record: &mut Record) {
        // Static members have been declared as members up to DWARF 4.
        if entry.flag(dw::DW_AT_external) || entry.flag(dw::DW_AT_declaration) {
            return;
        }
        let units = self.units;
        let name = entry.text(units, die.unit, dw::DW_AT_name);
        let bytes = entry.get(dw::DW_AT_data_member_location).and_then(location).unwrap_or(0);
        let bits = entry.unsigned(dw::DW_AT_bit_size);
        if entry.flag(dw::DW_AT_artificial) && name.is_some_and(|name| name.slice().starts_with(b"_vptr")) {
            record.vptr = Some(bytes.wrapping_mul(8));
            return;
        }
        let of = self.type_by(die.unit, entry, 0);
        let offset = match (entry.unsigned(dw::DW_AT_data_bit_offset), entry.unsigned(dw::DW_AT_bit_offset), bits) {
            (Some(offset), _, _) => offset,
            (None, Some(from_top), Some(bits)) => {
                // DWARF 2 and 3 count from the most significant bit of a storage unit.
                let storage = entry.unsigned(dw::DW_AT_byte_size).or_else(|| crate::types::size(&self.graph, of, 8));
                let storage = storage.unwrap_or(4).wrapping_mul(8);
                bytes.wrapping_mul(8).wrapping_add(storage).wrapping_sub(from_top).wrapping_sub(bits)
            }
            _ => bytes.wrapping_mul(8),
        };
        let name = name.map(|name| self.name(name));
        record.members.push(Member { name, of, offset, bits });
    }

    fn base(&mut self, die: Die, entry: &Entry<'a>, record: &mut Record) {
        let is_virtual = entry.unsigned(dw::DW_AT_virtuality).unwrap_or(0) != 0
            || matches!(entry.get(dw::DW_AT_virtuality), Some(AttributeValue::Virtuality(dw::DW_VIRTUALITY_virtual)));
        let offset = entry.get(dw::DW_AT_data_member_location).and_then(location).filter(|_| !is_virtual);
        let of = self.type_by(die.unit, entry, 0);
        record.bases.push(Base { of, offset, is_virtual });
    }

    fn method(
        &mut self,
        at: Die,
        entry: &Entry<'a>,
        class: &[u8],
        of: Die,
        record: &mut Record,
        special: &mut Special,
    ) -> gimli::Result<()> {
        let units = self.units;
        let Some(name) = entry.text(units, at.unit, dw::DW_AT_name) else { return Ok(()) };
        let destructor = name.slice().first() == Some(&b'~');
        let plain = name.slice().split(|byte| *byte == b'<').next().unwrap_or_default();
        let provided = !entry.flag(dw::DW_AT_artificial)
            && entry.unsigned(dw::DW_AT_defaulted) != Some(u64::from(dw::DW_DEFAULTED_in_class.0));
        let deleted = entry.flag(dw::DW_AT_deleted);
        if destructor {
            special.destructor |= provided && !deleted;
        } else if plain == class && !class.is_empty() && self.takes_own_class(at, of)? {
            special.copies += 1;
            special.deleted += u32::from(deleted);
            special.copy |= provided && !deleted;
        }
        let virtuality = match entry.get(dw::DW_AT_virtuality) {
            Some(AttributeValue::Virtuality(virtuality)) => virtuality,
            _ => dw::DW_VIRTUALITY_none,
        };
        if virtuality == dw::DW_VIRTUALITY_none {
            return Ok(());
        }
        let slot = match entry.get(dw::DW_AT_vtable_elem_location) {
            Some(AttributeValue::Exprloc(expression)) => constant(expression),
            Some(value) => value.udata_value(),
            None => None,
        };
        let linkage = entry.linkage_name(units, at.unit).map(|name| self.name(name));
        let name = self.name(name);
        let pure_virtual = virtuality == dw::DW_VIRTUALITY_pure_virtual;
        let of = self.function(at, 0);
        record.virtuals.push(Virtual { name, linkage, slot, of, destructor, pure_virtual });
        Ok(())
    }

    /// Whether a constructor copies or moves: it takes a reference to its own class.
    fn takes_own_class(&self, at: Die, class: Die) -> gimli::Result<bool> {
        let units = self.units;
        let mut first = None;
        self.children(at, |child| {
            if child.tag == Some(dw::DW_TAG_formal_parameter) && !child.flag(dw::DW_AT_artificial) {
                first = child.die(units, at.unit, dw::DW_AT_type);
                return false;
            }
            true
        })?;
        let Some(reference) = first else { return Ok(false) };
        let entry = units.entry(reference)?;
        if !matches!(entry.tag, Some(dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type)) {
            return Ok(false);
        }
        let mut to = entry.die(units, reference.unit, dw::DW_AT_type);
        for _ in 0..3 {
            let Some(die) = to else { return Ok(false) };
            if die == class {
                return Ok(true);
            }
            let entry = units.entry(die)?;
            to = match entry.tag {
                Some(dw::DW_TAG_const_type | dw::DW_TAG_volatile_type) => entry.die(units, die.unit, dw::DW_AT_type),
                _ => entry.die(units, die.unit, dw::DW_AT_signature),
            };
        }
        Ok(false)
    }

    /// An enumeration.
    pub(super) fn enumeration(
        &mut self,
        die: Die,
        entry: &Entry<'a>,
        typedef: Option<Slice<'a>>,
        depth: u32,
    ) -> TypeId {
        if let Some(of) = entry.die(self.units, die.unit, dw::DW_AT_signature) {
            return self.type_at(of, depth);
        }
        let units = self.units;
        let name = self.scoped_name(die, entry, typedef);
        if entry.flag(dw::DW_AT_declaration) && entry.get(dw::DW_AT_byte_size).is_none() {
            return self.declaration(die, name, true, RecordKind::Struct);
        }
        let underlying = entry.get(dw::DW_AT_type).map(|_| self.type_by(die.unit, entry, depth));
        let signed = underlying.and_then(|of| crate::types::is_signed(&self.graph, of));
        let mut values = Vec::new();
        let read = self.children(die, |child| {
            if child.tag == Some(dw::DW_TAG_enumerator)
                && let Some(name) = child.text(units, die.unit, dw::DW_AT_name)
                && let Some(value) = child.get(dw::DW_AT_const_value)
            {
                values.push((name, number(value, signed)));
            }
            true
        });
        if read.is_err() {
            return self.unknown();
        }
        let enumerators: Vec<(Name, i128)> = values.into_iter().map(|(name, value)| (self.name(name), value)).collect();
        let (_, origin) = self.file(die, entry);
        let enumeration = Enumeration {
            name,
            declaration: false,
            origin,
            size: entry.unsigned(dw::DW_AT_byte_size).unwrap_or(4),
            scoped: entry.flag(dw::DW_AT_enum_class),
            signed,
            enumerators,
        };
        // Equal definitions in several units are one.
        self.graph.intern(Type::Enumeration(Box::new(enumeration)))
    }
}

/// What a class says of copying and destroying its objects.
#[derive(Default)]
struct Special {
    destructor: bool,
    copy: bool,
    copies: u32,
    deleted: u32,
}

impl Special {
    /// Itanium C++ ABI, 1.1: non-trivial for the purposes of calls is a class with a non-trivial copy constructor, move
    /// constructor or destructor, or with all copy and move constructors deleted.
    fn passing(&self) -> Passing {
        let deleted = self.copies > 0 && self.copies == self.deleted;
        match self.destructor || self.copy {
            true => Passing::Reference,
            false if deleted => Passing::Uncopyable,
            false => Passing::Value,
        }
    }
}

/// A place in bytes: a number, or the expression `DW_OP_plus_uconst` of old compilers.
fn location(value: AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::Exprloc(expression) => constant(expression),
        value => value.udata_value(),
    }
}

/// The number in an expression that consists of one.
fn constant(expression: gimli::Expression<Slice<'_>>) -> Option<u64> {
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 5 };
    let mut operations = expression.operations(encoding);
    let first = operations.next().ok()??;
    if operations.next().ok()?.is_some() {
        return None;
    }
    match first {
        gimli::Operation::UnsignedConstant { value } | gimli::Operation::PlusConstant { value } => Some(value),
        gimli::Operation::SignedConstant { value } => u64::try_from(value).ok(),
        _ => None,
    }
}

/// The value of an enumerator. `DW_FORM_data*` leaves it to the underlying type whether there is a sign.
fn number(value: AttributeValue<Slice<'_>>, signed: Option<bool>) -> i128 {
    match value {
        AttributeValue::Sdata(value) => i128::from(value),
        AttributeValue::Udata(value) => i128::from(value),
        AttributeValue::Data1(value) if signed == Some(true) => i128::from(value as i8),
        AttributeValue::Data2(value) if signed == Some(true) => i128::from(value as i16),
        AttributeValue::Data4(value) if signed == Some(true) => i128::from(value as i32),
        AttributeValue::Data8(value) if signed == Some(true) => i128::from(value as i64),
        value => value.udata_value().map_or(0, i128::from),
    }
}
