//! How to build a component from source.

mod options;
mod package;
mod read;
mod schema;
mod source;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use options::variable;
pub use options::{Choice, ChoiceError, Chosen, Value, When};
pub use read::RecipeError;
pub use schema::schema;
pub use source::{Origin, Patches, Registry, Source};

/// How to build a component from source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// What the component is called: letters, digits and `+._-`. The file has the same name.
    pub name: String,
    /// The version, as upstream writes it.
    pub version: String,
    /// Counts changes of the recipe that shall be told apart although the version is the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u32,
    /// One line that says what it is.
    pub summary: String,
    /// Where upstream is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: String,
    /// What is unpacked, in this order. Without any the build starts in an empty directory.
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What has to be there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub needs: Needs,
    /// How it is built.
    #[serde(default, skip_serializing_if = "is_default")]
    pub build: Build,
    /// What it needs when it runs that cannot be seen in its files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub run: Run,
    /// What must work once it is linked, wherever that is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub check: Check,
    /// What is up to whoever builds it: `aleph build NAME --with OPTION=VALUE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Choice>,
    /// What is added where an option has a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<When>,
    /// What was chosen: no recipe says that of itself.
    #[serde(default, skip_deserializing, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(skip)]
    pub chosen: Chosen,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

/// What has to be there to build. Names are those of other recipes, but for `debian`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Needs {
    /// Whose shared libraries it links to. It is built again only if their interface changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<String>,
    /// What is copied into it: static archives, headers with code. It is built again whenever that changes.
    #[serde(default, rename = "static", skip_serializing_if = "Vec::is_empty")]
    pub copied: Vec<String>,
    /// Whose programs run while it is built. It is built again if they change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Debian packages that are there while it is built, beside those of the tree: compilers of its language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
}

/// How it is built: a build system that is known, and what is particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Build {
    /// The build system.
    #[serde(default)]
    pub system: System,
    /// What is given to its configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configure: Vec<String>,
    /// What is given to `make`, `ninja` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make: Vec<String>,
    /// What is given when it installs; `install` where there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<String>,
    /// Where in its source it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whether it is built beside its source. CMake and Meson do that anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// Variables for all phases. `$PREFIX` and others are known to the shell that reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Phases that are done otherwise than the build system has it: shell.
    #[serde(default, skip_serializing_if = "is_default")]
    pub phase: Phases,
    /// Whether `make` must not do several things at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serial: bool,
}

/// Phases as shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phases {
    /// After the sources were unpacked and patched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<String>,
    /// Instead of configuring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<String>,
    /// Instead of building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Instead of the build system's tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Instead of installing below `$DESTDIR$PREFIX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// After it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
}

/// A build system that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// `./configure`, `make`, `make install`.
    #[default]
    Autotools,
    /// CMake, with Ninja.
    Cmake,
    /// Meson, with Ninja.
    Meson,
    /// `make` alone; `PREFIX` and `DESTDIR` are given to it.
    Make,
    /// `cargo`, with all that `Cargo.lock` of its source names; programs are installed.
    Cargo,
    /// A wheel, which `pip` makes of its source.
    Python,
    /// Only the phases that the recipe has.
    Script,
}

/// What it needs when it runs that cannot be seen in its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// Sonames of libraries that its programs open by names which are not written in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dlopen: Vec<String>,
    /// Sonames of libraries that the host brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<String>,
}

/// What must work once it is linked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// Commands for `/bin/sh`, with its own programs first on `PATH`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// Who vouches for a recipe, and how closely it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trust {
    /// 0 essential, 1 integrated, 2 policy compliant, 3 repackaged, 4 redistributed, 5 upstream.
    #[schemars(range(max = 5))]
    pub tier: u8,
    /// The name of who says so.
    pub vouched_by: String,
}

impl Recipe {
    /// All recipes that it needs, with how.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, crate::Use)> {
        self.needs.iter()
    }
}

impl Needs {
    /// All recipes that are named, with how.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, crate::Use)> {
        let Self { linked, copied, tools, debian: _ } = self;
        let linked = linked.iter().map(|name| (name.as_str(), crate::Use::Linked));
        let copied = copied.iter().map(|name| (name.as_str(), crate::Use::Copied));
        let tools = tools.iter().map(|name| (name.as_str(), crate::Use::Tool));
        linked.chain(copied).chain(tools)
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
