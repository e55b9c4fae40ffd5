//! The sources of recipes: what they are, and bringing them here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aleph_build::{ActionSource, Locked, Origin, Patches, Recipe, Registry, digest_directory, locked};
use aleph_component::Digest;
use aleph_exchange::source::file_in;

use crate::{
    failure::{Failure, Outcome},
    ops::sources::{Original, Originals, Place},
};

/// What the sources of a recipe in a directory and its patches are.
pub(super) fn digests(directory: &Path, recipe: &Recipe) -> Outcome<Vec<Digest>> {
    let mut digests = Vec::new();
    for source in &recipe.sources {
        match source.origin() {
            Some(Origin::Debian { sha256, .. } | Origin::Url { sha256, .. } | Origin::Registry { sha256, .. }) => {
                digests.push(sha256)
            }
            Some(Origin::Git { rev, .. }) => digests.push(Digest::of(rev.as_bytes())),
            Some(Origin::Directory(path)) => digests.push(digest_directory(&directory.join(path))?),
            None => {}
        }
        match &source.patches {
            Patches::Files(files) => {
                for file in files {
                    digests.push(Digest::of(&fs::read(directory.join(file))?));
                }
            }
            Patches::Debian { sha256, .. } => digests.push(*sha256),
        }
    }
    Ok(digests)
}

/// The sources of a recipe in a directory, fetched.
pub(super) fn fetch(
    directory: &Path,
    recipe: &Recipe,
    originals: Option<&Originals<'_>>,
) -> Outcome<Vec<ActionSource>> {
    let mut sources = Vec::new();
    for source in &recipe.sources {
        let mut wanted = Vec::new();
        let mut paths = Vec::new();
        let origin = source.origin();
        let file = origin.and_then(|origin| origin.file()).unwrap_or_default();
        let mut want = |place, file: &str, sha256| wanted.push(Original { place, file: file.to_owned(), sha256 });
        match origin {
            Some(Origin::Debian { package, sha256, .. }) => {
                want(Place::Debian(package.to_owned()), &file, sha256);
                if let Patches::Debian { debian: changes, sha256 } = &source.patches {
                    want(Place::Debian(package.to_owned()), changes, *sha256);
                }
            }
            Some(Origin::Url { url, sha256, .. }) => want(Place::Url(url.to_owned()), &file, sha256),
            Some(Origin::Registry { registry, name, version, sha256 }) => {
                let (name, version) = (name.to_owned(), version.to_owned());
                want(Place::Registry { registry, name, version }, &file, sha256);
            }
            Some(Origin::Git { from, rev }) => {
                if let Some(originals) = originals {
                    paths.push(originals.commit(&repository(directory, from), rev)?);
                }
            }
            Some(Origin::Directory(path)) => paths.push(directory.join(path)),
            None => {}
        }
        if let (false, Some(originals)) = (wanted.is_empty(), originals) {
            paths.extend(originals.fetch(&wanted)?);
        }
        if let Patches::Files(files) = &source.patches {
            paths.extend(files.iter().map(|file| directory.join(file)));
        }
        sources.push(ActionSource { paths });
    }
    Ok(sources)
}

/// The crates that the `Cargo.lock` in the sources of a recipe names, fetched.
pub(super) fn crates(recipe: &Recipe, sources: &[ActionSource], originals: &Originals<'_>) -> Outcome<Vec<PathBuf>> {
    let lock = lock(recipe, sources)?.ok_or_else(|| {
        Failure::new("its source has no `Cargo.lock`, which says what it is built with").hint(
            "a source that has one, such as a release or a commit of upstream's, or one more source with it, will do",
        )
    })?;
    let original = |Locked { name, version, sha256 }: Locked| {
        let file = Registry::Crates.file(&name, &version);
        Original { place: Place::Registry { registry: Registry::Crates, name, version }, file, sha256 }
    };
    let originals_of_it: Vec<Original> = locked(&lock)?.into_iter().map(original).collect();
    originals.fetch(&originals_of_it)
}

/// The nearest `Cargo.lock` above where a recipe is built, in what is unpacked there.
fn lock(recipe: &Recipe, sources: &[ActionSource]) -> Outcome<Option<String>> {
    let directory = Path::new(recipe.build.directory.as_deref().unwrap_or_default());
    for above in directory.ancestors() {
        let path = above.join(LOCK);
        // What is unpacked last is what is there.
        for (source, fetched) in recipe.sources.iter().zip(sources).rev() {
            let Ok(below) = path.strip_prefix(source.into.as_deref().unwrap_or_default()) else { continue };
            let Some(place) = fetched.paths.first() else { continue };
            let found = match place.is_dir() {
                true => fs::read(place.join(below)).ok(),
                false => file_in(place, below)?,
            };
            if let Some(bytes) = found {
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    Ok(None)
}

/// What cargo calls its locks.
const LOCK: &str = "Cargo.lock";

/// A repository as git knows it: what is no address, nor `HOST:PATH`, is relative to a directory.
pub(super) fn repository(directory: &Path, from: &str) -> String {
    match from.split_once(':') {
        Some((before, _)) if !before.contains('/') => from.to_owned(),
        _ => directory.join(from).display().to_string(),
    }
}
