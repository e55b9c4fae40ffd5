//! The dynamic section and its strings.

use std::collections::HashMap;

use object::{
    Endianness, I64, U64,
    elf::{self, Dyn64, DynamicTag},
    pod,
    read::elf::ProgramHeader as _,
};

use super::{
    EditError, Edits,
    image::{Extra, Image, contradiction},
};

type Entry = Dyn64<Endianness>;

/// How many entries a section that had to move has to spare, as linkers leave them.
const SPARE: usize = 4;

/// The dynamic section of a file.
pub(super) struct Dynamic {
    endian: Endianness,
    segment: usize,
    /// Up to the one that ends them.
    entries: Vec<Entry>,
    /// How many there is room for.
    capacity: usize,
    /// The address of the strings.
    table: u64,
    strings: Vec<u8>,
    added: HashMap<Vec<u8>, u64>,
}

impl Dynamic {
    /// Reads it; nothing of a file that has none.
    pub(super) fn read(image: &Image) -> Result<Option<Self>, EditError> {
        let endian = image.endian;
        let Some(segment) = image.segment(elf::PT_DYNAMIC) else { return Ok(None) };
        let header = &image.segments[segment];
        let range = image.file_range(header.p_offset(endian), header.p_filesz(endian));
        let bytes = &image.bytes[range.ok_or(contradiction("dynamic section"))?];
        let capacity = bytes.len() / size_of::<Entry>();
        let (all, _) =
            pod::slice_from_bytes::<Entry>(bytes, capacity).map_err(|()| contradiction("dynamic section"))?;
        let entries: Vec<Entry> = all.iter().take_while(|entry| tag(entry, endian) != elf::DT_NULL).copied().collect();
        let value = |wanted| {
            let found = entries.iter().find(|entry| tag(entry, endian) == wanted);
            found.map(|entry| entry.d_val.get(endian)).ok_or(contradiction("dynamic section"))
        };
        let (table, length) = (value(elf::DT_STRTAB)?, value(elf::DT_STRSZ)?);
        let strings = image.bytes[image.range(table, length).ok_or(contradiction("dynamic strings"))?].to_vec();
        Ok(Some(Self { endian, segment, entries, capacity, table, strings, added: HashMap::new() }))
    }

    /// Makes the edits; whether there were any to make.
    pub(super) fn change(&mut self, image: &mut Image, edits: &Edits) -> bool {
        let endian = self.endian;
        let old = std::mem::take(&mut self.entries);
        let mut has_changed = false;
        for entry in old {
            let name = tag(&entry, endian);
            match name {
                elf::DT_NEEDED => {
                    let path = self.string(&entry).and_then(|name| edits.paths.get(name));
                    if let Some(path) = path {
                        has_changed = true;
                        self.push(name, path.as_bytes());
                    }
                    self.entries.push(entry);
                }
                elf::DT_RUNPATH | elf::DT_RPATH if edits.runpath.is_some() => {
                    has_changed = true;
                    self.blank(image, &entry);
                }
                _ => self.entries.push(entry),
            }
        }
        if let Some(runpath) = edits.runpath.as_deref().filter(|runpath| !runpath.is_empty()) {
            has_changed = true;
            self.push(elf::DT_RUNPATH, runpath.as_bytes());
        }
        has_changed
    }

    fn string(&self, entry: &Entry) -> Option<&[u8]> {
        let rest = self.strings.get(usize::try_from(entry.d_val.get(self.endian)).ok()?..)?;
        rest.get(..memchr::memchr(0, rest)?)
    }

    /// Overwrites the directories of a search path that is no longer used, so that nobody finds a path in them. What
    /// follows the last of them may be the name of something else as well.
    fn blank(&mut self, image: &mut Image, entry: &Entry) {
        let Some(length) = self.string(entry).and_then(|path| memchr::memrchr(b'/', path)) else { return };
        let start = entry.d_val.get(self.endian);
        if let Some(range) = image.range(self.table + start, length as u64) {
            image.bytes[range].fill(b'X');
        }
        let start = usize::try_from(start).expect("the string is there");
        self.strings[start..start + length].fill(b'X');
    }

    fn push(&mut self, tag: DynamicTag, string: &[u8]) {
        let value = match self.added.get(string) {
            Some(known) => *known,
            None => {
                let value = self.strings.len() as u64;
                self.strings.extend_from_slice(string);
                self.strings.push(0);
                self.added.insert(string.to_vec(), value);
                value
            }
        };
        let endian = self.endian;
        self.entries.push(Entry { d_tag: I64::new(endian, tag), d_val: U64::new(endian, value) });
    }

    /// Puts strings and entries where there is room for them.
    pub(super) fn place(mut self, image: &mut Image, extra: &mut Extra) -> Result<(), EditError> {
        let endian = self.endian;
        if !self.added.is_empty() {
            let placed = extra.add(&self.strings);
            image.move_section(self.table, placed)?;
            for entry in &mut self.entries {
                match tag(entry, endian) {
                    elf::DT_STRTAB => entry.d_val = U64::new(endian, placed.1),
                    elf::DT_STRSZ => entry.d_val = U64::new(endian, placed.2),
                    _ => {}
                }
            }
        }
        let end = Entry { d_tag: I64::new(endian, elf::DT_NULL), d_val: U64::new(endian, 0) };
        let has_room = self.entries.len() < self.capacity;
        let length = if has_room { self.capacity } else { self.entries.len() + 1 + SPARE };
        self.entries.resize(length, end);
        let bytes = pod::bytes_of_slice(&self.entries);
        let segment = &image.segments[self.segment];
        if has_room {
            let start = segment.p_offset(endian);
            let range = image.file_range(start, bytes.len() as u64).ok_or(contradiction("dynamic section"))?;
            image.bytes[range].copy_from_slice(bytes);
            return Ok(());
        }
        let placed = extra.add(bytes);
        let from = segment.p_vaddr(endian);
        image.move_section(from, placed)?;
        image.place_segment(self.segment, placed);
        Ok(())
    }
}

fn tag(entry: &Entry, endian: Endianness) -> DynamicTag {
    entry.d_tag.get(endian)
}
