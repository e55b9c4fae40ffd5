//! How much of a file's own making is looked at: what is said twice in a lying file is not read for ever.

use super::ElfError;

/// What a file of some length may still ask for. Every honest file asks for far less: no table of ELF can have more
/// entries than its file has bytes.
pub(super) struct Budget {
    steps: usize,
    names: usize,
    scan: usize,
}

impl Budget {
    pub(super) fn of(length: usize) -> Self {
        Self { steps: length.saturating_add(4096), names: length.saturating_add(4096), scan: length.saturating_mul(2) }
    }

    /// One more entry of any table.
    pub(super) fn step(&mut self) -> Result<(), ElfError> {
        self.steps = self.steps.checked_sub(1).ok_or(ElfError::Excessive { what: "table entries" })?;
        Ok(())
    }

    /// So many more bytes of names.
    pub(super) fn name(&mut self, length: usize) -> Result<(), ElfError> {
        self.names = self.names.checked_sub(length).ok_or(ElfError::Excessive { what: "names" })?;
        Ok(())
    }

    /// The longest name that may still come.
    pub(super) fn longest_name(&self) -> usize {
        self.names
    }

    /// The part of `bytes` that may still be searched.
    pub(super) fn scan<'data>(&mut self, bytes: &'data [u8]) -> &'data [u8] {
        let bytes = &bytes[..bytes.len().min(self.scan)];
        self.scan -= bytes.len();
        bytes
    }
}
