//! One pass over what stands at the top of every unit and in its namespaces: which entry describes which exported
//! symbol, and where each named type is defined. Bodies of functions and classes are stepped over.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use gimli::{AttributeValue, EntriesRaw, constants as dw};

use super::{
    entry::Entry,
    sections::Slice,
    units::{Die, Units},
    wanted::{Candidate, Wanted},
};

/// How many definitions of one name are remembered: more than one is a violation of the one-definition rule, or a C
/// program with private types of one name.
const MOST_DEFINITIONS: usize = 8;

/// Where types are defined.
pub(super) struct Definitions {
    hasher: RandomState,
    /// By the hash of the name with its namespaces: size and place. One of each size.
    by_name: HashMap<u64, Vec<(u64, Die)>>,
}

impl Definitions {
    /// The definitions of a type with this name.
    pub(super) fn get(&self, scoped: &str) -> &[(u64, Die)] {
        self.by_name.get(&self.hasher.hash_one(scoped.as_bytes())).map_or(&[], Vec::as_slice)
    }
}

/// Walks all units.
pub(super) fn scan<'a>(units: &Units<'a>, wanted: &mut Wanted<'_>) -> Definitions {
    let mut scan = Scan {
        units,
        wanted,
        definitions: Definitions { hasher: RandomState::new(), by_name: HashMap::new() },
        entry: Entry::default(),
        damaged: 0,
        path: Vec::new(),
    };
    for unit in 0..units.units.len() as u32 {
        if scan.unit(unit).is_err() {
            scan.damaged += 1;
        }
    }
    scan.definitions
}

struct Scan<'u, 'a, 'w, 's> {
    units: &'u Units<'a>,
    wanted: &'w mut Wanted<'s>,
    definitions: Definitions,
    entry: Entry<'a>,
    damaged: u32,
    /// The namespaces around the cursor, as they stand before a name.
    path: Vec<u8>,
}

impl<'u, 'a> Scan<'u, 'a, '_, '_> {
    fn unit(&mut self, unit: u32) -> gimli::Result<()> {
        let mut raw = self.units.units[unit as usize].inner.entries_raw(None)?;
        // The lengths of `path` outside the namespaces that the cursor is in.
        let mut scopes: Vec<usize> = Vec::new();
        self.path.clear();
        let mut entry = std::mem::take(&mut self.entry);
        let mut started = false;
        while !raw.is_empty() {
            if !entry.read_if(&mut raw, is_looked_at)? {
                let Some(length) = scopes.pop() else { break };
                self.path.truncate(length);
                if scopes.is_empty() {
                    break;
                }
                continue;
            }
            let die = Die { unit, offset: entry.offset };
            match entry.tag {
                // The unit's own entry.
                Some(_) if !started => {
                    started = true;
                    if !entry.has_children {
                        break;
                    }
                    scopes.push(0);
                    continue;
                }
                Some(dw::DW_TAG_namespace) if entry.has_children => {
                    scopes.push(self.path.len());
                    if let Some(name) = entry.text(self.units, unit, dw::DW_AT_name) {
                        self.path.extend_from_slice(name.slice());
                    } else {
                        self.path.extend_from_slice(super::names::ANONYMOUS.as_bytes());
                    }
                    self.path.extend_from_slice(b"::");
                    self.units.spend(1 + self.path.len() as u64 / 16)?;
                    continue;
                }
                Some(dw::DW_TAG_subprogram) => self.function(die, &entry),
                Some(dw::DW_TAG_variable) => self.variable(die, &entry),
                Some(
                    dw::DW_TAG_structure_type
                    | dw::DW_TAG_class_type
                    | dw::DW_TAG_union_type
                    | dw::DW_TAG_enumeration_type,
                ) => self.definition(die, &entry),
                _ => {}
            }
            self.step_over(unit, &entry, &mut raw)?;
        }
        self.entry = entry;
        Ok(())
    }

    fn step_over(&self, unit: u32, entry: &Entry<'a>, raw: &mut EntriesRaw<'u, Slice<'a>>) -> gimli::Result<()> {
        entry.skip_children(self.units, unit, raw)
    }

    fn function(&mut self, die: Die, entry: &Entry<'a>) {
        let address = self.entry_address(die.unit, entry);
        let declaration = entry.flag(dw::DW_AT_declaration);
        if !declaration && address.is_some_and(|address| !self.wanted.is_placed(address)) {
            return;
        }
        // Declarations of built-in functions have no parameters, whatever the functions have.
        if declaration && entry.get(dw::DW_AT_decl_line).is_none() {
            return;
        }
        self.units.note_line(die.unit, entry.unsigned(dw::DW_AT_decl_line).unwrap_or(0));
        self.offer(die, entry, true, address, declaration);
    }

    fn variable(&mut self, die: Die, entry: &Entry<'a>) {
        let address = match entry.get(dw::DW_AT_location) {
            Some(AttributeValue::Exprloc(expression)) => self.variable_address(die.unit, expression),
            _ => None,
        };
        let declaration = entry.flag(dw::DW_AT_declaration);
        self.offer(die, entry, false, address, declaration);
    }

    fn offer(&mut self, die: Die, entry: &Entry<'a>, function: bool, address: Option<u64>, declaration: bool) {
        let (units, mut external) = (self.units, entry.flag(dw::DW_AT_external));
        let mut name = entry.linkage_name(units, die.unit).or_else(|| entry.text(units, die.unit, dw::DW_AT_name));
        if name.is_none()
            && let Some(of) = entry
                .die(units, die.unit, dw::DW_AT_specification)
                .or_else(|| entry.die(units, die.unit, dw::DW_AT_abstract_origin))
            && let Ok(declared) = units.entry(of)
        {
            external |= declared.flag(dw::DW_AT_external);
            name = declared.linkage_name(units, of.unit).or_else(|| declared.text(units, of.unit, dw::DW_AT_name));
        }
        let name = name.map(|name| name.slice()).unwrap_or_default();
        if address.is_some() || (external && self.wanted.is_named(name)) {
            self.wanted.offer(&Candidate { die, function, name, address, declaration, external });
        }
    }

    /// Where a function is entered: `DW_AT_low_pc`, or where its first range starts if it was split into hot and cold.
    fn entry_address(&self, unit: u32, entry: &Entry<'a>) -> Option<u64> {
        let (dwarf, inner) = (self.units.dwarf(unit), &self.units.units[unit as usize].inner);
        if let Some(low) = entry.get(dw::DW_AT_low_pc) {
            return dwarf.attr_address(inner, low).ok().flatten();
        }
        let ranges = dwarf.attr_ranges(inner, entry.get(dw::DW_AT_ranges)?).ok().flatten();
        ranges?.next().ok().flatten().map(|range| range.begin)
    }

    fn variable_address(&self, unit: u32, expression: gimli::Expression<Slice<'a>>) -> Option<u64> {
        let (dwarf, inner) = (self.units.dwarf(unit), &self.units.units[unit as usize].inner);
        match expression.operations(inner.encoding()).next().ok()?? {
            gimli::Operation::Address { address } => Some(address),
            gimli::Operation::AddressIndex { index } => dwarf.address(inner, index).ok(),
            _ => None,
        }
    }

    fn definition(&mut self, die: Die, entry: &Entry<'a>) {
        if entry.flag(dw::DW_AT_declaration) {
            return;
        }
        let Some(name) = entry.text(self.units, die.unit, dw::DW_AT_name) else { return };
        let size = entry.unsigned(dw::DW_AT_byte_size).unwrap_or(0);
        let outer = self.path.len();
        self.path.extend_from_slice(name.slice());
        let hash = self.definitions.hasher.hash_one(self.path.as_slice());
        self.path.truncate(outer);
        let known = self.definitions.by_name.entry(hash).or_default();
        if known.len() < MOST_DEFINITIONS && known.iter().all(|(other, _)| *other != size) {
            known.push((size, die));
        }
    }
}

/// Whether a pass looks at such entries; of others only the children are stepped over.
fn is_looked_at(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_subprogram
            | dw::DW_TAG_variable
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
    )
}
