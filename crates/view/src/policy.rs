//! What its owner demands of a view before it moves on.

use std::{fs, path::PathBuf};

use aleph_component::ComponentId;
use aleph_store::{Store, WriteLock};
use serde::{Deserialize, Serialize};

use crate::{
    View, ViewError,
    files::{at, read_json, write_json},
};

/// The name of its file in a view's directory.
const FILE: &str = "policy.json";

/// What is demanded of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Commands that must succeed in a new generation before the view moves to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// What a verdict must rest on.
    #[serde(default)]
    pub evidence: Demand,
    /// Whether everything stays where it is when one consumer cannot move.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// What failed a check once, and is not taken again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
}

/// The evidence that a verdict must rest on, for a binding to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Symbols are enough.
    Symbols,
    /// What the provider's maintainer promises, and where nobody promises anything the types.
    #[default]
    Declared,
    /// The types, whatever is promised: where they cannot be seen nothing moves.
    Types,
}

/// A binding that failed a check. It is tried again when there is something else than what it failed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Whose binding; of a package that the whole view shares nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// What it is bound to, by name.
    pub provider: String,
    /// What it keeps.
    pub keeps: Version,
    /// What it failed with.
    pub instead_of: Version,
    /// The check that failed.
    pub check: String,
}

/// A component, for people and by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its version.
    pub version: String,
    /// Its id.
    pub component: ComponentId,
}

impl View {
    /// What is demanded of it; the usual where nobody said anything.
    ///
    /// # Errors
    /// If the record does not read.
    pub fn policy(&self) -> Result<Policy, ViewError> {
        Ok(read_json(&self.directory.join(FILE))?.unwrap_or_default())
    }

    /// The record of what is demanded of it, if it does not read.
    pub fn damaged_policy(&self) -> Option<PathBuf> {
        matches!(self.policy(), Err(ViewError::Damaged { .. })).then(|| self.directory.join(FILE))
    }

    /// Keeps what is demanded of it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_policy(&self, store: &Store, lock: &WriteLock, policy: &Policy) -> Result<(), ViewError> {
        let beside = self.tmp.join(format!("policy-{}.json", std::process::id()));
        write_json(&beside, policy)?;
        store.sync(lock)?;
        let path = self.directory.join(FILE);
        fs::rename(&beside, &path).map_err(at("write", &path))
    }
}
