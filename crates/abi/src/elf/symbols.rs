//! The dynamic symbol table: what a file offers, and what it needs.

use std::collections::HashSet;

use object::{
    Endianness, elf,
    read::{
        SymbolIndex,
        elf::{FileHeader, SectionHeader as _, Sym, SymbolTable},
    },
};

use super::{
    Binding, ElfError, FileKind, Place, Symbol, SymbolKind, Visibility, damaged,
    read::Input,
    relocations::Relocated,
    versions::{Node, Versions},
};

const WHAT: &str = "dynamic symbol table";

/// Reads the dynamic symbols.
pub(super) fn read<'data, Elf: FileHeader<Endian = Endianness>>(
    input: &mut Input<'data, Elf>,
    versions: &Versions<'data>,
    relocated: &Relocated,
) -> Result<(), ElfError> {
    let (endian, data) = (input.endian, input.data);
    let table = input.sections.symbols(endian, data, elf::SHT_DYNSYM).map_err(damaged(WHAT))?;
    let places = Places::new(input, &table);
    let strings = strings(input, &table)?;
    if versions.numbers.is_some_and(|numbers| numbers.len() < table.len()) {
        return Err(ElfError::Contradiction { what: "table of symbol versions" });
    }
    let copied = copied_places(input, &table, relocated);
    for (index, symbol) in table.enumerate() {
        input.budget.step()?;
        let Some(binding) = binding(symbol.st_bind()) else { continue };
        let Some(visibility) = visibility(symbol.st_visibility()) else { continue };
        let number = versions.numbers.map(|numbers| numbers[index.0].0.get(endian));
        let node = number.map_or(Node::Unknown, |number| versions.node(number.index()));
        let is_undefined = symbol.is_undefined(endian);
        // A copied variable may have several names, and only one of them the relocation.
        let is_copied = !is_undefined
            && (matches!(node, Node::Needed(_)) || copied.contains(&place_and_size::<Elf>(endian, symbol)));
        if !is_undefined && !is_copied && number.is_some_and(|number| number.is_local()) {
            continue;
        }
        let text = input.string(strings, symbol.st_name(endian).into(), WHAT)?;
        if text.is_empty() {
            continue;
        }
        let name = input.keep(text)?;
        let kind = kind(symbol.st_type());
        let size = symbol.st_size(endian).into();
        let place = places.of(input, &table, index, symbol);
        let mut found = Symbol { name, version: None, flags: 0, kind, binding, visibility, place, size };
        if is_undefined || is_copied {
            found.version = match node {
                Node::Needed(index) => Some(index),
                _ if number.is_none_or(|number| number.index().0 <= 1) => None,
                // A program's own copy of a variable may have a version of the program's own.
                Node::Defined(_) if is_copied => None,
                _ => return Err(ElfError::Contradiction { what: "table of symbol versions" }),
            };
            found.flags |= if is_copied { Symbol::COPIED } else { 0 };
            found.flags |= if is_address_taken(input, symbol) { Symbol::ADDRESS } else { 0 };
            input.facts.imports.push(found);
        } else {
            found.version = match node {
                Node::Defined(index) => Some(index),
                _ if number.is_none_or(|number| number.index().0 <= 1) => None,
                _ => return Err(ElfError::Contradiction { what: "table of symbol versions" }),
            };
            // Linkers mark each version node with a symbol of its name, which nobody can use.
            let node = found.version.and_then(|index| input.facts.definitions.get(usize::from(index)));
            if symbol.is_absolute(endian) && node.is_some_and(|node| input.facts.names.get(node.name) == text) {
                continue;
            }
            found.flags |= if number.is_some_and(|number| number.is_hidden()) { Symbol::HIDDEN } else { 0 };
            found.flags |= if relocated.is_relocated(index.0) { Symbol::RELOCATED } else { 0 };
            input.facts.rest.edit().exports.push(found);
            input.addresses.push(symbol.st_value(endian).into());
        }
    }
    Ok(())
}

/// Where the file has copies of others' variables, and their sizes: marks like `__bss_start` may be at the same place.
fn copied_places<Elf: FileHeader<Endian = Endianness>>(
    input: &Input<'_, Elf>,
    table: &SymbolTable<'_, Elf>,
    relocated: &Relocated,
) -> HashSet<(u64, u64)> {
    let copied = relocated.copied().filter_map(|index| table.symbol(SymbolIndex(index)).ok());
    let defined = copied.filter(|symbol| !symbol.is_undefined(input.endian));
    defined.map(|symbol| place_and_size::<Elf>(input.endian, symbol)).collect()
}

fn place_and_size<Elf: FileHeader<Endian = Endianness>>(endian: Endianness, symbol: &Elf::Sym) -> (u64, u64) {
    (symbol.st_value(endian).into(), symbol.st_size(endian).into())
}

/// The bytes of a symbol table's strings.
pub(super) fn strings<'data, Elf: FileHeader<Endian = Endianness>>(
    input: &Input<'data, Elf>,
    table: &SymbolTable<'data, Elf>,
) -> Result<&'data [u8], ElfError> {
    if table.is_empty() {
        return Ok(&[]);
    }
    let section = input.sections.section(table.string_section());
    section.and_then(|section| section.data(input.endian, input.data)).map_err(damaged("names of symbols"))
}

/// Whether a program's stub for a function stands for its address: undefined, and yet it has a value. MIPS gives
/// stubs values for another reason.
fn is_address_taken<Elf: FileHeader<Endian = Endianness>>(input: &Input<'_, Elf>, symbol: &Elf::Sym) -> bool {
    let value: u64 = symbol.st_value(input.endian).into();
    let is_program = matches!(input.facts.kind, FileKind::Executable | FileKind::Pie);
    symbol.is_undefined(input.endian) && value != 0 && is_program && input.facts.platform.machine != elf::EM_MIPS.0
}

/// How a symbol that others see is bound; nothing of a local one.
pub(super) fn binding(bind: elf::SymbolBind) -> Option<Binding> {
    match bind {
        elf::STB_LOCAL => None,
        elf::STB_WEAK => Some(Binding::Weak),
        elf::STB_GNU_UNIQUE => Some(Binding::Unique),
        _ => Some(Binding::Global),
    }
}

/// Who may stand for it; nothing of what others do not see.
pub(super) fn visibility(visibility: elf::SymbolVisibility) -> Option<Visibility> {
    match visibility {
        elf::STV_DEFAULT => Some(Visibility::Default),
        elf::STV_PROTECTED => Some(Visibility::Protected),
        _ => None,
    }
}

/// What a symbol is.
pub(super) fn kind(kind: elf::SymbolType) -> SymbolKind {
    match kind {
        elf::STT_NOTYPE => SymbolKind::Unknown,
        elf::STT_OBJECT | elf::STT_COMMON => SymbolKind::Object,
        elf::STT_FUNC => SymbolKind::Function,
        elf::STT_GNU_IFUNC => SymbolKind::Indirect,
        elf::STT_TLS => SymbolKind::Tls,
        _ => SymbolKind::Other,
    }
}

/// What kind each section is of.
pub(super) struct Places(Vec<Place>);

impl Places {
    /// Looks at the sections, if there are symbols at all.
    pub(super) fn new<Elf: FileHeader<Endian = Endianness>>(
        input: &Input<'_, Elf>,
        table: &SymbolTable<'_, Elf>,
    ) -> Self {
        if table.is_empty() {
            return Self(Vec::new());
        }
        let place = |section: &Elf::SectionHeader| {
            let flags = section.sh_flags(input.endian);
            if flags.contains(elf::SHF_EXECINSTR) {
                Place::Code
            } else if !flags.contains(elf::SHF_WRITE) || input.is_named(section, b".data.rel.ro") {
                Place::ReadOnly
            } else {
                Place::Writable
            }
        };
        Self(input.sections.iter().map(place).collect())
    }

    pub(super) fn of<'data, Elf: FileHeader<Endian = Endianness>>(
        &self,
        input: &Input<'data, Elf>,
        table: &SymbolTable<'data, Elf>,
        index: SymbolIndex,
        symbol: &'data Elf::Sym,
    ) -> Place {
        let section = table.symbol_section(input.endian, symbol, index).ok().flatten();
        section.and_then(|section| self.0.get(section.0)).copied().unwrap_or(Place::None)
    }
}
