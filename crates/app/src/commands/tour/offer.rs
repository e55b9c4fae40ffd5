//! The cast from the host's apt sources: real programs, at the older of the versions on offer.

use aleph_exchange::apt::index::{Candidate, PreparedIndex};

use super::cast::{Cast, From, Program, Versions};

/// What Alice wants besides what has two versions.
const ALICE: [&str; 4] = ["curl", "git", "python3", "jq"];
/// What Bob wants.
const BOB: [&str; 2] = ["python3", "jq"];

/// What the sources lack.
pub(super) enum Lacking {
    /// There are no sources, or they offer nothing.
    Everything,
    /// They do not offer this package.
    Package(String),
    /// They offer one version of everything that the tour could update.
    Choice,
}

/// Chooses from what is on offer for the architecture `native`. The first `pinned` of openssl's library, openssl, libc6
/// and expat are taken at older versions; the rest at the newest.
pub(super) fn cast(index: &PreparedIndex, native: &str, pinned: usize) -> Result<Cast, Lacking> {
    if index.names().next().is_none() {
        return Err(Lacking::Everything);
    }
    let ssl = library_of_openssl(index, native).ok_or_else(|| Lacking::Package("openssl".to_owned()))?;
    for name in ALICE.into_iter().chain(["libc6", "libexpat1", &ssl]) {
        offered(index, name, native).pop().ok_or_else(|| Lacking::Package(name.to_owned()))?;
    }
    let moving = [ssl.as_str(), "openssl", "libc6", "libexpat1"];
    let versions: Vec<Versions> =
        moving.iter().take(pinned).filter_map(|name| two_versions(index, name, native)).collect();
    let find = |name: &str| versions.iter().find(|versions| versions.name == name);
    let older = |name: &&str| find(name).map_or_else(|| (*name).to_owned(), |v| format!("{name}={}", v.older));
    let named = |names: &[&str], and: &[&str]| -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).chain(and.iter().map(older)).collect()
    };
    let mut update: Vec<&Versions> = [ssl.as_str(), "libc6"].into_iter().filter_map(find).collect();
    if update.is_empty() {
        update.extend(versions.first());
    }
    if update.is_empty() && pinned > 0 {
        return Err(Lacking::Choice);
    }
    let python = "import ssl; print(ssl.OPENSSL_VERSION)";
    Ok(Cast {
        from: From::Apt,
        alice: named(&ALICE, &["openssl", &ssl, "libc6", "libexpat1"]),
        bob: named(&BOB, &["openssl", &ssl, "libc6", "libexpat1"]),
        update: update.iter().map(|versions| format!("{}={}", versions.name, versions.newer)).collect(),
        replaced: update.iter().map(|versions| versions.name.clone()).collect(),
        broken: Vec::new(),
        both: vec![Program::new(&["openssl", "version"]), Program::new(&["python3", "-c", python])],
        of_alice: vec![Program::head(&["curl", "--version"]), Program::new(&["git", "--version"])],
        of_bob: vec![Program::new(&["jq", "-nc", "{answer: (6 * 7)}"])],
        witness: "usr/bin/openssl",
        vouched: "Each archive had the SHA-256 that its source lists.",
        versions,
    })
}

/// How many packages may be taken at older versions.
pub(super) const MOVING: usize = 4;

/// The C library of a view as a program: it prints its own version. The path as the view's programs see it.
pub(super) fn libc_that_speaks(roots: &[std::path::PathBuf]) -> Option<Program> {
    use std::os::unix::fs::PermissionsExt as _;
    let speaks = |path: &std::path::Path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    for (root, directory) in roots.iter().flat_map(|root| ["lib", "usr/lib"].map(|directory| (root, directory))) {
        let Ok(entries) = std::fs::read_dir(root.join(directory)) else { continue };
        for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let inside = format!("{directory}/{name}/libc.so.6");
            if name.ends_with("-gnu") && speaks(&root.join(&inside)) {
                return Some(Program::head(&[&format!("/lib/{name}/libc.so.6")]));
            }
        }
    }
    None
}

/// The package of the library that `openssl` is linked to: `libssl3`, or `libssl3t64`.
fn library_of_openssl(index: &PreparedIndex, native: &str) -> Option<String> {
    let openssl = offered(index, "openssl", native).into_iter().next()?;
    let depends = openssl.field("Depends")?;
    let names = depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    names.map(|name| name.split(':').next().unwrap_or(name)).find(|name| name.starts_with("libssl")).map(str::to_owned)
}

/// All candidates of a name for an architecture, the newest first.
fn offered<'a>(index: &'a PreparedIndex, name: &str, native: &str) -> Vec<Candidate<'a>> {
    let mut found: Vec<Candidate<'a>> = index
        .candidates(name)
        .filter(|candidate| candidate.architecture() == native || candidate.architecture() == "all")
        .filter(|candidate| candidate.filename().is_some())
        .collect();
    found.sort_by(|a, b| b.debian_version().cmp(&a.debian_version()));
    found.dedup_by(|a, b| a.version() == b.version());
    found
}

/// The newest version and the one below it.
fn two_versions(index: &PreparedIndex, name: &str, native: &str) -> Option<Versions> {
    let found = offered(index, name, native);
    let (newer, older) = (found.first()?, found.get(1)?);
    Some(Versions { name: name.to_owned(), older: older.version().to_owned(), newer: newer.version().to_owned() })
}
