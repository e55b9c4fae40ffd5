//! The types of libraries and consumers, wherever their debug information is, and public headers.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use aleph_abi::{
    dwarf::{self, DebugFiles},
    elf, exported,
    headers::{Headers, read_directory},
    types::{Interface, View},
};

use super::side::{Binary, Side};
use crate::failure::Outcome;

/// Where debug information of the host's packages is.
const HOST: &str = "/usr/lib/debug";

/// Where debug information is looked for, besides in binaries and beside them.
pub(crate) struct Debug<'a> {
    directories: Vec<&'a Path>,
}

impl<'a> Debug<'a> {
    /// In these directories first, then where the host has it.
    pub(crate) fn in_directories(directories: &'a [PathBuf]) -> Self {
        Self { directories: directories.iter().map(PathBuf::as_path).chain([Path::new(HOST)]).collect() }
    }

    /// Where a binary is, as debug information names it, and where that may be.
    fn places<'b>(&'b self, side: &'b Side, binary: &Binary) -> (PathBuf, Vec<&'b Path>) {
        let path = match (&side.package, side.is_file) {
            (Some(_), _) => Path::new("/").join(&binary.label),
            (None, true) => side.path.clone(),
            (None, false) => side.path.join(&binary.label),
        };
        let directories = side.debug.iter().map(PathBuf::as_path).chain(self.directories.iter().copied());
        (path, directories.collect())
    }

    /// Whether there may be types of a binary; no file is read to find out.
    pub(crate) fn may_have(&self, side: &Side, binary: &Binary) -> bool {
        let (path, directories) = self.places(side, binary);
        dwarf::may_be_there(&path, &binary.facts, &directories)
    }

    /// The debug files of a binary, and its bytes.
    fn find(&self, side: &Side, binary: &Binary) -> Option<(DebugFiles, Vec<u8>)> {
        if !self.may_have(side, binary) {
            return None;
        }
        let (path, directories) = self.places(side, binary);
        let bytes = binary.bytes()?;
        Some((dwarf::find_of(&path, bytes.to_vec(), &directories).ok()?, bytes.into_owned()))
    }

    /// The types of what a library exports. What cannot be read counts as not there: then the verdict is the poorer for it.
    pub(crate) fn interface(&self, side: &Side, library: &Binary) -> Option<Interface> {
        let (files, bytes) = self.find(side, library)?;
        let (facts, addresses) = elf::read_with_addresses(&bytes).ok()?;
        files.with(|input| dwarf::read(input, &exported(&facts, &addresses))).ok()
    }

    /// What a consumer knows of types.
    pub(crate) fn view(&self, side: &Side, consumer: &Binary) -> Option<View> {
        self.find(side, consumer)?.0.with(dwarf::view).ok()
    }
}

/// The public headers of both sides.
pub(crate) struct PublicHeaders {
    pub(crate) old: Headers,
    pub(crate) new: Headers,
    /// The base names of the files of both: debug information has no more.
    pub(crate) names: HashSet<String>,
}

impl PublicHeaders {
    /// Reads all headers below two directories.
    pub(crate) fn read(old: &Path, new: &Path) -> Outcome<Self> {
        let (old, new) = (read_directory(old)?, read_directory(new)?);
        let names = old.files().chain(new.files()).map(str::to_owned).collect();
        Ok(Self { old, new, names })
    }
}
