//! The beginning of a recipe, from what is found in its source.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use aleph_build::{Recipe, Registry};
use aleph_component::Digest;
use aleph_exchange::{
    net::Uri,
    source::{files_of_dsc, top_names},
};

use super::sources::repository;
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        archives::digest_file,
        sources::{Fresh, Newest, Original, Originals, Place, source_version, upstream},
    },
    output::Printer,
};

/// What somebody says of a recipe.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    /// An address of an archive, a directory, or a kind of source with a name: `crate:ripgrep@14.1.0`.
    pub(crate) source: String,
    /// The Debian source package that the file belongs to, if it does.
    pub(crate) debian: Option<String>,
}

/// What is known of a source.
struct Known {
    /// Its lines in a recipe.
    lines: String,
    /// Its version, if that is known.
    version: Option<String>,
    /// What it has at its top, if that can be seen.
    names: Option<BTreeSet<String>>,
}

/// Writes the beginning of a recipe into a directory of recipes, and says where that is.
pub(crate) fn begin(host: &Host, printer: &Printer, recipes: &Path, begun: &Begun) -> Outcome<PathBuf> {
    let path = recipes.join(format!("{}.toml", begun.name));
    if path.exists() || recipes.join(&begun.name).join("recipe.toml").exists() {
        return Err(Failure::new(format!("there is a recipe `{}` already", begun.name)).with_code(2));
    }
    let Known { lines, version, names } = known(host, printer, begun)?;
    let version = begun.version.clone().or(version).ok_or_else(|| {
        let message = format!("which version it is cannot be told from `{}`", begun.source);
        Failure::new(message).with_code(2).hint("--version says it")
    })?;
    let mut text = format!(
        "name = {:?}\nversion = {version:?}\nsummary = \"\"\nlicense = \"\"\n\n[[source]]\n{lines}\n\
         # Whose shared libraries it links to, whose headers or archives are copied into it, whose programs build it.\n\
         [needs]\nlinked = []\n",
        begun.name
    );
    build(&mut text, names.as_ref());
    let _ = write!(text, "\n# What must work wherever it is linked.\n[check]\ncommands = []\n");
    Recipe::parse(&text, &path)?;
    fs::write(&path, text)?;
    Ok(path)
}

/// What is known of the source of a new recipe; it is fetched for that.
fn known(host: &Host, printer: &Printer, begun: &Begun) -> Outcome<Known> {
    let directory = host.cwd.join(&begun.source);
    if directory.is_dir() {
        let lines = format!("directory = {:?}\n", directory.display().to_string());
        return Ok(Known { lines, version: version(&begun.source), names: Some(entries(&directory)?) });
    }
    let originals = Originals::open(host, printer)?;
    let wanted = begun.version.as_deref();
    match Kind::of(&begun.source) {
        Some(Kind::Registry(registry, name, version)) => package(&originals, registry, name, version.or(wanted)),
        Some(Kind::Debian(package, version)) => {
            let version = source_version(host, printer, package, version.or(wanted))?;
            debian(&originals, package, &version)
        }
        Some(Kind::Git(from, rev)) => {
            let at = repository(&host.cwd, from);
            let rev = rev.map_or_else(|| originals.head(&at), |rev| Ok(rev.to_owned()))?;
            let names = top_names(&originals.commit(&at, &rev)?)?;
            Ok(Known { lines: format!("git = {at:?}\nrev = {rev:?}\n"), version: None, names })
        }
        None => archive(&originals, begun),
    }
}

/// A source that is named by its kind.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Registry(Registry, &'a str, Option<&'a str>),
    Debian(&'a str, Option<&'a str>),
    Git(&'a str, Option<&'a str>),
}

impl<'a> Kind<'a> {
    /// `KIND:NAME` or `KIND:NAME@VERSION`.
    fn of(source: &'a str) -> Option<Self> {
        let (kind, rest) = source.split_once(':')?;
        // A scope of npm's begins with the same sign.
        let (name, version) = match rest.rfind('@').filter(|at| *at > 0) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        match kind {
            "debian" => Some(Self::Debian(name, version)),
            // So may have the user's name in an address.
            "git" => match version.filter(|rev| rev.len() >= 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                Some(rev) => Some(Self::Git(name, Some(rev))),
                None => Some(Self::Git(rest, None)),
            },
            _ => {
                let all = [Registry::Crates, Registry::Pypi, Registry::Npm];
                let registry = all.into_iter().find(|registry| registry.as_str() == kind)?;
                registry.has_name(name).then_some(Self::Registry(registry, name, version))
            }
        }
    }
}

/// A package of a language.
fn package(originals: &Originals<'_>, registry: Registry, name: &str, version: Option<&str>) -> Outcome<Known> {
    let Newest { version, path } = originals.fetch_newest(registry, name, version)?;
    let (sha256, _) = digest_file(&path)?;
    let lines = format!("{registry} = {name:?}\nversion = {version:?}\nsha256 = \"{sha256}\"\n");
    Ok(Known { lines, version: Some(version), names: top_names(&path)? })
}

/// What upstream released, of a Debian source package.
fn debian(originals: &Originals<'_>, package: &str, version: &str) -> Outcome<Known> {
    let control = format!("{package}_{}.dsc", version.split_once(':').map_or(version, |(_, rest)| rest));
    let fresh = Fresh::Debian { package: package.to_owned(), file: control.clone() };
    let text = fs::read(originals.fetch_fresh(&fresh, &control)?)?;
    let files = files_of_dsc(&String::from_utf8_lossy(&text));
    let released = |(file, _): &&(String, Digest)| file.contains(".tar.") && !file.ends_with(".asc");
    // A package of Debian's own has one archive, which is called otherwise.
    let original = files.iter().filter(released).find(|(file, _)| file.contains(".orig.tar."));
    let original = original.or_else(|| files.iter().find(released));
    let (file, sha256) = original.ok_or_else(|| Failure::new(format!("`{control}` names no archive of its source")))?;
    let place = Place::Debian(package.to_owned());
    let fetched = originals.fetch(&[Original { place, file: file.clone(), sha256: *sha256 }])?;
    let names = fetched.first().map_or(Ok(None), |path| top_names(path))?;
    let lines = format!("debian = {package:?}\nfile = {file:?}\nsha256 = \"{sha256}\"\n");
    Ok(Known { lines, version: Some(upstream(version).to_owned()), names })
}

/// An archive at an address, or of a Debian source package by its name.
fn archive(originals: &Originals<'_>, begun: &Begun) -> Outcome<Known> {
    let file = begun.source.rsplit('/').next().unwrap_or_default().to_owned();
    let fresh = match &begun.debian {
        Some(package) => Fresh::Debian { package: package.clone(), file: file.clone() },
        None => Fresh::Url(begun.source.parse::<Uri>()?),
    };
    let path = originals.fetch_fresh(&fresh, &file)?;
    let (sha256, _): (Digest, u64) = digest_file(&path)?;
    let place = match &begun.debian {
        Some(package) => format!("debian = {package:?}\nfile = {file:?}\n"),
        None => format!("url = {:?}\n", begun.source),
    };
    let lines = format!("{place}sha256 = \"{sha256}\"\n");
    Ok(Known { lines, version: version(&file), names: top_names(&path)? })
}

/// The names in a directory.
fn entries(directory: &Path) -> Outcome<BTreeSet<String>> {
    let entries = fs::read_dir(directory)?.flatten();
    Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// The version in `NAME-1.2.tar.gz`, `NAME_1.2.orig.tar.gz` or `v1.2.tar.gz`.
fn version(file: &str) -> Option<String> {
    let starts = |text: &str| text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    // Debian's names have a `_` before the version, and may have a `-` with a number before that.
    let after = |mark: char| file.match_indices(mark).map(|(at, _)| &file[at + 1..]).find(|rest| starts(rest));
    let rest = after('_').or_else(|| after('-')).or_else(|| starts(file).then_some(file))?;
    let rest = rest.strip_prefix('v').unwrap_or(rest);
    let ends = [".orig.tar", ".tar", ".tgz", ".zip", ".crate"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

/// How it is built, as far as the names of its files tell.
fn build(text: &mut String, names: Option<&BTreeSet<String>>) {
    let has = |name: &str| names.is_some_and(|names| names.contains(name));
    let (system, more) = if has("configure") {
        ("autotools", "configure = []\n")
    } else if has("configure.ac") {
        ("autotools", "configure = []\n\n[build.phase]\nprepare = \"autoreconf -fi\"\n")
    } else if has("CMakeLists.txt") {
        ("cmake", "configure = []\n")
    } else if has("meson.build") {
        ("meson", "configure = []\n")
    } else if has("Cargo.toml") {
        ("cargo", "configure = []\n")
    } else if has("pyproject.toml") || has("setup.py") {
        ("python", "configure = []\n")
    } else if has("Makefile") || has("makefile") || has("GNUmakefile") {
        ("make", "make = []\n")
    } else {
        ("script", "\n[build.phase]\nbuild = \"\"\ninstall = 'mkdir -p \"$DESTDIR$PREFIX/bin\"'\n")
    };
    let debian = match system {
        "cargo" => "debian = [\"cargo\"]\n",
        "python" => "debian = [\"python3-installer\", \"python3-pip\", \"python3-setuptools\", \"python3-wheel\"]\n",
        _ => "",
    };
    let _ = write!(text, "{debian}\n[build]\nsystem = \"{system}\"\n{more}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_by_their_kind() {
        let rev = "0123456789abcdef0123456789abcdef01234567";
        for (source, expected) in [
            ("crate:ripgrep@14.1.0", Some(Kind::Registry(Registry::Crates, "ripgrep", Some("14.1.0")))),
            ("pypi:six", Some(Kind::Registry(Registry::Pypi, "six", None))),
            ("npm:@babel/parser", Some(Kind::Registry(Registry::Npm, "@babel/parser", None))),
            ("npm:@babel/parser@7.0.0", Some(Kind::Registry(Registry::Npm, "@babel/parser", Some("7.0.0")))),
            ("debian:hello", Some(Kind::Debian("hello", None))),
            ("git:git@example.org:a/b", Some(Kind::Git("git@example.org:a/b", None))),
            (&format!("git:https://example.org/a@{rev}"), Some(Kind::Git("https://example.org/a", Some(rev)))),
            ("https://example.org/a-1.tar.gz", None),
            ("a-1.tar.gz", None),
        ] {
            assert_eq!(Kind::of(source), expected, "{source}");
        }
    }

    #[test]
    fn versions_are_found_in_names() {
        for (file, expected) in [
            ("zlib-1.2.13.tar.gz", Some("1.2.13")),
            ("jq_1.6.orig.tar.gz", Some("1.6")),
            ("gcc-12_12.2.0.orig.tar.gz", Some("12.2.0")),
            ("libuv1_1.44.2.orig.tar.gz", Some("1.44.2")),
            ("v2.0.tar.xz", Some("2.0")),
            ("thing-v3.tgz", Some("3")),
            ("thing.tar.xz", None),
        ] {
            assert_eq!(version(file).as_deref(), expected, "{file}");
        }
    }
}
