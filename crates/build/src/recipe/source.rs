//! Where the sources of a recipe are, and how each is proven to be the one that is meant.

use std::{collections::BTreeSet, fmt};

use aleph_component::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is fetched, proven and unpacked. It says where it is: `debian`, `url`, `crate`, `pypi`, `npm`, `git` or
/// `directory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// A Debian source package that `file` belongs to. It is fetched from the archives of the host's apt sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debian: Option<String>,
    /// Any address that the file can be fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A crate, of `version`. It is fetched from where the host's cargo has crates from.
    #[serde(default, rename = "crate", skip_serializing_if = "Option::is_none")]
    pub krate: Option<String>,
    /// A Python project, of which `version` has a source distribution. It is fetched from where the host's pip has them from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pypi: Option<String>,
    /// An npm package, of `version`. It is fetched from where the host's npm has packages from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npm: Option<String>,
    /// The version of a `crate`, `pypi` or `npm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A git repository: an address, or a directory relative to the recipe's. What `rev` has is taken, as it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// The full id of a commit, which proves what is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub rev: Option<String>,
    /// A directory, relative to the recipe's. It is copied, without `.git`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The name of the file of a `debian` or `url`. Without it: what the `url` ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256 of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<Digest>,
    /// Where it is unpacked, relative to the directory that the build starts in. Without it: there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Patches that are applied to it with `patch -p1`, in this order.
    #[serde(default, skip_serializing_if = "Patches::is_none")]
    pub patches: Patches,
}

/// Patches of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Patches {
    /// Files beside the recipe.
    Files(Vec<String>),
    /// A Debian source package's archive of changes, of which the series is applied.
    Debian {
        /// The archive's name, of the same source package.
        debian: String,
        /// SHA-256 of it.
        #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{64}$"))]
        sha256: Digest,
    },
}

impl Default for Patches {
    fn default() -> Self {
        Self::Files(Vec::new())
    }
}

impl Patches {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where packages of a language are from, as the host's tool for them is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Registry {
    /// cargo's.
    Crates,
    /// pip's.
    Pypi,
    /// npm's.
    Npm,
}

impl Registry {
    /// The word for it in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crates => "crate",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }

    /// Whether something there can be called so.
    pub fn has_name(self, name: &str) -> bool {
        let is_plain = |name: &str| {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && name.chars().all(is_safe)
        };
        match (self, name.strip_prefix('@').and_then(|scoped| scoped.split_once('/'))) {
            (Self::Npm, Some((scope, name))) => is_plain(scope) && is_plain(name),
            _ => is_plain(name) && name.len() <= 200,
        }
    }

    /// What the file of a version is called.
    pub fn file(self, name: &str, version: &str) -> String {
        let name = name.rsplit('/').next().unwrap_or(name);
        let end = match self {
            Self::Crates => "crate",
            Self::Pypi => "tar.gz",
            Self::Npm => "tgz",
        };
        format!("{name}-{version}.{end}")
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A file of a Debian source package.
    Debian {
        /// The source package.
        package: &'a str,
        /// The file.
        file: &'a str,
        /// What it must be.
        sha256: Digest,
    },
    /// A file at an address.
    Url {
        /// The address.
        url: &'a str,
        /// What the file is called.
        file: &'a str,
        /// What it must be.
        sha256: Digest,
    },
    /// A package of a language's registry.
    Registry {
        /// Which.
        registry: Registry,
        /// The package.
        name: &'a str,
        /// Its version.
        version: &'a str,
        /// What its file must be.
        sha256: Digest,
    },
    /// A commit of a git repository.
    Git {
        /// An address, or a path relative to the recipe's directory.
        from: &'a str,
        /// The full id.
        rev: &'a str,
    },
    /// A directory beside the recipe.
    Directory(&'a str),
}

impl Origin<'_> {
    /// What the file is called. Directories have none.
    pub fn file(&self) -> Option<String> {
        match self {
            Self::Debian { file, .. } | Self::Url { file, .. } => Some((*file).to_owned()),
            Self::Registry { registry, name, version, .. } => Some(registry.file(name, version)),
            Self::Git { rev, .. } => Some(format!("{rev}.tar")),
            Self::Directory(_) => None,
        }
    }
}

impl Source {
    /// Where it is. `None`: it does not say so properly, which [`Recipe::parse`](super::Recipe::parse) refuses.
    pub fn origin(&self) -> Option<Origin<'_>> {
        let file = || {
            let of_url = self.url.as_deref().and_then(|url| url.rsplit('/').next());
            self.file.as_deref().or(of_url).filter(|file| !file.is_empty() && !file.contains('/'))
        };
        let [(place, at)] = self.places()[..] else { return None };
        match place {
            Place::Debian => Some(Origin::Debian { package: at, file: file()?, sha256: self.sha256? }),
            Place::Url => Some(Origin::Url { url: at, file: file()?, sha256: self.sha256? }),
            Place::Registry(registry) => {
                let (version, sha256) = (self.version.as_deref()?, self.sha256?);
                Some(Origin::Registry { registry, name: at, version, sha256 })
            }
            Place::Git => Some(Origin::Git { from: at, rev: self.rev.as_deref()? }),
            Place::Directory => Some(Origin::Directory(at)),
        }
    }

    /// All places that it names; one is right.
    fn places(&self) -> Vec<(Place, &str)> {
        // What is likely to be nowhere else in a text comes first: it shows where a mistake is.
        let all = [
            (Place::Url, &self.url),
            (Place::Git, &self.git),
            (Place::Directory, &self.directory),
            (Place::Registry(Registry::Crates), &self.krate),
            (Place::Registry(Registry::Pypi), &self.pypi),
            (Place::Registry(Registry::Npm), &self.npm),
            (Place::Debian, &self.debian),
        ];
        all.into_iter().filter_map(|(place, at)| Some((place, at.as_deref()?))).collect()
    }

    /// What cannot be, and a word of the text that shows where.
    pub(super) fn mistake(&self) -> Option<(String, String)> {
        let places = self.places();
        let word = match places.first() {
            Some((Place::Debian, package)) => self.file.clone().unwrap_or_else(|| (*package).to_owned()),
            Some((Place::Registry(registry), name)) => format!("{registry} = \"{name}\""),
            Some((_, at)) => (*at).to_owned(),
            None => self.file.clone().unwrap_or_else(|| "[[source]]".to_owned()),
        };
        let say = |what: &str| Some((what.to_owned(), word.clone()));
        let (place, at) = match places[..] {
            [one] => one,
            [] => {
                return say("a source says where it is: `debian`, `url`, `crate`, `pypi`, `npm`, `git` or `directory`");
            }
            _ => return say("a source is in one place; two of its lines name one each"),
        };
        if let Some(what) = self.misfit(place, at) {
            return say(&what);
        }
        if self.origin().is_none() {
            return say("a source needs the name of its `file`");
        }
        let inside = |path: &str| path.split('/').all(|part| !matches!(part, ".." | "" | "."));
        if self.into.as_deref().is_some_and(|into| !inside(into)) {
            return say("`into` is a directory below the one that the build starts in");
        }
        match &self.patches {
            Patches::Files(files) if names(files).len() < files.len() => say("two patches have the same name"),
            Patches::Files(files) => files
                .iter()
                .find(|file| !inside(file))
                .map(|file| ("a patch is a file beside the recipe".to_owned(), file.clone())),
            Patches::Debian { .. } if self.debian.is_none() => say("only a Debian source has Debian's patches"),
            Patches::Debian { .. } => None,
        }
    }

    /// What does not go with the place that it is in, or is missing there.
    fn misfit(&self, place: Place, at: &str) -> Option<String> {
        let is_fetched = !matches!(place, Place::Git | Place::Directory);
        match (&self.sha256, place) {
            (None, _) if is_fetched => return Some("a source that is fetched needs its `sha256`".to_owned()),
            (Some(_), Place::Git) => return Some("a commit needs no `sha256`: its `rev` proves it".to_owned()),
            (Some(_), Place::Directory) => return Some("a directory has no `sha256`".to_owned()),
            _ => {}
        }
        let is_version = |text: &&String| !text.is_empty() && !text.contains(['/', ' ', '"', '$', '`', '\\']);
        match (place, &self.version) {
            (Place::Registry(registry), version) => {
                if !registry.has_name(at) {
                    return Some(format!("nothing can be called so where {registry} packages are from"));
                }
                if version.as_ref().filter(is_version).is_none() {
                    return Some(format!("a source that is a {registry} package needs its `version`"));
                }
            }
            (_, Some(_)) => return Some("only a `crate`, `pypi` or `npm` has a `version`".to_owned()),
            (_, None) => {}
        }
        let is_id =
            |rev: &&String| matches!(rev.len(), 40 | 64) && rev.bytes().all(|b| b"0123456789abcdef".contains(&b));
        match (place, &self.rev) {
            (Place::Git, rev) if rev.as_ref().filter(is_id).is_none() => {
                return Some(
                    "a git source needs the full id of a commit as its `rev`: names of branches move".to_owned(),
                );
            }
            // To git, these are options and programs to run.
            (Place::Git, _) if at.starts_with('-') || at.contains("::") => {
                return Some("this is neither the address nor the directory of a git repository".to_owned());
            }
            (Place::Git, _) | (_, None) => {}
            (_, Some(_)) => return Some("only a `git` source has a `rev`".to_owned()),
        }
        let has_file = matches!(place, Place::Debian | Place::Url);
        (self.file.is_some() && !has_file).then(|| "only a `debian` or `url` source has a `file`".to_owned())
    }
}

/// A kind of place.
#[derive(Clone, Copy)]
enum Place {
    Debian,
    Url,
    Registry(Registry),
    Git,
    Directory,
}

/// The last parts of paths.
fn names(files: &[String]) -> BTreeSet<&str> {
    files.iter().filter_map(|file| file.rsplit('/').next()).collect()
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, path::Path};

    use crate::Recipe;

    const SHA256: &str = "sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'";
    const REV: &str = "rev = '0123456789abcdef0123456789abcdef01234567'";

    fn parse(source: &str) -> Result<Recipe, String> {
        let text = format!("name = \"a\"\nversion = \"1\"\nsummary = \"s\"\nlicense = \"MIT\"\n[[source]]\n{source}");
        let shown = |error: crate::RecipeError| error.source().map(ToString::to_string).unwrap_or_default();
        Recipe::parse(&text, Path::new("a.toml")).map_err(shown)
    }

    #[test]
    fn sources_are_files_of_these_names() {
        for (source, file) in [
            (format!("crate = 'ripgrep'\nversion = '14.1.0'\n{SHA256}"), Some("ripgrep-14.1.0.crate")),
            (format!("pypi = 'Six'\nversion = '1.16.0'\n{SHA256}"), Some("Six-1.16.0.tar.gz")),
            (format!("npm = '@babel/parser'\nversion = '7.0.0'\n{SHA256}"), Some("parser-7.0.0.tgz")),
            (format!("git = '../there'\n{REV}"), Some("0123456789abcdef0123456789abcdef01234567.tar")),
            (format!("url = 'https://example.org/a-1.tar.gz'\n{SHA256}"), Some("a-1.tar.gz")),
            ("directory = 'src'".to_owned(), None),
        ] {
            let recipe = parse(&source).unwrap();
            assert_eq!(recipe.sources[0].origin().unwrap().file().as_deref(), file, "{source}");
        }
    }

    #[test]
    fn sources_that_cannot_be_are_refused_where_they_are() {
        for (source, line, says) in [
            ("crate = \"a\"\nversion = \"1\"", 6, "needs its `sha256`"),
            (&format!("crate = \"a\"\n{SHA256}"), 6, "a crate package needs its `version`"),
            (&format!("pypi = \"a\"\nversion = \"1/2\"\n{SHA256}"), 6, "a pypi package needs its `version`"),
            (&format!("{SHA256}\nversion = \"1\"\nnpm = \"../a\""), 8, "nothing can be called so"),
            (&format!("crate = \"@a/b\"\nversion = \"1\"\n{SHA256}"), 6, "nothing can be called so"),
            (&format!("crate = \"a\"\npypi = \"a\"\nversion = \"1\"\n{SHA256}"), 6, "in one place"),
            (&format!("crate = \"b\"\nversion = \"1\"\nfile = \"x\"\n{SHA256}"), 6, "has a `file`"),
            (&format!("url = \"https://e/x\"\nversion = \"1\"\n{SHA256}"), 6, "has a `version`"),
            ("git = \"https://e/x\"\nrev = \"main\"", 6, "names of branches move"),
            ("git = \"https://e/x\"", 6, "the full id of a commit"),
            (&format!("git = \"https://e/x\"\n{REV}\n{SHA256}"), 6, "its `rev` proves it"),
            (&format!("git = \"--upload-pack=x\"\n{REV}"), 6, "neither the address nor the directory"),
            (&format!("git = \"ext::sh -c x\"\n{REV}"), 6, "neither the address nor the directory"),
            (&format!("directory = \"x\"\n{REV}"), 6, "has a `rev`"),
        ] {
            let said = parse(source).unwrap_err();
            assert!(said.contains(says) && said.contains(&format!("line {line},")), "{source}:\n{said}");
        }
    }
}
