//! Reading numbers, names and lists of bytes that may be anything.

use super::{Code, FactsError};
use crate::elf::names::Name;

/// Bytes that names will be read from, too: a name is where it is in them.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    /// Whether this is the rest of some facts.
    is_later: bool,
}

const SHORT: FactsError = FactsError::Damaged { what: "they are cut short" };
const NUMBER: FactsError = FactsError::Damaged { what: "a number is too large" };

impl<'a> Input<'a> {
    /// The head of some facts, of which `rest` are the fields.
    pub(super) fn head(bytes: &'a [u8], rest: &'a [u8]) -> Self {
        Self { bytes, rest, is_later: false }
    }

    /// The rest of some facts.
    pub(super) fn rest(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, is_later: true }
    }

    /// Nothing comes after the last field.
    pub(super) fn finish(&self) -> Result<(), FactsError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FactsError::Damaged { what: "something comes after them" }) }
    }

    pub(super) fn byte(&mut self) -> Result<u8, FactsError> {
        let (first, rest) = self.rest.split_first().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn flag(&mut self) -> Result<bool, FactsError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FactsError::Damaged { what: "a flag is neither set nor clear" }),
        }
    }

    pub(super) fn code<T: Code>(&mut self) -> Result<T, FactsError> {
        T::of(self.byte()?).ok_or(FactsError::Damaged { what: "a kind is unknown" })
    }

    pub(super) fn number(&mut self) -> Result<u64, FactsError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(NUMBER);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(NUMBER)
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, FactsError> {
        T::try_from(self.number()?).map_err(|_| NUMBER)
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], FactsError> {
        let length: usize = self.small()?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(text)
    }

    pub(super) fn string(&mut self) -> Result<String, FactsError> {
        String::from_utf8(self.text()?.to_vec()).map_err(|_| FactsError::Damaged { what: "a text is not UTF-8" })
    }

    pub(super) fn name(&mut self) -> Result<Name, FactsError> {
        let length = self.text()?.len();
        let start = self.bytes.len() - self.rest.len() - length;
        let name = Name::new(start, length).ok_or(FactsError::Damaged { what: "names are too long" })?;
        Ok(if self.is_later { name.later() } else { name })
    }

    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, FactsError>,
    ) -> Result<Vec<T>, FactsError> {
        let length: usize = self.small()?;
        // Each item has at least one byte.
        if length > self.rest.len() {
            return Err(SHORT);
        }
        (0..length).map(|_| one(self)).collect()
    }

    pub(super) fn option<T>(
        &mut self,
        one: impl FnOnce(&mut Self) -> Result<T, FactsError>,
    ) -> Result<Option<T>, FactsError> {
        if self.flag()? { one(self).map(Some) } else { Ok(None) }
    }
}
