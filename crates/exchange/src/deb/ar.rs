//! The outer archive: `ar` in the variant that dpkg reads, as one pass over a stream that is hashed on the way.
//!
//! dpkg knows names of up to 16 characters, padded with spaces, with an optional slash at the end (GNU). Long names of
//! GNU and BSD do not occur in Debian packages and are refused by it as they are here.

use std::io::{self, BufRead, Read, Take};

use aleph_component::{Digest, Hasher};

/// Bytes read and hashed at once.
const CHUNK: usize = 1 << 17;
/// What an archive begins with.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// The length of a member's header.
const HEADER: usize = 60;

/// Why the outer archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// It cannot be read at all.
    #[error("the archive cannot be read")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("this is not a Debian package: it does not begin as an `ar` archive does")]
    Magic,
    /// It ends too early.
    #[error("the archive is cut short after {offset} bytes")]
    Truncated {
        /// Bytes that are there.
        offset: u64,
    },
    /// A member's header is not one.
    #[error("the member header at byte {offset} is damaged: its {field} is {found:?}")]
    Header {
        /// Where it begins.
        offset: u64,
        /// The field that is wrong.
        field: &'static str,
        /// What it holds.
        found: String,
    },
}

/// A reader that hashes what passes.
pub(super) struct HashedReader<R> {
    inner: R,
    hasher: Hasher,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    total: u64,
}

impl<R: Read> HashedReader<R> {
    fn new(inner: R) -> Self {
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Self { inner, hasher: Hasher::new(), buffer, start: 0, end: 0, total: 0 }
    }

    /// Bytes handed out so far.
    fn position(&self) -> u64 {
        self.total - (self.end - self.start) as u64
    }
}

impl<R: Read> BufRead for HashedReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start == self.end {
            match self.inner.read(&mut self.buffer) {
                Ok(read) => {
                    self.hasher.update(&self.buffer[..read]);
                    (self.start, self.end) = (0, read);
                    self.total += read as u64;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl<R: Read> Read for HashedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// One member's name and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberHeader {
    /// Its name, without padding or a closing slash.
    pub(super) name: String,
    /// Its length in bytes.
    pub(super) size: u64,
}

/// An `ar` archive being read.
pub(super) struct ArReader<R> {
    reader: HashedReader<R>,
    /// Where the member that is being read ends, with its padding.
    end: u64,
}

impl<R: Read> ArReader<R> {
    /// Begins an archive.
    pub(super) fn new(inner: R) -> Result<Self, ArError> {
        let mut reader = HashedReader::new(inner);
        let mut magic = [0; MAGIC.len()];
        let read = fill(&mut reader, &mut magic)?;
        if magic[..read] != MAGIC[..read] || read == 0 {
            return Err(ArError::Magic);
        }
        if read < magic.len() {
            return Err(ArError::Truncated { offset: read as u64 });
        }
        Ok(Self { reader, end: MAGIC.len() as u64 })
    }

    /// Skips what is left of the member before, and reads the next one's header; nothing at the end.
    pub(super) fn next_member(&mut self) -> Result<Option<MemberHeader>, ArError> {
        let padded = self.end + self.end % 2;
        self.skip(self.end)?;
        // The last member's padding may be missing.
        let offset = self.reader.position();
        if offset < padded {
            match self.reader.fill_buf()?.first() {
                None => return Ok(None),
                Some(b'\n' | 0) => self.reader.consume(1),
                Some(&other) => return Err(damaged(offset, "padding", &[other])),
            }
        }
        let offset = self.reader.position();
        let mut header = [0; HEADER];
        match fill(&mut self.reader, &mut header)? {
            0 => return Ok(None),
            HEADER => {}
            _ => return Err(ArError::Truncated { offset: self.reader.position() }),
        }
        let member = parse_header(offset, &header)?;
        self.end = offset + HEADER as u64 + member.size;
        Ok(Some(member))
    }

    /// The bytes of the member whose header was read last.
    pub(super) fn content(&mut self) -> Take<&mut HashedReader<R>> {
        let left = self.end.saturating_sub(self.reader.position());
        self.reader.by_ref().take(left)
    }

    /// Checks that the member being read is all there.
    pub(super) fn skip_content(&mut self) -> Result<(), ArError> {
        self.skip(self.end)
    }

    /// Reads to the end, and gives the digest and length of the whole archive.
    pub(super) fn finish(mut self) -> Result<(Digest, u64), ArError> {
        loop {
            let length = self.reader.fill_buf()?.len();
            if length == 0 {
                return Ok((self.reader.hasher.finish(), self.reader.total));
            }
            self.reader.consume(length);
        }
    }

    fn skip(&mut self, end: u64) -> Result<(), ArError> {
        loop {
            let position = self.reader.position();
            let left = end.saturating_sub(position);
            if left == 0 {
                return Ok(());
            }
            let available = self.reader.fill_buf()?.len();
            if available == 0 {
                return Err(ArError::Truncated { offset: position });
            }
            self.reader.consume(available.min(usize::try_from(left).unwrap_or(usize::MAX)));
        }
    }
}

/// Reads until `buffer` is full or nothing is left.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn damaged(offset: u64, field: &'static str, found: &[u8]) -> ArError {
    ArError::Header { offset, field, found: String::from_utf8_lossy(found).into_owned() }
}

/// Reads a header of 60 bytes: name 16, time 12, owner 6, group 6, mode 8, size 10, and two closing bytes.
fn parse_header(offset: u64, header: &[u8; HEADER]) -> Result<MemberHeader, ArError> {
    if &header[58..] != b"`\n" {
        return Err(damaged(offset, "end", &header[58..]));
    }
    let name = header[..16].trim_ascii_end();
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
    if name.is_empty() || !name.iter().all(plain) {
        return Err(damaged(offset, "name", &header[..16]));
    }
    let digits = header[48..58].trim_ascii_end();
    let size = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let size = size.and_then(|text| text.parse().ok()).ok_or_else(|| damaged(offset, "size", &header[48..58]))?;
    Ok(MemberHeader { name: String::from_utf8_lossy(name).into_owned(), size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(name: &str, size: &str) -> Vec<u8> {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644").into_bytes()
    }

    /// Name and content of every member, or the error.
    fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, ArError> {
        let mut archive = ArReader::new(bytes)?;
        let mut members = Vec::new();
        while let Some(member) = archive.next_member()? {
            let mut text = String::new();
            archive.content().read_to_string(&mut text)?;
            members.push((member.name, text));
        }
        assert_eq!(archive.finish()?, (Digest::of(bytes), bytes.len() as u64));
        Ok(members)
    }

    #[test]
    fn members_are_read_in_order_with_either_kind_of_name() {
        let mut bytes = MAGIC.to_vec();
        for (name, text) in [("a", "one"), ("b/", "four"), ("c", "")] {
            bytes.extend(header(name, &text.len().to_string()));
            bytes.extend(text.as_bytes());
            bytes.extend(if text.len() % 2 == 1 { "\n" } else { "" }.as_bytes());
        }
        let expected = [("a", "one"), ("b", "four"), ("c", "")].map(|(n, t)| (n.to_owned(), t.to_owned()));
        assert_eq!(read(&bytes).unwrap(), expected);
        for end in 0..bytes.len() {
            let result = read(&bytes[..end]);
            assert!(result.is_err() || result.unwrap().len() < 3, "cut at {end}");
        }
    }

    #[test]
    fn damaged_headers_are_named() {
        let check = |header: Vec<u8>, field: &str| {
            let bytes = [MAGIC.to_vec(), header].concat();
            match read(&bytes) {
                Err(ArError::Header { field: found, offset: 8, .. }) => assert_eq!(found, field),
                other => panic!("{other:?}"),
            }
        };
        check(header("a", "-1"), "size");
        check(header("a", "99999999 9"), "size");
        check(header("", "1"), "name");
        check(header("/12", "1"), "name");
        check(header("#1/20", "1"), "name");
        check(header("a", "1")[..58].iter().copied().chain(*b"xx").collect(), "end");
        assert!(matches!(read(b"\x1f\x8b"), Err(ArError::Magic)));
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(members in prop::collection::vec(("[a-z._-]{1,15}", "/?", "[a-z\n`]{0,70}"), 0..5)) {
            let mut bytes = MAGIC.to_vec();
            for (name, slash, text) in &members {
                bytes.extend(header(&format!("{name}{slash}"), &text.len().to_string()));
                bytes.extend(text.as_bytes());
                bytes.extend((text.len() % 2 == 1).then_some(b'\n'));
            }
            let members: Vec<_> = members.into_iter().map(|(name, _, text)| (name, text)).collect();
            prop_assert_eq!(read(&bytes).unwrap(), members);
        }

        #[test]
        fn any_members_are_read_or_refused(fields in prop::collection::vec("[ /0-9a`\n]{60}", 0..4), text in "\\PC{0,20}") {
            let bytes = [MAGIC, fields.concat().as_bytes(), text.as_bytes()].concat();
            let _ = read(&bytes);
        }
    }
}
