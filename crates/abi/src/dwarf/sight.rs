//! From the debug information of a consumer to what it knows of types.

use std::collections::HashMap;

use gimli::{DwLang, constants as dw};

use super::{
    build::Builder,
    entry::Entry,
    names::ANONYMOUS,
    read::{Input, ReadError, with_units},
    units::{Die, Units},
};
use crate::types::View;

/// Reads which types a binary has seen completely, and which only as declarations.
///
/// # Errors
///
/// [`ReadError`], when there is nothing to read.
pub fn view(input: &Input<'_>) -> Result<View, ReadError> {
    with_units(input, |units, _| {
        let mut found = View { types: HashMap::new(), whole: units.damaged == 0 };
        for unit in 0..units.units.len() as u32 {
            let mut reader = Reader { units, unit, names: Builder::new(units), trusted: trust(units, unit) };
            if reader.unit(&mut found).is_err() {
                found.whole = false;
            }
        }
        if units.is_exhausted() { Err(ReadError::Endless) } else { Ok(found) }
    })
}

/// What a declaration in a unit proves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// That the unit has no definition: a C compiler would have written it down.
    Full,
    /// That, for classes without virtual functions: GCC describes others where their key function is.
    Plain,
    /// Nothing: Clang describes classes of C++ where their constructors are.
    None,
}

fn trust(units: &Units<'_>, unit: u32) -> Trust {
    let unit = &units.units[unit as usize];
    let producer = unit.producer.map(|producer| producer.to_string_lossy().into_owned()).unwrap_or_default();
    let reduced = producer.contains("-femit-struct-debug");
    match unit.language {
        _ if reduced => Trust::None,
        Some(language) if is_c(language) => Trust::Full,
        _ if producer.starts_with("GNU") => Trust::Plain,
        _ => Trust::None,
    }
}

fn is_c(language: DwLang) -> bool {
    matches!(language, dw::DW_LANG_C | dw::DW_LANG_C89 | dw::DW_LANG_C99 | dw::DW_LANG_C11 | dw::DW_LANG_C17)
}

struct Reader<'u, 'a> {
    units: &'u Units<'a>,
    unit: u32,
    names: Builder<'u, 'a>,
    trusted: Trust,
}

impl<'a> Reader<'_, 'a> {
    fn unit(&mut self, found: &mut View) -> gimli::Result<()> {
        let mut raw = self.units.units[self.unit as usize].inner.entries_raw(None)?;
        let mut entry = Entry::default();
        // The lengths of `path` outside the scopes that the cursor is in.
        let mut scopes: Vec<usize> = Vec::new();
        let mut path = String::new();
        while !raw.is_empty() {
            self.units.spend(1 + path.len() as u64 / 16)?;
            if !entry.read(&mut raw)? {
                match scopes.pop() {
                    Some(length) => path.truncate(length),
                    None => break,
                }
                if scopes.is_empty() {
                    break;
                }
                continue;
            }
            if scopes.is_empty() {
                scopes.push(0);
                if !entry.has_children {
                    break;
                }
                continue;
            }
            let name = entry.text(self.units, self.unit, dw::DW_AT_name);
            let record =
                matches!(entry.tag, Some(dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type));
            if record || entry.tag == Some(dw::DW_TAG_enumeration_type) {
                if let Some(name) = name {
                    let scoped = format!("{path}{}", name.to_string_lossy());
                    self.note(&entry, &scoped, found);
                }
            } else if entry.tag == Some(dw::DW_TAG_typedef) {
                self.typedef(&entry, found);
            } else if entry.tag == Some(dw::DW_TAG_inheritance) {
                self.derived(&entry, found);
            }
            let vptr = || name.is_some_and(|name| name.slice().starts_with(b"_vptr"));
            if entry.get(dw::DW_AT_virtuality).is_some() || entry.tag == Some(dw::DW_TAG_member) && vptr() {
                let class = path.strip_suffix("::").unwrap_or(&path);
                found.types.entry(class.into()).or_default().polymorphic = true;
            }
            // Functions are walked too: types may be local, and records in them may derive from the library's.
            if entry.has_children {
                scopes.push(path.len());
                if record || entry.tag == Some(dw::DW_TAG_namespace) {
                    path.push_str(&name.map_or_else(|| ANONYMOUS.into(), |name| name.to_string_lossy()));
                    path.push_str("::");
                }
            }
        }
        Ok(())
    }

    fn note(&self, entry: &Entry<'_>, scoped: &str, found: &mut View) {
        let declaration = entry.flag(dw::DW_AT_declaration);
        let sight = found.types.entry(scoped.into()).or_default();
        if !declaration || entry.get(dw::DW_AT_signature).is_some() {
            sight.complete = true;
        } else if self.trusted != Trust::None {
            sight.declared = true;
        } else {
            // Nobody knows: as good as the definition.
            sight.complete = true;
        }
    }

    /// `typedef struct { … } foo;` names the structure.
    fn typedef(&mut self, entry: &Entry<'a>, found: &mut View) {
        let (units, unit) = (self.units, self.unit);
        let Some(name) = entry.text(units, unit, dw::DW_AT_name) else { return };
        let Some(of) = entry.get(dw::DW_AT_type).and_then(|value| units.refers(unit, value)) else { return };
        let Ok(target) = units.entry(of) else { return };
        let record = matches!(
            target.tag,
            Some(
                dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type | dw::DW_TAG_enumeration_type
            )
        );
        if record && target.get(dw::DW_AT_name).is_none() {
            found.types.entry(name.to_string_lossy().into()).or_default().complete = true;
        }
    }

    fn derived(&mut self, entry: &Entry<'a>, found: &mut View) {
        let (units, unit) = (self.units, self.unit);
        let Some(of) = entry.get(dw::DW_AT_type).and_then(|value| units.refers(unit, value)) else { return };
        let Ok(base) = units.entry(of) else { return };
        let Some(name) = base.text(units, of.unit, dw::DW_AT_name) else { return };
        let scoped = format!("{}{}", self.names.path(Die { unit: of.unit, offset: of.offset }), name.to_string_lossy());
        found.types.entry(scoped.into()).or_default().derived_from = true;
    }
}
