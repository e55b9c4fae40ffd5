//! What tells one build from another.

use std::{collections::BTreeMap, fmt, str::FromStr};

use aleph_component::{ComponentId, Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::{Interface, Recipe, prefix};

/// Changes when what is done with the same recipe does.
const SCHEME: &[u8] = b"aleph build 1";

/// Names a build: two builds with one key are the same build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildKey(Digest);

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string()[..40])
    }
}

impl FromStr for BuildKey {
    type Err = <Digest as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What a build is given.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// How it is built.
    pub recipe: &'a Recipe,
    /// What the recipe's sources and patches are, in their order: their content.
    pub sources: &'a [Digest],
    /// What the machine is, such as `x86_64-linux`.
    pub platform: &'a str,
    /// The interfaces of what it links to, by name, with all that is seen through them.
    pub linked: BTreeMap<&'a str, Interface>,
    /// What is copied into it or runs as a tool, by name.
    pub content: BTreeMap<&'a str, ComponentId>,
    /// What makes up `/` besides.
    pub tools: &'a [Digest],
}

/// The key of a build, and that of all builds which differ from it in what they are linked to or built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyParts {
    /// Over everything.
    pub key: BuildKey,
    /// Over everything but the compiler and other tools of the tree: changing them rebuilds nothing by itself.
    pub any_tools: BuildKey,
    /// Over what neither changes with the tools nor with the interfaces of what is linked.
    pub any_linked: BuildKey,
}

impl Inputs<'_> {
    /// The keys.
    pub fn keys(&self) -> KeyParts {
        let mut hasher = Hasher::new();
        let mut field = |bytes: &[u8]| hasher.field(bytes);
        field(SCHEME);
        field(self.platform.as_bytes());
        field(prefix(&self.recipe.name).as_bytes());
        // What only people read changes nothing.
        let recipe = Recipe { homepage: None, trust: None, ..self.recipe.clone() };
        field(&serde_json::to_vec(&recipe).expect("a recipe has only string keys"));
        self.sources.iter().for_each(|digest| field(digest.as_bytes()));
        for (name, id) in &self.content {
            field(name.as_bytes());
            field(id.as_bytes());
        }
        let any_linked = hasher.finish();
        let linked = self.linked.iter().flat_map(|(name, interface)| [name.as_bytes(), interface.digest().as_bytes()]);
        let any_tools = with(any_linked, linked);
        let key = with(any_tools, self.tools.iter().map(|tree| tree.as_bytes().as_slice()));
        KeyParts { key: BuildKey(key), any_tools: BuildKey(any_tools), any_linked: BuildKey(any_linked) }
    }
}

fn with<'a>(base: Digest, fields: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(base.as_bytes());
    fields.for_each(|bytes| hasher.field(bytes));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_follows_what_counts_and_nothing_else() {
        let text = "name = 'a'\nversion = '1'\nsummary = 's'\nlicense = 'MIT'\n";
        let parse = |text: &str| Recipe::parse(text, std::path::Path::new("a.toml")).unwrap();
        let recipe = parse(text);
        let interface = |text: &str| Interface::from(Digest::of(text.as_bytes()));
        let component = |text: &str| ComponentId::from_digest(Digest::of(text.as_bytes()));
        let tools = [Digest::of(b"gcc 12")];
        let inputs = Inputs {
            recipe: &recipe,
            sources: &[],
            platform: "x86_64-linux",
            linked: [("zlib", interface("1"))].into(),
            content: [("boost", component("1"))].into(),
            tools: &tools,
        };
        let keys = inputs.keys();
        let other = |change: &dyn Fn(&mut Inputs<'_>)| {
            let mut other = inputs.clone();
            change(&mut other);
            let other = other.keys();
            [other.key == keys.key, other.any_tools == keys.any_tools, other.any_linked == keys.any_linked]
        };
        assert_eq!(other(&|_| {}), [true; 3]);
        assert_eq!(other(&|inputs| inputs.tools = &[]), [false, true, true]);
        assert_eq!(
            other(&|inputs| assert!(inputs.linked.insert("zlib", interface("2")).is_some())),
            [false, false, true]
        );
        assert_eq!(other(&|inputs| assert!(inputs.content.insert("boost", component("2")).is_some())), [false; 3]);
        let homepage = parse(&format!("{text}homepage = 'there'\n"));
        assert_eq!(Inputs { recipe: &homepage, ..inputs.clone() }.keys(), keys);
        let option = parse(&format!("{text}[build]\nconfigure = ['--with-x']\n"));
        assert_ne!(Inputs { recipe: &option, ..inputs.clone() }.keys().any_linked, keys.any_linked);
    }
}
