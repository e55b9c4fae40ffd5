//! The certificate authorities of the host's administrator show in a view, so that a company's own servers and proxies
//! are trusted there too. Which of the public authorities to trust is the view's own affair, unless it knows none.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use memchr::memmem;
use rustix::io::Errno;

use crate::etc::{EtcFile, open_host, read_host};
use crate::layers::{Stack, read_all};

/// Where Debian's programs look. In `/etc`, as [`crate::etc::place`] wants it.
pub(crate) const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where distributions keep all that the host trusts, in one file.
const HOST_BUNDLES: &[&str] =
    &[BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// Where administrators put authorities of their own.
const ANCHORS: &[&str] = &[
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
];

/// On Debian administrators may also put them beside what the distribution delivers, which is all in one directory.
const BESIDE: &str = "/usr/share/ca-certificates";
const DELIVERED: &str = "mozilla";

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Larger files than this hold no certificates.
const LIMIT: usize = 4 << 20;

/// How much of a bundle is read at once, in bytes.
const PIECE: usize = 32 << 10;

/// What the view's bundle has to be. `None`: what it is.
pub(crate) fn bundle(stack: &Stack) -> Option<EtcFile> {
    let view = stack.open_file(Path::new(BUNDLE));
    // Nearly always there is nothing, and then the bundles, which are large, need not be read.
    let anchors = if view.is_some() { anchors() } else { Vec::new() };
    if view.is_some() && anchors.is_empty() {
        return None;
    }
    let host = HOST_BUNDLES.iter().find_map(|path| open_host(path))?;
    let Some(view) = view else { return read_all(&host, LIMIT).map(EtcFile::Bytes) };
    let anchors = Vec::from_iter(BTreeSet::from_iter(anchors.iter().flat_map(|text| certificates(text))));
    // One that the view has as well is in there twice, which is nothing to anybody; to find that out would cost time.
    let trusted = contained(&anchors, &host).ok()?;
    let trusted = anchors.into_iter().zip(trusted).filter(|(_, is_trusted)| *is_trusted);
    let added: Vec<u8> = trusted.flat_map(|(one, _)| [one, b"\n"]).flatten().copied().collect();
    (!added.is_empty()).then_some(EtcFile::Longer { file: view, added })
}

/// Which of the texts are in a file. It is read from its end, where Debian's `update-ca-certificates` puts what
/// administrators add, and piece by piece: memory that was never touched is dear while a program waits to begin.
fn contained(texts: &[&[u8]], file: &OwnedFd) -> Result<Vec<bool>, Errno> {
    let finders = Vec::from_iter(texts.iter().map(memmem::Finder::new));
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    let mut found = vec![false; texts.len()];
    // A text may begin in one piece and end in the next.
    let mut buffer = vec![0; PIECE + longest];
    let mut start = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
    while start > 0 && found.contains(&false) {
        start = start.saturating_sub(PIECE as u64);
        let length = read_at(file, &mut buffer, start)?;
        for (finder, found) in finders.iter().zip(&mut found) {
            *found = *found || finder.find(&buffer[..length]).is_some();
        }
    }
    Ok(found)
}

/// Fills the buffer from a file, as far as the file goes. Returns how much there was, in bytes.
fn read_at(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

/// The certificates in a text, each with its first and last line.
fn certificates(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = memmem::find(rest, BEGIN)?;
        let end = start + memmem::find(&rest[start..], END)? + END.len();
        let (one, others) = (&rest[start..end], &rest[end..]);
        rest = others;
        Some(one)
    })
}

/// The texts of the administrator's own authorities.
fn anchors() -> Vec<Vec<u8>> {
    let beside = std::fs::read_dir(BESIDE).into_iter().flatten().flatten();
    let beside = beside.filter(|entry| entry.file_name() != DELIVERED).map(|entry| entry.path());
    ANCHORS.iter().map(PathBuf::from).chain(beside).flat_map(texts).collect()
}

/// The files in a directory and in those below it, or the file itself. Links to directories are not followed: some lead
/// in circles.
fn texts(path: PathBuf) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut waiting = vec![path];
    while let Some(path) = waiting.pop() {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {
                waiting.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            Ok(_) => found.extend(path.to_str().and_then(read_host)),
            Err(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> Vec<u8> {
        [BEGIN, b"\n", name.as_bytes(), b"\n", END, b"\n"].concat()
    }

    fn file(content: &[u8]) -> OwnedFd {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(content).expect("written");
        file.into()
    }

    #[test]
    fn texts_are_found_wherever_pieces_of_a_file_end() {
        let (text, other) = (certificate("one"), certificate("other"));
        for before in (PIECE - 2 * text.len()..=PIECE + 1).chain([0, 1, 5 * PIECE - 10]) {
            let content = [&vec![b'x'; before][..], &text, &vec![b'y'; before % 7]].concat();
            let found = contained(&[&other, &text, b"yyyyyyy"], &file(&content)).expect("read");
            assert_eq!(found, [false, true, false], "{before}");
        }
        assert_eq!(contained(&[&text], &file(b"")), Ok(vec![false]));
        assert_eq!(contained(&[], &file(b"x")), Ok(vec![]));
    }

    #[test]
    fn links_do_not_lead_in_circles() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).expect("made");
        std::fs::write(inner.join("a.crt"), certificate("a")).expect("written");
        for name in ["one", "two", "three"] {
            std::os::unix::fs::symlink("..", inner.join(name)).expect("linked");
        }
        std::os::unix::fs::symlink("a.crt", inner.join("b.crt")).expect("linked");
        assert_eq!(texts(directory.path().to_owned()), [certificate("a"), certificate("a")]);
    }

    #[test]
    fn half_a_certificate_is_none() {
        let whole = certificate("a");
        let text = [&whole[..], BEGIN, b"\nb"].concat();
        assert_eq!(certificates(&text).collect::<Vec<_>>(), [whole.trim_ascii_end()]);
    }
}
