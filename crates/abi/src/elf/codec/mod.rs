//! Facts as bytes, to be kept for each content and never computed again.
//!
//! The form: four bytes of magic, the last of which is the version; then fields in the order of [`write`]; and apart from
//! them the rest, in the order of [`write_rest`]. Numbers
//! are LEB128 varints; a name is its length and its bytes; a list is its length and its items; what may be missing is a
//! list of none or one. Equal facts have equal bytes. A later version of the form gets another number and is read by
//! nobody older: facts can always be made again from the file.

mod input;
mod output;

use std::sync::Arc;

use super::{
    Binding, Facts, FileKind, Inclusion, Place, Platform, Symbol, SymbolKind, Visibility,
    facts::{Definition, Dynamic, Held, Requirement},
    names::{Name, Names},
    notes::Notes,
    rest::{Lazy, Rest, Sketches},
    sketch::Sketch,
};
use input::Input;
use output::Output;

/// `ABI`, and the version of the form.
const MAGIC: [u8; 4] = [b'A', b'B', b'I', 2];

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

/// Facts as bytes, in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What a file needs, and what it is: enough for most questions.
    pub head: Vec<u8>,
    /// What it offers, and what it may look up.
    pub rest: Vec<u8>,
}

impl Facts {
    /// The facts as bytes.
    pub fn to_record(&self) -> Record {
        let mut head = Output::new(self);
        head.bytes.extend(MAGIC);
        write(self, &mut head);
        let sketches = sketches(self.rest(), &|name| self.get(name));
        head.text(&sketches.exports.bytes);
        head.text(&sketches.strings.bytes);
        let mut rest = Output::new(self);
        write_rest(self.rest(), &mut rest);
        Record { head: head.bytes, rest: rest.bytes }
    }

    /// Facts from [`Facts::to_record`]. Whatever the bytes are, this ends, and takes memory of a small multiple of their
    /// length. They are kept: names are not copied.
    ///
    /// # Errors
    /// If they are something else, or damaged.
    pub fn from_record(record: Record) -> Result<Self, FactsError> {
        let (mut facts, expected) = read_head(record.head)?;
        let rest = read_rest(record.rest, facts.definitions.len())?;
        if sketches(&rest, &|name| rest.name(name)) != expected {
            return Err(FactsError::Damaged { what: "their parts do not belong together" });
        }
        facts.rest = Lazy::now(rest);
        Ok(facts)
    }

    /// The same, where the rest is found by `rest` once it is asked for. Should that fail, the facts are no longer
    /// [whole](Facts::is_whole).
    ///
    /// # Errors
    /// If the head is something else, or damaged.
    pub fn from_head(
        head: Vec<u8>,
        rest: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Result<Self, FactsError> {
        let (mut facts, sketches) = read_head(head)?;
        facts.rest = Lazy::later(Arc::new(rest), sketches);
        Ok(facts)
    }
}

/// Facts are equal if what they say is, wherever their names are.
impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.to_record() == other.to_record()
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
    out.flag(facts.has_debug_info);
    out.number(facts.tls_size);
    out.flag(facts.has_executable_stack);
    out.list(&facts.inclusions, write_inclusion);
    out.list(&facts.openable, |out, name| out.name(*name));
}

fn write_rest(rest: &Rest, out: &mut Output<'_>) {
    out.list(&rest.exports, write_symbol);
    out.list(&rest.members, |out, name| out.name(*name));
    out.list(&rest.strings, |out, name| out.name(*name));
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

fn sketches<'a>(rest: &'a Rest, name: &dyn Fn(Name) -> &'a [u8]) -> Sketches {
    Sketches {
        exports: Sketch::of(rest.exports.iter().map(|symbol| name(symbol.name))),
        strings: Sketch::of(rest.strings.iter().map(|string| name(*string))),
    }
}

fn read_head(bytes: Vec<u8>) -> Result<(Facts, Sketches), FactsError> {
    let fields = bytes.strip_prefix(&MAGIC).ok_or(FactsError::Foreign)?;
    let mut input = Input::head(&bytes, fields);
    let mut facts = read(&mut input)?;
    let mut sketch = || Ok(Sketch { bytes: input.text()?.to_vec() });
    let sketches = Sketches { exports: sketch()?, strings: sketch()? };
    input.finish()?;
    facts.names = Names { bytes };
    let is_fine = are_fine(&facts.imports, facts.requirements.len(), &|name| facts.names.get(name));
    if is_fine { Ok((facts, sketches)) } else { Err(DISORDER) }
}

/// Reads the rest of the facts of a file that defines so many version nodes.
pub(super) fn read_rest(bytes: Vec<u8>, nodes: usize) -> Result<Rest, FactsError> {
    let mut input = Input::rest(&bytes);
    let mut rest = Rest {
        names: Names::default(),
        exports: input.list(read_symbol)?,
        members: input.list(Input::name)?,
        strings: input.list(Input::name)?,
    };
    input.finish()?;
    rest.names = Names { bytes };
    let name = |name: Name| rest.name(name);
    let is_sorted = rest.strings.is_sorted_by(|a, b| name(*a) < name(*b));
    if is_sorted && are_fine(&rest.exports, nodes, &name) { Ok(rest) } else { Err(DISORDER) }
}

const DISORDER: FactsError = FactsError::Damaged { what: "names are out of order, or versions out of range" };

/// What others rely on: order, and versions that are there.
fn are_fine<'a>(symbols: &[Symbol], nodes: usize, name: &dyn Fn(Name) -> &'a [u8]) -> bool {
    let has_version = |symbol: &Symbol| symbol.version.is_none_or(|version| usize::from(version) < nodes);
    symbols.iter().all(has_version) && symbols.is_sorted_by(|a, b| name(a.name) <= name(b.name))
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
    facts.imports = input.list(read_symbol)?;
    facts.held = input.list(|input| Ok(Held { name: input.name()?, size: input.number()? }))?;
    facts.notes = read_notes(input)?;
    facts.build_id = input.option(Input::name)?;
    facts.debug_link = input.option(|input| Ok((input.name()?, input.small()?)))?;
    facts.has_debug_info = input.flag()?;
    facts.tls_size = input.number()?;
    facts.has_executable_stack = input.flag()?;
    facts.inclusions = input.list(read_inclusion)?;
    facts.openable = input.list(Input::name)?;
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
