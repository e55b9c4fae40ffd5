//! The store's format version and feature sets.

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize};

use crate::{FsError, StoreError, error::Context, fs, layout::Layout};

/// The version of the layout in `FORMAT.md`.
const VERSION: u32 = 2;

/// What `format.json` holds: a version and three sets of features, after the fashion of ext4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// The layout's version.
    pub version: u32,
    /// Features that a reader and a writer may both ignore.
    #[serde(default)]
    pub compatible: BTreeSet<String>,
    /// Features that a reader may ignore and a writer may not.
    #[serde(default)]
    pub read_only_compatible: BTreeSet<String>,
    /// Features that nobody may ignore.
    #[serde(default)]
    pub incompatible: BTreeSet<String>,
}

/// The store has a format that this version cannot handle.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Another layout.
    #[error("the store at `{root}` has format {found}; this version knows {VERSION}")]
    Version {
        /// The store.
        root: String,
        /// Its version.
        found: u32,
    },
    /// An unknown feature that may not be ignored.
    #[error("the store at `{root}` needs the feature `{feature}`, which this version does not know")]
    Feature {
        /// The store.
        root: String,
        /// The feature.
        feature: String,
    },
    /// `format.json` does not read.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: String,
        /// How.
        source: serde_json::Error,
    },
}

fn ours() -> Features {
    let incompatible = ["objects-by-digest-and-mode".to_owned()].into();
    Features { version: VERSION, compatible: [].into(), read_only_compatible: [].into(), incompatible }
}

/// Decides whether `found` can be used, for writing or only for reading.
fn judge(root: &str, found: &Features, writing: bool) -> Result<(), FormatError> {
    if found.version != VERSION {
        return Err(FormatError::Version { root: root.to_owned(), found: found.version });
    }
    let known = ours();
    let mut unknown = found.incompatible.difference(&known.incompatible);
    let mut unwritable = found.read_only_compatible.difference(&known.read_only_compatible);
    match unknown.next().or_else(|| if writing { unwritable.next() } else { None }) {
        Some(feature) => Err(FormatError::Feature { root: root.to_owned(), feature: feature.clone() }),
        None => Ok(()),
    }
}

fn read(layout: &Layout) -> Result<Option<Features>, StoreError> {
    let path = layout.format();
    let Some(bytes) = fs::read_if_there(&path)? else { return Ok(None) };
    let damaged = |source| FormatError::Damaged { path: path.display().to_string(), source };
    Ok(Some(serde_json::from_slice(&bytes).map_err(damaged)?))
}

/// Checks the store at `layout` for reading.
pub(crate) fn check(layout: &Layout) -> Result<Features, StoreError> {
    let features = read(layout)?.ok_or_else(|| StoreError::Missing { root: layout.root().to_owned() })?;
    judge(&layout.root().display().to_string(), &features, false)?;
    Ok(features)
}

/// Checks the store at `layout` for writing, making it first if there is none.
pub(crate) fn prepare(layout: &Layout) -> Result<(), StoreError> {
    if let Some(features) = read(layout)? {
        return Ok(judge(&layout.root().display().to_string(), &features, true)?);
    }
    make_root(layout.root())?;
    for directory in [layout.store(), layout.objects(), layout.trees(), layout.views(), layout.log(), layout.tmp()] {
        fs::make_directory(&directory)?;
    }
    // Of two that make a store at once one waits; whoever sees the format sees a finished database as well.
    let _alone = crate::lock::wait(layout)?;
    if read(layout)?.is_some() {
        return Ok(());
    }
    remove_left_over(layout)?;
    drop(crate::db::Db::open(layout)?);
    let bytes = serde_json::to_vec_pretty(&ours()).expect("features serialise");
    Ok(fs::replace(&layout.format(), &bytes)?)
}

/// Makes the store's root. Root's store is for everybody; whether others may look into a user's is for his umask to say.
fn make_root(root: &Path) -> Result<(), FsError> {
    if !rustix::process::geteuid().is_root() {
        return std::fs::create_dir_all(root).context("create", root);
    }
    if let Some(parent) = root.parent().filter(|_| !root.exists()) {
        make_root(parent)?;
    }
    fs::make_directory(root)
}

/// Removes what a process left that was killed while it made the store.
fn remove_left_over(layout: &Layout) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(layout.root()).context("read", layout.root())? {
        let path = entry.context("read", layout.root())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("format.") && name.ends_with(".new") {
            std::fs::remove_file(&path).context("remove", &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_features_are_refused_as_far_as_they_must_be() {
        let with = |change: fn(&mut Features)| {
            let mut features = ours();
            change(&mut features);
            features
        };
        let allowed = |features: &Features| (judge("r", features, false).is_ok(), judge("r", features, true).is_ok());
        assert_eq!(allowed(&ours()), (true, true));
        assert_eq!(allowed(&with(|f| f.compatible.extend(["x".to_owned()]))), (true, true));
        assert_eq!(allowed(&with(|f| f.read_only_compatible.extend(["x".to_owned()]))), (true, false));
        assert_eq!(allowed(&with(|f| f.incompatible.extend(["x".to_owned()]))), (false, false));
        assert_eq!(allowed(&with(|f| f.version += 1)), (false, false));
        assert_eq!(allowed(&with(|f| f.version -= 1)), (false, false));
    }
}
