//! In which file a type stands: whether others can include it.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::units::Units;
use crate::types::Origin;

/// Endings of files that are compiled by themselves.
const SOURCES: &[&str] =
    &["c", "cc", "cpp", "cxx", "c++", "cp", "C", "CPP", "m", "mm", "s", "S", "y", "l", "i", "ii", "f", "f90", "d"];

/// A file that an entry names.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// Its name without directories.
    pub(super) file: Rc<str>,
    pub(super) origin: Origin,
}

/// A unit's files, by number.
type Table = Rc<[Declared]>;

/// The file tables of the units, each read when it is first asked for.
#[derive(Default)]
pub(super) struct Files {
    tables: RefCell<HashMap<(u32, usize), Table>>,
}

impl Files {
    /// The file with this number (`DW_AT_decl_file`) in the unit's table.
    pub(super) fn get(&self, units: &Units<'_>, unit: u32, number: u64) -> Option<Declared> {
        let lines = units.units[unit as usize].lines?;
        let key = (units.units[unit as usize].file, lines.0);
        let known = self.tables.borrow().get(&key).cloned();
        let table = known.unwrap_or_else(|| {
            let table: Table = read(units, unit, lines).unwrap_or_default().into();
            self.tables.borrow_mut().insert(key, Rc::clone(&table));
            table
        });
        table.get(usize::try_from(number).ok()?).cloned()
    }
}

fn read(units: &Units<'_>, unit: u32, lines: gimli::DebugLineOffset) -> gimli::Result<Vec<Declared>> {
    let (dwarf, entry) = (units.dwarf(unit), &units.units[unit as usize]);
    let program = dwarf.debug_line.program(lines, entry.inner.header.address_size(), None, entry.name)?;
    let header = program.header();
    units.spend(header.file_names().len() as u64)?;
    let primary = entry.name.map(|name| base(&name.to_string_lossy()).to_owned());
    let named = |file: &gimli::FileEntry<_>| {
        let text = units.text(unit, file.path_name()).map(|text| text.to_string_lossy().into_owned());
        let file = base(text.as_deref().unwrap_or_default());
        let source = file.rsplit_once('.').is_some_and(|(_, ending)| SOURCES.contains(&ending))
            || (primary.as_deref() == Some(file) && !is_header(file));
        Declared { file: file.into(), origin: if source { Origin::Source } else { Origin::Header } }
    };
    let mut table: Vec<Declared> = header.file_names().iter().map(named).collect();
    if header.version() < 5 {
        // Up to DWARF 4 the first file is number 1, and 0 says that nobody knows.
        table.insert(0, Declared::default());
    }
    Ok(table)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn is_header(file: &str) -> bool {
    file.rsplit_once('.').is_none_or(|(_, ending)| ending.starts_with(['h', 'H']))
}
