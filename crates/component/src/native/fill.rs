//! Writing paths into holes.

use std::borrow::Cow;

use memchr::memmem;

use super::{Hole, HoleKind};

/// Why a hole cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The path is longer than what is reserved for it.
    #[error("`{path}` has room for {room} bytes at offset {offset}, and the path that belongs there takes {needed}")]
    NoRoom {
        /// The file.
        path: String,
        /// Where.
        offset: u64,
        /// How much there is, in bytes.
        room: u64,
        /// How much would be needed, in bytes.
        needed: u64,
    },
    /// The file is shorter than its holes say.
    #[error("`{path}` does not reach as far as its hole at offset {offset}")]
    Short {
        /// The file.
        path: String,
        /// Where.
        offset: u64,
    },
}

/// Fills the holes in the content of a file. `holes` are those of this file, sorted; `target` gives the path that belongs
/// into one, and `prefix` is the component's.
///
/// # Errors
/// If there is not room enough, or the content is not the one that the holes were found in.
pub fn fill(
    content: &mut Vec<u8>,
    holes: &[&Hole],
    prefix: &str,
    target: impl Fn(&Hole) -> String,
) -> Result<(), FillError> {
    let mut ranges = Vec::with_capacity(holes.len());
    for hole in holes {
        let done = ranges.last().map_or(0, |(_, end)| *end);
        let found = range(hole, done, content.len());
        ranges.push(found.ok_or_else(|| FillError::Short { path: hole.path.to_string(), offset: hole.offset })?);
    }
    // From the end: what changes its length moves nothing that is still to be filled.
    for (hole, (start, end)) in holes.iter().zip(ranges).rev() {
        let (old, path) = (&content[start..end], target(hole));
        let new = match hole.kind {
            HoleKind::Text => path.into_bytes(),
            HoleKind::Bytes => padded(hole, path.into_bytes(), 1)?,
            HoleKind::String => padded(hole, moved(old, prefix, &path, 1), 1)?,
            HoleKind::Wide16 => padded(hole, moved(old, prefix, &path, 2), 2)?,
            HoleKind::Wide32 => padded(hole, moved(old, prefix, &path, 4), 4)?,
        };
        content.splice(start..end, new);
    }
    Ok(())
}

fn range(hole: &Hole, done: usize, length: usize) -> Option<(usize, usize)> {
    let start = usize::try_from(hole.offset).ok()?;
    let end = start.checked_add(usize::try_from(hole.length).ok()?)?;
    (done <= start && end <= length).then_some((start, end))
}

/// A string with as many NUL bytes as the hole is longer, at least one unit.
fn padded(hole: &Hole, mut string: Vec<u8>, unit: usize) -> Result<Vec<u8>, FillError> {
    let (room, needed) = (hole.length, (string.len() + unit) as u64);
    if needed > room {
        return Err(FillError::NoRoom { path: hole.path.to_string(), offset: hole.offset, room, needed });
    }
    string.resize(room as usize, 0);
    Ok(string)
}

/// The string in a hole, with each prefix in it replaced. `unit` is the width of its characters, in bytes.
fn moved(hole: &[u8], prefix: &str, path: &str, unit: usize) -> Vec<u8> {
    let narrow: Vec<u8> = hole.iter().step_by(unit).copied().take_while(|byte| *byte != 0).collect();
    let replaced = replace_prefix(&narrow, prefix.as_bytes(), path.as_bytes());
    let mut wide = Vec::with_capacity(replaced.len() * unit);
    for byte in replaced.iter() {
        wide.push(*byte);
        wide.resize(wide.len() + unit - 1, 0);
    }
    wide
}

/// The bytes with each occurrence of the directory `prefix` replaced: not where a name goes on behind it.
fn replace_prefix<'a>(bytes: &'a [u8], prefix: &[u8], path: &[u8]) -> Cow<'a, [u8]> {
    let mut replaced = Vec::new();
    let mut done = 0;
    for start in memmem::find_iter(bytes, prefix) {
        let end = start + prefix.len();
        if start >= done && ends_name(bytes.get(end)) {
            replaced.extend_from_slice(&bytes[done..start]);
            replaced.extend_from_slice(path);
            done = end;
        }
    }
    if done == 0 && replaced.is_empty() {
        return Cow::Borrowed(bytes);
    }
    replaced.extend_from_slice(&bytes[done..]);
    Cow::Owned(replaced)
}

/// Whether a directory's name ends before this byte.
pub fn ends_name(next: Option<&u8>) -> bool {
    next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"_-.+~".contains(byte))
}
