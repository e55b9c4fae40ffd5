//! Bills of materials: what something is made of, in the formats that others read.

mod cyclonedx;
mod spdx;

use std::str::FromStr as _;

use packageurl::PackageUrl;
use serde_json::Value;

use crate::{Edge, Inside};

/// What is in something, and how it hangs together.
#[derive(Clone, Debug)]
pub struct Bill {
    /// What it is about: a view, or a package.
    pub name: String,
    /// Which state of it.
    pub version: String,
    /// When it was written, as in RFC 3339 and in UTC.
    pub created: String,
    /// A number for this state of this thing, as hexadecimal digits.
    pub serial: String,
    /// Its packages.
    pub parts: Vec<Part>,
}

/// A package of a bill.
#[derive(Clone, Debug)]
pub struct Part {
    /// What other parts refer to it by.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture in its origin's naming.
    pub architecture: String,
    /// One line about it.
    pub summary: String,
    /// The number of the Debian release that it was made for, if it is of Debian.
    pub debian: Option<Option<String>>,
    /// Where it came from, in words.
    pub origin: Option<String>,
    /// SHA-256 of the archive that it came from, as hexadecimal digits.
    pub archive: Option<String>,
    /// Ids of the parts that it is linked with.
    pub linked: Vec<String>,
    /// What it was built with, where that is known: name and version.
    pub built_with: Vec<(String, String)>,
    /// What is inside it.
    pub inside: Vec<Inside>,
}

/// A format for bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CycloneDX 1.5, as JSON: <https://cyclonedx.org/docs/1.5/json/>.
    CycloneDx,
    /// SPDX 2.3, as JSON: <https://spdx.github.io/spdx-spec/v2.3/>.
    Spdx,
}

impl Bill {
    /// The bill in a format.
    pub fn write(&self, format: Format) -> Value {
        match format {
            Format::CycloneDx => cyclonedx::write(self),
            Format::Spdx => spdx::write(self),
        }
    }
}

impl Part {
    /// What names it everywhere: <https://github.com/package-url/purl-spec>.
    fn purl(&self) -> Option<String> {
        let Some(release) = &self.debian else { return generic(&self.name, Some(&self.version)) };
        let mut purl = PackageUrl::new("deb", self.name.clone()).ok()?;
        purl.with_namespace("debian").ok()?;
        purl.with_version(self.version.clone()).ok()?;
        purl.add_qualifier("arch", self.architecture.clone()).ok()?;
        if let Some(release) = release {
            purl.add_qualifier("distro", format!("debian-{release}")).ok()?;
        }
        Some(purl.to_string())
    }
}

/// What names a copy everywhere.
fn purl_of(inside: &Inside) -> Option<String> {
    let kind = match inside.ecosystem.as_str() {
        "PyPI" => "pypi",
        "npm" => "npm",
        "crates.io" => "cargo",
        "Go" => "golang",
        "Maven" => "maven",
        _ => return generic(&inside.name, inside.version.as_deref()),
    };
    let at = inside.name.rfind(['/', ':']);
    let (namespace, name) =
        at.map_or((None, inside.name.as_str()), |at| (Some(&inside.name[..at]), &inside.name[at + 1..]));
    let mut purl = PackageUrl::new(kind, name.to_owned()).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace.to_owned()).ok()?;
    }
    if let Some(version) = &inside.version {
        purl.with_version(version.clone()).ok()?;
    }
    let text = purl.to_string();
    PackageUrl::from_str(&text).is_ok().then_some(text)
}

fn generic(name: &str, version: Option<&str>) -> Option<String> {
    let mut purl = PackageUrl::new("generic", name.to_owned()).ok()?;
    if let Some(version) = version {
        purl.with_version(version.to_owned()).ok()?;
    }
    Some(purl.to_string())
}

/// What came into a component, each once whatever number of its files it is in: files by edge, ecosystem, name and version.
fn copies(part: &Part) -> Vec<(&Inside, Vec<&str>)> {
    let mut copies: Vec<(&Inside, Vec<&str>)> = Vec::new();
    for inside in &part.inside {
        let is_same = |known: &&mut (&Inside, Vec<&str>)| {
            let known = known.0;
            (known.edge, &known.ecosystem, &known.name, &known.version)
                == (inside.edge, &inside.ecosystem, &inside.name, &inside.version)
        };
        match copies.iter_mut().find(is_same) {
            Some((_, files)) => files.push(&inside.path),
            None => copies.push((inside, vec![&inside.path])),
        }
    }
    copies
}

/// Whether a copy was compiled in.
fn is_static(inside: &Inside) -> bool {
    inside.edge == Edge::Static
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill() -> Bill {
        let part = |id: &str, linked: &[&str]| Part {
            id: id.to_owned(),
            name: id.to_owned(),
            version: "1:1.0-1+deb12u1".to_owned(),
            architecture: "amd64".to_owned(),
            summary: "It".to_owned(),
            debian: Some(Some("12".to_owned())),
            origin: Some("apt bookworm/main".to_owned()),
            archive: Some("00".repeat(32)),
            linked: linked.iter().map(|id| (*id).to_owned()).collect(),
            built_with: vec![("gcc".to_owned(), "12".to_owned())],
            inside: ["bin/a", "bin/b"]
                .map(|path| Inside {
                    edge: Edge::Static,
                    ecosystem: "Go".to_owned(),
                    name: "example.org/x/net".to_owned(),
                    version: Some("0.1.0".to_owned()),
                    path: path.to_owned(),
                })
                .into(),
        };
        Bill {
            name: "user-alice".to_owned(),
            version: "1".to_owned(),
            created: "2026-11-27T12:00:00Z".to_owned(),
            serial: "0123456789abcdef0123456789abcdef".to_owned(),
            parts: vec![part("curl", &["libcurl4"]), part("libcurl4", &[])],
        }
    }

    #[test]
    fn parts_are_named_as_everywhere() {
        let bill = bill();
        assert_eq!(bill.parts[0].purl().unwrap(), "pkg:deb/debian/curl@1:1.0-1%2Bdeb12u1?arch=amd64&distro=debian-12");
        assert_eq!(purl_of(&bill.parts[0].inside[0]).unwrap(), "pkg:golang/example.org/x/net@0.1.0");
    }

    #[test]
    fn relations_are_told_apart() {
        let spdx = bill().write(Format::Spdx);
        let kinds = |kind: &str| {
            let relations = spdx["relationships"].as_array().unwrap();
            relations.iter().filter(|relation| relation["relationshipType"] == kind).count()
        };
        assert_eq!(["DESCRIBES", "DYNAMIC_LINK", "STATIC_LINK", "BUILD_DEPENDENCY_OF"].map(kinds), [1, 1, 2, 2]);
        let cyclonedx = bill().write(Format::CycloneDx);
        assert_eq!(cyclonedx["components"][0]["components"][0]["name"], "example.org/x/net");
        assert_eq!(cyclonedx["dependencies"][1]["dependsOn"][0], "libcurl4");
    }
}
