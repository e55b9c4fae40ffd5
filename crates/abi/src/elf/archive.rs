//! `ar` archives of relocatable objects: what is linked into a consumer, never loaded.

use std::collections::HashSet;

use object::read::archive::ArchiveFile;

use super::{ElfError, Facts, FileKind, Platform, damaged, facts::Symbol, names::Name};

/// The most bytes of names that an archive may have for each of its bytes.
const MOST_MEMBERS: usize = 1 << 20;

/// Whether the bytes begin as an archive's.
pub(super) fn is_archive(data: &[u8]) -> bool {
    data.starts_with(&object::archive::MAGIC) || data.starts_with(&object::archive::THIN_MAGIC)
}

/// Reads the facts of all members into one: what they define, and what they need of others.
pub(super) fn read(data: &[u8]) -> Result<Facts, ElfError> {
    const WHAT: &str = "archive";
    let archive = ArchiveFile::parse(data).map_err(damaged(WHAT))?;
    if archive.is_thin() {
        return Err(ElfError::Missing { what: "content (a thin archive only names its members)" });
    }
    let mut merged: Option<Facts> = None;
    let mut members = Vec::new();
    for member in archive.members() {
        let member = member.map_err(damaged(WHAT))?;
        if members.len() >= MOST_MEMBERS {
            return Err(ElfError::Excessive { what: "members" });
        }
        members.push(member.name().to_vec());
        let bytes = member.data(data).map_err(damaged(WHAT))?;
        // Members that are no objects (a note, an archive's own index) have nothing to say.
        if !bytes.starts_with(&object::elf::ELFMAG) {
            continue;
        }
        let member = || String::from_utf8_lossy(member.name()).into_owned();
        let facts =
            super::read(bytes).map_err(|source| ElfError::Member { member: member(), source: Box::new(source) })?;
        match &mut merged {
            None => merged = Some(facts),
            Some(merged) => merge(merged, &facts)?,
        }
    }
    let nowhere = Platform { bits: 0, little_endian: true, machine: 0, flags: 0 };
    let mut merged = merged.unwrap_or_else(|| Facts::new(FileKind::Archive, nowhere));
    merged.kind = FileKind::Archive;
    for name in &members {
        let name = keep(&mut merged, name)?;
        merged.rest.edit().members.push(name);
    }
    resolve(&mut merged);
    super::read::sort(&mut merged);
    Ok(merged)
}

fn keep(facts: &mut Facts, name: &[u8]) -> Result<Name, ElfError> {
    facts.names.push(name).ok_or(ElfError::Excessive { what: "names" })
}

fn merge(into: &mut Facts, from: &Facts) -> Result<(), ElfError> {
    if into.platform != from.platform {
        return Err(ElfError::Contradiction { what: "members, which are for different machines," });
    }
    for symbol in from.exports() {
        let name = keep(into, from.name(symbol))?;
        into.rest.edit().exports.push(Symbol { name, ..*symbol });
    }
    for symbol in from.imports() {
        let name = keep(into, from.name(symbol))?;
        into.imports.push(Symbol { name, ..*symbol });
    }
    into.has_debug_info |= from.has_debug_info;
    into.inclusions.extend(from.inclusions.iter().cloned());
    into.inclusions.sort();
    into.inclusions.dedup();
    Ok(())
}

/// Removes imports that another member defines, and all but one of equal ones.
fn resolve(facts: &mut Facts) {
    let names = &facts.names;
    let mut seen: HashSet<&[u8]> = facts.rest.edit().exports.iter().map(|symbol| names.get(symbol.name)).collect();
    facts.imports.retain(|symbol| seen.insert(names.get(symbol.name)));
}
