//! All units of all files that describe one binary, and how entries refer to each other across them.
//!
//! Invariant: preparing the units takes time linear in the size of the sections, whatever they claim. Abbreviation
//! tables are read once each and never past the start of the next; line tables are read when somebody asks.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    sync::Arc,
};

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfoOffset, DebugLineOffset, DwAt, DwLang, EntriesRaw, Reader,
    Section as _, UnitHeader, UnitOffset, UnitSectionOffset, UnitType, constants as dw,
};

use super::{entry::Entry, sections::Slice};

/// Source files that people write are shorter, in lines.
const LONGEST_SOURCE: u64 = 20_000;

/// An entry (DIE): its unit, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Die {
    pub(super) unit: u32,
    pub(super) offset: usize,
}

/// One unit with what its first entry says.
pub(super) struct Unit<'a> {
    /// Which of the files it is in.
    pub(super) file: u32,
    pub(super) inner: gimli::Unit<Slice<'a>>,
    pub(super) language: Option<DwLang>,
    pub(super) producer: Option<Slice<'a>>,
    /// The source file.
    pub(super) name: Option<Slice<'a>>,
    pub(super) lines: Option<DebugLineOffset>,
}

impl Unit<'_> {
    /// Whether names have scopes.
    pub(super) fn has_scopes(&self) -> bool {
        !matches!(
            self.language,
            Some(
                dw::DW_LANG_C
                    | dw::DW_LANG_C89
                    | dw::DW_LANG_C99
                    | dw::DW_LANG_C11
                    | dw::DW_LANG_C17
                    | dw::DW_LANG_Mips_Assembler
            )
        )
    }
}

/// What a file is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It describes the binary.
    Main,
    /// It holds what `dwz` found in several files.
    Supplement,
    /// It holds what was split off from some units.
    Split,
}

/// All units.
pub(super) struct Units<'a> {
    pub(super) files: Vec<(Role, gimli::Dwarf<Slice<'a>>)>,
    pub(super) units: Vec<Unit<'a>>,
    /// Where each unit of `.debug_info` starts, by file: sorted, for binary search.
    starts: Vec<Vec<(usize, u32)>>,
    /// Type units by signature, with the place of the type.
    signatures: HashMap<u64, Die>,
    /// Units that could not be read.
    pub(super) damaged: u32,
    /// Units whose source file is so long that it was put together from others.
    joined: RefCell<HashSet<u32>>,
    /// What may still be done, in entries: foreign bytes can ask for quadratic work.
    work: Cell<u64>,
}

impl<'a> Units<'a> {
    /// Prepares all units of these files, for at most this much work. The first supplement serves all of them.
    pub(super) fn new(files: Vec<(Role, gimli::Dwarf<Slice<'a>>)>, work: u64) -> Self {
        let mut units = Self {
            files: Vec::new(),
            units: Vec::new(),
            starts: Vec::new(),
            signatures: HashMap::new(),
            damaged: 0,
            joined: RefCell::default(),
            work: Cell::new(work),
        };
        for (role, dwarf) in files {
            let at = units.files.len() as u32;
            units.starts.push(Vec::new());
            units.add(at, &dwarf);
            units.files.push((role, dwarf));
        }
        units
    }

    fn add(&mut self, file: u32, dwarf: &gimli::Dwarf<Slice<'a>>) {
        let mut headers = Vec::new();
        let mut info = dwarf.units();
        // A header that cannot be read hides what follows it.
        while let Some(header) = info.next().unwrap_or_else(|_| self.hidden()) {
            headers.push(header);
        }
        let mut types = dwarf.type_units();
        while let Some(header) = types.next().unwrap_or_else(|_| self.hidden()) {
            headers.push(header);
        }
        let mut tables = Tables::new(dwarf, &headers);
        for header in headers {
            match tables.get(header.debug_abbrev_offset().0).and_then(|table| prepare(file, dwarf, header, table)) {
                Ok(unit) => self.insert(file, unit),
                Err(_) => self.damaged += 1,
            }
        }
    }

    fn hidden<T>(&mut self) -> Option<T> {
        self.damaged += 1;
        None
    }

    fn insert(&mut self, file: u32, mut unit: Unit<'a>) {
        // What was split off has its addresses, and where they are, in the unit that it was split off from.
        let skeleton = unit
            .inner
            .dwo_id
            .filter(|_| file > 0)
            .and_then(|id| self.units.iter().find(|other| other.file == 0 && other.inner.dwo_id == Some(id)));
        if let Some(skeleton) = skeleton {
            unit.inner.copy_relocated_attributes(&skeleton.inner);
        }
        let at = self.units.len() as u32;
        if let UnitType::Type { type_signature, type_offset } | UnitType::SplitType { type_signature, type_offset } =
            unit.inner.header.type_()
        {
            self.signatures.entry(type_signature.0).or_insert(Die { unit: at, offset: type_offset.0 });
        }
        if let Some(start) = unit.inner.header.debug_info_offset() {
            self.starts[file as usize].push((start.0, at));
        }
        self.units.push(unit);
    }

    /// Accounts for work; an error when there was too much.
    pub(super) fn spend(&self, work: u64) -> gimli::Result<()> {
        let left = self.work.get().saturating_sub(work);
        self.work.set(left);
        if left == 0 { Err(gimli::Error::NoEntryAtGivenOffset(0)) } else { Ok(()) }
    }

    /// Notes the line of a function. A file of this length was put together from others (SQLite's `sqlite3.c`), public
    /// headers among them: what it defines may be known to everyone.
    pub(super) fn note_line(&self, unit: u32, line: u64) {
        if line > LONGEST_SOURCE {
            self.joined.borrow_mut().insert(unit);
        }
    }

    /// Whether the source file of a unit was put together from others.
    pub(super) fn is_joined(&self, unit: u32) -> bool {
        self.joined.borrow().contains(&unit)
    }

    /// A number for the bytes of all units: equal for equal bytes.
    pub(super) fn print(&self) -> u64 {
        let mut hasher = crate::types::Hasher::new(3);
        for (_, dwarf) in &self.files {
            hasher.bytes(dwarf.debug_info.reader().slice());
            hasher.bytes(dwarf.debug_types.reader().slice());
        }
        hasher.finish().0 as u64
    }

    /// Whether there was too much to do, so that what was found is not all there is.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work.get() == 0
    }

    /// A cursor that stands before the entry.
    pub(super) fn raw(&self, die: Die) -> gimli::Result<EntriesRaw<'_, Slice<'a>>> {
        let unit = self.units.get(die.unit as usize).ok_or(gimli::Error::NoEntryAtGivenOffset(die.offset as u64))?;
        unit.inner.entries_raw(Some(UnitOffset(die.offset)))
    }

    /// The entry.
    pub(super) fn entry(&self, die: Die) -> gimli::Result<Entry<'a>> {
        self.spend(1)?;
        let mut entry = Entry::default();
        let mut raw = self.raw(die)?;
        if entry.read(&mut raw)? { Ok(entry) } else { Err(gimli::Error::NoEntryAtGivenOffset(die.offset as u64)) }
    }

    /// The file of a unit.
    pub(super) fn dwarf(&self, unit: u32) -> &gimli::Dwarf<Slice<'a>> {
        &self.files[self.units[unit as usize].file as usize].1
    }

    /// The entry that an attribute of an entry of this unit refers to.
    pub(super) fn refers(&self, unit: u32, value: AttributeValue<Slice<'a>>) -> Option<Die> {
        match value {
            AttributeValue::UnitRef(offset) => Some(Die { unit, offset: offset.0 }),
            AttributeValue::DebugInfoRef(offset) => self.at(self.units[unit as usize].file, offset),
            AttributeValue::DebugInfoRefSup(offset) => {
                let sup = self.files.iter().position(|(role, _)| *role == Role::Supplement)?;
                self.at(sup as u32, offset)
            }
            AttributeValue::DebugTypesRef(signature) => self.signatures.get(&signature.0).copied(),
            _ => None,
        }
    }

    fn at(&self, file: u32, offset: DebugInfoOffset) -> Option<Die> {
        let starts = self.starts.get(file as usize)?;
        let before = starts.partition_point(|(start, _)| *start <= offset.0);
        let (start, unit) = *starts.get(before.checked_sub(1)?)?;
        let offset = offset.0 - start;
        let header = &self.units[unit as usize].inner.header;
        (offset < header.length_including_self()).then_some(Die { unit, offset })
    }

    /// A text that an entry of this unit holds.
    pub(super) fn text(&self, unit: u32, value: AttributeValue<Slice<'a>>) -> Option<Slice<'a>> {
        let text = if let AttributeValue::DebugStrRefSup(offset) = value {
            let (_, sup) = self.files.iter().find(|(role, _)| *role == Role::Supplement)?;
            sup.string(offset).ok()?
        } else {
            self.dwarf(unit).attr_string(&self.units[unit as usize].inner, value).ok()?
        };
        // Texts may overlap, so that a megabyte can hold a million long ones.
        self.spend(1 + text.len() as u64 / 16).ok()?;
        Some(text)
    }
}

/// Abbreviation tables, each read once.
struct Tables<'a> {
    section: Slice<'a>,
    starts: Vec<usize>,
    read: HashMap<usize, gimli::Result<Arc<Abbreviations>>>,
}

impl<'a> Tables<'a> {
    fn new(dwarf: &gimli::Dwarf<Slice<'a>>, headers: &[UnitHeader<Slice<'a>>]) -> Self {
        let mut starts: Vec<usize> = headers.iter().map(|header| header.debug_abbrev_offset().0).collect();
        starts.sort_unstable();
        starts.dedup();
        Self { section: *dwarf.debug_abbrev.reader(), starts, read: HashMap::new() }
    }

    fn get(&mut self, start: usize) -> gimli::Result<Arc<Abbreviations>> {
        if let Some(known) = self.read.get(&start) {
            return known.clone();
        }
        let after = self.starts.partition_point(|other| *other <= start);
        // Tables do not overlap. One that runs into the next is damaged, and reading on would take quadratic time.
        let end = self.starts.get(after).copied().unwrap_or(usize::MAX);
        let bytes = self.section.slice();
        let bytes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
        let table = DebugAbbrev::from(Slice::new(bytes, self.section.endian()));
        let table = table.abbreviations(gimli::DebugAbbrevOffset(0)).map(Arc::new);
        self.read.insert(start, table.clone());
        table
    }
}

/// Reads the first entry of a unit. This is what [`gimli::Unit::new`] does, without the line table: many units may share
/// a large one.
fn prepare<'a>(
    file: u32,
    dwarf: &gimli::Dwarf<Slice<'a>>,
    header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
) -> gimli::Result<Unit<'a>> {
    let encoding = header.encoding();
    let mut root = Entry::default();
    root.read(&mut header.entries_raw(&abbreviations, None)?)?;
    let dwo_id = match header.type_() {
        UnitType::Skeleton(id) | UnitType::SplitCompilation(id) => Some(id),
        _ => match root.get(dw::DW_AT_GNU_dwo_id) {
            Some(AttributeValue::DwoId(id)) => Some(id),
            _ => None,
        },
    };
    let kind = dwarf.file_type;
    let mut inner = gimli::Unit {
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: gimli::DebugStrOffsetsBase::default_for_encoding_and_file(encoding, kind),
        addr_base: gimli::DebugAddrBase(0),
        loclists_base: gimli::DebugLocListsBase::default_for_encoding_and_file(encoding, kind),
        rnglists_base: gimli::DebugRngListsBase::default_for_encoding_and_file(encoding, kind),
        line_program: None,
        dwo_id,
        header,
    };
    if let Some(AttributeValue::DebugStrOffsetsBase(base)) = root.get(dw::DW_AT_str_offsets_base) {
        inner.str_offsets_base = base;
    }
    for name in [dw::DW_AT_addr_base, dw::DW_AT_GNU_addr_base] {
        if let Some(AttributeValue::DebugAddrBase(base)) = root.get(name) {
            inner.addr_base = base;
        }
    }
    for name in [dw::DW_AT_rnglists_base, dw::DW_AT_GNU_ranges_base] {
        if let Some(AttributeValue::DebugRngListsBase(base)) = root.get(name) {
            inner.rnglists_base = base;
        }
    }
    if let Some(value) = root.get(dw::DW_AT_low_pc) {
        inner.low_pc = dwarf.attr_address(&inner, value).ok().flatten().unwrap_or(0);
    }
    let text = |name: DwAt| root.get(name).and_then(|value| dwarf.attr_string(&inner, value).ok());
    let language = match root.get(dw::DW_AT_language) {
        Some(AttributeValue::Language(language)) => Some(language),
        _ => None,
    };
    let lines = match root.get(dw::DW_AT_stmt_list) {
        Some(AttributeValue::DebugLineRef(offset)) => Some(offset),
        _ => None,
    };
    let (name, producer) = (text(dw::DW_AT_name), text(dw::DW_AT_producer));
    Ok(Unit { file, language, producer, name, lines, inner })
}

/// Where a unit starts in its section, for messages.
impl std::fmt::Debug for Unit<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let UnitSectionOffset(offset) = self.inner.header.offset();
        write!(formatter, "unit {offset:#x} of file {}", self.file)
    }
}
