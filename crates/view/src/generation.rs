//! One immutable state of a view, as it is written to disk.

use std::collections::{BTreeMap, VecDeque};

use aleph_component::{ComponentId, Digest, PackageId, TreeId};
use serde::{Deserialize, Serialize};

use crate::Layers;

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// What somebody asked for, as typed: `curl`, `openssl=3.0.17-1~deb12u2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Request(pub String);

impl Request {
    /// What a request for a native component of the store begins with.
    pub const STORE: &str = "store:";

    /// The name without version or architecture.
    pub fn name(&self) -> &str {
        let text = self.0.strip_prefix(Self::STORE).unwrap_or(&self.0);
        text.split([':', '=', '/']).next().unwrap_or_default()
    }

    /// Name and version, if a native component of the store is asked for.
    pub fn native(&self) -> Option<(&str, Option<&str>)> {
        let text = self.0.strip_prefix(Self::STORE)?;
        Some(text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version))))
    }
}

/// A package of a generation, with all that is needed to have it again on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// Its id.
    pub id: PackageId,
    /// Its component.
    pub component: ComponentId,
    /// The archive that the component came from.
    pub archive: Digest,
    /// The archive's length in bytes.
    pub size: u64,
    /// Where a source has the archive, relative to the source's address; the path of a local file; of a native component
    /// what it is asked for by ([`Request::STORE`]).
    pub file: String,
    /// Whether somebody asked for it, rather than for something that needs it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requested: bool,
    /// Who keeps it: where a view has several of a name, all but one are kept for what was asked for under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<String>,
    /// Slot to the key ([`Pinned::key`]) of the package that fills it.
    pub slots: BTreeMap<String, String>,
}

impl Pinned {
    /// What names it among the packages of one view: `name:architecture`, or `name@who:architecture` of one that is kept
    /// for somebody.
    pub fn key(&self) -> String {
        key(&self.name, self.kept_for.as_deref(), &self.architecture)
    }

    /// Whether it runs from where it is in the store, rather than in the view's tree.
    pub fn is_native(&self) -> bool {
        self.file.starts_with(Request::STORE)
    }
}

/// What names a package among those of one view.
pub fn key(name: &str, kept_for: Option<&str>, architecture: &str) -> String {
    match kept_for {
        Some(who) => format!("{name}@{who}:{architecture}"),
        None => format!("{name}:{architecture}"),
    }
}

/// A binding that was changed in a view, and on which evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The key of the package whose slot it is.
    pub package: String,
    /// The package's component.
    pub component: ComponentId,
    /// The name of what it uses.
    pub provider: String,
    /// What it is bound to now.
    pub to: ComponentId,
    /// The verdict, in a word.
    pub verdict: String,
    /// What the verdict rests on.
    pub evidence: Vec<String>,
    /// The generation that changed it.
    pub generation: u32,
}

/// One immutable state of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Its number, from 1.
    pub number: u32,
    /// The generation that was current when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// When, in seconds since the epoch.
    pub created: i64,
    /// Who made it, by user name.
    pub by: String,
    /// The command that made it.
    pub reason: String,
    /// What was asked for.
    pub requested: Vec<Request>,
    /// What it holds, sorted by name and architecture.
    pub packages: Vec<Pinned>,
    /// Bindings that are not what they were when they were first made, for as long as they stay so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
    /// The packages' trees.
    pub layers: Layers,
    /// What scripts wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureRef>,
    /// What could not be done, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What scripts wrote: the component that keeps it and the tree that it runs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRef {
    /// The component, with recorded owners and modes.
    pub component: ComponentId,
    /// The tree.
    pub tree: TreeId,
}

impl Generation {
    /// All trees, topmost first.
    pub fn trees(&self) -> Vec<TreeId> {
        self.capture.map(|capture| capture.tree).into_iter().chain(self.layers.trees()).collect()
    }

    /// The shortest way over bindings from anything asked for to the package with this key, both included; empty if there is
    /// none.
    pub fn way_to(&self, key: &str) -> Vec<String> {
        let by_key: BTreeMap<String, &Pinned> = self.packages.iter().map(|package| (package.key(), package)).collect();
        let requested = by_key.iter().filter(|(_, package)| package.requested);
        let mut came_from: BTreeMap<&str, Option<&str>> = requested.map(|(key, _)| (key.as_str(), None)).collect();
        let mut todo: VecDeque<&str> = came_from.keys().copied().collect();
        while let Some(at) = todo.pop_front().filter(|_| !came_from.contains_key(key)) {
            for provider in by_key.get(at).into_iter().flat_map(|package| package.slots.values()) {
                if !came_from.contains_key(provider.as_str()) {
                    came_from.insert(provider, Some(at));
                    todo.push_back(provider);
                }
            }
        }
        let mut way = Vec::new();
        let mut next = came_from.contains_key(key).then_some(key);
        while let Some(at) = next {
            way.push(at.to_owned());
            next = came_from.get(at).copied().flatten();
        }
        way.reverse();
        way
    }
}
