//! Facts as bytes, to be kept for each content and never computed again.
//!
//! The form: four bytes of magic, the last of which is the version; then all fields in the order of [`write`]. Numbers
//! are LEB128 varints; a name is its length and its bytes; a list is its length and its items; what may be missing is a
//! list of none or one. Equal facts have equal bytes. A later version of the form gets another number and is read by
//! nobody older: facts can always be made again from the file.

mod input;
mod output;

use super::{
    Binding, Facts, FileKind, Inclusion, Place, Platform, Symbol, SymbolKind, Visibility,
    facts::{Definition, Dynamic, Held, Requirement},
    names::Name,
    notes::Notes,
};
use input::Input;
use output::Output;

/// `ABI`, and the version of the form.
const MAGIC: [u8; 4] = [b'A', b'B', b'I', 1];

/// Bytes are not facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// They are of another version of the form, or something else.
    #[error("these are no facts of this version")]
    Foreign,
    /// They are damaged.
    #[error("facts are damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
}

/// A kind that is one byte.
trait Code: Copy + PartialEq + 'static {
    /// In the order of their numbers, which never changes.
    const ALL: &'static [Self];

    #[expect(clippy::cast_possible_truncation, reason = "there are few of each")]
    fn code(self) -> u8 {
        Self::ALL.iter().position(|one| *one == self).unwrap_or_default() as u8
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl Code for FileKind {
    const ALL: &'static [Self] =
        &[Self::Executable, Self::Pie, Self::Shared, Self::Relocatable, Self::Archive, Self::Other];
}

impl Code for SymbolKind {
    const ALL: &'static [Self] = &[Self::Unknown, Self::Object, Self::Function, Self::Indirect, Self::Tls, Self::Other];
}

impl Code for Binding {
    const ALL: &'static [Self] = &[Self::Global, Self::Weak, Self::Unique];
}

impl Code for Visibility {
    const ALL: &'static [Self] = &[Self::Default, Self::Protected];
}

impl Code for Place {
    const ALL: &'static [Self] = &[Self::None, Self::Code, Self::ReadOnly, Self::Writable];
}

impl Facts {
    /// The facts as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Output::new(&self.names, MAGIC);
        write(self, &mut out);
        out.bytes
    }

    /// Facts from [`Facts::to_bytes`]. Whatever the bytes are, this ends, and takes memory of a small multiple of their
    /// length.
    ///
    /// # Errors
    /// If they are something else, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FactsError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(FactsError::Foreign)?;
        let mut input = Input::new(rest);
        let mut facts = read(&mut input)?;
        input.finish()?;
        facts.names = input.names;
        check(&facts)?;
        Ok(facts)
    }
}

/// Facts are equal if what they say is, wherever their names are.
impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Facts {}

fn write(facts: &Facts, out: &mut Output<'_>) {
    out.byte(facts.kind.code());
    let platform = facts.platform;
    out.byte(platform.bits);
    out.flag(platform.little_endian);
    out.number(platform.machine.into());
    out.number(platform.flags.into());
    let dynamic = &facts.dynamic;
    out.flag(dynamic.is_there);
    out.option(dynamic.soname.as_ref(), |out, name| out.name(*name));
    out.list(&dynamic.needed, |out, name| out.name(*name));
    out.option(dynamic.runpath.as_ref(), |out, name| out.name(*name));
    out.option(dynamic.rpath.as_ref(), |out, name| out.name(*name));
    out.number(dynamic.flags);
    out.number(dynamic.flags_1);
    out.option(facts.interpreter.as_ref(), |out, name| out.name(*name));
    out.list(&facts.definitions, |out, definition| {
        out.name(definition.name);
        out.number(definition.index.into());
        out.flag(definition.is_base);
        out.list(&definition.parents, |out, name| out.name(*name));
    });
    out.list(&facts.requirements, |out, requirement| {
        out.name(requirement.file);
        out.name(requirement.name);
        out.flag(requirement.is_weak);
    });
    out.list(&facts.exports, write_symbol);
    out.list(&facts.imports, write_symbol);
    out.list(&facts.held, |out, held| {
        out.name(held.name);
        out.number(held.size);
    });
    write_notes(&facts.notes, out);
    out.option(facts.build_id.as_ref(), |out, name| out.name(*name));
    out.option(facts.debug_link.as_ref(), |out, (name, sum)| {
        out.name(*name);
        out.number((*sum).into());
    });
    out.number(facts.tls_size);
    out.flag(facts.has_executable_stack);
    out.list(&facts.inclusions, write_inclusion);
    out.list(&facts.members, |out, name| out.name(*name));
    out.list(&facts.strings, |out, name| out.name(*name));
}

fn write_symbol(out: &mut Output<'_>, symbol: &Symbol) {
    out.name(symbol.name);
    out.number(symbol.version.map_or(0, |version| u64::from(version) + 1));
    out.byte(symbol.kind.code() | symbol.binding.code() << 4);
    out.byte(symbol.place.code() | symbol.visibility.code() << 3 | symbol.flags << 4);
    out.number(symbol.size);
}

fn write_notes(notes: &Notes, out: &mut Output<'_>) {
    out.option(notes.kernel.as_ref(), |out, kernel| kernel.iter().for_each(|number| out.number((*number).into())));
    out.number(notes.isa_needed.into());
    out.number(notes.features.into());
    out.number(notes.needed_1.into());
    out.flag(notes.no_copy_on_protected);
}

fn write_inclusion(out: &mut Output<'_>, inclusion: &Inclusion) {
    match inclusion {
        Inclusion::Library { name, version } => {
            out.byte(0);
            out.text(name.as_bytes());
            out.option(version.as_ref(), |out, version| out.text(version.as_bytes()));
        }
        Inclusion::Go { compiler } => {
            out.byte(1);
            out.text(compiler.as_bytes());
        }
        Inclusion::GoModule { path, version } => {
            out.byte(2);
            out.text(path.as_bytes());
            out.text(version.as_bytes());
        }
        Inclusion::RustCrates { packed } => {
            out.byte(3);
            out.text(packed);
        }
        Inclusion::LinkTimeCode => out.byte(4),
    }
}

fn read(input: &mut Input<'_>) -> Result<Facts, FactsError> {
    let kind = input.code()?;
    let platform =
        Platform { bits: input.byte()?, little_endian: input.flag()?, machine: input.small()?, flags: input.small()? };
    let mut facts = Facts::new(kind, platform);
    facts.dynamic = Dynamic {
        is_there: input.flag()?,
        soname: input.option(Input::name)?,
        needed: input.list(Input::name)?,
        runpath: input.option(Input::name)?,
        rpath: input.option(Input::name)?,
        flags: input.number()?,
        flags_1: input.number()?,
    };
    facts.interpreter = input.option(Input::name)?;
    facts.definitions = input.list(|input| {
        let (name, index, is_base) = (input.name()?, input.small()?, input.flag()?);
        Ok(Definition { name, index, is_base, parents: input.list(Input::name)? })
    })?;
    facts.requirements =
        input.list(|input| Ok(Requirement { file: input.name()?, name: input.name()?, is_weak: input.flag()? }))?;
    facts.exports = input.list(read_symbol)?;
    facts.imports = input.list(read_symbol)?;
    facts.held = input.list(|input| Ok(Held { name: input.name()?, size: input.number()? }))?;
    facts.notes = read_notes(input)?;
    facts.build_id = input.option(Input::name)?;
    facts.debug_link = input.option(|input| Ok((input.name()?, input.small()?)))?;
    facts.tls_size = input.number()?;
    facts.has_executable_stack = input.flag()?;
    facts.inclusions = input.list(read_inclusion)?;
    facts.members = input.list(Input::name)?;
    facts.strings = input.list(Input::name)?;
    Ok(facts)
}

fn read_symbol(input: &mut Input<'_>) -> Result<Symbol, FactsError> {
    const WHAT: FactsError = FactsError::Damaged { what: "a symbol is of no kind" };
    let name = input.name()?;
    let version: u32 = input.small()?;
    let version = version.checked_sub(1).map(u16::try_from).transpose().map_err(|_| WHAT)?;
    let (first, second) = (input.byte()?, input.byte()?);
    let (kind, binding) = (SymbolKind::of(first & 15).ok_or(WHAT)?, Binding::of(first >> 4).ok_or(WHAT)?);
    let (place, visibility) = (Place::of(second & 7).ok_or(WHAT)?, Visibility::of(second >> 3 & 1).ok_or(WHAT)?);
    Ok(Symbol { name, version, flags: second >> 4, kind, binding, visibility, place, size: input.number()? })
}

fn read_notes(input: &mut Input<'_>) -> Result<Notes, FactsError> {
    Ok(Notes {
        kernel: input.option(|input| Ok([input.small()?, input.small()?, input.small()?]))?,
        isa_needed: input.small()?,
        features: input.small()?,
        needed_1: input.small()?,
        no_copy_on_protected: input.flag()?,
    })
}

fn read_inclusion(input: &mut Input<'_>) -> Result<Inclusion, FactsError> {
    Ok(match input.byte()? {
        0 => Inclusion::Library { name: input.string()?, version: input.option(Input::string)? },
        1 => Inclusion::Go { compiler: input.string()? },
        2 => Inclusion::GoModule { path: input.string()?, version: input.string()? },
        3 => Inclusion::RustCrates { packed: input.text()?.to_vec() },
        4 => Inclusion::LinkTimeCode,
        _ => return Err(FactsError::Damaged { what: "something inside is of no kind" }),
    })
}

/// What the rest of the crate relies on: order, and versions that are there.
fn check(facts: &Facts) -> Result<(), FactsError> {
    let name = |name: Name| facts.names.get(name);
    let symbols = |list: &[Symbol], nodes: usize| {
        let has_version = |symbol: &Symbol| symbol.version.is_none_or(|version| usize::from(version) < nodes);
        list.is_sorted_by(|a, b| name(a.name) <= name(b.name)) && list.iter().all(has_version)
    };
    let is_fine = symbols(&facts.exports, facts.definitions.len())
        && symbols(&facts.imports, facts.requirements.len())
        && facts.strings.is_sorted_by(|a, b| name(*a) < name(*b));
    if is_fine { Ok(()) } else { Err(FactsError::Damaged { what: "names are out of order, or versions out of range" }) }
}
