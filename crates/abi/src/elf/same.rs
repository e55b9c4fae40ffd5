//! Whether two files are one as far as a process can tell.

use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::{FileHeader, ProgramHeader as _},
};

/// Whether two ELF files put the same bytes at the same addresses with the same rights: one may be the other, stripped.
/// Then no consumer can tell them apart, whatever it uses. `false` where it cannot be told.
pub fn loads_the_same(one: &[u8], other: &[u8]) -> bool {
    let is_elf = |data: &[u8]| data.starts_with(&elf::ELFMAG);
    if !is_elf(one) || !is_elf(other) || one.get(4) != other.get(4) {
        return one == other;
    }
    match one.get(4) {
        Some(1) => segments::<FileHeader32<Endianness>>(one, other),
        _ => segments::<FileHeader64<Endianness>>(one, other),
    }
    .unwrap_or(false)
}

fn segments<Elf: FileHeader<Endian = Endianness>>(one: &[u8], other: &[u8]) -> object::read::Result<bool> {
    let (one_header, other_header) = (Elf::parse(one)?, Elf::parse(other)?);
    let (one_endian, other_endian) = (one_header.endian()?, other_header.endian()?);
    let (ours, theirs) =
        (one_header.program_headers(one_endian, one)?, other_header.program_headers(other_endian, other)?);
    if one_endian != other_endian
        || one_header.e_type(one_endian) != other_header.e_type(other_endian)
        || one_header.e_machine(one_endian) != other_header.e_machine(other_endian)
        || ours.len() != theirs.len()
    {
        return Ok(false);
    }
    // The file's header is loaded too, and says where the sections are: which only tools look at.
    let header = size_of::<Elf>();
    let mut has_loaded = false;
    for (ours, theirs) in ours.iter().zip(theirs) {
        let describe = |segment: &Elf::ProgramHeader| {
            let memory: u64 = segment.p_memsz(one_endian).into();
            let address: u64 = segment.p_vaddr(one_endian).into();
            (segment.p_type(one_endian), segment.p_flags(one_endian), address, memory)
        };
        if describe(ours) != describe(theirs) {
            return Ok(false);
        }
        if ours.p_type(one_endian) != elf::PT_LOAD {
            continue;
        }
        has_loaded = true;
        let from = |segment: &Elf::ProgramHeader| {
            let offset: u64 = segment.p_offset(one_endian).into();
            header.saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX))
        };
        let (Ok(ours_bytes), Ok(theirs_bytes)) = (ours.data(one_endian, one), theirs.data(one_endian, other)) else {
            return Ok(false);
        };
        if from(ours) != from(theirs) || ours_bytes.get(from(ours)..) != theirs_bytes.get(from(theirs)..) {
            return Ok(false);
        }
    }
    Ok(has_loaded)
}
