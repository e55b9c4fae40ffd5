//! The certificate authorities of the host's administrator show in a view, so that a company's own servers and proxies
//! are trusted there too. Which of the public authorities to trust is the view's own affair, unless it knows none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::etc::read_host;
use crate::layers::Stack;

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

/// What the view's bundle has to be. `None`: what it is.
pub(crate) fn bundle(stack: &Stack) -> Option<Vec<u8>> {
    let host = || HOST_BUNDLES.iter().find_map(|path| read_host(path));
    if !stack.has(Path::new(BUNDLE)) {
        return host();
    }
    // Nearly always there is nothing, and then the bundles, which are large, need not be read.
    let anchors = anchors();
    if anchors.is_empty() {
        return None;
    }
    let mut view = stack.read(Path::new(BUNDLE), LIMIT)?;
    let added = added(&anchors, &host()?, &view);
    view.extend_from_slice(&added);
    (!added.is_empty()).then_some(view)
}

/// The certificates among `anchors` that the host's bundle has and the view's has not.
fn added(anchors: &[Vec<u8>], host: &[u8], view: &[u8]) -> Vec<u8> {
    let has = |bundle: &[u8], one: &[u8]| memmem::find(bundle, one).is_some();
    let anchors: BTreeSet<&[u8]> = anchors.iter().flat_map(|text| certificates(text)).collect();
    let lacking = anchors.into_iter().filter(|one| !has(view, one) && has(host, one));
    lacking.flat_map(|one| [one, b"\n"]).flatten().copied().collect()
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

    #[test]
    fn what_an_administrator_added_is_told_from_what_a_distribution_did() {
        let [old, both, own, untrusted] = ["old", "both", "own", "untrusted"].map(certificate);
        let host = [b"# a comment\n", &old[..], &both, &own].concat();
        let view = [&both[..], &certificate("new")].concat();
        assert_eq!(added(&[untrusted, [b"# ours\n", &own[..]].concat()], &host, &view), own);
        assert!(added(&[both], &host, &view).is_empty());
        assert!(added(std::slice::from_ref(&own), &host, &host).is_empty());
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
