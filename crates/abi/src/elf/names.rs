//! A string table: all names of one file in one allocation. Names are bytes; nothing says that they are UTF-8.

/// Where a name is in its file's [`Names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Name {
    /// Set in names that are in the table of the facts' rest.
    const LATER: u32 = 1 << 31;

    /// A name of `length` bytes at `start`; nothing if that is too far.
    pub(crate) fn new(start: usize, length: usize) -> Option<Self> {
        let end = start.checked_add(length).and_then(|end| u32::try_from(end).ok());
        end.filter(|end| end & Self::LATER == 0)?;
        Some(Self { start: u32::try_from(start).ok()?, length: u32::try_from(length).ok()? })
    }

    /// The same, as a name of the facts' rest.
    pub(crate) fn later(self) -> Self {
        Self { start: self.start | Self::LATER, ..self }
    }

    /// The same without that mark, if it has it.
    pub(crate) fn of_rest(self) -> Option<Self> {
        (self.start & Self::LATER != 0).then_some(Self { start: self.start & !Self::LATER, ..self })
    }
}

/// The names of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) bytes: Vec<u8>,
}

impl Names {
    /// The bytes of a name that this table gave out; nothing of one that it did not.
    pub(crate) fn get(&self, name: Name) -> &[u8] {
        let start = name.start as usize;
        self.bytes.get(start..start + name.length as usize).unwrap_or_default()
    }

    /// Keeps a name; nothing if the table would grow past 2 GiB.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Name> {
        let name = Name::new(self.bytes.len(), bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Some(name)
    }
}
