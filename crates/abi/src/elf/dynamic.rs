//! The dynamic section.

use object::{
    Endianness, elf,
    read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _},
};

use super::{ElfError, damaged, read::Input};

/// Reads the dynamic section, if the file has one.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<(), ElfError> {
    const WHAT: &str = "dynamic section";
    let (endian, data) = (input.endian, input.data);
    let Some((entries, strings)) = input.sections.dynamic(endian, data).map_err(damaged(WHAT))? else {
        // Sections can be stripped, and those of a file of debug information are empty: what the program headers
        // announce must be there all the same.
        let segments = input.header.program_headers(endian, data).map_err(damaged("program headers"))?;
        let announced = segments.iter().any(|segment| segment.p_type(endian) == elf::PT_DYNAMIC);
        return if announced { Err(ElfError::Missing { what: WHAT }) } else { Ok(()) };
    };
    let strings = input.sections.section(strings).and_then(|section| section.data(endian, data));
    let strings = strings.map_err(damaged("dynamic strings"))?;
    input.facts.dynamic.is_there = true;
    let (mut has_symbols, mut has_versions) = (false, false);
    for entry in entries {
        input.budget.step()?;
        let value: u64 = entry.d_val(endian).into();
        let tag = entry.d_tag(endian);
        let name = |input: &mut Input<'_, Elf>| {
            let text = input.string(strings, value, WHAT)?;
            input.keep(text)
        };
        match tag {
            elf::DT_NULL => break,
            elf::DT_SONAME => input.facts.dynamic.soname = Some(name(input)?),
            elf::DT_NEEDED => {
                let needed = name(input)?;
                input.facts.dynamic.needed.push(needed);
            }
            elf::DT_RUNPATH => input.facts.dynamic.runpath = Some(name(input)?),
            elf::DT_RPATH => input.facts.dynamic.rpath = Some(name(input)?),
            elf::DT_SYMBOLIC => input.facts.dynamic.flags |= elf::DF_SYMBOLIC.0,
            elf::DT_FLAGS => input.facts.dynamic.flags |= value,
            elf::DT_FLAGS_1 => input.facts.dynamic.flags_1 = value,
            elf::DT_SYMTAB => has_symbols = true,
            elf::DT_VERSYM => has_versions = true,
            _ => {}
        }
    }
    let has = |kind| input.sections.iter().any(|section| section.sh_type(endian) == kind);
    if has_symbols && !has(elf::SHT_DYNSYM) {
        return Err(ElfError::Missing { what: "dynamic symbol table" });
    }
    if has_versions && !has(elf::SHT_GNU_VERSYM) {
        return Err(ElfError::Missing { what: "table of symbol versions" });
    }
    Ok(())
}
