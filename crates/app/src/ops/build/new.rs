//! The beginning of a recipe, from what is found in its source.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use aleph_build::Recipe;
use aleph_component::Digest;
use aleph_exchange::{net::Uri, source::top_names};

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        archives::digest_file,
        sources::{Fresh, Originals},
    },
    output::Printer,
};

/// What somebody says of a recipe.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    /// An address of an archive, or a directory.
    pub(crate) source: String,
    /// The Debian source package that the file belongs to, if it does.
    pub(crate) debian: Option<String>,
}

/// Writes the beginning of a recipe into a directory of recipes, and says where that is.
pub(crate) fn begin(host: &Host, printer: &Printer, recipes: &std::path::Path, begun: &Begun) -> Outcome<PathBuf> {
    let path = recipes.join(format!("{}.toml", begun.name));
    if path.exists() || recipes.join(&begun.name).join("recipe.toml").exists() {
        return Err(Failure::new(format!("there is a recipe `{}` already", begun.name)).with_code(2));
    }
    let directory = host.cwd.join(&begun.source);
    let (source, file, names) = if directory.is_dir() {
        let entries = fs::read_dir(&directory)?.flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        (format!("directory = {:?}\n", directory.display().to_string()), begun.source.clone(), Some(names))
    } else {
        archive(host, printer, begun)?
    };
    let version = begun.version.clone().or_else(|| version(&file));
    let version = version.ok_or_else(|| {
        Failure::new(format!("which version it is cannot be told from `{file}`")).with_code(2).hint("--version says it")
    })?;
    let mut text = format!(
        "name = {:?}\nversion = {version:?}\nsummary = \"\"\nlicense = \"\"\n\n[[source]]\n{source}\n\
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

/// Fetches the archive of a new recipe. Gives its place as the recipe has it, its name, and what it has at its top.
fn archive(host: &Host, printer: &Printer, begun: &Begun) -> Outcome<(String, String, Option<BTreeSet<String>>)> {
    let file = begun.source.rsplit('/').next().unwrap_or_default().to_owned();
    let fresh = match &begun.debian {
        Some(package) => Fresh::Debian { package: package.clone(), file: file.clone() },
        None => Fresh::Url(begun.source.parse::<Uri>()?),
    };
    let path = Originals::open(host, printer)?.fetch_fresh(&fresh, &file)?;
    let (sha256, _): (Digest, u64) = digest_file(&path)?;
    let place = match &begun.debian {
        Some(package) => format!("debian = {package:?}\nfile = {file:?}\n"),
        None => format!("url = {:?}\n", begun.source),
    };
    Ok((format!("{place}sha256 = \"{sha256}\"\n"), file, top_names(&path)?))
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
    } else if has("Makefile") || has("makefile") || has("GNUmakefile") {
        ("make", "make = []\n")
    } else {
        ("script", "\n[build.phase]\nbuild = \"\"\ninstall = 'mkdir -p \"$DESTDIR$PREFIX/bin\"'\n")
    };
    let _ = write!(text, "\n[build]\nsystem = \"{system}\"\n{more}");
}

#[cfg(test)]
mod tests {
    use super::*;

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
