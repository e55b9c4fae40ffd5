//! The sources of recipes: what they are, and bringing them here.

use std::{fs, path::Path};

use aleph_build::{ActionSource, Origin, Patches, Recipe, digest_directory};
use aleph_component::Digest;

use crate::{
    failure::Outcome,
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

/// A repository as git knows it: what is no address, nor `HOST:PATH`, is relative to a directory.
pub(super) fn repository(directory: &Path, from: &str) -> String {
    match from.split_once(':') {
        Some((before, _)) if !before.contains('/') => from.to_owned(),
        _ => directory.join(from).display().to_string(),
    }
}
