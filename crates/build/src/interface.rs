//! What a component offers to those that are built with it: one digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use aleph_abi::{
    elf::{self, SymbolKind},
    headers::Headers,
};
use aleph_component::{Digest, Entry, Hasher, Manifest, Node};
use serde::{Deserialize, Serialize};

/// Equal for two components that nobody who is built with them could tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interface(Digest);

impl Interface {
    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl Interface {
    /// This interface together with those, by name, that are seen through it.
    pub(crate) fn exposing<'a>(self, exposed: impl Iterator<Item = (&'a str, Self)>) -> Self {
        let mut hasher = Hasher::new();
        hasher.field(self.0.as_bytes());
        let mut exposes = false;
        for (name, interface) in exposed {
            exposes = true;
            hasher.field(name.as_bytes());
            hasher.field(interface.0.as_bytes());
        }
        if exposes { Self(hasher.finish()) } else { self }
    }
}

impl From<Digest> for Interface {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

/// What a component offers cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read what `{path}` offers")]
pub struct InterfaceError {
    path: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The interface of a component whose tree is in `directory`: the sonames, symbols, versions and sizes of variables of its
/// libraries, the words of its headers, and what its `.pc` files say but for the version. Two that differ may still be
/// interchangeable for some consumer, which a verdict says; two that are equal always are.
///
/// # Errors
/// If one of its files cannot be read.
pub fn interface(manifest: &Manifest, directory: &Path) -> Result<Interface, InterfaceError> {
    let mut hasher = Hasher::new();
    hasher.field(b"aleph interface 1");
    let read = |path: &str| {
        let failed = |source: std::io::Error| InterfaceError { path: path.to_owned(), source: source.into() };
        fs::read(directory.join(path)).map_err(failed)
    };
    let native = manifest.native.as_deref();
    for (soname, path) in native.iter().flat_map(|native| &native.offers) {
        hasher.field(soname.as_bytes());
        hasher.field(path.as_str().as_bytes());
        symbols(&mut hasher, &read(path.as_str())?)
            .map_err(|source| InterfaceError { path: path.to_string(), source: source.into() })?;
    }
    for entry in &manifest.tree {
        let path = entry.path.as_str();
        match &entry.node {
            Node::File { .. } if path.starts_with("include/") => {
                hasher.field(path.as_bytes());
                hasher.field(Headers::words(&read(path)?).as_bytes());
            }
            Node::Symlink { target } if path.starts_with("include/") => {
                hasher.field(path.as_bytes());
                hasher.field(target.as_bytes());
            }
            Node::File { .. } if path.ends_with(".pc") => {
                hasher.field(path.as_bytes());
                let text = read(path)?;
                let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"Version:"));
                lines.for_each(|line| hasher.field(line));
            }
            _ => {}
        }
    }
    Ok(Interface(hasher.finish()))
}

/// Which of `others`, by name and tree, the headers of a component include headers of.
///
/// # Errors
/// If a header cannot be read.
pub fn exposes<'a>(
    manifest: &Manifest,
    directory: &Path,
    others: impl Iterator<Item = (&'a str, &'a [Entry])>,
) -> Result<BTreeSet<String>, InterfaceError> {
    let is_header =
        |entry: &&Entry| entry.path.as_str().starts_with("include/") && matches!(entry.node, Node::File { .. });
    let mut included = BTreeSet::new();
    for entry in manifest.tree.iter().filter(is_header) {
        let path = entry.path.as_str();
        let bytes = fs::read(directory.join(path))
            .map_err(|source| InterfaceError { path: path.to_owned(), source: source.into() })?;
        included.extend(includes(&String::from_utf8_lossy(&bytes)));
    }
    let own: BTreeSet<&str> = manifest.tree.iter().map(|entry| entry.path.as_str()).collect();
    included.retain(|name| !own.contains(format!("include/{name}").as_str()));
    let is_seen = |tree: &[Entry]| {
        let inner = |entry: &Entry| entry.path.as_str().strip_prefix("include/").map(str::to_owned);
        // A directory of headers may be searched itself.
        let ends = |header: &str| included.iter().any(|name| header == name || header.ends_with(&format!("/{name}")));
        tree.iter().filter_map(inner).any(|header| ends(&header))
    };
    Ok(others.filter(|(_, tree)| is_seen(tree)).map(|(name, _)| name.to_owned()).collect())
}

/// What a header includes.
fn includes(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?.trim_start();
        let end = match rest.chars().next()? {
            '<' => '>',
            '"' => '"',
            _ => return None,
        };
        Some(rest[1..].split(end).next()?.to_owned())
    })
}

/// What a library exports. A function may be one that is chosen at load time or not: callers see no difference.
fn symbols(hasher: &mut Hasher, bytes: &[u8]) -> Result<(), elf::ElfError> {
    let facts = elf::read(bytes)?;
    let mut exported = BTreeMap::new();
    for symbol in facts.exports() {
        let kind = match symbol.kind {
            SymbolKind::Function | SymbolKind::Indirect => (b'f', 0_u64),
            SymbolKind::Object => (b'o', symbol.size),
            SymbolKind::Tls => (b't', symbol.size),
            SymbolKind::Unknown | SymbolKind::Other => (b'u', 0),
        };
        exported.insert((facts.name(symbol), facts.export_version(symbol).unwrap_or_default()), kind);
    }
    for ((name, version), (kind, size)) in exported {
        hasher.field(name);
        hasher.field(version);
        hasher.field(&[kind]);
        hasher.field(&size.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use aleph_component::{Kind, NATIVE_FORMAT, Native, Owner, Source, TreePath};

    use super::*;

    /// The interface of a library with this header and this source.
    fn of(header: &str, source: &str, version: &str) -> Interface {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("include")).unwrap();
        fs::create_dir_all(path("lib")).unwrap();
        fs::write(path("include/x.h"), header).unwrap();
        fs::write(path("lib/x.pc"), format!("Name: x\nVersion: {version}\nLibs: -lx\n")).unwrap();
        fs::write(path("x.c"), source).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wl,-soname,libx.so.1", "-o"]).arg(path("lib/libx.so.1")).arg(path("x.c"));
        assert!(cc.status().unwrap().success());
        let entry = |name: &str| Entry {
            path: TreePath::new(name).unwrap(),
            owner: Owner::default(),
            node: Node::File { digest: Digest::of(b""), size: 0, mode: 0o644 },
        };
        let offers = [("libx.so.1".to_owned(), TreePath::new("lib/libx.so.1").unwrap())].into();
        let manifest = Manifest {
            format: NATIVE_FORMAT,
            kind: Kind::Native,
            name: "x".to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            source: Source { name: "x".to_owned(), version: version.to_owned() },
            summary: String::new(),
            fields: [].into(),
            conffiles: Vec::new(),
            cves: Vec::new(),
            native: Some(Box::new(Native { offers, ..Native::default() })),
            tree: ["include/x.h", "lib/libx.so.1", "lib/x.pc"].map(entry).to_vec(),
            control: Vec::new(),
        };
        interface(&manifest, directory.path()).unwrap()
    }

    #[test]
    fn includes_are_found() {
        let text = "#include <a.h>\n # include \"b/c.h\" // why\n#include NAME\n/* #include */ int x;\n";
        assert_eq!(includes(text).collect::<Vec<_>>(), ["a.h", "b/c.h"]);
    }

    #[test]
    fn it_follows_what_consumers_see() {
        let header = "int f(int); extern int v;";
        let source = "int f(int x) { return x; } int v;";
        let first = of(header, source, "1");
        for (header, source, version, is_same) in [
            (header, "int f(int x) { return x + 1; /* fixed */ } int v;", "2", true),
            ("int f(int);  /* documented */\nextern int v;", source, "1", true),
            ("int f(long); extern int v;", source, "1", false),
            (header, "int f(int x) { return x; } int v; int g;", "1", false),
            (header, "int f(int x) { return x; } int v[2];", "1", false),
        ] {
            assert_eq!(of(header, source, version) == first, is_same, "{header} {source}");
        }
    }
}
