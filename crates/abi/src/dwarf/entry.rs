//! One entry (DIE) with its attributes, and the few ways in which their values are read.

use gimli::{Attribute, AttributeSpecification, AttributeValue, DwAt, DwTag, EntriesRaw, constants as dw};

use super::{
    sections::Slice,
    units::{Die, Units},
};

/// An entry. Meant to be read into again and again.
#[derive(Default)]
pub(super) struct Entry<'a> {
    pub(super) tag: Option<DwTag>,
    pub(super) has_children: bool,
    /// Where it stands in its unit.
    pub(super) offset: usize,
    attributes: Vec<Attribute<Slice<'a>>>,
}

impl<'a> Entry<'a> {
    /// Reads the entry that the cursor stands before; `false` at the end of a list of children.
    pub(super) fn read(&mut self, raw: &mut EntriesRaw<'_, Slice<'a>>) -> gimli::Result<bool> {
        self.read_if(raw, |_| true)
    }

    /// Reads only what the entry is, if `needed` says that its attributes do not matter and it has no children to skip.
    pub(super) fn read_if(
        &mut self,
        raw: &mut EntriesRaw<'_, Slice<'a>>,
        needed: impl Fn(DwTag) -> bool,
    ) -> gimli::Result<bool> {
        self.offset = raw.next_offset().0;
        self.attributes.clear();
        let Some(abbreviation) = raw.read_abbreviation()? else {
            self.tag = None;
            self.has_children = false;
            return Ok(false);
        };
        self.tag = Some(abbreviation.tag());
        self.has_children = abbreviation.has_children();
        if self.has_children || needed(abbreviation.tag()) {
            raw.read_attributes(abbreviation.attributes(), &mut self.attributes)?;
        } else {
            skip(raw, abbreviation.attributes())?;
        }
        Ok(true)
    }

    /// An attribute's value.
    pub(super) fn get(&self, name: DwAt) -> Option<AttributeValue<Slice<'a>>> {
        self.attributes.iter().find(|attribute| attribute.name() == name).map(Attribute::value)
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, name: DwAt) -> bool {
        matches!(self.get(name), Some(AttributeValue::Flag(true)))
    }

    /// A number without a sign.
    pub(super) fn unsigned(&self, name: DwAt) -> Option<u64> {
        self.attributes.iter().find(|attribute| attribute.name() == name)?.udata_value()
    }

    /// The entry that an attribute refers to.
    pub(super) fn die(&self, units: &Units<'a>, unit: u32, name: DwAt) -> Option<Die> {
        units.refers(unit, self.get(name)?)
    }

    /// The text of an attribute.
    pub(super) fn text(&self, units: &Units<'a>, unit: u32, name: DwAt) -> Option<Slice<'a>> {
        units.text(unit, self.get(name)?)
    }

    /// The mangled name.
    pub(super) fn linkage_name(&self, units: &Units<'a>, unit: u32) -> Option<Slice<'a>> {
        self.text(units, unit, dw::DW_AT_linkage_name).or_else(|| self.text(units, unit, dw::DW_AT_MIPS_linkage_name))
    }

    /// Moves the cursor, which stands behind this entry, behind its children.
    pub(super) fn skip_children<'u>(
        &self,
        units: &'u Units<'a>,
        unit: u32,
        raw: &mut EntriesRaw<'u, Slice<'a>>,
    ) -> gimli::Result<()> {
        if !self.has_children {
            return Ok(());
        }
        if let Some(AttributeValue::UnitRef(sibling)) = self.get(dw::DW_AT_sibling)
            && sibling.0 > raw.next_offset().0
        {
            // A sibling outside the unit is an error; one inside, but not at an entry, is met as one soon enough.
            *raw = units.raw(Die { unit, offset: sibling.0 })?;
            return Ok(());
        }
        let mut depth = 1_u64;
        while depth > 0 {
            units.spend(1)?;
            match raw.read_abbreviation()? {
                None => depth -= 1,
                Some(abbreviation) => {
                    depth += u64::from(abbreviation.has_children());
                    skip(raw, abbreviation.attributes())?;
                }
            }
        }
        Ok(())
    }
}

/// Skips attributes. gimli 0.34 adds the length that a block claims to have to the sizes of what follows, unchecked; so it
/// is shown nothing that follows.
fn skip(raw: &mut EntriesRaw<'_, Slice<'_>>, attributes: &[AttributeSpecification]) -> gimli::Result<()> {
    let any_length = |form| matches!(form, dw::DW_FORM_block | dw::DW_FORM_exprloc | dw::DW_FORM_indirect);
    attributes.split_inclusive(|one| any_length(one.form())).try_for_each(|part| raw.skip_attributes(part))
}
