//! The DWARF sections of one ELF file: found, decompressed within bounds, and lent to the parser.

use std::borrow::Cow;

use gimli::{DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use object::{Object, ObjectSection};
use thiserror::Error;

/// Bytes of a section with their order.
pub(super) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// How much larger than its compressed form a section may be. Real ones are 3 to 20 times as large.
const MOST_INFLATED: u64 = 128;

/// Small sections may be inflated to this many bytes in any case.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// Why a file's DWARF sections cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SectionsError {
    /// It is no object file.
    #[error("not an object file")]
    NotObject(#[source] object::Error),
    /// A section lies outside the file, or is compressed and damaged.
    #[error("section {name} is damaged")]
    Damaged {
        /// Which section.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: object::Error,
    },
    /// A section claims to be so large that the claim must be a lie.
    #[error("section {name} of {compressed} bytes claims to hold {claimed}")]
    Bomb {
        /// Which section.
        name: &'static str,
        /// What is in the file.
        compressed: u64,
        /// What the header says.
        claimed: u64,
    },
}

/// The DWARF sections of one file.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    loaded: DwarfSections<Cow<'a, [u8]>>,
    endian: RunTimeEndian,
    /// Bytes that one needs to hold, decompressed.
    pub(super) size: u64,
}

impl<'a> Sections<'a> {
    /// Takes the sections that describe types from the file. With `split`, those of a `.dwo` file.
    pub(super) fn load(file: &'a [u8], split: bool) -> Result<Self, SectionsError> {
        let whole = file.len();
        let file = object::File::parse(file).map_err(SectionsError::NotObject)?;
        let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        let mut size = 0;
        let loaded = DwarfSections::load(|id| {
            let name = if split { id.dwo_name() } else { Some(id.name()) };
            let bytes = match name {
                Some(name) if is_read(id) => section(&file, whole, name)?,
                _ => Cow::Borrowed(&[][..]),
            };
            size += bytes.len() as u64;
            Ok(bytes)
        })?;
        Ok(Self { loaded, endian, size })
    }

    /// Whether there is anything in them.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.debug_info.borrow(|bytes| Slice::new(bytes, self.endian)).units().next().ok().flatten().is_none()
    }

    /// The sections for the parser.
    pub(super) fn lend(&'a self) -> gimli::Dwarf<Slice<'a>> {
        self.loaded.borrow(|bytes| EndianSlice::new(bytes, self.endian))
    }
}

/// Location lists, macros, and tables for debuggers say nothing of types, and are large.
fn is_read(id: SectionId) -> bool {
    !matches!(
        id,
        SectionId::DebugLoc
            | SectionId::DebugLocLists
            | SectionId::DebugMacro
            | SectionId::DebugMacinfo
            | SectionId::DebugAranges
            | SectionId::DebugNames
    )
}

/// One section by name, decompressed (`SHF_COMPRESSED` with zlib or zstd, or `.zdebug_*`). Files that were not linked
/// have one for each type unit: they are joined, since units do not know where they are. `whole` is the file's size.
///
/// # Errors
///
/// [`SectionsError`], where it is there and cannot be had. A section that is not there is empty.
pub(super) fn section<'a>(
    file: &object::File<'a>,
    whole: usize,
    name: &'static str,
) -> Result<Cow<'a, [u8]>, SectionsError> {
    let mut same = file.sections().filter(|section| section.name_bytes() == Ok(name.as_bytes()));
    let Some(first) = same.next().or_else(|| file.section_by_name(name)) else { return Ok(Cow::Borrowed(&[])) };
    let mut bytes = decompressed(&first, name)?;
    let mut length = first.size();
    for section in same {
        length = length.saturating_add(section.size());
        if length > whole as u64 {
            // They overlap: a small file could hold them over and over.
            return Err(SectionsError::Bomb { name, compressed: whole as u64, claimed: length });
        }
        bytes.to_mut().extend_from_slice(&decompressed(&section, name)?);
    }
    Ok(bytes)
}

fn decompressed<'a>(section: &object::Section<'a, '_>, name: &'static str) -> Result<Cow<'a, [u8]>, SectionsError> {
    let damaged = |source| SectionsError::Damaged { name, source };
    let compressed = section.compressed_data().map_err(damaged)?;
    let length = compressed.data.len() as u64;
    if compressed.uncompressed_size > length.saturating_mul(MOST_INFLATED).max(ALWAYS_ALLOWED) {
        return Err(SectionsError::Bomb { name, compressed: length, claimed: compressed.uncompressed_size });
    }
    compressed.decompress().map_err(damaged)
}
