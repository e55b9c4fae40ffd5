//! Where cargo gets crates from. Source: The Cargo Book, "Source Replacement" and "Registry Index".

use std::path::{Path, PathBuf};

use aleph_component::Digest;
use semver::Version;
use serde::Deserialize;
use toml::Table;

use super::{Found, RegistryError, Vouched};
use crate::net::{Uri, UriError};

const TOOL: &str = "cargo";
/// The name of the source that cargo uses where nothing else is said.
const DEFAULT: &str = "crates-io";

/// Where crates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crates {
    /// Behind a sparse index at this address.
    Sparse(Uri),
    /// In a directory, `NAME-VERSION.crate` each.
    Local(PathBuf),
}

/// What the text of cargo's configuration has in place of what cargo uses by itself, if it does. Relative paths are relative to
/// `base`.
///
/// # Errors
/// If it is no such text, or leads to something that no file can be fetched from.
pub fn replacement(text: &str, base: &Path) -> Result<Option<Crates>, RegistryError> {
    let wrong = |reason: String| RegistryError::Configuration { tool: TOOL, reason };
    let table: Table = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let section = |kind: &str, name: &str| Some(table.get(kind)?.as_table()?.get(name)?.as_table()?.clone());
    let mut name = DEFAULT.to_owned();
    // A chain that is longer than the list of sources goes in a circle.
    for _ in 0..=table.get("source").and_then(|sources| sources.as_table()).map_or(0, Table::len) {
        let source = section("source", &name).unwrap_or_default();
        let text = |key: &str| source.get(key).and_then(|value| value.as_str());
        if let Some(next) = text("replace-with") {
            name = next.to_owned();
            continue;
        }
        if let Some(path) = text("local-registry") {
            return Ok(Some(Crates::Local(base.join(path))));
        }
        let index = section("registries", &name).and_then(|registry| Some(registry.get("index")?.as_str()?.to_owned()));
        return match text("registry").map(str::to_owned).or(index) {
            Some(index) => match index.strip_prefix("sparse+") {
                Some(index) => Ok(Some(Crates::Sparse(index.parse()?))),
                None => Err(wrong(format!("the index of `{name}` is a git repository; only sparse ones can be asked"))),
            },
            None if name == DEFAULT => Ok(None),
            None => Err(wrong(format!("`{name}` is neither a registry with a sparse index nor a local one"))),
        };
    }
    Err(wrong(format!("the sources that replace `{DEFAULT}` replace each other")))
}

/// What an index says of where its crates are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IndexConfig {
    dl: String,
}

impl IndexConfig {
    /// Reads an index' `config.json`.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RegistryError> {
        let wrong = |error: serde_json::Error| RegistryError::Configuration {
            tool: TOOL,
            reason: format!("the index has no `config.json` that says where crates are: {error}"),
        };
        serde_json::from_slice(bytes).map_err(wrong)
    }

    /// Where a crate is.
    ///
    /// # Errors
    /// If that is no address.
    pub fn uri(&self, name: &str, version: &str, sha256: &Digest) -> Result<Uri, UriError> {
        let values = [
            ("{crate}", name.to_owned()),
            ("{version}", version.to_owned()),
            ("{prefix}", prefix(name)),
            ("{lowerprefix}", prefix(&name.to_ascii_lowercase())),
            ("{sha256-checksum}", sha256.to_string()),
        ];
        if !values.iter().any(|(marker, _)| self.dl.contains(marker)) {
            return format!("{}/{name}/{version}/download", self.dl).parse();
        }
        values.iter().fold(self.dl.clone(), |text, (marker, value)| text.replace(marker, value)).parse()
    }
}

/// The path of a crate's versions in an index.
pub fn index_path(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    format!("{}/{name}", prefix(&name))
}

/// Directories by the first letters of a name.
fn prefix(name: &str) -> String {
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default();
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    }
}

#[derive(Deserialize)]
struct Line {
    vers: String,
    cksum: Digest,
    #[serde(default)]
    yanked: bool,
}

/// The version of a crate that is wanted, or the newest, in what an index has of it. Lines that cannot be read are newer than
/// this program, and not for it.
///
/// # Errors
/// If there is none.
pub fn find(versions: &str, name: &str, wanted: Option<&str>, config: &IndexConfig) -> Result<Found, RegistryError> {
    let lines = versions.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let found = match wanted {
        Some(wanted) => lines.into_iter().find(|line| line.vers == wanted),
        None => {
            let parsed =
                lines.filter(|line| !line.yanked).filter_map(|line| Some((Version::parse(&line.vers).ok()?, line)));
            parsed.max_by_key(|(version, _)| (version.pre.is_empty(), version.clone())).map(|(_, line)| line)
        }
    };
    let missing = || RegistryError::Missing { tool: TOOL, name: name.to_owned(), version: wanted.map(str::to_owned) };
    let Line { vers, cksum, .. } = found.ok_or_else(missing)?;
    Ok(Found { uri: config.uri(name, &vers, &cksum)?, version: vers, vouched: Vouched::Sha256(cksum) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<&str>, &str>) {
        match (replacement(text, Path::new("/home")), expected) {
            (Ok(Some(Crates::Sparse(uri))), Ok(Some(expected))) => assert_eq!(uri.to_string(), expected, "{text}"),
            (Ok(Some(Crates::Local(path))), Ok(Some(expected))) => assert_eq!(path, Path::new(expected), "{text}"),
            (Ok(None), Ok(None)) => {}
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn sources_are_replaced_as_cargo_does() {
        check("[net]\noffline = true\n", Ok(None));
        check(
            "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n[source.b]\n\
             registry = 'sparse+https://m.example/index/'",
            Ok(Some("https://m.example/index/")),
        );
        check(
            "[source.crates-io]\nreplace-with = 'm'\n[registries]\nm.index = 'sparse+https://m.example/'",
            Ok(Some("https://m.example/")),
        );
        check(
            "[source.crates-io]\nreplace-with = 'l'\n[source.l]\nlocal-registry = 'crates'",
            Ok(Some("/home/crates")),
        );
        check("[source.crates-io]\nreplace-with = 'a'\n[source.a]\nregistry = 'https://m.example/i'", Err("sparse"));
        check("[source.crates-io]\nreplace-with = 'a'\n[source.a]\ndirectory = 'v'", Err("neither"));
        check("[source.crates-io]\nreplace-with = 'crates-io'", Err("replace each other"));
        check("[source", Err("cannot be used"));
    }

    #[test]
    fn crates_are_where_the_index_says() {
        let digest = Digest::of(b"");
        for (dl, expected) in [
            ("https://m.example/c", "https://m.example/c/Inflector/1.0.0/download"),
            (
                "https://m.example/{lowerprefix}/{crate}-{version}.crate",
                "https://m.example/in/fl/Inflector-1.0.0.crate",
            ),
            ("https://m.example/{prefix}/{crate}", "https://m.example/In/fl/Inflector"),
        ] {
            let config = IndexConfig::parse(format!("{{\"dl\": {dl:?}, \"api\": null}}").as_bytes()).unwrap();
            assert_eq!(config.uri("Inflector", "1.0.0", &digest).unwrap().to_string(), expected);
        }
        for (name, path) in [("a", "1/a"), ("ab", "2/ab"), ("ABC", "3/a/abc"), ("Serde", "se/rd/serde")] {
            assert_eq!(index_path(name), path);
        }
        assert!(IndexConfig::parse(b"{}").is_err());
    }

    #[test]
    fn the_newest_is_neither_yanked_nor_a_trial() {
        let config = IndexConfig { dl: "https://m.example".to_owned() };
        let line = |version: &str, yanked: bool| {
            format!("{{\"name\":\"a\",\"vers\":{version:?},\"cksum\":\"{}\",\"yanked\":{yanked}}}\n", Digest::of(b""))
        };
        let text =
            [line("1.9.0", false), line("1.10.0", false), line("2.0.0-rc.1", false), line("3.0.0", true)].concat();
        let text = format!("{text}no line\n");
        let version = |wanted| find(&text, "a", wanted, &config).map(|found| found.version);
        assert_eq!(version(None).unwrap(), "1.10.0");
        assert_eq!(version(Some("3.0.0")).unwrap(), "3.0.0");
        assert_eq!(
            version(Some("4")).unwrap_err().to_string(),
            "there is no version 4 of a where cargo has packages from"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", name in "\\PC*") {
            let _ = (replacement(&text, Path::new("/")), IndexConfig::parse(text.as_bytes()), index_path(&name));
            let _ = find(&text, &name, None, &IndexConfig { dl: text.clone() });
        }
    }
}
