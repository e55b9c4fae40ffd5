//! Version nodes: those that a file defines, those that it needs, and which number stands for which.

use object::{
    Endianness, elf,
    read::elf::{FileHeader, SectionHeader as _},
};

use super::{
    ElfError, damaged,
    facts::{Definition, Requirement},
    read::Input,
};

/// More than the numbers of version nodes, which have 15 bits, allow.
const MOST: usize = 1 << 15;

/// What a number in the table of symbol versions stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing says it.
    Unknown,
    /// Index into the file's definitions.
    Defined(u16),
    /// Index into the file's requirements.
    Needed(u16),
}

/// What the symbols of a file have for versions.
pub(super) struct Versions<'data> {
    /// One number for each dynamic symbol, if there are versions at all.
    pub(super) numbers: Option<&'data [elf::Versym<Endianness>]>,
    nodes: Vec<Node>,
}

impl<'data> Versions<'data> {
    /// Reads the three tables.
    pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(input: &mut Input<'data, Elf>) -> Result<Self, ElfError> {
        let numbers = input.sections.gnu_versym(input.endian, input.data);
        let numbers = numbers.map_err(damaged("table of symbol versions"))?.map(|(numbers, _)| numbers);
        let mut versions = Self { numbers, nodes: Vec::new() };
        versions.read_definitions(input)?;
        versions.read_requirements(input)?;
        Ok(versions)
    }

    /// The node with this number.
    pub(super) fn node(&self, number: elf::VersionIndex) -> Node {
        self.nodes.get(usize::from(number.0)).copied().unwrap_or(Node::Unknown)
    }

    fn set(&mut self, number: elf::VersionIndex, node: Node) {
        let number = usize::from(number.0);
        if self.nodes.len() <= number {
            self.nodes.resize(number + 1, Node::Unknown);
        }
        self.nodes[number] = node;
    }

    fn read_definitions<Elf: FileHeader<Endian = Endianness>>(
        &mut self,
        input: &mut Input<'data, Elf>,
    ) -> Result<(), ElfError> {
        const WHAT: &str = "version definitions";
        let (endian, data) = (input.endian, input.data);
        let found = input.sections.gnu_verdef(endian, data).map_err(damaged(WHAT))?;
        let Some((mut definitions, strings)) = found else { return Ok(()) };
        let strings = input.sections.section(strings).and_then(|section| section.data(endian, data));
        let strings = strings.map_err(damaged(WHAT))?;
        while let Some((definition, mut names)) = definitions.next().map_err(damaged(WHAT))? {
            if input.facts.definitions.len() >= MOST {
                return Err(ElfError::Excessive { what: "version definitions" });
            }
            let mut own = None;
            let mut parents = Vec::new();
            while let Some(auxiliary) = names.next().map_err(damaged(WHAT))? {
                input.budget.step()?;
                let name = input.string(strings, auxiliary.vda_name.get(endian).into(), WHAT)?;
                let name = input.keep(name)?;
                match own {
                    None => own = Some(name),
                    Some(_) => parents.push(name),
                }
            }
            let name = own.ok_or(ElfError::Contradiction { what: WHAT })?;
            let number = elf::VersionIndex(definition.vd_ndx.get(endian).0 & elf::VERSYM_VERSION);
            #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^15")]
            self.set(number, Node::Defined(input.facts.definitions.len() as u16));
            let is_base = definition.vd_flags.get(endian).contains(elf::VER_FLG_BASE);
            input.facts.definitions.push(Definition { name, index: number.0, is_base, parents });
        }
        Ok(())
    }

    fn read_requirements<Elf: FileHeader<Endian = Endianness>>(
        &mut self,
        input: &mut Input<'data, Elf>,
    ) -> Result<(), ElfError> {
        const WHAT: &str = "version requirements";
        let (endian, data) = (input.endian, input.data);
        let found = input.sections.gnu_verneed(endian, data).map_err(damaged(WHAT))?;
        let Some((mut files, strings)) = found else { return Ok(()) };
        let strings = input.sections.section(strings).and_then(|section| section.data(endian, data));
        let strings = strings.map_err(damaged(WHAT))?;
        while let Some((file, mut nodes)) = files.next().map_err(damaged(WHAT))? {
            input.budget.step()?;
            let name = input.string(strings, file.vn_file.get(endian).into(), WHAT)?;
            let file = input.keep(name)?;
            while let Some(node) = nodes.next().map_err(damaged(WHAT))? {
                input.budget.step()?;
                if input.facts.requirements.len() >= MOST {
                    return Err(ElfError::Excessive { what: "version requirements" });
                }
                let name = input.string(strings, node.vna_name.get(endian).into(), WHAT)?;
                let name = input.keep(name)?;
                #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^15")]
                let index = input.facts.requirements.len() as u16;
                self.set(node.vna_other(endian).index(), Node::Needed(index));
                let is_weak = node.vna_flags.get(endian).contains(elf::VER_FLG_WEAK);
                input.facts.requirements.push(Requirement { file, name, is_weak });
            }
        }
        Ok(())
    }
}
