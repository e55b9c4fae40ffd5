//! What is in a package, without importing it: for those who only want to look.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aleph_component::TreePath;

use super::{Control, Limits, Refusal, archive::Archive, import::read_control, parse_control, tarball::ItemKind};

/// What a package says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its control file.
    pub control: Control,
    /// The bytes of its control members, by name.
    pub members: BTreeMap<String, Vec<u8>>,
}

/// A file or symlink of a package.
pub enum Found<'a> {
    /// A file of so many bytes.
    File(u64, &'a mut dyn Read),
    /// A symlink, and where it leads.
    Symlink(&'a str),
}

/// A package cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be read", archive.display())]
pub struct ReadError {
    /// The archive.
    pub archive: PathBuf,
    /// Why not.
    #[source]
    pub reason: Box<Refusal>,
}

/// Calls `visit` for every file and symlink of the package at `path`, with its path in the package.
///
/// # Errors
/// If it cannot be opened, or is damaged or hostile, or `visit` fails.
pub fn read_contents(
    path: &Path,
    limits: &Limits,
    visit: &mut dyn FnMut(&TreePath, Found<'_>) -> io::Result<()>,
) -> Result<Contents, ReadError> {
    let mut run = || {
        let mut archive = Archive::new(File::open(path).map_err(Refusal::Open)?, true, limits)?;
        let members = read_control(&mut archive, None)?;
        let control = parse_control(members.get("control").ok_or(Refusal::Missing { member: "control" })?)?;
        archive.data(&mut |item, reader| {
            let Some(path) = item.path else { return Ok(()) };
            let visited = match &item.kind {
                ItemKind::File { size } => visit(&path, Found::File(*size, reader)),
                ItemKind::Symlink { target } => visit(&path, Found::Symlink(target)),
                // A hard link's file was visited under its other name.
                ItemKind::Directory | ItemKind::HardLink { .. } => Ok(()),
            };
            visited.map_err(|source| Refusal::Unpack { member: "data.tar".to_owned(), source })
        })?;
        archive.finish()?;
        Ok(Contents { control, members })
    };
    run().map_err(|reason: Refusal| ReadError { archive: path.to_owned(), reason: Box::new(reason) })
}
