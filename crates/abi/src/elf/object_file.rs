//! The full symbol table: all there is of a relocatable object, and of a linked file what stripping would remove.

use object::{
    Endianness, elf,
    read::elf::{FileHeader, Sym as _},
};

use super::{
    ElfError, FileKind, Symbol, SymbolKind, damaged,
    facts::Held,
    read::Input,
    symbols::{Places, binding, kind, strings, visibility},
};

const WHAT: &str = "symbol table";

/// Reads what a relocatable object defines and needs. What is hidden counts here: it is seen when objects are linked.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<(), ElfError> {
    let (endian, data) = (input.endian, input.data);
    let table = input.sections.symbols(endian, data, elf::SHT_SYMTAB).map_err(damaged(WHAT))?;
    let places = Places::new(input, &table);
    let strings = strings(input, &table)?;
    for (index, symbol) in table.enumerate() {
        input.budget.step()?;
        let Some(binding) = binding(symbol.st_bind()) else { continue };
        let text = input.string(strings, symbol.st_name(endian).into(), WHAT)?;
        if text.is_empty() {
            continue;
        }
        let name = input.keep(text)?;
        let place = places.of(input, &table, index, symbol);
        let visibility = visibility(symbol.st_visibility()).unwrap_or(super::Visibility::Protected);
        let (kind, size) = (kind(symbol.st_type()), symbol.st_size(endian).into());
        let found = Symbol { name, version: None, flags: 0, kind, binding, visibility, place, size };
        if symbol.is_undefined(endian) {
            input.facts.imports.push(found);
        } else {
            input.facts.rest.edit().exports.push(found);
            input.addresses.push(symbol.st_value(endian).into());
        }
    }
    Ok(())
}

/// Reads names and sizes of strong global functions and variables that a linked file defines for itself: code of a
/// library that was linked statically shows here. Shared objects say the same in their exports.
pub(super) fn read_held<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<(), ElfError> {
    if !matches!(input.facts.kind, FileKind::Executable | FileKind::Pie | FileKind::Shared) {
        return Ok(());
    }
    let (endian, data) = (input.endian, input.data);
    let table = input.sections.symbols(endian, data, elf::SHT_SYMTAB).map_err(damaged(WHAT))?;
    let strings = strings(input, &table)?;
    for symbol in table.iter() {
        input.budget.step()?;
        let is_kind =
            matches!(kind(symbol.st_type()), SymbolKind::Function | SymbolKind::Indirect | SymbolKind::Object);
        let is_global = symbol.st_bind() == elf::STB_GLOBAL;
        if !is_kind || !is_global || symbol.is_undefined(endian) || symbol.is_absolute(endian) {
            continue;
        }
        let text = input.string(strings, symbol.st_name(endian).into(), WHAT)?;
        // A copied variable, and what a version script names: `name@VERSION`.
        if text.is_empty() || memchr::memchr(b'@', text).is_some() {
            continue;
        }
        let name = input.keep(text)?;
        input.facts.held.push(Held { name, size: symbol.st_size(endian).into() });
    }
    Ok(())
}
