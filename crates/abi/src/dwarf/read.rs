//! From the bytes of debug files to an interface.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use gimli::{DwarfPackage, DwarfPackageSections, EndianSlice, RunTimeEndian};
use object::Object;
use thiserror::Error;

use super::{
    build::Builder,
    mangled::{canonical, class_of, is_nobodys},
    producer,
    scan::{Definitions, scan},
    sections::{Sections, SectionsError, Slice, section},
    units::{Die, Role as FileRole, Units},
    wanted::{Exported, ExportedKind, Fit, Wanted},
};
use crate::types::{Conventions, Interface, Item, Origin, Role, Symbol, Type, TypeId};

/// How much work may be done for each byte of the sections: each entry takes four bytes and is read a few times.
const WORK_PER_BYTE: u64 = 4;

/// The files that describe one binary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// The one with `.debug_info`: the binary itself, or what was split off from it when it was stripped.
    pub main: &'a [u8],
    /// What `dwz` moved into a file of its own (`.gnu_debugaltlink`).
    pub supplement: Option<&'a [u8]>,
    /// What the compiler did not give to the linker: `.dwo` files.
    pub split: &'a [&'a [u8]],
    /// The `.dwo` files in one: `.dwp`.
    pub package: Option<&'a [u8]>,
}

/// Why the debug information of a binary cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is none.
    #[error("there is no debug information")]
    Missing,
    /// It is that of an object file that was not linked: places in it are not known yet.
    #[error("a file that was not linked has no final debug information")]
    NotLinked,
    /// A file's sections cannot be had.
    #[error(transparent)]
    Sections(#[from] SectionsError),
    /// The index of a `.dwp` file is damaged.
    #[error("the index of the split debug information is damaged")]
    Package(#[source] gimli::Error),
    /// Reading it would take more time than its size can explain.
    #[error("the debug information refers to itself without end")]
    Endless,
}

impl From<gimli::Error> for ReadError {
    fn from(source: gimli::Error) -> Self {
        Self::Package(source)
    }
}

/// Reads the types of these exported symbols, and what they reach.
///
/// Damaged units, entries and references leave symbols undescribed and types unknown; they are not errors.
///
/// # Errors
///
/// [`ReadError`], when nothing can be said of any symbol.
pub fn read(input: &Input<'_>, symbols: &[Exported<'_>]) -> Result<Interface, ReadError> {
    with_units(input, |units, word| {
        let mut wanted = Wanted::new(symbols);
        let definitions = scan(units, &mut wanted);
        let mut reader = Reader { builder: Builder::new(units), conventions: HashMap::new() };
        let mut items = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for (at, symbol) in symbols.iter().enumerate() {
            let key = Symbol { name: symbol.name.into(), version: symbol.version.map(Into::into) };
            match reader.item(&wanted, at, symbol) {
                Some(item) => drop(items.insert(key, item)),
                None => drop(unknown.insert(key)),
            }
        }
        reader.builder.finish_records();
        reader.classes(symbols, &mut items, &mut unknown, &definitions);
        reader.complete(&definitions);
        unknown.retain(|symbol| !is_nobodys(&symbol.name));
        if units.is_exhausted() {
            return Err(ReadError::Endless);
        }
        let mut graph = reader.builder.graph;
        graph.finish();
        Ok(Interface::new(graph, items, unknown, word))
    })
}

/// Prepares the units of all files.
pub(super) fn with_units<T>(
    input: &Input<'_>,
    then: impl FnOnce(&Units<'_>, u64) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let file = object::File::parse(input.main).map_err(SectionsError::NotObject)?;
    if file.kind() == object::ObjectKind::Relocatable {
        return Err(ReadError::NotLinked);
    }
    let word = if file.is_64() { 8 } else { 4 };
    let main = Sections::load(input.main, false)?;
    if main.is_empty() {
        return Err(ReadError::Missing);
    }
    let supplement = input.supplement.map(|bytes| Sections::load(bytes, false)).transpose()?;
    let split: Vec<Sections<'_>> =
        input.split.iter().map(|bytes| Sections::load(bytes, true)).collect::<Result<_, _>>()?;
    let package = input.package.map(load_package).transpose()?;

    let mut size = main.size + split.iter().map(|sections| sections.size).sum::<u64>();
    let mut files = vec![(FileRole::Main, main.lend())];
    if let Some(supplement) = &supplement {
        size += supplement.size;
        files.push((FileRole::Supplement, supplement.lend()));
    }
    for sections in &split {
        let mut dwarf = sections.lend();
        dwarf.make_dwo(&files[0].1);
        files.push((FileRole::Split, dwarf));
    }
    if let (Some((sections, endian)), Some(bytes)) = (&package, input.package) {
        size += bytes.len() as u64;
        let package = sections
            .borrow(|bytes: &Cow<'_, [u8]>| EndianSlice::new(bytes, *endian), EndianSlice::new(&[], *endian))?;
        unpack(&package, &mut files)?;
    }
    let units = Units::new(files, size.saturating_mul(WORK_PER_BYTE).max(1 << 16));
    then(&units, word)
}

type Package<'a> = (DwarfPackageSections<Cow<'a, [u8]>>, RunTimeEndian);

fn load_package(bytes: &[u8]) -> Result<Package<'_>, ReadError> {
    let file = object::File::parse(bytes).map_err(SectionsError::NotObject)?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let sections = DwarfPackageSections::load(|id| match id.dwo_name() {
        Some(name) => section(&file, bytes.len(), name).map_err(ReadError::from),
        None => Ok(Cow::Borrowed(&[][..])),
    })?;
    Ok((sections, endian))
}

/// Takes the units of a package that belong to the main file, and all type units.
fn unpack<'a>(
    package: &DwarfPackage<Slice<'a>>,
    files: &mut Vec<(FileRole, gimli::Dwarf<Slice<'a>>)>,
) -> Result<(), ReadError> {
    let mut found = Vec::new();
    let main = &files[0].1;
    for index in 1..=package.cu_index.unit_count() {
        found.push(package.cu_sections(index, main)?);
    }
    for index in 1..=package.tu_index.unit_count() {
        found.push(package.tu_sections(index, main)?);
    }
    files.extend(found.into_iter().map(|dwarf| (FileRole::Split, dwarf)));
    Ok(())
}

struct Reader<'u, 'a> {
    builder: Builder<'u, 'a>,
    conventions: HashMap<(usize, usize), Conventions>,
}

impl Reader<'_, '_> {
    /// What the debug information says of one symbol.
    fn item(&mut self, wanted: &Wanted<'_>, at: usize, symbol: &Exported<'_>) -> Option<Item> {
        let (fit, die) = wanted.found[at]?;
        if self.lacks_types(die) {
            return None;
        }
        let function = self.is_function(die)?;
        let mut of = self.builder.type_of_symbol(die, function);
        if symbol.kind == ExportedKind::Indirect && matches!(fit, Fit::Placed | Fit::Exact) {
            // The entry is that of the function that chooses; what it returns is what is called.
            of = match (self.chosen(of), wanted.declared.get(&(at as u32))) {
                (Some(chosen), _) => chosen,
                (None, Some(declared)) => self.builder.type_of_symbol(*declared, true),
                (None, None) => return None,
            };
        }
        let role = if function { Role::Function } else { Role::Variable };
        Some(Item {
            role,
            of,
            conventions: self.conventions(die),
            alignment: self.alignment(die),
            default: symbol.default,
            weak: symbol.weak,
        })
    }

    fn is_function(&self, die: Die) -> Option<bool> {
        let entry = self.builder.units.entry(die).ok()?;
        Some(entry.tag == Some(gimli::DW_TAG_subprogram))
    }

    /// Whether the unit was compiled with debug information for lines and backtraces only (`-g1`).
    /// What was demanded of a variable where it is defined, or where it was declared.
    fn alignment(&self, die: Die) -> u64 {
        let units = self.builder.units;
        let Ok(entry) = units.entry(die) else { return 0 };
        let declared = || {
            let die = entry.die(units, die.unit, gimli::DW_AT_specification)?;
            units.entry(die).ok()?.unsigned(gimli::DW_AT_alignment)
        };
        entry.unsigned(gimli::DW_AT_alignment).or_else(declared).unwrap_or(0)
    }

    fn lacks_types(&self, die: Die) -> bool {
        let producer = self.builder.units.units[die.unit as usize].producer;
        let producer = producer.map(|producer| producer.to_string_lossy().into_owned()).unwrap_or_default();
        let level = producer.split_ascii_whitespace().rfind(|flag| {
            matches!(*flag, "-g" | "-g0" | "-g1" | "-g2" | "-g3" | "-ggdb" | "-ggdb1" | "-ggdb2" | "-ggdb3")
        });
        level.is_some_and(|level| level.ends_with('1'))
    }

    fn chosen(&self, resolver: TypeId) -> Option<TypeId> {
        let graph = &self.builder.graph;
        let Type::Function(function) = graph.get(resolver) else { return None };
        let Type::Pointer(to) = graph.get(graph.strip(function.returns)) else { return None };
        let to = graph.strip(*to);
        matches!(graph.get(to), Type::Function(_)).then_some(to)
    }

    fn conventions(&mut self, die: Die) -> Conventions {
        let Some(producer) = self.builder.units.units[die.unit as usize].producer else {
            return Conventions::default();
        };
        let key = (producer.slice().as_ptr() as usize, producer.len());
        *self.conventions.entry(key).or_insert_with(|| producer::conventions(&producer.to_string_lossy()))
    }

    /// Gives the symbols that are parts of classes their class.
    fn classes(
        &mut self,
        symbols: &[Exported<'_>],
        items: &mut BTreeMap<Symbol, Item>,
        unknown: &mut BTreeSet<Symbol>,
        definitions: &Definitions,
    ) {
        let parts: Vec<(&Exported<'_>, String)> =
            symbols.iter().filter_map(|symbol| Some((symbol, class_of(symbol.name)?))).collect();
        if parts.is_empty() {
            return;
        }
        let mut known: HashMap<String, TypeId> = HashMap::new();
        for (id, kind) in self.builder.graph.iter() {
            if let Type::Record(record) = kind
                && let Some(name) = record.name.filter(|_| !record.declaration)
            {
                known.entry(canonical(self.builder.graph.text(name))).or_insert(id);
            }
        }
        for (symbol, class) in parts {
            let key = Symbol { name: symbol.name.into(), version: symbol.version.map(Into::into) };
            let found = known.get(&canonical(&class)).copied().or_else(|| {
                let (_, die) = definitions.get(&class).first()?;
                Some(self.builder.type_at(*die, 0))
            });
            if let Some(of) = found {
                unknown.remove(&key);
                let conventions = Conventions::default();
                let (default, weak) = (symbol.default, symbol.weak);
                items.insert(key, Item { role: Role::Class, of, conventions, alignment: 0, default, weak });
            }
        }
        self.builder.finish_records();
    }

    /// Completes the types that were only declared where they were met, and are defined somewhere else.
    fn complete(&mut self, definitions: &Definitions) {
        let mut at = 0;
        while let Some((id, _)) = self.builder.declared.get(at).copied() {
            at += 1;
            let graph = &self.builder.graph;
            let name = match graph.get(id) {
                Type::Record(record) => record.name,
                Type::Enumeration(enumeration) => enumeration.name,
                _ => None,
            };
            let Some(name) = name else { continue };
            let text = graph.text(name).to_owned();
            let mut candidates = definitions.get(&text).to_vec();
            candidates.sort_by_key(|(size, _)| *size);
            let mut best = None;
            for (_, die) in candidates {
                let of = self.builder.type_at(die, 0);
                let origin = match self.builder.graph.get(of) {
                    Type::Record(record) if !record.declaration => record.origin,
                    Type::Enumeration(enumeration) if !enumeration.declaration => enumeration.origin,
                    _ => continue,
                };
                // What everyone may include counts before what is private to one file.
                if best.is_none_or(|(known, _)| known == Origin::Source && origin == Origin::Header) {
                    best = Some((origin, of));
                }
            }
            if let Some((_, of)) = best {
                self.builder.graph.set(id, Type::Typedef { name, of });
            }
            self.builder.finish_records();
        }
    }
}
