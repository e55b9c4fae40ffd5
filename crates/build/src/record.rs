//! What was built, from what, and how long it took.
//!
//! One file for each key in `builds/` of a store, written beside and renamed. What does not read is as good as not there: it is
//! built again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_component::{ComponentId, Digest};
use serde::{Deserialize, Serialize};

use crate::{BuildKey, Chosen, Interface, KeyParts};

/// The version of what is written here.
const FORMAT: u32 = 1;

/// What something is needed for while another thing is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// It is linked to: its interface counts.
    Linked,
    /// It is copied in: its content counts.
    Copied,
    /// Its programs run: their content counts.
    Tool,
    /// Something else is linked to it: it counts only as far as it is seen through that.
    Indirect,
}

impl Use {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Copied => "static",
            Self::Tool => "tool",
            Self::Indirect => "indirect",
        }
    }
}

/// What was there while something was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// What for.
    pub how: Use,
    /// Which.
    pub component: ComponentId,
    /// What it offered.
    pub interface: Interface,
    /// Whether a compiler read a header of it.
    #[serde(default)]
    pub headers: bool,
}

/// One build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this record.
    pub format: u32,
    /// The recipe's name.
    pub name: String,
    /// The recipe's version.
    pub version: String,
    /// What was chosen of its options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: Chosen,
    /// Its keys.
    pub keys: KeyParts,
    /// What came of it.
    pub component: ComponentId,
    /// What that offers by itself.
    pub interface: Interface,
    /// The names of dependencies whose headers its own include: what these offer, it offers, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub exposes: BTreeSet<String>,
    /// What it was built with, by name.
    pub dependencies: BTreeMap<String, Dependency>,
    /// What made up `/` besides.
    pub tools: Vec<Digest>,
    /// Why the component counts as built by this key although it was built by another; nothing if it was built by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// From start to end, in milliseconds.
    pub wall_ms: u64,
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// The largest process, in KiB.
    pub peak_kib: u64,
    /// When it ended, or was found to be what is wanted again, in milliseconds since the epoch.
    pub built_at_ms: u64,
    /// Who built it.
    pub built_by: String,
    /// The executor that built it, and its worker; nothing if that was this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_on: Option<String>,
}

impl Record {
    /// What a record of this version has in its field `format`.
    pub const FORMAT: u32 = FORMAT;

    /// What its component offers beside these interfaces, by name.
    pub fn offers(&self, around: &BTreeMap<String, Dependency>) -> Interface {
        let exposed = self.exposes.iter().filter_map(|name| Some((name.as_str(), around.get(name)?.interface)));
        self.interface.exposing(exposed)
    }

    /// How long it took.
    pub fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }
}

/// The builds of a store.
#[derive(Debug)]
pub struct Records {
    directory: PathBuf,
    records: BTreeMap<BuildKey, Record>,
}

/// Records cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct RecordError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Records {
    /// Reads the records of the store at `root`. There need not be any.
    ///
    /// # Errors
    /// If their directory is there and cannot be read.
    pub fn read(root: &Path) -> Result<Self, RecordError> {
        let directory = root.join("builds");
        let mut records = BTreeMap::new();
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { directory, records }),
            entries => entries.map_err(failed("read", &directory))?,
        };
        for entry in entries {
            let path = entry.map_err(failed("read", &directory))?.path();
            // Not what was being written when its writer was killed.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let record = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
            if let Some(record) = record.filter(|record| record.format == FORMAT) {
                records.insert(record.keys.key, record);
            }
        }
        Ok(Self { directory, records })
    }

    /// The build of this key.
    pub fn get(&self, key: &BuildKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// All builds, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The last build of each recipe.
    pub fn latest(&self) -> BTreeMap<&str, &Record> {
        let mut latest: BTreeMap<&str, &Record> = BTreeMap::new();
        for record in self.records.values() {
            let known = latest.entry(&record.name).or_insert(record);
            if (record.built_at_ms, record.keys.key) > (known.built_at_ms, known.keys.key) {
                *known = record;
            }
        }
        latest
    }

    /// Keeps a record. It counts once the component that it names is durable, which the caller sees to first.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&mut self, record: Record) -> Result<(), RecordError> {
        fs::create_dir_all(&self.directory).map_err(failed("create", &self.directory))?;
        let path = self.directory.join(format!("{}.json", record.keys.key));
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let text = serde_json::to_vec_pretty(&record).expect("a record has only string keys");
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path));
        written.map_err(failed("write", &path))?;
        self.records.insert(record.keys.key, record);
        Ok(())
    }

    /// Forgets builds of which `is_there` does not know the component any more.
    ///
    /// # Errors
    /// If a record cannot be removed.
    pub fn retain(&mut self, is_there: impl Fn(&ComponentId) -> bool) -> Result<(), RecordError> {
        let gone: Vec<BuildKey> =
            self.records.values().filter(|record| !is_there(&record.component)).map(|record| record.keys.key).collect();
        for key in gone {
            let path = self.directory.join(format!("{key}.json"));
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            self.records.remove(&key);
        }
        Ok(())
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_and_what_does_not_read_is_not() {
        let root = tempfile::tempdir().unwrap();
        let key: BuildKey = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".parse().unwrap();
        let record = Record {
            format: FORMAT,
            name: "a".to_owned(),
            version: "1".to_owned(),
            options: Chosen::new(),
            keys: KeyParts { key, any_tools: key, any_linked: key },
            component: ComponentId::from_digest(Digest::of(b"a")),
            interface: Interface::from(Digest::of(b"i")),
            exposes: BTreeSet::new(),
            dependencies: BTreeMap::new(),
            tools: Vec::new(),
            kept: None,
            wall_ms: 1,
            cpu_ms: 1,
            peak_kib: 1,
            built_at_ms: 1,
            built_by: "alice".to_owned(),
            built_on: None,
        };
        Records::read(root.path()).unwrap().put(record.clone()).unwrap();
        fs::write(root.path().join("builds/other.json"), "{").unwrap();
        let mut records = Records::read(root.path()).unwrap();
        assert_eq!(records.all().collect::<Vec<_>>(), [&record]);
        assert_eq!(records.latest()["a"], &record);
        records.retain(|_| false).unwrap();
        assert_eq!(Records::read(root.path()).unwrap().all().count(), 0);
    }
}
