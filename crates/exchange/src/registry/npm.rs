//! Where npm gets packages from. Source: npm's documentation of `npmrc`, and of package metadata.

use data_encoding::BASE64;
use serde::Deserialize;

use super::{Found, RegistryError, Vouched, settings::settings};
use crate::net::Uri;

const TOOL: &str = "npm";

/// The registry of a package by the texts of npm's configuration, those that count first at the beginning: of its scope, or of
/// all.
pub fn registry<'a>(texts: &[&'a str], name: &str) -> Option<&'a str> {
    let scoped = name.split_once('/').filter(|(scope, _)| scope.starts_with('@'));
    let scoped = scoped.map(|(scope, _)| format!("{scope}:registry"));
    let find = |wanted: &str| {
        let last =
            |text: &'a str| settings(text).filter(|(_, name, _)| *name == wanted).map(|(.., value)| value).last();
        texts.iter().find_map(|text| last(text))
    };
    scoped.and_then(|scoped| find(&scoped)).or_else(|| find("registry")).filter(|value| !value.is_empty())
}

/// Where a registry tells of a version of a package, or of the one that it recommends.
pub fn document(registry: &Uri, name: &str, version: Option<&str>) -> Uri {
    registry.join(&format!("{name}/{}", version.unwrap_or("latest")))
}

#[derive(Deserialize)]
struct Manifest {
    version: String,
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    tarball: String,
    #[serde(default)]
    integrity: Option<String>,
}

/// What is told of a version.
///
/// # Errors
/// If that cannot be understood.
pub fn find(bytes: &[u8], name: &str) -> Result<Found, RegistryError> {
    let wrong = |reason: String| RegistryError::Answer { tool: TOOL, name: name.to_owned(), reason };
    let Manifest { version, dist } = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    let strong = dist.integrity.as_deref().unwrap_or_default().split_whitespace();
    let vouched = match strong.filter_map(|one| one.strip_prefix("sha512-")).next() {
        Some(text) => {
            Vouched::Sha512(BASE64.decode(text.as_bytes()).map_err(|error| wrong(format!("its integrity: {error}")))?)
        }
        None => Vouched::Nothing,
    };
    Ok(Found { version, uri: dist.tarball.parse()?, vouched })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_found_as_npm_does() {
        let user = "; mine\n@corp:registry = https://corp.example/npm/\n//corp.example/:_authToken=x\n";
        let global = "registry=https://old.example/\nregistry=\"https://m.example/\"\n";
        for (name, expected) in [
            ("left-pad", Some("https://m.example/")),
            ("@corp/tool", Some("https://corp.example/npm/")),
            ("@other/tool", Some("https://m.example/")),
        ] {
            assert_eq!(registry(&[user, global], name), expected);
        }
        assert_eq!(registry(&[user], "left-pad"), None);
        let registry = "https://m.example/npm/".parse().unwrap();
        assert_eq!(document(&registry, "@a/b", None).to_string(), "https://m.example/npm/@a/b/latest");
    }

    #[test]
    fn versions_are_read() {
        let text = r#"{"version": "1.0.0", "dist": {"tarball": "https://m.example/a.tgz", "integrity": "sha1-x sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="}}"#;
        let found = find(text.as_bytes(), "a").unwrap();
        assert_eq!((found.version.as_str(), found.uri.to_string().as_str()), ("1.0.0", "https://m.example/a.tgz"));
        assert!(found.vouched.fits(b"") && !found.vouched.fits(b"x"));
        assert!(find(b"{\"error\": \"not found\"}", "a").unwrap_err().to_string().contains("told of a where npm"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = (registry(&[&text], &text), find(text.as_bytes(), "a"));
        }
    }
}
