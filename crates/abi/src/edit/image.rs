//! A file's headers, and the segment that is appended to it.

use std::ops::Range;

use object::{
    Endianness, U16, U32, U64,
    elf::{self, FileHeader64, ProgramHeader64, ProgramType, SectionHeader64},
    pod,
    read::elf::{FileHeader as _, ProgramHeader as _},
};

use super::{EditError, INTERPRETER_ROOM};

/// How much a file may grow only to keep the program headers at the same distance from their address as everything else.
const LONGEST_GAP: u64 = 16 << 20;

type Segment = ProgramHeader64<Endianness>;

/// A file that is being edited.
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) endian: Endianness,
    pub(super) segments: Vec<Segment>,
    sections: usize,
    section_count: usize,
    /// The largest page size of the machine.
    page: u64,
}

/// The segment that is appended, while it is put together.
pub(super) struct Extra {
    pub(super) bytes: Vec<u8>,
    offset: u64,
    address: u64,
    /// The program header that is given up for this segment's; without one, all of them move to its beginning.
    instead: Option<usize>,
}

impl Image {
    pub(super) fn read(data: &[u8]) -> Result<Self, EditError> {
        let unsupported = |what| EditError::Unsupported { what };
        if !matches!(data, [0x7f, b'E', b'L', b'F', 2, ..]) {
            return Err(unsupported("files other than 64-bit ELF"));
        }
        let header = FileHeader64::<Endianness>::parse(data).map_err(|_| contradiction("header"))?;
        let endian = header.endian().map_err(|_| contradiction("header"))?;
        if !matches!(header.e_type.get(endian), elf::ET_EXEC | elf::ET_DYN) {
            return Err(unsupported("ELF files other than programs and shared objects"));
        }
        let page = match header.e_machine.get(endian) {
            // Its dynamic section refers to itself by distance.
            elf::EM_MIPS => return Err(unsupported("files for MIPS")),
            elf::EM_X86_64 | elf::EM_S390 | elf::EM_RISCV => 0x1000,
            _ => 0x1_0000,
        };
        let segments = header.program_headers(endian, data).map_err(|_| contradiction("program headers"))?.to_vec();
        let (sections, section_count) = match header.section_headers(endian, data) {
            Ok(found) => (header.e_shoff.get(endian), found.len()),
            Err(_) => return Err(contradiction("section headers")),
        };
        let sections = usize::try_from(sections).map_err(|_| contradiction("section headers"))?;
        Ok(Self { bytes: data.to_vec(), endian, segments, sections, section_count, page })
    }

    /// The first segment of a type, by its position.
    pub(super) fn segment(&self, kind: ProgramType) -> Option<usize> {
        self.segments.iter().position(|segment| segment.p_type(self.endian) == kind)
    }

    /// Where the file has what is at an address.
    pub(super) fn range(&self, address: u64, length: u64) -> Option<Range<usize>> {
        let holds = |segment: &&Segment| {
            let start = segment.p_vaddr(self.endian);
            let end = start.checked_add(segment.p_filesz(self.endian));
            address >= start && address.checked_add(length).zip(end).is_some_and(|(last, end)| last <= end)
        };
        let segment = self.loads().find(holds)?;
        let start = segment.p_offset(self.endian).checked_add(address - segment.p_vaddr(self.endian))?;
        self.file_range(start, length)
    }

    /// A range of the file, if it has it.
    pub(super) fn file_range(&self, start: u64, length: u64) -> Option<Range<usize>> {
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len() as u64)?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// The parts of the file that are loaded.
    pub(super) fn mapped(&self) -> Vec<Range<usize>> {
        let range = |segment: &Segment| self.file_range(segment.p_offset(self.endian), segment.p_filesz(self.endian));
        self.loads().filter_map(range).collect()
    }

    fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD)
    }

    /// Points the section that begins at address `from` to what was placed for it.
    pub(super) fn move_section(
        &mut self,
        from: u64,
        (offset, address, length): (u64, u64, u64),
    ) -> Result<(), EditError> {
        let endian = self.endian;
        let table = self.bytes.get_mut(self.sections..).unwrap_or_default();
        let (sections, _) = pod::slice_from_bytes_mut::<SectionHeader64<Endianness>>(table, self.section_count)
            .map_err(|()| contradiction("section headers"))?;
        let is_it = |section: &&mut SectionHeader64<Endianness>| {
            section.sh_addr.get(endian) == from && section.sh_size.get(endian) != 0
        };
        if let Some(section) = sections.iter_mut().find(is_it) {
            section.sh_offset = U64::new(endian, offset);
            section.sh_addr = U64::new(endian, address);
            section.sh_size = U64::new(endian, length);
        }
        Ok(())
    }

    /// Points a program header to what was placed for it.
    pub(super) fn place_segment(&mut self, index: usize, (offset, address, length): (u64, u64, u64)) {
        let [offset, address, length] = [offset, address, length].map(|value| U64::new(self.endian, value));
        let segment = &mut self.segments[index];
        (segment.p_offset, segment.p_vaddr, segment.p_paddr) = (offset, address, address);
        (segment.p_filesz, segment.p_memsz) = (length, length);
    }

    /// Decides where the appended segment is.
    pub(super) fn begin_extra(&self) -> Result<Extra, EditError> {
        let endian = self.endian;
        let first = self.loads().next().ok_or(contradiction("program headers"))?;
        let distance = first.p_vaddr(endian).checked_sub(first.p_offset(endian));
        let ends = self.loads().map(|segment| segment.p_vaddr(endian).checked_add(segment.p_memsz(endian)));
        let end = ends.collect::<Option<Vec<u64>>>().and_then(|ends| ends.into_iter().max());
        let (Some(distance), Some(end)) = (distance, end.filter(|end| *end < 1 << 62)) else {
            return Err(contradiction("program headers"));
        };
        let offset = (self.bytes.len() as u64).next_multiple_of(self.page);
        let address = end.next_multiple_of(self.page);
        let instead = self.expendable();
        if instead.is_some() {
            return Ok(Extra { bytes: Vec::new(), offset, address, instead });
        }
        // Linux before 5.18 takes program headers to be as far from their address as the first segment is.
        let address = address.max(offset.saturating_add(distance));
        let moved = address - distance;
        if moved - offset > LONGEST_GAP || !distance.is_multiple_of(self.page) {
            return Err(EditError::Unsupported { what: "files without room for another segment" });
        }
        let headers = (self.segments.len() + 1) * size_of::<Segment>();
        Ok(Extra { bytes: vec![0; headers], offset: moved, address, instead })
    }

    /// A note that only says what another program header says as well.
    fn expendable(&self) -> Option<usize> {
        let range = |segment: &Segment| (segment.p_offset(self.endian), segment.p_filesz(self.endian));
        let said = range(&self.segments[self.segment(elf::PT_GNU_PROPERTY)?]);
        self.segments.iter().position(|segment| segment.p_type(self.endian) == elf::PT_NOTE && range(segment) == said)
    }

    /// Appends the segment and writes the program headers.
    pub(super) fn append(&mut self, mut extra: Extra) -> Result<(), EditError> {
        let endian = self.endian;
        if extra.is_unused(self.segments.len()) {
            return Ok(());
        }
        if let Some(index) = extra.instead {
            self.segments.remove(index);
        }
        let last = self.segments.iter().rposition(|segment| segment.p_type(endian) == elf::PT_LOAD);
        let length = extra.bytes.len() as u64;
        let (offset, address) = (U64::new(endian, extra.offset), U64::new(endian, extra.address));
        let load = Segment {
            p_type: U32::new(endian, elf::PT_LOAD),
            p_flags: U32::new(endian, elf::PF_R | elf::PF_W),
            p_offset: offset,
            p_vaddr: address,
            p_paddr: address,
            p_filesz: U64::new(endian, length),
            p_memsz: U64::new(endian, length),
            p_align: U64::new(endian, self.page),
        };
        self.segments.insert(last.map_or(0, |last| last + 1), load);
        let count = u16::try_from(self.segments.len()).ok().filter(|count| *count < elf::PN_XNUM);
        let count = count.ok_or(contradiction("program headers"))?;
        if extra.instead.is_none() {
            let size = (self.segments.len() * size_of::<Segment>()) as u64;
            if let Some(table) = self.segment(elf::PT_PHDR) {
                self.place_segment(table, (extra.offset, extra.address, size));
            }
            let written = pod::bytes_of_slice(&self.segments);
            extra.bytes[..written.len()].copy_from_slice(written);
        }
        let (header, _) =
            pod::from_bytes_mut::<FileHeader64<Endianness>>(&mut self.bytes).map_err(|()| contradiction("header"))?;
        header.e_phnum = U16::new(endian, count);
        if extra.instead.is_none() {
            header.e_phoff = offset;
        } else {
            let start = header.e_phoff.get(endian);
            let written = pod::bytes_of_slice(&self.segments).to_vec();
            let range = self.file_range(start, written.len() as u64).ok_or(contradiction("program headers"))?;
            self.bytes[range].copy_from_slice(&written);
        }
        let start = usize::try_from(extra.offset).map_err(|_| contradiction("length"))?;
        self.bytes.resize(start, 0);
        self.bytes.append(&mut extra.bytes);
        Ok(())
    }
}

impl Extra {
    /// Whether nothing was added, where a file has so many program headers.
    fn is_unused(&self, segments: usize) -> bool {
        let headers = if self.instead.is_some() { 0 } else { (segments + 1) * size_of::<Segment>() };
        self.bytes.len() == headers
    }

    /// Adds bytes, at a multiple of 8. Gives their place in the file, their address, and their length.
    pub(super) fn add(&mut self, bytes: &[u8]) -> (u64, u64, u64) {
        let at = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(bytes);
        (self.offset + at as u64, self.address + at as u64, bytes.len() as u64)
    }

    /// Places the interpreter's path where there is room. Gives its place in the file.
    pub(super) fn interpreter(&mut self, image: &mut Image, index: usize) -> Result<u64, EditError> {
        let segment = &image.segments[index];
        let (start, length) = (segment.p_offset(image.endian), segment.p_filesz(image.endian));
        let from = segment.p_vaddr(image.endian);
        let range = image.file_range(start, length).filter(|range| range.len() < INTERPRETER_ROOM);
        let mut path = image.bytes[range.ok_or(contradiction("interpreter"))?].to_vec();
        path.resize(INTERPRETER_ROOM, 0);
        let placed = self.add(&path);
        image.move_section(from, placed)?;
        image.place_segment(index, placed);
        Ok(placed.0)
    }
}

pub(super) fn contradiction(what: &'static str) -> EditError {
    EditError::Contradiction { what }
}
