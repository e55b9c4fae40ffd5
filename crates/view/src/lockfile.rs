//! `aleph.lock`: everything that is needed to have the same packages, with the same ids, on another machine.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path},
};

use aleph_component::{ComponentId, Digest, PackageId};
use serde::{Deserialize, Serialize};

use crate::{
    Generation, Pinned, ProjectError, Request,
    project::{io_error, write_beside},
};

const FORMAT: u32 = 1;

/// The content of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What was asked for.
    pub requested: Vec<Request>,
    /// What that came to, sorted by name and architecture.
    pub packages: Vec<Pinned>,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] ProjectError),
    /// It is not a lock file.
    #[error("`{path}` is not a lock file that this version can read")]
    Syntax {
        /// The file.
        path: String,
        /// Where and how.
        source: toml::de::Error,
    },
    /// It was written by a newer version.
    #[error("`{path}` has format {found}; this version reads {FORMAT}")]
    Format {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
    },
    /// Something in it is not what aleph writes there.
    #[error("`{path}`: {text:?} is not {what}")]
    Value {
        /// The file.
        path: String,
        /// What is meant to be there, in words.
        what: &'static str,
        /// What is there.
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    requested: Vec<Request>,
    #[serde(default)]
    package: Vec<WirePackage>,
}

#[derive(Serialize, Deserialize)]
struct WirePackage {
    name: String,
    version: String,
    architecture: String,
    id: PackageId,
    component: ComponentId,
    sha256: Digest,
    size: u64,
    file: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    requested: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_for: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    slots: BTreeMap<String, String>,
}

impl Lock {
    /// What a generation holds.
    pub fn of(generation: &Generation) -> Self {
        Self { requested: generation.requested.clone(), packages: generation.packages.clone() }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let package = |pinned: &Pinned| WirePackage {
            name: pinned.name.clone(),
            version: pinned.version.clone(),
            architecture: pinned.architecture.clone(),
            id: pinned.id,
            component: pinned.component,
            sha256: pinned.archive,
            size: pinned.size,
            file: pinned.file.clone(),
            requested: pinned.requested,
            kept_for: pinned.kept_for.clone(),
            slots: pinned.slots.clone(),
        };
        let wire = Wire {
            version: FORMAT,
            requested: self.requested.clone(),
            package: self.packages.iter().map(package).collect(),
        };
        let body = toml::to_string(&wire).expect("a lock file has only string keys");
        format!("# Written by aleph. It belongs into version control, beside aleph.toml.\n{body}")
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// If it is not a lock file of a known format.
    pub fn parse(path: &str, text: &str) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let syntax = |source| LockError::Syntax { path: path.to_owned(), source };
        let Version { version } = toml::from_str(text).map_err(syntax)?;
        if version != FORMAT {
            return Err(LockError::Format { path: path.to_owned(), found: version });
        }
        let wire: Wire = toml::from_str(text).map_err(syntax)?;
        wire.package.iter().try_for_each(|package| check(path, package))?;
        let pinned = |package: WirePackage| Pinned {
            name: package.name,
            version: package.version,
            architecture: package.architecture,
            id: package.id,
            component: package.component,
            archive: package.sha256,
            size: package.size,
            file: package.file,
            requested: package.requested,
            kept_for: package.kept_for,
            slots: package.slots,
        };
        Ok(Self { requested: wire.requested, packages: wire.package.into_iter().map(pinned).collect() })
    }

    /// What was asked for, without reading the packages; `path` is for messages.
    ///
    /// # Errors
    /// If it is not a lock file of a known format.
    pub fn parse_requested(path: &str, text: &str) -> Result<Vec<Request>, LockError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
            requested: Vec<Request>,
        }
        // What aleph writes begins with it; what somebody else rearranged is read whole.
        let head = text.split_once("\n[[package]]").map_or(text, |(head, _)| head);
        match toml::from_str(head) {
            Ok(Head { version: FORMAT, requested }) => Ok(requested),
            _ => Ok(Self::parse(path, text)?.requested),
        }
    }

    /// Reads the file at `path`, if there is one.
    ///
    /// # Errors
    /// If it cannot be read or is not a lock file.
    pub fn read(path: &Path) -> Result<Option<Self>, LockError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", path, source).into()),
        }
    }

    /// Writes the file at `path`, unless it says the same already.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let text = self.to_text();
        if fs::read_to_string(path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        Ok(write_beside(path, &text)?)
    }
}

/// A lock file may come from anybody: what it says becomes parts of paths, addresses and lines on a terminal.
fn check(path: &str, package: &WirePackage) -> Result<(), LockError> {
    let word = |text: &str, more: &[u8]| {
        text.len() <= LONGEST
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let fine = |text: &str, is: bool, what| {
        if is { Ok(()) } else { Err(LockError::Value { path: path.to_owned(), what, text: text.to_owned() }) }
    };
    let WirePackage { name, version, architecture, file, .. } = package;
    for name in [name].into_iter().chain(&package.kept_for) {
        fine(name, word(name, b"+-._"), "a package's name")?;
    }
    fine(version, word(version, b"+-.~:_"), "a version")?;
    fine(architecture, word(architecture, b"-"), "an architecture")?;
    fine(file, is_file(file), "the path of an archive")?;
    package.slots.keys().try_for_each(|slot| fine(slot, is_slot(slot), "a slot's name"))
}

/// No name, version or architecture is longer.
const LONGEST: usize = 200;

/// A path at a source, which does not lead out of it, or that of a local file.
fn is_file(file: &str) -> bool {
    let leaves = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    let path = Path::new(file);
    !file.is_empty() && !file.contains(char::is_control) && (path.is_absolute() || !leaves(path))
}

fn is_slot(slot: &str) -> bool {
    !slot.is_empty() && slot != "." && slot != ".." && !slot.contains('/') && !slot.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned() -> Pinned {
        let digest = Digest::of(b"x");
        Pinned {
            name: "libstdc++6".into(),
            version: "1:2~3".into(),
            architecture: "amd64".into(),
            id: PackageId::from_digest(digest),
            component: ComponentId::from_digest(digest),
            archive: digest,
            size: 5,
            file: "pool/main/x.deb".into(),
            requested: true,
            kept_for: None,
            slots: [("libc6".to_owned(), "libc6:amd64".to_owned())].into(),
        }
    }

    #[test]
    fn what_a_lock_says_is_what_aleph_writes() {
        let check = |change: fn(&mut Pinned), expected: Option<&str>| {
            let mut package = pinned();
            change(&mut package);
            let found = match Lock::parse("x", &Lock { requested: Vec::new(), packages: vec![package] }.to_text()) {
                Ok(_) => None,
                Err(LockError::Value { text, .. }) => Some(text),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found.as_deref(), expected);
        };
        check(|p| p.file = "./flat.deb".into(), None);
        check(|p| p.file = "/home/me/../you/x.deb".into(), None);
        check(|p| p.slots = [("python3:any".to_owned(), "python3:amd64".to_owned())].into(), None);
        check(|p| p.name = "../x".into(), Some("../x"));
        check(|p| p.kept_for = Some("prog".into()), None);
        check(|p| p.kept_for = Some("../x".into()), Some("../x"));
        check(|p| p.name = String::new(), Some(""));
        check(|p| p.version = "1/../2".into(), Some("1/../2"));
        check(|p| p.version = "1\u{1b}[2J".into(), Some("1\u{1b}[2J"));
        check(|p| p.architecture = "amd64/x".into(), Some("amd64/x"));
        check(|p| p.file = "pool/../../x.deb".into(), Some("pool/../../x.deb"));
        check(|p| p.file = "pool/x\n.deb".into(), Some("pool/x\n.deb"));
        check(|p| p.file = String::new(), Some(""));
        check(|p| p.slots = [("..".to_owned(), "x:y".to_owned())].into(), Some(".."));
        check(|p| p.slots = [("a/b".to_owned(), "x:y".to_owned())].into(), Some("a/b"));
        check(|p| p.slots = [("a\u{7}".to_owned(), "x:y".to_owned())].into(), Some("a\u{7}"));
    }

    #[test]
    fn a_lock_round_trips() {
        let lock = Lock { requested: vec![Request("libstdc++6=1:2~3".into())], packages: vec![pinned()] };
        assert_eq!(Lock::parse("x", &lock.to_text()).unwrap(), lock);
        assert_eq!(Lock::parse_requested("x", &lock.to_text()).unwrap(), lock.requested);
        let newer = lock.to_text().replacen("version = 1", "version = 99", 1);
        assert!(matches!(Lock::parse("x", &newer), Err(LockError::Format { found: 99, .. })));
        assert!(matches!(Lock::parse_requested("x", &newer), Err(LockError::Format { found: 99, .. })));
    }
}
