//! The inner archives: tar as dpkg reads it, with every name and header judged before it is used.
//!
//! dpkg reads old, ustar and GNU headers with GNU long names, and refuses pax headers and sparse files; so does this.

use std::{
    collections::HashSet,
    io::{BufReader, Read},
};

use aleph_component::{Owner, TreePath};
use tar::EntryType;

use super::{Limits, Refusal};

/// Bytes unpacked at once. Entries that are larger are read past this buffer.
const BUFFER: usize = 1 << 16;
/// The longest name in a GNU long name entry, with its closing zero.
const LONG_NAME: u64 = 4096;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Where it belongs; nothing for the root itself.
    pub(super) path: Option<TreePath>,
    /// Twelve mode bits.
    pub(super) mode: u16,
    /// Numeric owner.
    pub(super) owner: Owner,
    /// What it is.
    pub(super) kind: ItemKind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemKind {
    Directory,
    File { size: u64 },
    Symlink { target: String },
    HardLink { target: TreePath },
}

/// Calls `visit` for every entry of the archive in `reader`, with a reader of its bytes. `member` is for messages.
pub(super) fn walk(
    reader: impl Read,
    member: &str,
    limits: &Limits,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let damaged = |source| Refusal::Unpack { member: member.to_owned(), source };
    let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER, reader));
    let (mut long_name, mut long_target) = (None, None);
    let mut tally = Tally { member, limits, names: 0, bytes: 0, directories: HashSet::new() };
    // Raw: the crate would read long names and pax headers of any length into memory.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        tally.add(1, 0)?;
        let slot = match entry.header().entry_type() {
            EntryType::GNULongName => &mut long_name,
            EntryType::GNULongLink => &mut long_target,
            _ => {
                let names = (long_name.take(), long_target.take());
                let item = parse_item(entry.header(), entry.size(), names, member)?;
                tally.add_item(&item)?;
                visit(item, &mut entry)?;
                continue;
            }
        };
        let text = read_long_name(&mut entry, member)?;
        if slot.replace(text).is_some() {
            return Err(wrong(member, "././@LongLink", "number"));
        }
    }
    if long_name.is_some() || long_target.is_some() {
        return Err(wrong(member, "././@LongLink", "successor"));
    }
    check_rest(archive.into_inner(), member)
}

/// How much an archive has asked for so far.
struct Tally<'a> {
    member: &'a str,
    limits: &'a Limits,
    names: u64,
    bytes: u64,
    /// Those that were counted.
    directories: HashSet<String>,
}

impl Tally<'_> {
    /// Counts so many names with so many bytes in all.
    fn add(&mut self, names: u64, bytes: usize) -> Result<(), Refusal> {
        self.names += names;
        self.bytes += bytes as u64;
        let member = || self.member.to_owned();
        if self.names > self.limits.entries {
            return Err(Refusal::TooMany { member: member(), limit: self.limits.entries });
        }
        if self.bytes > self.limits.names {
            return Err(Refusal::LongNames { member: member(), limit: self.limits.names });
        }
        Ok(())
    }

    /// Counts the bytes of an entry that is counted itself, and the directories that it implies.
    fn add_item(&mut self, item: &Item) -> Result<(), Refusal> {
        let Some(path) = &item.path else { return Ok(()) };
        let target = match &item.kind {
            ItemKind::Symlink { target } => target.len(),
            ItemKind::HardLink { target } => target.as_str().len(),
            ItemKind::Directory | ItemKind::File { .. } => 0,
        };
        self.add(0, path.as_str().len() + target)?;
        let mut above = path.parent();
        while let Some(directory) = above.filter(|directory| !self.directories.contains(*directory)) {
            self.add(1, directory.len())?;
            self.directories.insert(directory.to_owned());
            above = directory.rsplit_once('/').map(|(above, _)| above);
        }
        if item.kind == ItemKind::Directory {
            self.directories.insert(path.as_str().to_owned());
        }
        Ok(())
    }
}

/// Only zeros may follow the end; anything else would be seen by some readers and not by others.
fn check_rest(mut reader: impl Read, member: &str) -> Result<(), Refusal> {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer[..read].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(Refusal::Member { member: member.to_owned(), problem: "goes on after its end" }),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Refusal::Unpack { member: member.to_owned(), source }),
        }
    }
}

fn wrong(member: &str, path: &str, field: &'static str) -> Refusal {
    Refusal::Entry { member: member.to_owned(), path: path.to_owned(), field }
}

fn read_long_name(entry: &mut tar::Entry<'_, impl Read>, member: &str) -> Result<Vec<u8>, Refusal> {
    if entry.size() > LONG_NAME {
        return Err(wrong(member, "././@LongLink", "size"));
    }
    let mut text = Vec::new();
    let read = entry.read_to_end(&mut text);
    read.map_err(|source| Refusal::Unpack { member: member.to_owned(), source })?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    text.truncate(end);
    Ok(text)
}

fn parse_item(
    header: &tar::Header,
    size: u64,
    (long_name, long_target): (Option<Vec<u8>>, Option<Vec<u8>>),
    member: &str,
) -> Result<Item, Refusal> {
    let name = long_name.unwrap_or_else(|| header.path_bytes().into_owned());
    let name = text(name, member)?;
    let wrong = |field| wrong(member, &name, field);
    let target = || {
        let target = long_target.clone().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        text(target.ok_or_else(|| wrong("target"))?, member)
    };
    let number = |value: std::io::Result<u64>, field| {
        value.ok().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| wrong(field))
    };
    let owner = Owner { uid: number(header.uid(), "owner")?, gid: number(header.gid(), "group")? };
    let mode = (header.mode().map_err(|_| wrong("mode"))? & 0o7777) as u16;
    let refuse = |kind| Err(Refusal::Kind { member: member.to_owned(), path: name.clone(), kind });
    let kind = match header.entry_type() {
        // Before POSIX a directory was a file whose name ends with a slash.
        EntryType::Regular if name.ends_with('/') => ItemKind::Directory,
        EntryType::Regular | EntryType::Continuous => ItemKind::File { size },
        EntryType::Directory => ItemKind::Directory,
        EntryType::Symlink => ItemKind::Symlink { target: link_target(target()?).ok_or_else(|| wrong("target"))? },
        EntryType::Link => {
            let target = tree_path(&target()?, member)?;
            ItemKind::HardLink { target: target.ok_or_else(|| wrong("target"))? }
        }
        EntryType::Char | EntryType::Block => return refuse("the device node"),
        EntryType::Fifo => return refuse("the named pipe"),
        EntryType::GNUSparse => return refuse("the sparse file"),
        EntryType::XHeader | EntryType::XGlobalHeader => return refuse("a pax header, which dpkg does not read,"),
        _ => return refuse("an entry of unknown kind,"),
    };
    // Readers disagree on whether bytes follow such an entry.
    if size != 0 && !matches!(kind, ItemKind::File { .. }) {
        return Err(wrong("size"));
    }
    let path = tree_path(&name, member)?;
    if path.is_none() && kind != ItemKind::Directory {
        return Err(wrong("name"));
    }
    Ok(Item { path, mode, owner, kind })
}

fn text(bytes: Vec<u8>, member: &str) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|error| Refusal::NotUtf8 {
        member: member.to_owned(),
        name: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// A name as tar spells it (`./usr/`), as a path; nothing for the root.
fn tree_path(name: &str, member: &str) -> Result<Option<TreePath>, Refusal> {
    let path = name.strip_prefix("./").unwrap_or(name);
    let path = path.strip_suffix('/').unwrap_or(path);
    if (path.is_empty() && name.starts_with('.')) || name == "." {
        return Ok(None);
    }
    TreePath::new(path).map(Some).map_err(|source| Refusal::Name { member: member.to_owned(), source })
}

/// Any target is fine as long as the kernel and a listing can hold it: where it leads is decided when it is followed.
fn link_target(target: String) -> Option<String> {
    let plain = !target.is_empty() && target.len() < 4096 && !target.chars().any(char::is_control);
    plain.then_some(target)
}
