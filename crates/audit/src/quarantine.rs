//! Components that may enter no new generation and no build, by an administrator's word. Who said so and why stays on
//! record, also after it was lifted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aleph_component::ComponentId;
use aleph_store::{make_directory, replace};
use serde::{Deserialize, Serialize};

/// The format that this version reads and writes.
const FORMAT: u32 = 1;

/// Everything that is or was in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    format: u32,
    /// In the order in which it was said.
    pub records: Vec<Quarantined>,
}

/// A component in quarantine, or one that was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The component.
    pub component: ComponentId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Why.
    pub because: String,
    /// Who said so, by user name.
    pub by: String,
    /// When, in seconds since the epoch.
    pub at: i64,
    /// Who ended it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// The end of a quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Why.
    pub because: String,
    /// Who said so, by user name.
    pub by: String,
    /// When, in seconds since the epoch.
    pub at: i64,
}

/// The record of quarantines cannot be used. What it would forbid is not known then, so nothing goes on.
#[derive(Debug, thiserror::Error)]
#[error("the record of quarantines cannot be {what}: `{}`", path.display())]
pub struct QuarantineError {
    what: &'static str,
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Quarantine {
    /// Where a store keeps it.
    pub fn path(root: &Path) -> PathBuf {
        root.join("audit/quarantine.json")
    }

    /// Reads a store's.
    ///
    /// # Errors
    /// If it is there and does not read.
    pub fn read(root: &Path) -> Result<Self, QuarantineError> {
        let path = Self::path(root);
        let failed = |source| QuarantineError { what: "read", path: path.clone(), source };
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { format: FORMAT, records: Vec::new() });
            }
            read => read.map_err(|error| failed(error.into()))?,
        };
        let read: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        if read.format != FORMAT {
            return Err(failed(format!("it has format {}; this version reads {FORMAT}", read.format).into()));
        }
        Ok(read)
    }

    /// Writes it; the caller holds the store's lock.
    ///
    /// # Errors
    /// If it cannot be written; what was there stays.
    pub fn write(&self, root: &Path) -> Result<(), QuarantineError> {
        let path = Self::path(root);
        let write = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            make_directory(&root.join("audit"))?;
            Ok(replace(&path, &serde_json::to_vec_pretty(self)?)?)
        };
        write().map_err(|source| QuarantineError { what: "written", path: path.clone(), source })
    }

    /// The quarantine that a component is in.
    pub fn holds(&self, component: &ComponentId) -> Option<&Quarantined> {
        self.records.iter().find(|record| record.component == *component && record.lifted.is_none())
    }

    /// All that are in quarantine.
    pub fn held(&self) -> impl Iterator<Item = &Quarantined> {
        self.records.iter().filter(|record| record.lifted.is_none())
    }

    /// Ends the quarantine of a component. Whether it was in one.
    pub fn lift(&mut self, component: &ComponentId, lifted: &Lifted) -> bool {
        let mut held =
            self.records.iter_mut().filter(|record| record.component == *component && record.lifted.is_none());
        held.next().map(|record| record.lifted = Some(lifted.clone())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stays_on_record() {
        let root = tempfile::tempdir().unwrap();
        let mut quarantine = Quarantine::read(root.path()).unwrap();
        let component = ComponentId::from_bytes([7; 20]);
        let text = |text: &str| text.to_owned();
        quarantine.records.push(Quarantined {
            component,
            name: text("xz"),
            version: text("5.6.1"),
            because: text("a backdoor"),
            by: text("root"),
            at: 1,
            lifted: None,
        });
        quarantine.write(root.path()).unwrap();
        let mut read = Quarantine::read(root.path()).unwrap();
        assert_eq!(read.holds(&component).unwrap().because, "a backdoor");
        let lifted = Lifted { because: text("rebuilt"), by: text("root"), at: 2 };
        assert!(read.lift(&component, &lifted) && !read.lift(&component, &lifted));
        read.write(root.path()).unwrap();
        let read = Quarantine::read(root.path()).unwrap();
        assert_eq!((read.holds(&component), read.records.len()), (None, 1));
        fs::write(Quarantine::path(root.path()), "{}").unwrap();
        assert!(Quarantine::read(root.path()).is_err());
    }
}
