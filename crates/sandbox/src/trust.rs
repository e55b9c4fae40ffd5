//! The certificate authorities of the host's administrator show in a view, so that a company's own servers and proxies
//! are trusted there too. Which of the public authorities to trust is the view's own affair, unless it knows none.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::etc::read_host;
use crate::layers::Stack;

/// Where Debian's programs look. In `/etc`, as [`crate::etc::place`] wants it.
pub(crate) const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where distributions keep all that the host trusts, in one file.
const HOST_BUNDLES: &[&str] =
    &[BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// What the host's distribution delivered, a file each: what else is in the bundle was added.
const DISTRIBUTED: &str = "/usr/share/ca-certificates";

/// Where administrators put authorities on hosts without [`DISTRIBUTED`].
const ANCHORS: &[&str] = &["/etc/pki/ca-trust/source/anchors", "/etc/ca-certificates/trust-source/anchors"];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Larger files than this hold no certificates.
const LIMIT: usize = 4 << 20;

/// What the view's bundle has to be. `None`: what it is.
pub(crate) fn bundle(stack: &Stack) -> Option<Vec<u8>> {
    let host = HOST_BUNDLES.iter().find_map(|path| read_host(path));
    let Some(view) = stack.read(Path::new(BUNDLE), LIMIT) else { return host };
    if host.as_ref() == Some(&view) {
        return None;
    }
    let host = String::from_utf8(host?).ok()?;
    let added = added(&host, std::str::from_utf8(&view).ok()?, || {
        let distributed = texts(DISTRIBUTED);
        if distributed.is_empty() { Known::Added(texts_of(ANCHORS)) } else { Known::Distributed(distributed) }
    });
    (!added.is_empty()).then(|| [&view[..], added.as_bytes()].concat())
}

/// What tells apart the host's own authorities from its distribution's.
enum Known {
    /// Texts with what the distribution delivered.
    Distributed(Vec<String>),
    /// Texts with what the administrator added.
    Added(Vec<String>),
}

/// The certificates in the host's bundle that its administrator added and that the view's does not have. What is known
/// is only asked for when the bundles differ.
fn added(host: &str, view: &str, known: impl FnOnce() -> Known) -> String {
    let had: HashSet<&str> = certificates(view).collect();
    let mut lacking: Vec<&str> = certificates(host).filter(|one| !had.contains(one)).collect();
    if lacking.is_empty() {
        return String::new();
    }
    let known = known();
    let (texts, wanted) = match &known {
        Known::Distributed(texts) => (texts, false),
        Known::Added(texts) => (texts, true),
    };
    let listed: HashSet<&str> = texts.iter().flat_map(|text| certificates(text)).collect();
    lacking.retain(|one| listed.contains(one) == wanted);
    lacking.iter().map(|one| format!("{one}\n")).collect()
}

/// The certificates in a text, each with its first and last line.
fn certificates(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(BEGIN).filter_map(move |(start, _)| {
        let end = text[start..].find(END)? + END.len();
        Some(&text[start..start + end])
    })
}

fn texts_of(directories: &[&str]) -> Vec<String> {
    directories.iter().flat_map(texts).collect()
}

/// The files in a directory and in those below it.
fn texts(directory: impl Into<PathBuf>) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.into()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(_) => {
                    found.extend(entry.path().to_str().and_then(read_host).and_then(|b| String::from_utf8(b).ok()))
                }
                Err(_) => {}
            }
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
        let [old, both, own] = ["old", "both", "own"].map(certificate);
        let host = format!("# a comment\n{old}{both}{own}");
        let view = format!("{both}{}", certificate("new"));
        assert_eq!(added(&host, &view, || Known::Distributed(vec![old.clone(), both.clone()])), own);
        assert_eq!(added(&host, &view, || Known::Added(vec![own.clone()])), own);
        assert_eq!(added(&host, &host, || unreachable!("nothing is lacking")), "");
    }

    #[test]
    fn half_a_certificate_is_none() {
        let whole = certificate("a");
        let text = format!("{whole}{BEGIN}\nb");
        assert_eq!(certificates(&text).collect::<Vec<_>>(), [whole.trim_end()]);
    }
}
