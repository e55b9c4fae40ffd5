//! A string table: all names of one file in one allocation. Names are bytes; nothing says that they are UTF-8.

/// Where a name is in its file's [`Names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) start: u32,
    pub(crate) length: u32,
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

    /// Keeps a name; nothing if the table would grow past 4 GiB.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Name> {
        let name = Name { start: u32::try_from(self.bytes.len()).ok()?, length: u32::try_from(bytes.len()).ok()? };
        name.start.checked_add(name.length)?;
        self.bytes.extend_from_slice(bytes);
        Some(name)
    }
}
