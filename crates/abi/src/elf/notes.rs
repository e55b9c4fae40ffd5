//! Notes: build id, minimum kernel, what the processor must or may do.
//!
//! Sources: the gABI on `PT_NOTE`, the Linux gABI extension (`.note.gnu.property`), glibc's `csu/abi-note.c`.

use object::{
    Endianness, U32, elf,
    read::elf::{FileHeader, NoteIterator},
};

use super::budget::Budget;

/// What the notes of a file say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The oldest Linux that it runs on, as three numbers.
    pub kernel: Option<[u32; 3]>,
    /// Bits of `GNU_PROPERTY_X86_ISA_1_NEEDED`: baseline, v2, v3, v4.
    pub isa_needed: u32,
    /// Bits of `GNU_PROPERTY_X86_FEATURE_1_AND` (IBT, SHSTK) or `GNU_PROPERTY_AARCH64_FEATURE_1_AND` (BTI, PAC).
    pub features: u32,
    /// Bits of `GNU_PROPERTY_1_NEEDED`: 1 if no program may have copies of its variables or stubs for its functions.
    pub needed_1: u32,
    /// Whether `GNU_PROPERTY_NO_COPY_ON_PROTECTED` is there.
    pub no_copy_on_protected: bool,
}

impl Notes {
    /// The level of x86-64 that it cannot do without: 1 for what every such processor has.
    pub fn isa_level(&self) -> u32 {
        u32::BITS - (self.isa_needed & 15).leading_zeros()
    }
}

/// Reads one section of notes. Gives the build id, if it is there.
///
/// Notes are metadata of compilers: what cannot be read is passed over.
pub(super) fn read<'data, Elf: FileHeader<Endian = Endianness>>(
    mut iterator: NoteIterator<'data, Elf>,
    machine: elf::Machine,
    endian: Endianness,
    notes: &mut Notes,
    budget: &mut Budget,
) -> Option<&'data [u8]> {
    let mut build_id = None;
    while let Ok(Some(note)) = iterator.next() {
        if budget.step().is_err() {
            break;
        }
        if note.name() != elf::ELF_NOTE_GNU {
            continue;
        }
        match note.n_type(endian) {
            elf::NT_GNU_BUILD_ID => build_id = Some(note.desc()),
            elf::NT_GNU_ABI_TAG => notes.kernel = abi_tag(note.desc(), endian).or(notes.kernel),
            elf::NT_GNU_PROPERTY_TYPE_0 => {
                let Some(mut properties) = note.gnu_properties(endian) else { continue };
                while let Ok(Some(property)) = properties.next() {
                    if budget.step().is_err() {
                        break;
                    }
                    let value = property.data_u32(endian).unwrap_or(0);
                    let is_x86 = matches!(machine, elf::EM_X86_64 | elf::EM_386);
                    match property.pr_type() {
                        elf::GNU_PROPERTY_X86_ISA_1_NEEDED if is_x86 => notes.isa_needed |= value,
                        elf::GNU_PROPERTY_X86_FEATURE_1_AND if is_x86 => notes.features |= value,
                        elf::GNU_PROPERTY_AARCH64_FEATURE_1_AND if machine == elf::EM_AARCH64 => {
                            notes.features |= value;
                        }
                        elf::GNU_PROPERTY_1_NEEDED => notes.needed_1 |= value,
                        elf::GNU_PROPERTY_NO_COPY_ON_PROTECTED => notes.no_copy_on_protected = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    build_id
}

/// Operating system, then three numbers of its version.
fn abi_tag(description: &[u8], endian: Endianness) -> Option<[u32; 3]> {
    let words: Vec<u32> = description
        .chunks_exact(4)
        .take(4)
        .filter_map(|word| Some(U32::<Endianness>::from_bytes(word.try_into().ok()?).get(endian)))
        .collect();
    match words[..] {
        [elf::ELF_NOTE_OS_LINUX, major, minor, patch] => Some([major, minor, patch]),
        _ => None,
    }
}
