//! The certificate authorities of the host's administrator show in a view, so that a company's own servers and proxies
//! are trusted there too. Which of the public authorities to trust is the view's own affair, unless it knows none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

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
    let (view, host) = (stack.read(Path::new(BUNDLE), LIMIT)?, host()?);
    let added = added(&anchors, std::str::from_utf8(&host).ok()?, std::str::from_utf8(&view).ok()?);
    (!added.is_empty()).then(|| [&view[..], added.as_bytes()].concat())
}

/// The certificates among `anchors` that the host's bundle has and the view's has not.
fn added(anchors: &[String], host: &str, view: &str) -> String {
    let (trusted, had) = (certificates(host).collect::<BTreeSet<_>>(), certificates(view).collect::<BTreeSet<_>>());
    let anchors: BTreeSet<&str> = anchors.iter().flat_map(|text| certificates(text)).collect();
    let lacking = anchors.into_iter().filter(|one| trusted.contains(one) && !had.contains(one));
    lacking.map(|one| format!("{one}\n")).collect()
}

/// The certificates in a text, each with its first and last line.
fn certificates(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = memchr::memmem::find(rest.as_bytes(), BEGIN.as_bytes())?;
        let end = start + memchr::memmem::find(&rest.as_bytes()[start..], END.as_bytes())? + END.len();
        let (one, others) = (&rest[start..end], &rest[end..]);
        rest = others;
        Some(one)
    })
}

/// The texts of the administrator's own authorities.
fn anchors() -> Vec<String> {
    let beside = std::fs::read_dir(BESIDE).into_iter().flatten().flatten();
    let beside = beside.filter(|entry| entry.file_name() != DELIVERED).map(|entry| entry.path());
    ANCHORS.iter().map(PathBuf::from).chain(beside).flat_map(texts).collect()
}

/// The files in a directory and in those below it, or the file itself. Links to directories are not followed: some lead
/// in circles.
fn texts(path: PathBuf) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![path];
    while let Some(path) = waiting.pop() {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {
                waiting.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            Ok(_) => found.extend(path.to_str().and_then(read_host).and_then(|bytes| String::from_utf8(bytes).ok())),
            Err(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> String {
        format!("{BEGIN}\n{name}\n{END}\n")
    }

    #[test]
    fn what_an_administrator_added_is_told_from_what_a_distribution_did() {
        let [old, both, own, untrusted] = ["old", "both", "own", "untrusted"].map(certificate);
        let host = format!("# a comment\n{old}{both}{own}");
        let view = format!("{both}{}", certificate("new"));
        assert_eq!(added(&[untrusted, format!("# ours\n{own}")], &host, &view), own);
        assert_eq!(added(&[both], &host, &view), "");
        assert_eq!(added(std::slice::from_ref(&own), &host, &host), "");
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
        let text = format!("{whole}{BEGIN}\nb");
        assert_eq!(certificates(&text).collect::<Vec<_>>(), [whole.trim_end()]);
    }
}
