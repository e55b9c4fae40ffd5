//! From a Debian package to a component: unmodified, every file checked against the package's own sums.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::Path,
};

use aleph_component::{Digest, Entry, FORMAT, Kind, Manifest, Node, TreePath};
use aleph_store::{Origin, Staged, Staging, StoreError, TreeBuilder};
use md5::Digest as _;

use super::{
    Control, ImportError, Limits, Refusal,
    archive::Archive,
    cve::{is_changelog, search_changelog},
    md5sums::{Md5, format_md5, parse_md5sums},
    parse_control,
    tarball::{Item, ItemKind},
};

/// The longest packed changelog that is searched, in bytes.
const LONGEST_CHANGELOG: u64 = 16 << 20;

/// Top names that a component and a package in the store have for themselves.
const RESERVED: [&str; 2] = [".aleph", ".link"];

/// What somebody who is trusted said of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Where an archive comes from, as far as the archive itself cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginInput {
    /// Its file name.
    pub file_name: String,
    /// The source that offered it, in words: `apt bookworm-security/main`, `local file`.
    pub source: String,
    /// Who vouched for its digest: a key's fingerprint, or nothing for a local file.
    pub vouched_by: Option<String>,
    /// Who puts it here, by user name.
    pub imported_by: String,
    /// When, in seconds since the epoch.
    pub imported_at: i64,
}

/// Imports the archive at `path` with the default [`Limits`].
///
/// # Errors
/// If the archive is not what was expected, is damaged or hostile, or cannot be written. Nothing of it remains once
/// `staging` is dropped.
pub fn import(
    staging: &Staging<'_>,
    path: &Path,
    expect: Option<&Expected>,
    origin: OriginInput,
) -> Result<Staged, ImportError> {
    import_with(staging, path, expect, origin, &Limits::default())
}

/// Imports the archive at `path`. See [`import`].
///
/// # Errors
/// See [`import`].
pub fn import_with(
    staging: &Staging<'_>,
    path: &Path,
    expect: Option<&Expected>,
    origin: OriginInput,
    limits: &Limits,
) -> Result<Staged, ImportError> {
    let run = || {
        let file = File::open(path).map_err(Refusal::Open)?;
        let size = file.metadata().map_err(Refusal::Open)?.len();
        if let Some(expected) = expect.filter(|expected| expected.size != size) {
            return Err(Refusal::Size { expected: expected.size, found: size });
        }
        import_reader(staging, file, expect, origin, limits)
    };
    run().map_err(|reason| ImportError::new(path, reason))
}

/// What the archive at `path` says of itself, read and as its control file has it. Nothing else of it is looked at.
///
/// # Errors
/// If it cannot be opened, or is damaged or hostile as far as it is read.
pub fn look(path: &Path) -> Result<(Control, String), ImportError> {
    let run = || {
        let file = File::open(path).map_err(Refusal::Open)?;
        let mut archive = Archive::new(file, true, &Limits::default())?;
        let mut members = read_control(&mut archive, None)?;
        let text = members.remove("control").ok_or(Refusal::Missing { member: "control" })?;
        Ok((parse_control(&text)?, String::from_utf8_lossy(&text).into_owned()))
    };
    run().map_err(|reason| ImportError::new(path, reason))
}

fn import_reader(
    staging: &Staging<'_>,
    reader: impl Read,
    expect: Option<&Expected>,
    origin: OriginInput,
    limits: &Limits,
) -> Result<Staged, Refusal> {
    let keep = |source| Refusal::Store { member: "data.tar".to_owned(), source };
    // A digest that nobody vouched for may be that of a file which was damaged before.
    let vouched = expect.is_some() && origin.vouched_by.is_some();
    let mut archive = Archive::new(reader, !vouched, limits)?;
    let mut tree = staging.tree().map_err(keep)?;
    let members = read_control(&mut archive, Some(&mut tree))?;
    let control = parse_control(members.get("control").ok_or(Refusal::Missing { member: "control" })?)?;
    let mut data = Data::new(&mut tree, members.get("md5sums").map(Vec::as_slice), limits)?;
    archive.data(&mut |item, reader| data.add(item, reader))?;
    let cves = data.finish()?;
    let (archive, size) = archive.finish()?;
    if let Some(expected) = expect {
        if expected.size != size {
            return Err(Refusal::Size { expected: expected.size, found: size });
        }
        if expected.sha256 != archive {
            return Err(Refusal::Digest { expected: expected.sha256, found: archive });
        }
    }
    let conffiles = members.get("conffiles").map_or_else(Vec::new, |text| parse_conffiles(text));
    let OriginInput { file_name, source, vouched_by, imported_by, imported_at } = origin;
    let origin = Origin { archive, size, file_name, source, vouched_by, imported_by, imported_at };
    tree.finish(Some(origin), |tree, control_members| describe(control, conffiles, cves, (tree, control_members)))
        .map_err(keep)
}

/// Gives the bytes of every control member, and keeps them if there is a tree to be.
pub(super) fn read_control<R: Read>(
    archive: &mut Archive<R>,
    mut tree: Option<&mut TreeBuilder<'_>>,
) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
    let mut members = BTreeMap::new();
    archive.control(&mut |item, reader| {
        let member = || "control.tar".to_owned();
        let refuse = |path: &TreePath, kind| Err(Refusal::Kind { member: member(), path: path.to_string(), kind });
        let Some(path) = item.path else { return Ok(()) };
        let ItemKind::File { size } = item.kind else {
            return match item.kind {
                ItemKind::Directory => refuse(&path, "the directory"),
                _ => refuse(&path, "the link"),
            };
        };
        let mut bytes = Vec::new();
        let input = |source| Refusal::Unpack { member: member(), source };
        let found = reader.read_to_end(&mut bytes).map_err(input)? as u64;
        if found != size {
            let source = StoreError::Length { path: path.to_string(), announced: size, found };
            return Err(Refusal::Store { member: member(), source });
        }
        if let Some(tree) = &mut tree {
            let keep = |source| Refusal::Store { member: member(), source };
            tree.control(path.clone(), item.mode, &bytes).map_err(keep)?;
        }
        members.insert(path.to_string(), bytes);
        Ok(())
    })?;
    Ok(members)
}

/// The data archive on its way into the tree.
struct Data<'a, 'b> {
    tree: &'a mut TreeBuilder<'b>,
    /// What the package says of its files, if it says anything.
    listed: Option<BTreeMap<String, Md5>>,
    /// What they are.
    found: BTreeMap<String, Md5>,
    cves: BTreeSet<String>,
    /// Bytes of changelogs that may still be searched.
    left: u64,
}

impl<'a, 'b> Data<'a, 'b> {
    fn new(tree: &'a mut TreeBuilder<'b>, md5sums: Option<&[u8]>, limits: &Limits) -> Result<Self, Refusal> {
        let listed = md5sums.map(parse_md5sums).transpose()?;
        Ok(Self { tree, listed, found: BTreeMap::new(), cves: BTreeSet::new(), left: limits.changelog })
    }

    fn add(&mut self, item: Item, reader: &mut dyn Read) -> Result<(), Refusal> {
        let Some(path) = item.path else { return Ok(()) };
        if RESERVED.contains(&path.as_str().split('/').next().unwrap_or_default()) {
            return Err(Refusal::Reserved { member: "data.tar".to_owned(), path: path.to_string() });
        }
        let keep = |source| match source {
            // The decompressor's failure, not the store's.
            StoreError::Input { source, .. } => Refusal::Unpack { member: "data.tar".to_owned(), source },
            source => Refusal::Store { member: "data.tar".to_owned(), source },
        };
        match item.kind {
            ItemKind::Directory => self.tree.directory(path, item.mode, item.owner).map_err(keep),
            ItemKind::Symlink { target } => self.tree.symlink(path, &target, item.owner).map_err(keep),
            ItemKind::HardLink { target } => {
                if let Some(sum) = self.found.get(target.as_str()).copied() {
                    self.check(path.as_str(), sum)?;
                }
                self.tree.hard_link(path, target.as_str()).map_err(keep)
            }
            ItemKind::File { size } => {
                let mut sum = self.listed.is_some().then(md5::Md5::new);
                let wanted = is_changelog(path.as_str()) && size <= LONGEST_CHANGELOG;
                let mut changelog = wanted.then(Vec::new);
                let mut tap = |bytes: &[u8]| {
                    if let Some(sum) = &mut sum {
                        sum.update(bytes);
                    }
                    if let Some(changelog) = &mut changelog {
                        changelog.extend_from_slice(bytes);
                    }
                };
                self.tree.file(path.clone(), (item.mode, item.owner, size), reader, &mut tap).map_err(keep)?;
                if let Some(changelog) = changelog {
                    search_changelog(path.as_str(), &changelog, &mut self.left, &mut self.cves);
                }
                sum.map_or(Ok(()), |sum| self.check(path.as_str(), sum.finalize().into()))
            }
        }
    }

    fn check(&mut self, path: &str, found: Md5) -> Result<(), Refusal> {
        match self.listed.as_ref().and_then(|listed| listed.get(path)) {
            Some(expected) if *expected != found => {
                let (expected, found) = (format_md5(expected), format_md5(&found));
                Err(Refusal::Md5 { path: path.to_owned(), expected, found })
            }
            _ => {
                self.found.insert(path.to_owned(), found);
                Ok(())
            }
        }
    }

    /// Checks that everything listed was there; gives the CVE ids.
    fn finish(self) -> Result<Vec<String>, Refusal> {
        for path in self.listed.iter().flat_map(BTreeMap::keys) {
            // Some lists name links as well; what they lead to may be in another package.
            let there = self.found.contains_key(path) || matches!(self.tree.get(path), Some(Node::Symlink { .. }));
            if !there {
                return Err(Refusal::Md5Missing { path: path.clone() });
            }
        }
        Ok(self.cves.into_iter().collect())
    }
}

/// The paths in `conffiles`. A flag before a path (`remove-on-upgrade`) stays in the verbatim member only.
pub(super) fn parse_conffiles(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim_end).filter(|line| line.starts_with('/'));
    lines.map(str::to_owned).collect()
}

fn describe(
    control: Control,
    conffiles: Vec<String>,
    cves: Vec<String>,
    (tree, members): (Vec<Entry>, Vec<Entry>),
) -> Manifest {
    let Control { name, version, architecture, source, summary, fields } = control;
    Manifest {
        format: FORMAT,
        kind: Kind::Deb,
        name,
        version,
        architecture,
        source,
        summary,
        fields,
        conffiles,
        cves,
        native: None,
        tree,
        control: members,
    }
}
