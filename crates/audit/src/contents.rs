//! What one component has in it, besides itself: found once and kept.

use aleph_abi::elf::{Facts, Inclusion};
use serde::{Deserialize, Serialize};

use crate::{Changelog, crates};

/// What a component has in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// What its changelog says, if it has one of Debian's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog: Option<Changelog>,
    /// Copies of others' work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Inside>,
    /// Its programs and libraries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binaries: Vec<Binary>,
}

/// A copy of somebody else's work inside a component: no update of that work changes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inside {
    /// How it came there.
    pub edge: Edge,
    /// Where it is from, in OSV's names; nothing for a library that is in no registry.
    pub ecosystem: String,
    /// What it is called there.
    pub name: String,
    /// Its version, where that can be told.
    pub version: Option<String>,
    /// The file that it is in.
    pub path: String,
}

/// How a copy came into a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Compiled or linked into a binary.
    Static,
    /// As files of its own beside others.
    Bundled,
}

impl Edge {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Bundled => "bundled",
        }
    }
}

/// A program or library: what others know it by, and which libraries it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Its path in the component.
    pub path: String,
    /// Its soname, if it is a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// The sonames of the libraries that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
}

impl Contents {
    /// Adds what is known of an ELF file.
    pub fn add_binary(&mut self, path: &str, facts: &Facts) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.binaries.push(Binary {
            path: path.to_owned(),
            soname: facts.soname().map(text),
            needed: facts.needed().map(text).collect(),
        });
        let mut add = |ecosystem: &str, name: &str, version: Option<&str>| {
            let (ecosystem, name, version) = (ecosystem.to_owned(), name.to_owned(), version.map(str::to_owned));
            self.copies.push(Inside { edge: Edge::Static, ecosystem, name, version, path: path.to_owned() });
        };
        for inclusion in facts.inclusions() {
            match inclusion {
                Inclusion::Library { name, version } => add("", name, version.as_deref()),
                Inclusion::Go { compiler } => {
                    let version = compiler.strip_prefix("go").and_then(|version| version.split(' ').next());
                    add("Go", "stdlib", version.filter(|version| !version.is_empty()));
                }
                Inclusion::GoModule { path, version } => add("Go", path, Some(version.trim_start_matches('v'))),
                Inclusion::RustCrates { packed } => {
                    for one in crates::read(packed).unwrap_or_default() {
                        add("crates.io", &one.name, Some(&one.version));
                    }
                }
                Inclusion::LinkTimeCode => {}
            }
        }
    }

    /// Puts everything into its order, each once.
    pub fn finish(&mut self) {
        self.copies.sort();
        self.copies.dedup();
    }
}
