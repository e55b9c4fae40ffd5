//! What `Cargo.lock` says that a build takes. Source: The Cargo Book, "Cargo.toml vs Cargo.lock", and cargo's own files.

use aleph_component::Digest;
use serde::Deserialize;

/// A crate that a lock names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What its file must be.
    pub sha256: Digest,
}

/// A lock that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is none.
    #[error("its `Cargo.lock` cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// It names something that is not fetched from where crates are.
    #[error(
        "its `Cargo.lock` takes {name} {version} from {source_id}: only crates of cargo's own registry are fetched"
    )]
    Elsewhere {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
        /// Where it is from, as cargo writes it.
        source_id: String,
    },
    /// It does not prove something.
    #[error(
        "its `Cargo.lock` has no checksum of {name} {version}, which a newer cargo writes: `cargo generate-lockfile`"
    )]
    Unproven {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
    },
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<Digest>,
}

/// The crates that a lock names, but those of the source itself.
///
/// # Errors
/// If it cannot be read, or names one that cannot be fetched and proven.
pub fn locked(text: &str) -> Result<Vec<Locked>, LockError> {
    let Lock { package } = toml::from_str(text)?;
    let mut found = Vec::new();
    for Package { name, version, source, checksum } in package {
        let Some(source_id) = source else { continue };
        // Both become names of files.
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+._-".contains(c));
        let is_registry = source_id.starts_with("registry+") || source_id.starts_with("sparse+");
        if !is_registry || !is_plain(&name) || !is_plain(&version) {
            return Err(LockError::Elsewhere { name, version, source_id });
        }
        let Some(sha256) = checksum else { return Err(LockError::Unproven { name, version }) };
        found.push(Locked { name, version, sha256 });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 3

[[package]]
name = "own"
version = "0.1.0"
dependencies = ["itoa"]

[[package]]
name = "itoa"
version = "1.0.9"
source = "registry+https://index.example/"
checksum = "af150ab688ff2122fcef229be89cb50dd66af9e01a4ff320cc137eecc9bacc38"
"#;

    #[test]
    fn crates_are_those_of_the_registry() {
        let found = locked(LOCK).unwrap();
        let names: Vec<String> = found.iter().map(|locked| format!("{} {}", locked.name, locked.version)).collect();
        assert_eq!(names, ["itoa 1.0.9"]);
        assert!(locked("version = 3").unwrap().is_empty());
        for (from, to, says) in [
            ("registry+", "git+", "only crates of cargo's own registry"),
            ("\"itoa\"\nv", "\"../itoa\"\nv", "only crates"),
            ("checksum", "#", "no checksum of itoa 1.0.9"),
            ("version = 3", "version =", "cannot be read"),
        ] {
            let error = locked(&LOCK.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
