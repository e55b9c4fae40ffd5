//! What one file says about itself: the record that is kept per content, and never computed again.

use super::{
    inclusions::Inclusion,
    names::{Name, Names},
    notes::Notes,
    rest::{Lazy, Rest},
};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A program at a fixed address, static or not.
    Executable,
    /// A program that runs at any address.
    Pie,
    /// A shared object: a library, or a plugin if it has no soname.
    Shared,
    /// A relocatable object.
    Relocatable,
    /// An `ar` archive of relocatable objects; its symbols are those of all members.
    Archive,
    /// Something else, such as a core file.
    Other,
}

/// What the code is for. Files that differ in any of it cannot be in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// 32 or 64.
    pub bits: u8,
    /// Whether the least significant byte comes first.
    pub little_endian: bool,
    /// `e_machine`.
    pub machine: u16,
    /// `e_flags`: the floating point ABI of ARM and RISC-V, the ABI version of PowerPC.
    pub flags: u32,
}

/// What a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// Nothing was said, as of symbols in assembly.
    Unknown,
    /// A variable, common ones included.
    Object,
    /// A function, also one that is chosen at load time (IFUNC): a caller sees no difference.
    Function,
    /// A function that is chosen at load time.
    Indirect,
    /// A variable of a thread.
    Tls,
    /// Something else.
    Other,
}

/// Who wins when two files define a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// An ordinary symbol.
    Global,
    /// A weak one: as an import it may stay unresolved.
    Weak,
    /// One per process (`STB_GNU_UNIQUE`).
    Unique,
}

/// Whether another file's definition can stand for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// It can.
    Default,
    /// It is seen by others, but its own file uses its own.
    Protected,
}

/// The kind of section a symbol is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// None: undefined, absolute or common.
    None,
    /// Code.
    Code,
    /// Data that is read-only from the beginning, or once relocated.
    ReadOnly,
    /// Data that may be written.
    Writable,
}

/// One dynamic symbol, or one global symbol of a relocatable object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub(crate) name: Name,
    /// Index into the definitions of an export, into the requirements of an import.
    pub(crate) version: Option<u16>,
    pub(crate) flags: u8,
    /// What it is.
    pub kind: SymbolKind,
    /// Who wins.
    pub binding: Binding,
    /// Who may stand for it.
    pub visibility: Visibility,
    /// Where it is.
    pub place: Place,
    /// Its size in bytes. An import's is 0 unless it is copied.
    pub size: u64,
}

impl Symbol {
    /// The version is hidden: nobody who is linked now gets it (`name@V`, not `name@@V`).
    pub(crate) const HIDDEN: u8 = 1;
    /// The import is a variable that the program has a copy of (`R_*_COPY`).
    pub(crate) const COPIED: u8 = 2;
    /// The import is a function whose address is that of the program's own stub.
    pub(crate) const ADDRESS: u8 = 4;
    /// The export's own file reaches it through the dynamic linker.
    pub(crate) const RELOCATED: u8 = 8;

    /// Whether its version is a hidden one.
    pub fn is_hidden(&self) -> bool {
        self.flags & Self::HIDDEN != 0
    }

    /// Whether it is a variable that the program has a copy of, at the size that it was linked with.
    pub fn is_copied(&self) -> bool {
        self.flags & Self::COPIED != 0
    }

    /// Whether the program takes its own stub for the function's address.
    pub fn is_address_taken(&self) -> bool {
        self.flags & Self::ADDRESS != 0
    }

    /// Whether the file that defines it reaches it through the dynamic linker, as others do.
    pub fn is_relocated(&self) -> bool {
        self.flags & Self::RELOCATED != 0
    }

    /// Whether it may stay unresolved.
    pub fn is_weak(&self) -> bool {
        self.binding == Binding::Weak
    }
}

/// A version node that a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: Name,
    /// Its number in the file; 1 is the file itself.
    pub(crate) index: u16,
    pub(crate) is_base: bool,
    pub(crate) parents: Vec<Name>,
}

/// A version node that a file needs of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) file: Name,
    pub(crate) name: Name,
    pub(crate) is_weak: bool,
}

/// A symbol that is defined in a program and not exported, seen where a file is not stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) name: Name,
    pub(crate) size: u64,
}

/// What the dynamic section says, apart from symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dynamic {
    pub(crate) is_there: bool,
    pub(crate) soname: Option<Name>,
    pub(crate) needed: Vec<Name>,
    pub(crate) runpath: Option<Name>,
    pub(crate) rpath: Option<Name>,
    /// `DT_FLAGS`, with `DF_SYMBOLIC` also where `DT_SYMBOLIC` says it.
    pub(crate) flags: u64,
    pub(crate) flags_1: u64,
}

/// Facts of one file. Everything is as it stands in the file, nothing is judged.
#[derive(Clone, Debug)]
pub struct Facts {
    pub(crate) names: Names,
    pub(crate) kind: FileKind,
    pub(crate) platform: Platform,
    pub(crate) dynamic: Dynamic,
    pub(crate) interpreter: Option<Name>,
    pub(crate) imports: Vec<Symbol>,
    pub(crate) held: Vec<Held>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) notes: Notes,
    pub(crate) build_id: Option<Name>,
    pub(crate) debug_link: Option<(Name, u32)>,
    pub(crate) has_debug_info: bool,
    pub(crate) tls_size: u64,
    pub(crate) has_executable_stack: bool,
    pub(crate) inclusions: Vec<Inclusion>,
    pub(crate) openable: Vec<Name>,
    pub(crate) rest: Lazy,
}

impl Facts {
    pub(crate) fn new(kind: FileKind, platform: Platform) -> Self {
        Self {
            names: Names::default(),
            kind,
            platform,
            dynamic: Dynamic::default(),
            interpreter: None,
            imports: Vec::new(),
            held: Vec::new(),
            definitions: Vec::new(),
            requirements: Vec::new(),
            notes: Notes::default(),
            build_id: None,
            debug_link: None,
            has_debug_info: false,
            tls_size: 0,
            has_executable_stack: false,
            inclusions: Vec::new(),
            openable: Vec::new(),
            rest: Lazy::empty(),
        }
    }

    fn text(&self, name: Option<Name>) -> Option<&[u8]> {
        name.map(|name| self.names.get(name))
    }

    /// A name of any part.
    pub(crate) fn get(&self, name: Name) -> &[u8] {
        match name.of_rest() {
            Some(name) => self.rest().names.get(name),
            None => self.names.get(name),
        }
    }

    pub(crate) fn rest(&self) -> &Rest {
        self.rest.get(self.definitions.len())
    }

    /// Whether a part cannot be read: asks for all of them.
    pub fn is_lost(&self) -> bool {
        let _all = self.rest();
        !self.is_whole()
    }

    /// Whether all that was asked of these facts could be read: of stored ones, a part may be damaged.
    pub fn is_whole(&self) -> bool {
        !self.rest.is_lost()
    }

    /// What kind of file it is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// What its code is for.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// Whether a dynamic linker has anything to do with it.
    pub fn is_dynamic(&self) -> bool {
        self.dynamic.is_there
    }

    /// The name by which others need it.
    pub fn soname(&self) -> Option<&[u8]> {
        self.text(self.dynamic.soname)
    }

    /// The sonames that it needs, in the order in which they are searched.
    pub fn needed(&self) -> impl Iterator<Item = &[u8]> {
        self.dynamic.needed.iter().map(|&name| self.names.get(name))
    }

    /// `DT_RUNPATH`.
    pub fn runpath(&self) -> Option<&[u8]> {
        self.text(self.dynamic.runpath)
    }

    /// `DT_RPATH`.
    pub fn rpath(&self) -> Option<&[u8]> {
        self.text(self.dynamic.rpath)
    }

    /// The dynamic linker that the kernel starts it with.
    pub fn interpreter(&self) -> Option<&[u8]> {
        self.text(self.interpreter)
    }

    /// `DT_FLAGS_1`, the bits `DF_1_*`.
    pub fn flags_1(&self) -> u64 {
        self.dynamic.flags_1
    }

    /// Whether its own references are bound to its own definitions first (`-Bsymbolic`).
    pub fn is_symbolic(&self) -> bool {
        self.dynamic.flags & object::elf::DF_SYMBOLIC.0 != 0
    }

    /// Whether its thread variables need room that exists only at program start (`DF_STATIC_TLS`).
    pub fn is_static_tls(&self) -> bool {
        self.dynamic.flags & object::elf::DF_STATIC_TLS.0 != 0
    }

    /// Bytes of its thread variables.
    pub fn tls_size(&self) -> u64 {
        self.tls_size
    }

    /// Whether it asks for a stack that code can run on.
    pub fn has_executable_stack(&self) -> bool {
        self.has_executable_stack
    }

    /// What it defines for others, sorted by name; one name may have several versions.
    pub fn exports(&self) -> &[Symbol] {
        &self.rest().exports
    }

    /// `false` only if it exports nothing of this name: quickly, where its exports are still to be read.
    pub(crate) fn may_export(&self, name: &[u8]) -> bool {
        self.rest.sketches.as_ref().is_none_or(|sketches| sketches.exports.may_have(name))
    }

    /// Whether it looks up nothing by name: quickly, as [`Facts::may_export`].
    pub(crate) fn looks_nothing_up(&self) -> bool {
        match &self.rest.sketches {
            Some(sketches) => sketches.strings.bytes.is_empty(),
            None => self.rest().strings.is_empty(),
        }
    }

    /// What it needs of others, sorted by name, with the variables that it has copies of.
    pub fn imports(&self) -> &[Symbol] {
        &self.imports
    }

    /// The name of one of its own symbols, mangled, without its version.
    pub fn name(&self, symbol: &Symbol) -> &[u8] {
        self.get(symbol.name)
    }

    /// The version node of one of its own exports.
    pub fn export_version(&self, symbol: &Symbol) -> Option<&[u8]> {
        let definition = self.definitions.get(usize::from(symbol.version?))?;
        Some(self.names.get(definition.name))
    }

    /// The version node of one of its own imports, and the file that it was found in.
    pub fn import_version(&self, symbol: &Symbol) -> Option<(&[u8], &[u8])> {
        let requirement = self.requirements.get(usize::from(symbol.version?))?;
        Some((self.names.get(requirement.name), self.names.get(requirement.file)))
    }

    /// The version nodes that it defines, without the one that is the file itself, each with its parents.
    pub fn defined_versions(&self) -> impl Iterator<Item = (&[u8], Vec<&[u8]>)> {
        let named = self.definitions.iter().filter(|definition| !definition.is_base);
        named.map(|definition| {
            let parents = definition.parents.iter().map(|&name| self.names.get(name)).collect();
            (self.names.get(definition.name), parents)
        })
    }

    /// The version node that it defines under a number.
    pub(crate) fn version_numbered(&self, number: u16) -> Option<&[u8]> {
        let found = self.definitions.iter().find(|definition| definition.index == number)?;
        Some(self.names.get(found.name))
    }

    /// Whether it defines this version node.
    pub fn defines_version(&self, node: &[u8]) -> bool {
        self.definitions.iter().any(|definition| !definition.is_base && self.names.get(definition.name) == node)
    }

    /// The version nodes that it needs: file, node, and whether it can do without.
    pub fn needed_versions(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
        let text = |name| self.names.get(name);
        self.requirements.iter().map(move |needed| (text(needed.file), text(needed.name), needed.is_weak))
    }

    /// Names and sizes of what it defines and does not export; empty where a file is stripped.
    pub fn held(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.held.iter().map(|held| (self.names.get(held.name), held.size))
    }

    /// What its notes say.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The id that the linker gave it.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.text(self.build_id)
    }

    /// Name and CRC of the file that has its debug information.
    pub fn debug_link(&self) -> Option<(&[u8], u32)> {
        self.debug_link.map(|(name, sum)| (self.names.get(name), sum))
    }

    /// Whether it holds debug information itself.
    pub fn has_debug_info(&self) -> bool {
        self.has_debug_info
    }

    /// Evidence of what was linked into it.
    pub fn inclusions(&self) -> &[Inclusion] {
        &self.inclusions
    }

    /// Libraries that it may open at run time, by name or path; empty if it looks up no symbols.
    pub fn openable(&self) -> impl Iterator<Item = &[u8]> {
        self.openable.iter().map(|&name| self.names.get(name))
    }

    /// Symbols that it may look up at run time, sorted; empty if it looks up nothing.
    pub fn strings(&self) -> impl Iterator<Item = &[u8]> {
        self.rest().strings.iter().map(|&name| self.get(name))
    }

    /// Whether it may look this name up.
    pub(crate) fn has_string(&self, name: &[u8]) -> bool {
        self.rest.sketches.as_ref().is_none_or(|sketches| sketches.strings.may_have(name))
            && self.rest().strings.binary_search_by(|&string| self.get(string).cmp(name)).is_ok()
    }

    /// Whether it imports one of these.
    pub(crate) fn imports_any(&self, names: &[&[u8]]) -> bool {
        self.imports.iter().any(|import| names.contains(&self.name(import)))
    }

    /// The members of an archive.
    pub fn members(&self) -> impl Iterator<Item = &[u8]> {
        self.rest().members.iter().map(|&name| self.get(name))
    }
}
