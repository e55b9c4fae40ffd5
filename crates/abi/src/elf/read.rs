//! One file, from its first bytes to its facts.

use object::{
    Endianness, U32,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _, SectionTable},
};

use super::{
    ElfError, Facts, FileKind, Platform, Symbol, archive,
    budget::Budget,
    damaged, dynamic, inclusions,
    names::{Name, Names},
    notes, object_file,
    relocations::Relocated,
    strings, symbols,
    versions::Versions,
};

/// What one file is read through.
pub(super) struct Input<'data, Elf: FileHeader<Endian = Endianness>> {
    pub(super) data: &'data [u8],
    pub(super) endian: Endianness,
    pub(super) header: &'data Elf,
    pub(super) sections: SectionTable<'data, Elf>,
    /// The table of section names.
    section_names: &'data [u8],
    pub(super) budget: Budget,
    pub(super) facts: Facts,
    /// Where the exports are, in the order of the exports.
    pub(super) addresses: Vec<u64>,
}

/// Whether the bytes begin as those do that [`read`] reads.
pub fn is_elf_or_archive(data: &[u8]) -> bool {
    data.starts_with(&elf::ELFMAG) || archive::is_archive(data)
}

/// Reads the facts of an ELF file, or of an `ar` archive of them.
///
/// # Errors
/// If it is neither, or not whole.
pub fn read(data: &[u8]) -> Result<Facts, ElfError> {
    read_with_addresses(data).map(|(facts, _)| facts)
}

/// Reads the facts, and with them the value of each export: its address, or its place among the thread variables. They
/// are what debug information is found by, and no facts: each build has others. Those of an archive are not told.
///
/// # Errors
/// See [`read`].
pub fn read_with_addresses(data: &[u8]) -> Result<(Facts, Vec<u64>), ElfError> {
    match data {
        _ if archive::is_archive(data) => Ok((archive::read(data)?, Vec::new())),
        [0x7f, b'E', b'L', b'F', 1, ..] => read_class::<FileHeader32<Endianness>>(data),
        [0x7f, b'E', b'L', b'F', 2, ..] => read_class::<FileHeader64<Endianness>>(data),
        _ => Err(ElfError::Foreign),
    }
}

fn read_class<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<(Facts, Vec<u64>), ElfError> {
    let header = Elf::parse(data).map_err(damaged("header"))?;
    let endian = header.endian().map_err(damaged("header"))?;
    let sections = header.sections(endian, data).map_err(damaged("section table"))?;
    let section_names = section_names(header, endian, data, &sections);
    let platform = Platform {
        bits: if header.is_class_64() { 64 } else { 32 },
        little_endian: header.is_little_endian(),
        machine: header.e_machine(endian).0,
        flags: header.e_flags(endian).0,
    };
    let facts = Facts::new(FileKind::Other, platform);
    let budget = Budget::of(data.len());
    let mut input = Input { data, endian, header, sections, section_names, budget, facts, addresses: Vec::new() };
    input.read()?;
    Ok((input.facts, input.addresses))
}

fn section_names<'data, Elf: FileHeader<Endian = Endianness>>(
    header: &'data Elf,
    endian: Endianness,
    data: &'data [u8],
    sections: &SectionTable<'data, Elf>,
) -> &'data [u8] {
    let index = header.section_strings_index(endian, data).ok();
    let section = index.and_then(|index| sections.section(index).ok());
    section.and_then(|section| section.data(endian, data).ok()).unwrap_or_default()
}

impl<'data, Elf: FileHeader<Endian = Endianness>> Input<'data, Elf> {
    fn read(&mut self) -> Result<(), ElfError> {
        let file_type = self.header.e_type(self.endian);
        self.read_segments()?;
        self.read_notes()?;
        if file_type == elf::ET_REL {
            self.facts.kind = FileKind::Relocatable;
            object_file::read(self)?;
        } else {
            dynamic::read(self)?;
            self.facts.kind = self.kind(file_type);
            let relocated = Relocated::read(self)?;
            let versions = Versions::read(self)?;
            symbols::read(self, &versions, &relocated)?;
            object_file::read_held(self)?;
        }
        self.read_debug_link();
        inclusions::read(self)?;
        strings::read(self)?;
        self.sort();
        Ok(())
    }

    /// Sorts the exports, and their addresses with them.
    fn sort(&mut self) {
        let exports = std::mem::take(&mut self.facts.rest.edit().exports);
        let mut placed: Vec<_> = exports.into_iter().zip(std::mem::take(&mut self.addresses)).collect();
        placed.sort_by(|(a, _), (b, _)| order(&self.facts.names, a, b));
        (self.facts.rest.edit().exports, self.addresses) = placed.into_iter().unzip();
        sort(&mut self.facts);
    }

    fn kind(&self, file_type: elf::FileType) -> FileKind {
        let is_pie = self.facts.dynamic.flags_1 & elf::DF_1_PIE.0 != 0;
        match file_type {
            elf::ET_EXEC => FileKind::Executable,
            elf::ET_DYN if is_pie => FileKind::Pie,
            // Linkers before 2016 did not say it.
            elf::ET_DYN if self.facts.interpreter.is_some() && self.facts.dynamic.soname.is_none() => FileKind::Pie,
            elf::ET_DYN => FileKind::Shared,
            _ => FileKind::Other,
        }
    }

    fn read_segments(&mut self) -> Result<(), ElfError> {
        let segments = self.header.program_headers(self.endian, self.data).map_err(damaged("program headers"))?;
        for segment in segments {
            match segment.p_type(self.endian) {
                elf::PT_INTERP => {
                    // A file of debug information names a place that it does not have.
                    if let Ok(Some(path)) = segment.interpreter(self.endian, self.data) {
                        self.facts.interpreter = Some(self.keep(path)?);
                    }
                }
                elf::PT_TLS => self.facts.tls_size = segment.p_memsz(self.endian).into(),
                elf::PT_GNU_STACK => {
                    self.facts.has_executable_stack = segment.p_flags(self.endian).contains(elf::PF_X);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_notes(&mut self) -> Result<(), ElfError> {
        let machine = self.header.e_machine(self.endian);
        for section in self.sections.iter() {
            let Ok(Some(iterator)) = section.notes(self.endian, self.data) else { continue };
            let found = notes::read(iterator, machine, self.endian, &mut self.facts.notes, &mut self.budget);
            if let Some(id) = found {
                self.facts.build_id = Some(self.keep(id)?);
            }
        }
        Ok(())
    }

    fn read_debug_link(&mut self) {
        self.facts.has_debug_info =
            [&b".debug_info"[..], b".zdebug_info"].iter().any(|name| self.section(name).is_some());
        let Some(section) = self.section(b".gnu_debuglink") else { return };
        let name_length = memchr::memchr(0, section).unwrap_or(section.len());
        let sum = section.get((name_length + 1).next_multiple_of(4)..).and_then(|rest| rest.first_chunk());
        if let Some(sum) = sum.map(|bytes| U32::<Endianness>::from_bytes(*bytes).get(self.endian)) {
            self.facts.debug_link = self.keep(&section[..name_length]).ok().map(|name| (name, sum));
        }
    }

    /// The bytes of the first section with this name, if it has any.
    pub(super) fn section(&self, name: &[u8]) -> Option<&'data [u8]> {
        let section = self.sections.iter().find(|section| self.is_named(section, name))?;
        section.data(self.endian, self.data).ok().filter(|bytes| !bytes.is_empty())
    }

    /// Whether a section has this name. No longer name is read to find out.
    pub(super) fn is_named(&self, section: &Elf::SectionHeader, name: &[u8]) -> bool {
        let rest = self.section_names.get(section.sh_name(self.endian) as usize..);
        rest.is_some_and(|rest| rest.starts_with(name) && rest.get(name.len()) == Some(&0))
    }

    /// Whether a section's name begins so.
    pub(super) fn is_prefixed(&self, section: &Elf::SectionHeader, prefix: &[u8]) -> bool {
        let rest = self.section_names.get(section.sh_name(self.endian) as usize..);
        rest.is_some_and(|rest| rest.starts_with(prefix))
    }

    /// The string that begins at `offset` of a string table.
    pub(super) fn string(&self, table: &'data [u8], offset: u64, what: &'static str) -> Result<&'data [u8], ElfError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| table.get(offset..));
        let rest = rest.ok_or(ElfError::Contradiction { what })?;
        let longest = self.budget.longest_name().saturating_add(1).min(rest.len());
        match memchr::memchr(0, &rest[..longest]) {
            Some(end) => Ok(&rest[..end]),
            None if longest < rest.len() => Err(ElfError::Excessive { what: "names" }),
            None => Err(ElfError::Contradiction { what }),
        }
    }

    /// Puts a name into the facts.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Result<Name, ElfError> {
        self.budget.name(bytes.len())?;
        self.facts.names.push(bytes).ok_or(ElfError::Excessive { what: "names" })
    }
}

/// By name; of one name the version that is the default comes first.
fn order(names: &Names, a: &Symbol, b: &Symbol) -> std::cmp::Ordering {
    let by_name = names.get(a.name).cmp(names.get(b.name));
    by_name.then(a.is_hidden().cmp(&b.is_hidden())).then(a.version.cmp(&b.version))
}

/// Facts of equal files are equal whatever the order of their symbol tables; and names can be found.
pub(super) fn sort(facts: &mut Facts) {
    let (names, rest) = (&facts.names, facts.rest.edit());
    rest.exports.sort_by(|a, b| order(names, a, b));
    facts.imports.sort_by(|a, b| order(names, a, b));
    facts.held.sort_by(|a, b| names.get(a.name).cmp(names.get(b.name)));
}
