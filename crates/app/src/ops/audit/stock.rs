//! What every component of a store has in it, found once for each and kept.

use std::{collections::HashMap, convert::Infallible, fs};

use aleph_audit::{Changelog, Contents, Identity, Known, Marker, Subject};
use aleph_component::{ComponentId, Kind, Node};
use aleph_store::{ComponentRow, Store, parallel};

use crate::{failure::Outcome, host::Host, ops::abi::stored::Stored};

/// Records of what a component has in it; another number for other rules.
const CONTENTS: &str = "contents-1";
/// The most bytes of a file that is read for what it says of itself.
const LONGEST: u64 = 64 << 20;

/// All components, with what is in them.
pub(crate) struct Stock {
    stored: Stored,
    pub(crate) rows: Vec<ComponentRow>,
    pub(crate) contents: Vec<Contents>,
    pub(crate) identities: Vec<Identity>,
    positions: HashMap<ComponentId, usize>,
}

impl Stock {
    /// Reads what is known of everything, and finds out what is not.
    pub(crate) fn read(host: &Host) -> Outcome<Self> {
        let stored = Stored::open(host)?;
        let mut rows = stored.store().component_rows(None)?;
        // What scripts wrote is of the packages whose scripts they are.
        rows.retain(|row| row.kind != Kind::Capture);
        let contents = contents(&stored, &rows)?;
        let identities = rows.iter().map(|row| identity(stored.store(), row)).collect::<Outcome<_>>()?;
        let positions = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        Ok(Self { stored, rows, contents, identities, positions })
    }

    pub(crate) fn store(&self) -> &Store {
        self.stored.store()
    }

    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The advisories that the store knows.
    pub(crate) fn known(&self) -> Outcome<Option<Known>> {
        Ok(Known::open(self.store().layout().root())?)
    }

    /// All components, to be judged.
    pub(crate) fn subjects(&self) -> Vec<Subject<'_>> {
        let all = self.rows.iter().zip(&self.identities).zip(&self.contents);
        all.map(|((row, identity), contents)| Subject { id: row.id, identity: identity.clone(), contents }).collect()
    }

    /// The place of a component among all.
    pub(crate) fn position(&self, id: &ComponentId) -> Option<usize> {
        self.positions.get(id).copied()
    }
}

fn contents(stored: &Stored, rows: &[ComponentRow]) -> Outcome<Vec<Contents>> {
    let keys: Vec<&[u8; 20]> = rows.iter().map(|row| row.id.as_bytes()).collect();
    let kept = stored.derived().get(CONTENTS, &keys);
    let mut all: Vec<Option<Contents>> = kept.into_iter().map(|bytes| serde_json::from_slice(&bytes?).ok()).collect();
    let missing: Vec<usize> = (0..rows.len()).filter(|&at| all[at].is_none()).collect();
    let fresh: Vec<ComponentRow> = missing.iter().map(|&at| rows[at].clone()).collect();
    let found = look(stored, &fresh)?;
    let record = |(&at, contents): (&usize, &Contents)| {
        (keys[at], serde_json::to_vec(contents).expect("contents serialise"), Vec::new())
    };
    stored.derived().put(CONTENTS, &missing.iter().zip(&found).map(record).collect::<Vec<_>>());
    for (at, contents) in missing.into_iter().zip(found) {
        all[at] = Some(contents);
    }
    Ok(all.into_iter().flatten().collect())
}

/// Looks into components.
fn look(stored: &Stored, rows: &[ComponentRow]) -> Outcome<Vec<Contents>> {
    let from_files = parallel::map(rows, || (), |(), row| Ok::<_, Infallible>(in_files(stored, row)));
    let mut all: Vec<Contents> = match from_files {
        Ok(found) => found.into_iter().collect::<Outcome<_>>()?,
        Err(never) => match never {},
    };
    for (contents, side) in all.iter_mut().zip(stored.sides(rows)?) {
        for binary in &side.binaries {
            contents.add_binary(binary.label.trim_start_matches('/'), &binary.facts);
        }
        contents.finish();
    }
    Ok(all)
}

/// What files say that are there to say it.
fn in_files(stored: &Stored, row: &ComponentRow) -> Outcome<Contents> {
    let manifest = stored.store().manifest(&row.id)?;
    let directory = stored.entry(row);
    let mut contents = Contents::default();
    for entry in &manifest.tree {
        let path = entry.path.as_str();
        let Node::File { size, .. } = entry.node else { continue };
        let marker = Marker::of(path);
        let is_changelog = is_changelog(path);
        // What does not read now is damage, which is `store verify`'s to tell.
        let Some(bytes) = ((marker.is_some() || is_changelog) && size <= LONGEST)
            .then(|| fs::read(directory.join(path)).ok())
            .flatten()
        else {
            continue;
        };
        if is_changelog && contents.changelog.is_none() {
            contents.changelog = Changelog::read(&bytes);
        }
        contents.copies.extend(marker.into_iter().flat_map(|marker| marker.read(path, &bytes)));
    }
    Ok(contents)
}

/// Whether a path is that of a changelog of Debian's: `changelog.gz` is one of a package that is only Debian's, or upstream's,
/// which reads as none.
fn is_changelog(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("usr/share/doc/") else { return false };
    let name = rest.split_once('/').map_or("", |(_, name)| name);
    matches!(name, "changelog.Debian.gz" | "changelog.Debian" | "changelog.gz")
}

/// How advisories name a component.
fn identity(store: &Store, row: &ComponentRow) -> Outcome<Identity> {
    let origins = store.origins(&row.id)?;
    let is_archive = row.kind == Kind::Deb || origins.iter().any(|origin| origin.file_name.ends_with(".deb"));
    // What was built with all of Debian's changes is Debian's package, whoever built it.
    let has_changes = row.source.version.strip_prefix(&row.version).is_some_and(|rest| rest.starts_with('-'));
    let is_debian = is_archive || has_changes;
    if !is_debian {
        return Ok(Identity::Upstream { name: row.source.name.clone(), version: row.source.version.clone() });
    }
    let suite = origins.iter().find_map(|origin| release_of_suite(&origin.source));
    let release = suite.or_else(|| release_of_version(&row.source.version));
    Ok(Identity::Debian { source: row.source.name.clone(), version: row.source.version.clone(), release })
}

/// Debian's releases, by name and number.
const RELEASES: [(&str, &str); 6] =
    [("buster", "10"), ("bullseye", "11"), ("bookworm", "12"), ("trixie", "13"), ("forky", "14"), ("duke", "15")];

/// The number of the release that a source in words is of: `apt bookworm-security/main`.
fn release_of_suite(source: &str) -> Option<String> {
    let suite = source.strip_prefix("apt ")?;
    RELEASES.iter().find(|(name, _)| suite.starts_with(name)).map(|(_, number)| (*number).to_owned())
}

/// The number of the release that a version was made for: `1.0-1+deb12u1`.
fn release_of_version(version: &str) -> Option<String> {
    let (_, rest) = version.rsplit_once("deb")?;
    let number = rest.split('u').next()?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_told_by_suite_or_version() {
        assert_eq!(release_of_suite("apt bookworm-security/main").as_deref(), Some("12"));
        assert_eq!(release_of_suite("local file /bookworm"), None);
        assert_eq!(release_of_version("3.0.20-1~deb12u2").as_deref(), Some("12"));
        assert_eq!((release_of_version("1.0-1"), release_of_version("1.0debug")), (None, None));
    }

    #[test]
    fn changelogs_are_told_by_their_place() {
        let are = ["usr/share/doc/libssl3/changelog.Debian.gz", "usr/share/doc/dpkg/changelog.gz"];
        assert!(are.iter().all(|path| is_changelog(path)));
        assert!(
            !["usr/share/doc/a/examples/changelog.gz", "usr/share/changelog.gz"].iter().any(|path| is_changelog(path))
        );
    }
}
