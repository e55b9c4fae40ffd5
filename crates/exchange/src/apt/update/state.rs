//! `state.json`: which verified files belong to which source.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aleph_component::Digest;
use serde::{Deserialize, Serialize};

use super::{ListsError, Suite, Trust, archive::Archive};
use crate::{
    apt::{
        preferences::{DEFAULT_RELEASE, PinTarget},
        release::{Release, Timestamp},
    },
    net::{Uri, Validators},
};

/// The version of the file's format. It only grows; another one is not read.
const FORMAT: u32 = 1;
const NAME: &str = "state.json";

/// The state of the lists cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file could not be read.
    #[error("{path} could not be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is damaged.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of this program wrote it.
    #[error("{path} has format {found}; this version reads {FORMAT}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    pub(super) archives: Vec<ArchiveState>,
}

impl Default for State {
    fn default() -> Self {
        Self { format: FORMAT, archives: Vec::new() }
    }
}

/// One suite of one archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArchiveState {
    /// As the source has it, without user name and password.
    pub(super) uri: String,
    pub(super) suite: String,
    /// The archive's directory that answered, without user name and password.
    pub(super) base_uri: String,
    /// Where else it is, by its list of mirrors.
    #[serde(default)]
    pub(super) mirrors: Vec<String>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// The `InRelease` or `Release` file; none for an archive that has neither.
    pub(super) release: Option<Digest>,
    /// `Release.gpg`, if the signature is detached.
    pub(super) signature: Option<Digest>,
    /// The fingerprint of the key that signed it; none if the source is trusted without.
    pub(super) signer: Option<String>,
    /// Which keys could have signed it: [`Keys::mark`](super::keys::Keys::mark).
    #[serde(default)]
    pub(super) keys: Option<Digest>,
    pub(super) date: Option<Timestamp>,
    pub(super) origin: String,
    pub(super) label: String,
    pub(super) archive: String,
    pub(super) codename: String,
    pub(super) version: String,
    pub(super) not_automatic: bool,
    pub(super) but_automatic_upgrades: bool,
    pub(super) indices: Vec<IndexState>,
}

/// One verified `Packages` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexState {
    pub(super) component: String,
    pub(super) architecture: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl State {
    /// Reads the state below `directory`; an empty one if there is none.
    pub(super) fn read(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(StateError::Io { path, source }),
        };
        /// What every version of the format has.
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let damaged = |source| StateError::Damaged { path: path.clone(), source };
        let Header { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(StateError::Format { path, found: format });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// Replaces the state below `directory` in one step.
    pub(super) fn write(&self, directory: &Path) -> Result<(), ListsError> {
        let path = directory.join(NAME);
        let new = directory.join("state.json.new");
        let write = || {
            let mut file = File::create(&new)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|source| ListsError::Io { path: path.clone(), action: "written", source })
    }

    pub(super) fn find(&self, archive: &Archive<'_>) -> Option<&ArchiveState> {
        let uri = archive.shown_uri();
        self.archives.iter().find(|state| state.uri == uri && state.suite == archive.suite)
    }
}

impl ArchiveState {
    /// An archive that is at `bases`.
    pub(super) fn new(archive: &Archive<'_>, bases: &[Uri]) -> Self {
        let mut bases = bases.iter().map(Uri::to_string);
        Self {
            uri: archive.shown_uri(),
            suite: archive.suite.clone(),
            base_uri: bases.next().unwrap_or_default(),
            mirrors: bases.collect(),
            etag: None,
            last_modified: None,
            release: None,
            signature: None,
            signer: None,
            keys: None,
            date: None,
            origin: String::new(),
            label: String::new(),
            archive: String::new(),
            codename: String::new(),
            version: String::new(),
            not_automatic: false,
            but_automatic_upgrades: false,
            indices: Vec::new(),
        }
    }

    pub(super) fn describe(&mut self, release: &Release) {
        self.date = release.date;
        self.origin = release.origin.clone();
        self.label = release.label.clone();
        self.archive = release.suite.clone();
        self.codename = release.codename.clone();
        self.version = release.version.clone();
        self.not_automatic = release.not_automatic;
        self.but_automatic_upgrades = release.but_automatic_upgrades;
    }

    pub(super) fn validators(&self) -> Validators {
        Validators { etag: self.etag.clone(), last_modified: self.last_modified.clone() }
    }

    /// True if both mean the same files, vouched for by the same.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        (&self.release, &self.signature, &self.signer, &self.indices)
            == (&other.release, &other.signature, &other.signer, &other.indices)
    }

    /// The digests of the files that are needed.
    pub(super) fn files(&self) -> (Vec<Digest>, Vec<Digest>) {
        let releases = self.release.into_iter().chain(self.signature).collect();
        (releases, self.indices.iter().map(|index| index.digest).collect())
    }

    /// Its priority where nothing is pinned.
    pub(super) fn priority(&self) -> i32 {
        let (not_automatic, but_automatic_upgrades) = (self.not_automatic, self.but_automatic_upgrades);
        Release { not_automatic, but_automatic_upgrades, ..Release::default() }.priority()
    }

    /// What of it `archive` wants, vouched for like this.
    pub(super) fn suites(
        &self,
        archive: &Archive<'_>,
        trust: &Trust,
        directory: &Path,
        default_release: Option<&PinTarget>,
    ) -> Vec<Suite> {
        let name = if self.archive.is_empty() { &self.suite } else { &self.archive };
        let suite = |index: &IndexState| Suite {
            id: format!("{} {} {} {}", self.uri, self.suite, index.component, index.architecture),
            origin: self.origin.clone(),
            label: self.label.clone(),
            suite: name.clone(),
            codename: self.codename.clone(),
            version: self.version.clone(),
            component: index.component.clone(),
            architecture: index.architecture.clone(),
            base_uri: self.base_uri.clone(),
            mirrors: self.mirrors.clone(),
            priority: self.priority(),
            packages: super::files::packages(directory, &index.digest),
            trust: trust.clone(),
            date: self.date,
        };
        let wanted = self.indices.iter().filter(|index| archive.wants(&index.component, &index.architecture));
        let mut suites: Vec<Suite> = wanted.map(suite).collect();
        for suite in &mut suites {
            if default_release.is_some_and(|release| release.fits("", suite)) {
                suite.priority = DEFAULT_RELEASE;
            }
        }
        suites
    }
}
