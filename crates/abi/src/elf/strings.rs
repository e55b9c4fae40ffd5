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
pub(super) fn read<'data, Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'data, Elf>) -> Result<(), ElfError> {
    let names = &input.facts.names;
    let looks = input.facts.imports.iter().any(|import| LOOKUPS.contains(&names.get(import.name)));
    if !looks {
        return Ok(());
    }
    let (mut symbols, mut libraries): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    for section in input.sections.iter() {
        let flags = section.sh_flags(input.endian);
        let is_text = flags.contains(elf::SHF_ALLOC) && section.sh_type(input.endian) == elf::SHT_PROGBITS;
        if !is_text || !(input.is_prefixed(section, b".rodata") || input.is_prefixed(section, b".data")) {
            continue;
        }
        let Ok(data) = section.data(input.endian, input.data) else { continue };
        let mut rest = input.budget.scan(data);
        while let Some(end) = memchr::memchr(0, rest) {
            let (text, after) = rest.split_at(end);
            match LENGTHS.contains(&text.len()).then(|| kind(text)) {
                Some(IDENTIFIER) => symbols.push(text),
                Some(LIBRARY) => libraries.push(text),
                _ => {}
            }
            // Zeros come in long runs, too.
            let zeros = after.iter().take_while(|byte| **byte == 0).count();
            rest = &after[zeros..];
        }
    }
    for list in [&mut symbols, &mut libraries] {
        list.sort_unstable();
        list.dedup();
    }
    for text in symbols {
        let name = input.keep(text)?;
        input.facts.rest.edit().strings.push(name);
    }
    for text in libraries {
        let name = input.keep(text)?;
        input.facts.openable.push(name);
    }
    Ok(())
}

/// What a byte can be part of: an identifier, the name of a library, or neither.
const KINDS: [u8; 256] = {
    let mut kinds = [NEITHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let one = byte as u8;
        kinds[byte] = match one {
            b'_' => IDENTIFIER,
            _ if one.is_ascii_alphanumeric() => IDENTIFIER,
            _ if one.is_ascii_graphic() => LIBRARY,
            _ => NEITHER,
        };
        byte += 1;
    }
    kinds
};
const IDENTIFIER: u8 = 0;
const LIBRARY: u8 = 1;
const NEITHER: u8 = 2;

/// Whether a text is an identifier, may be the name of a library, or is neither.
fn kind(text: &[u8]) -> u8 {
    let mut seen = IDENTIFIER;
    for &byte in text {
        seen |= KINDS[usize::from(byte)];
        if seen >= NEITHER {
            return NEITHER;
        }
    }
    let is_fine = if seen == LIBRARY { text.windows(3).any(|part| part == b".so") } else { !text[0].is_ascii_digit() };
    if is_fine { seen } else { NEITHER }
}

#[cfg(test)]
mod tests {
    use super::{IDENTIFIER, LIBRARY, NEITHER, kind};

    #[test]
    fn names_are_told_from_other_texts() {
        let all = |texts: &[&str], expected| {
            for text in texts {
                assert_eq!(kind(text.as_bytes()), expected, "{text}");
            }
        };
        all(&["dlopen", "_x1"], IDENTIFIER);
        all(&["libz.so.1", "./a-b.so", "/usr/lib/x.so"], LIBRARY);
        all(&["1x", "a b", "a.s", "%s", "lib z.so", "\u{e9}.so", "a\tb.so"], NEITHER);
    }
}
