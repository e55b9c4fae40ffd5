//! Relocations that a dynamic linker applies, as far as they tell how a symbol is reached: copies of variables, and
//! exports that their own file reaches as others do.

use object::{
    Endianness, elf,
    read::elf::{FileHeader, Rel as _, Rela as _, SectionHeader as _},
};

use super::{ElfError, damaged, read::Input};

/// The relocation by which a program copies a variable of a library, per machine; from the processor supplements.
const COPY: &[(elf::Machine, elf::RelocationType)] = &[
    (elf::EM_X86_64, elf::R_X86_64_COPY),
    (elf::EM_386, elf::R_386_COPY),
    (elf::EM_AARCH64, elf::R_AARCH64_COPY),
    (elf::EM_ARM, elf::R_ARM_COPY),
    (elf::EM_RISCV, elf::R_RISCV_COPY),
    (elf::EM_PPC64, elf::R_PPC64_COPY),
    (elf::EM_PPC, elf::R_PPC_COPY),
    (elf::EM_S390, elf::R_390_COPY),
    (elf::EM_LOONGARCH, elf::R_LARCH_COPY),
    (elf::EM_MIPS, elf::R_MIPS_COPY),
    (elf::EM_SPARC, elf::R_SPARC_COPY),
    (elf::EM_SPARCV9, elf::R_SPARC_COPY),
    (elf::EM_68K, elf::R_68K_COPY),
    (elf::EM_SH, elf::R_SH_COPY),
    (elf::EM_PARISC, elf::R_PARISC_COPY),
    (elf::EM_ALPHA, elf::R_ALPHA_COPY),
];

/// What relocations say of the dynamic symbols, by their numbers.
pub(super) struct Relocated {
    marks: Vec<u8>,
}

const ANY: u8 = 1;
const COPIED: u8 = 2;

impl Relocated {
    /// Reads the relocation sections that belong to the dynamic symbol table.
    pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<Self, ElfError> {
        const WHAT: &str = "relocations";
        let (endian, data) = (input.endian, input.data);
        let machine = input.header.e_machine(endian);
        let copy = COPY.iter().find(|(of, _)| *of == machine).map(|&(_, kind)| kind);
        let is_mips64el = input.header.is_mips64el(endian);
        let table = input.sections.enumerate().find(|(_, section)| section.sh_type(endian) == elf::SHT_DYNSYM);
        let Some((table, _)) = table else { return Ok(Self { marks: Vec::new() }) };
        let mut relocated = Self { marks: Vec::new() };
        let length = input.sections.section(table).map(|section| section.sh_size(endian).into()).unwrap_or(0u64);
        // Nothing in the file is larger than the file.
        let most = usize::try_from(length).unwrap_or(usize::MAX).min(data.len()) / 16;
        let mut mark = |symbol: u32, kind: elf::RelocationType| {
            let symbol = symbol as usize;
            if symbol != 0 && symbol <= most {
                if relocated.marks.len() <= symbol {
                    relocated.marks.resize(symbol + 1, 0);
                }
                relocated.marks[symbol] |= if Some(kind) == copy { ANY | COPIED } else { ANY };
            }
        };
        for section in input.sections.iter() {
            if section.link(endian) != table {
                continue;
            }
            if let Some((entries, _)) = section.rela(endian, data).map_err(damaged(WHAT))? {
                for entry in entries {
                    input.budget.step()?;
                    mark(entry.r_sym(endian, is_mips64el), entry.r_type(endian, is_mips64el));
                }
            } else if let Some((entries, _)) = section.rel(endian, data).map_err(damaged(WHAT))? {
                for entry in entries {
                    input.budget.step()?;
                    mark(entry.r_sym(endian), entry.r_type(endian));
                }
            }
        }
        Ok(relocated)
    }

    /// The symbols of whose variables the file has copies.
    pub(super) fn copied(&self) -> impl Iterator<Item = usize> {
        self.marks.iter().enumerate().filter(|(_, mark)| **mark & COPIED != 0).map(|(symbol, _)| symbol)
    }

    /// Whether the file reaches this symbol through the dynamic linker.
    pub(super) fn is_relocated(&self, symbol: usize) -> bool {
        self.marks.get(symbol).is_some_and(|mark| mark & ANY != 0)
    }
}
