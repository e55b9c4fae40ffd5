//! Evidence of what was linked into a file, where no dynamic linker will ever change it.

use object::{
    Endianness, elf,
    read::elf::{FileHeader, SectionHeader as _},
};

use super::{ElfError, golang, libraries, read::Input};

/// Something that was linked into a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inclusion {
    /// Code of a well-known library, told by its own words.
    Library {
        /// What it is called.
        name: String,
        /// Its version, where its words tell.
        version: Option<String>,
    },
    /// The program was made by Go's compiler, of this version where it is told.
    Go {
        /// `go1.22.3`, or nothing.
        compiler: String,
    },
    /// A module of Go.
    GoModule {
        /// Its path.
        path: String,
        /// Its version.
        version: String,
    },
    /// The list of crates that `cargo auditable` leaves (section `.dep-v0`), as it is: JSON, packed with zlib.
    RustCrates {
        /// The section.
        packed: Vec<u8>,
    },
    /// Objects in a compiler's own form, of which the machine code is made when they are linked (`.gnu.lto_*`).
    LinkTimeCode,
}

/// The longest list of crates that is kept, in bytes.
const LONGEST: usize = 1 << 20;
/// The most modules and libraries that are kept.
const MOST: usize = 1 << 14;

/// Looks for all of them.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'_, Elf>) -> Result<(), ElfError> {
    let mut found = Vec::new();
    for section in input.sections.iter() {
        let flags = section.sh_flags(input.endian);
        let is_loaded = flags.contains(elf::SHF_ALLOC) && section.sh_type(input.endian) == elf::SHT_PROGBITS;
        if is_loaded && input.is_prefixed(section, b".rodata") {
            let Ok(data) = section.data(input.endian, input.data) else { continue };
            let matches = libraries::search(input.budget.scan(data));
            found.extend(matches.take(MOST).map(|found| Inclusion::Library {
                name: found.library.name.to_owned(),
                version: found.version.map(str::to_owned),
            }));
            found.sort();
            found.dedup();
        } else if input.is_prefixed(section, b".gnu.lto_") && found.last() != Some(&Inclusion::LinkTimeCode) {
            found.push(Inclusion::LinkTimeCode);
        }
    }
    if let Some(info) = input.section(b".go.buildinfo").and_then(golang::read) {
        found.push(Inclusion::Go { compiler: info.compiler });
        let modules = info.modules.into_iter().take(MOST);
        found.extend(modules.map(|(path, version)| Inclusion::GoModule { path, version }));
    }
    if let Some(packed) = input.section(b".dep-v0").filter(|packed| packed.len() <= LONGEST) {
        found.push(Inclusion::RustCrates { packed: packed.to_vec() });
    }
    found.sort();
    found.dedup();
    input.facts.inclusions = found;
    Ok(())
}
