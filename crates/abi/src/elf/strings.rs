//! Names in the read-only data of a file that looks symbols up at run time: what it may give to `dlopen` and `dlsym`.
//!
//! It is a guess that errs on the side of too many: a name that is put together at run time is not found.

use object::{
    Endianness, elf,
    read::elf::{FileHeader, SectionHeader as _},
};

use super::{ElfError, read::Input};

/// Functions that find a symbol by its name.
const LOOKUPS: [&[u8]; 2] = [b"dlsym", b"dlvsym"];
/// No longer name is looked up.
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=256;

/// Reads the strings, if the file looks up any.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<(), ElfError> {
    let names = &input.facts.names;
    let looks = input.facts.imports.iter().any(|import| LOOKUPS.contains(&names.get(import.name)));
    if !looks {
        return Ok(());
    }
    let sections = input.sections.iter();
    for section in sections {
        let flags = section.sh_flags(input.endian);
        let is_text = flags.contains(elf::SHF_ALLOC) && section.sh_type(input.endian) == elf::SHT_PROGBITS;
        if !is_text || !(input.is_prefixed(section, b".rodata") || input.is_prefixed(section, b".data")) {
            continue;
        }
        let Ok(data) = section.data(input.endian, input.data) else { continue };
        let data = input.budget.scan(data);
        let mut start = 0;
        for end in memchr::memchr_iter(0, data) {
            let text = &data[start..end];
            start = end + 1;
            if LENGTHS.contains(&text.len()) && (is_identifier(text) || is_library(text)) {
                let name = input.keep(text)?;
                input.facts.strings.push(name);
            }
        }
    }
    let names = &input.facts.names;
    input.facts.strings.sort_by(|a, b| names.get(*a).cmp(names.get(*b)));
    input.facts.strings.dedup_by(|a, b| names.get(*a) == names.get(*b));
    Ok(())
}

fn is_identifier(text: &[u8]) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    !text[0].is_ascii_digit() && text.iter().all(rest)
}

fn is_library(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic) && memchr::memmem::find(text, b".so").is_some()
}
