//! Files by which the packages of programming languages say that they are there.

use std::io::{Cursor, Read as _};

use serde::Deserialize;

use crate::{Edge, Inside};

/// The longest file in a Java archive that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// The most members of a Java archive that are looked at.
const MOST_MEMBERS: usize = 1 << 16;

/// A kind of such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `METADATA` or `PKG-INFO` of an installed Python distribution.
    Python,
    /// `package.json` of a package below `node_modules`.
    Node,
    /// A Java archive, with the coordinates that Maven leaves in it.
    Java,
}

impl Marker {
    /// The kind that a file at `path` is of, going by its name.
    pub fn of(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/');
        let name = parts.next()?;
        let above = parts.next().unwrap_or_default();
        match name {
            "METADATA" if above.ends_with(".dist-info") => Some(Self::Python),
            "PKG-INFO" if above.ends_with(".egg-info") => Some(Self::Python),
            "package.json" => {
                // `node_modules/NAME` or `node_modules/@SCOPE/NAME`: others are parts of packages.
                let next = parts.next();
                let is_top = next == Some("node_modules");
                let is_scoped =
                    next.is_some_and(|scope| scope.starts_with('@')) && parts.next() == Some("node_modules");
                (is_top || is_scoped).then_some(Self::Node)
            }
            _ if name.ends_with(".egg-info") => Some(Self::Python),
            _ if name.ends_with(".jar") => Some(Self::Java),
            _ => None,
        }
    }

    /// What a file of this kind says is there; nothing if it cannot be read.
    pub fn read(self, path: &str, bytes: &[u8]) -> Vec<Inside> {
        let copy = |ecosystem: &str, name: String, version: String| Inside {
            edge: Edge::Bundled,
            ecosystem: ecosystem.to_owned(),
            name,
            version: Some(version),
            path: path.to_owned(),
        };
        match self {
            Self::Python => python(&String::from_utf8_lossy(bytes))
                .map(|(name, version)| copy("PyPI", normalized(name), version.to_owned()))
                .into_iter()
                .collect(),
            Self::Node => {
                #[derive(Deserialize)]
                struct Package {
                    name: String,
                    version: String,
                }
                let package: Option<Package> = serde_json::from_slice(bytes).ok();
                package.map(|package| copy("npm", package.name, package.version)).into_iter().collect()
            }
            Self::Java => java(bytes).into_iter().map(|(name, version)| copy("Maven", name, version)).collect(),
        }
    }
}

/// A Python project's name as its index spells it: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
fn normalized(name: &str) -> String {
    let mut parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + "-" + part).to_ascii_lowercase()
}

/// Name and version of core metadata: fields before the first empty line.
fn python(text: &str) -> Option<(&str, &str)> {
    let field = |name: &str| {
        let mut head = text.lines().take_while(|line| !line.is_empty());
        head.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    Some((field("Name")?, field("Version")?))
}

/// Coordinates and versions that `META-INF/maven/GROUP/ARTIFACT/pom.properties` name.
fn java(bytes: &[u8]) -> Vec<(String, String)> {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return Vec::new() };
    let mut found = Vec::new();
    for at in 0..archive.len().min(MOST_MEMBERS) {
        let Ok(member) = archive.by_index(at) else { continue };
        let is_one = |name: &str| name.starts_with("META-INF/maven/") && name.ends_with("/pom.properties");
        if !member.name().is_ok_and(|name| is_one(&name)) {
            continue;
        }
        let mut text = String::new();
        if member.take(LONGEST).read_to_string(&mut text).is_err() {
            continue;
        }
        let property = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(|value| value.trim().to_owned())
        };
        if let (Some(group), Some(artifact), Some(version)) =
            (property("groupId"), property("artifactId"), property("version"))
        {
            found.push((format!("{group}:{artifact}"), version));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn packages_say_what_they_are() {
        let read = |path: &str, bytes: &[u8]| {
            let found = Marker::of(path).map(|marker| marker.read(path, bytes)).unwrap_or_default();
            found
                .into_iter()
                .map(|copy| (copy.ecosystem, copy.name, copy.version.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        let one = |ecosystem: &str, name: &str, version: &str| {
            vec![(ecosystem.to_owned(), name.to_owned(), version.to_owned())]
        };
        let metadata = b"Metadata-Version: 2.1\nName: Ruamel.Yaml_clib\nVersion: 0.2\n\nName: other\nVersion: 9\n";
        assert_eq!(read("lib/python3/a-0.2.dist-info/METADATA", metadata), one("PyPI", "ruamel-yaml-clib", "0.2"));
        assert_eq!(read("lib/python3/a.egg-info", metadata), one("PyPI", "ruamel-yaml-clib", "0.2"));
        let package = br#"{"name": "@s/n", "version": "1.2.3"}"#;
        assert_eq!(read("usr/node_modules/@s/n/package.json", package), one("npm", "@s/n", "1.2.3"));
        assert_eq!(read("node_modules/n/package.json", package), one("npm", "@s/n", "1.2.3"));
        assert_eq!(read("node_modules/n/test/package.json", package), []);
        assert_eq!(read("src/package.json", package), []);
        let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
        jar.start_file("META-INF/maven/g/a/pom.properties", zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(b"version=1.0\ngroupId=g\nartifactId=a\n").unwrap();
        let jar = jar.finish().unwrap().into_inner();
        assert_eq!(read("share/java/a.jar", &jar), one("Maven", "g:a", "1.0"));
    }

    proptest::proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for marker in [Marker::Python, Marker::Node, Marker::Java] {
                marker.read("path", &bytes);
            }
        }
    }
}
