//! Listings: the names of a tree as lines of text. Views are composed from tens of thousands of them, so they must read
//! quickly.
//!
//! ```text
//! d 0755 usr/bin                                   a directory
//! f 0755 43808 9f86d081…f00a08 usr/bin/true        a file: its length in bytes and the SHA-256 of its content
//! l usr/bin/awk<TAB>/etc/alternatives/awk          a symbolic link and its target
//! x usr/bin/gone                                   a name that was removed from the tree below
//! f@0:42 2755 …                                    any of them, where it is not root's
//! ```

use std::{fmt::Write as _, str::FromStr};

use crate::{Entry, Node, Owner, PathError, TreePath};

/// A line of a listing says nothing that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the listing cannot be read")]
pub struct ListingError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with its path, if that is it.
    #[source]
    pub source: Option<PathError>,
}

/// Writes entries as lines, in their order.
pub fn write_listing(entries: &[Entry]) -> String {
    let mut text = String::with_capacity(entries.len() * 128);
    for entry in entries {
        write_entry(&mut text, entry).expect("a string takes everything");
    }
    text
}

fn write_entry(text: &mut String, Entry { path, owner, node }: &Entry) -> std::fmt::Result {
    text.push(match node {
        Node::Directory { .. } => 'd',
        Node::File { .. } => 'f',
        Node::Symlink { .. } => 'l',
        Node::Absent => 'x',
    });
    if *owner != Owner::default() {
        write!(text, "@{}:{}", owner.uid, owner.gid)?;
    }
    match node {
        Node::Directory { mode } => write!(text, " {mode:04o} {path}")?,
        Node::File { digest, size, mode } => write!(text, " {mode:04o} {size} {digest} {path}")?,
        Node::Symlink { target } => write!(text, " {path}\t{}", escaped(target))?,
        Node::Absent => write!(text, " {path}")?,
    }
    text.push('\n');
    Ok(())
}

/// A target may hold anything but NUL; in a line it may not end that.
fn escaped(target: &str) -> String {
    target.replace('\\', r"\\").replace('\n', r"\n")
}

fn unescaped(text: &str) -> Option<Box<str>> {
    if !text.contains('\\') {
        return Some(text.into());
    }
    let mut target = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        target.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                _ => return None,
            },
            other => other,
        });
    }
    Some(target.into())
}

/// Reads lines as [`write_listing`] writes them.
///
/// # Errors
/// The first line that is none.
pub fn read_listing(text: &str) -> Result<Vec<Entry>, ListingError> {
    let mut entries = Vec::with_capacity(text.len() / 128);
    let mut start = 0;
    while start < text.len() {
        let failed = |source| ListingError { line: entries.len() + 1, source };
        let length = memchr::memchr(b'\n', &text.as_bytes()[start..]).ok_or_else(|| failed(None))?;
        let entry = read_entry(&text[start..start + length]).map_err(failed)?;
        entries.push(entry);
        start += length + 1;
    }
    Ok(entries)
}

fn read_entry(line: &str) -> Result<Entry, Option<PathError>> {
    let (kind, rest) = cut(line)?;
    let (kind, owner) = match kind.split_at_checked(1).ok_or(None)? {
        (kind, "") => (kind, Owner::default()),
        (kind, owner) => (kind, owner.strip_prefix('@').and_then(read_owner).ok_or(None)?),
    };
    let (path, node) = match kind {
        "d" => {
            let (mode, path) = cut(rest)?;
            (path, Node::Directory { mode: read_mode(mode)? })
        }
        "f" => {
            let (mode, rest) = cut(rest)?;
            let (size, rest) = cut(rest)?;
            let (digest, path) = cut(rest)?;
            (path, Node::File { digest: parsed(digest)?, size: parsed(size)?, mode: read_mode(mode)? })
        }
        "l" => {
            let (path, target) = rest.split_once('\t').ok_or(None)?;
            (path, Node::Symlink { target: unescaped(target).ok_or(None)? })
        }
        "x" => (rest, Node::Absent),
        _ => return Err(None),
    };
    Ok(Entry { path: TreePath::new(path).map_err(Some)?, owner, node })
}

/// The word before the first space, and what is after it. The words are short.
fn cut(text: &str) -> Result<(&str, &str), Option<PathError>> {
    let end = text.bytes().position(|byte| byte == b' ').ok_or(None)?;
    Ok((&text[..end], &text[end + 1..]))
}

fn parsed<T: FromStr>(text: &str) -> Result<T, Option<PathError>> {
    text.parse().map_err(|_| None)
}

fn read_mode(text: &str) -> Result<u16, Option<PathError>> {
    u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or(None)
}

fn read_owner(text: &str) -> Option<Owner> {
    let (uid, gid) = text.split_once(':')?;
    Some(Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;
    use crate::Digest;

    fn nodes() -> impl Strategy<Value = Node> {
        prop_oneof![
            (0u16..0o10000).prop_map(|mode| Node::Directory { mode }),
            (any::<[u8; 4]>(), any::<u64>(), 0u16..0o10000).prop_map(|(content, size, mode)| Node::File {
                digest: Digest::of(&content),
                size,
                mode
            }),
            r"[a\\nN\t/\n é]{0,12}".prop_map(|target| Node::Symlink { target: target.into() }),
            Just(Node::Absent),
        ]
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let owner =
            prop_oneof![Just(Owner::default()), (any::<u32>(), any::<u32>()).prop_map(|(uid, gid)| Owner { uid, gid })];
        ("[a-z @é]{1,8}(/[a-z @é]{1,8}){0,2}", owner, nodes()).prop_map(|(path, owner, node)| Entry {
            path: TreePath::new(&path).unwrap(),
            owner,
            node,
        })
    }

    proptest! {
        #[test]
        fn any_listing_reads_as_it_was_written(entries in collection::vec(entries(), 0..8)) {
            let text = write_listing(&entries);
            prop_assert_eq!(text.lines().count(), entries.len());
            prop_assert_eq!(read_listing(&text), Ok(entries));
        }

        #[test]
        fn what_reads_at_all_reads_the_same_once_written(text in "([dflx](@0:1)? [0-9 ]{0,9}[a-z\t/\\\\]{0,5}\n?){0,3}") {
            if let Ok(entries) = read_listing(&text) {
                prop_assert_eq!(read_listing(&write_listing(&entries)), Ok(entries));
            }
        }
    }

    #[test]
    fn a_listing_is_for_people_too() {
        let text = "d 0755 etc\nf@0:42 0640 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad etc/a b\n\
                    l etc/c\t../x y\nx etc/gone\n";
        assert_eq!(write_listing(&read_listing(text).unwrap()), text);
    }

    #[test]
    fn bad_lines_are_named() {
        let check =
            |line: &str| assert_eq!(read_listing(&format!("d 0755 a\n{line}")).unwrap_err().line, 2, "{line:?}");
        for line in
            ["d 0755 b", "\n", "d\n", "d 0755\n", "d 0755 \n", "q 0755 b\n", "d 10000 b\n", "d 789 b\n", "d@1 0755 b\n"]
        {
            check(line);
        }
        for line in ["f 0644 1 abc b\n", "f 0644 -1 abc b\n", "l b\n", "l b\ta\\\n", "l b\ta\\x\n", "x ../b\n"] {
            check(line);
        }
    }
}
