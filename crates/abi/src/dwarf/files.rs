//! Where the debug information of a binary is: in it, or in files that it names. The only part that reads files.
//!
//! Looked for as debuggers do ("Separate Debug Files" in GDB's manual): under the debug directories by build id, then by
//! the name in `.gnu_debuglink` beside the binary, in `.debug`, and under the debug directories; a file found by name
//! must have the right checksum, one found by build id the right build id. What `dwz` shares between files is found
//! through `.gnu_debugaltlink`, and split debug information as `.dwp` or `.dwo` files beside the binary.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use object::Object;
use thiserror::Error;

use super::{read::Input, units::Role, units::Units};
use crate::elf::Facts;

/// The files that describe one binary, read.
#[derive(Debug, Default)]
pub struct DebugFiles {
    /// Where the main one is.
    pub path: PathBuf,
    main: Vec<u8>,
    supplement: Option<Vec<u8>>,
    split: Vec<Vec<u8>>,
    package: Option<Vec<u8>>,
}

/// Why the debug files of a binary cannot be found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The binary is no object file.
    #[error("{} is not an object file", path.display())]
    NotObject {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: object::Error,
    },
    /// It has no debug information, and no file that it names was found.
    #[error("no debug information for {}", path.display())]
    Missing {
        /// The binary.
        path: PathBuf,
    },
    /// What `dwz` moved out of the debug information is not there.
    #[error("{} needs {}, which was not found", path.display(), wanted.display())]
    NoSupplement {
        /// The file that needs it.
        path: PathBuf,
        /// What it needs.
        wanted: PathBuf,
    },
}

impl DebugFiles {
    /// Lends the bytes to [`read`](super::read()) and [`view`](super::view()).
    pub fn with<T>(&self, then: impl FnOnce(&Input<'_>) -> T) -> T {
        let split: Vec<&[u8]> = self.split.iter().map(Vec::as_slice).collect();
        then(&Input {
            main: &self.main,
            supplement: self.supplement.as_deref(),
            split: &split,
            package: self.package.as_deref(),
        })
    }
}

/// Finds the debug information of a binary. `directories` are those that hold debug files, usually `/usr/lib/debug`.
///
/// # Errors
///
/// [`FindError`]: among others that there is none.
pub fn find(path: &Path, directories: &[&Path]) -> Result<DebugFiles, FindError> {
    find_of(path, read_file(path)?, directories)
}

/// Finds the debug information of a binary with these bytes, which is, or would be, at `path`.
///
/// # Errors
///
/// As [`find`].
pub fn find_of(path: &Path, binary: Vec<u8>, directories: &[&Path]) -> Result<DebugFiles, FindError> {
    let named = names(path, &binary)?;
    let (at, main) = if named.inline {
        (path.to_owned(), binary)
    } else {
        separate(path, &named, directories).ok_or_else(|| FindError::Missing { path: path.to_owned() })?
    };
    let supplement = match names(&at, &main)?.supplement {
        Some((name, build_id)) => Some(
            supplement(&at, &name, &build_id, directories)
                .ok_or_else(|| FindError::NoSupplement { path: at.clone(), wanted: name })?,
        ),
        None => None,
    };
    // Only split debug information and some of Clang's keeps its addresses in a section of their own.
    let may_be_split = names(&at, &main)?.addresses;
    let package = with_suffix(path, ".dwp").or_else(|| with_suffix(&at, ".dwp")).filter(|_| may_be_split);
    let split = if may_be_split && package.is_none() { split(path, &main) } else { Vec::new() };
    Ok(DebugFiles { path: at, main, supplement, split, package })
}

/// What a file says of where its debug information is.
struct Names {
    inline: bool,
    build_id: Option<Vec<u8>>,
    link: Option<(PathBuf, u32)>,
    supplement: Option<(PathBuf, Vec<u8>)>,
    /// Whether there is a section for addresses.
    addresses: bool,
}

fn names(path: &Path, bytes: &[u8]) -> Result<Names, FindError> {
    let file = object::File::parse(bytes).map_err(|source| FindError::NotObject { path: path.to_owned(), source })?;
    let name = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    // Damaged links are as good as none.
    let link = file.gnu_debuglink().ok().flatten().map(|(link, crc)| (name(link), crc));
    let supplement = file.gnu_debugaltlink().ok().flatten().map(|(link, id)| (name(link), id.to_vec()));
    Ok(Names {
        inline: [".debug_info", ".zdebug_info"].iter().any(|section| has_bytes(&file, section)),
        build_id: file.build_id().ok().flatten().map(<[u8]>::to_vec),
        link,
        supplement,
        addresses: has_bytes(&file, ".debug_addr"),
    })
}

fn has_bytes(file: &object::File<'_>, section: &str) -> bool {
    use object::ObjectSection;
    file.section_by_name(section).is_some_and(|section| section.data().is_ok_and(|bytes| !bytes.is_empty()))
}

/// Whether there may be debug information for the binary with these facts, which is, or would be, at `path`: no file is
/// read to find out.
pub fn may_be_there(path: &Path, facts: &Facts, directories: &[&Path]) -> bool {
    let by_id = |id| directories.iter().filter_map(move |directory| by_build_id(directory, id));
    let by_name = facts.debug_link().map(|(name, _)| by_link(path, Path::new(OsStr::from_bytes(name)), directories));
    let separate = facts.build_id().into_iter().flat_map(by_id).chain(by_name.into_iter().flatten());
    facts.has_debug_info() || separate.into_iter().any(|candidate| candidate.is_file())
}

fn separate(path: &Path, named: &Names, directories: &[&Path]) -> Option<(PathBuf, Vec<u8>)> {
    if let Some(id) = &named.build_id {
        let candidates = directories.iter().filter_map(|directory| by_build_id(directory, id));
        if let Some(found) = candidates.into_iter().find_map(|path| read_if(path, |bytes| has_build_id(bytes, id))) {
            return Some(found);
        }
    }
    let (name, crc) = named.link.as_ref()?;
    by_link(path, name, directories).into_iter().find_map(|path| read_if(path, |bytes| crc32(bytes) == *crc))
}

/// Where a file that a debug link names may be.
fn by_link(path: &Path, link: &Path, directories: &[&Path]) -> Vec<PathBuf> {
    // The link is a bare name; one that leads elsewhere is not followed.
    let Some(name) = link.file_name() else { return Vec::new() };
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut candidates = vec![beside.join(name), beside.join(".debug").join(name)];
    for directory in directories {
        let inner = beside.strip_prefix("/").unwrap_or(beside);
        candidates.push(directory.join(inner).join(name));
        candidates.push(directory.join(name));
    }
    candidates.retain(|other| other != path);
    candidates
}

fn supplement(path: &Path, name: &Path, build_id: &[u8], directories: &[&Path]) -> Option<Vec<u8>> {
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut candidates = vec![beside.join(name)];
    for directory in directories {
        candidates.extend(by_build_id(directory, build_id));
        if let Some(name) = name.file_name() {
            candidates.push(directory.join(".dwz").join(name));
        }
        // The link is usually relative to `<directory>/.build-id/xx`, or absolute below the directory's own root.
        candidates.push(directory.join(".build-id/xx").join(name));
        if let Ok(inner) = name.strip_prefix("/usr/lib/debug") {
            candidates.push(directory.join(inner));
        }
    }
    candidates.into_iter().find_map(|path| read_if(path, |bytes| has_build_id(bytes, build_id))).map(|(_, bytes)| bytes)
}

/// `.dwo` files by the names that units give, beside the binary or where they were when it was linked.
fn split(path: &Path, main: &[u8]) -> Vec<Vec<u8>> {
    let Ok(sections) = super::sections::Sections::load(main, false) else { return Vec::new() };
    let units = Units::new(vec![(Role::Main, sections.lend())], u64::MAX);
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for at in 0..units.units.len() as u32 {
        let unit = &units.units[at as usize];
        if unit.inner.dwo_id.is_none() {
            continue;
        }
        let root = super::units::Die { unit: at, offset: unit.inner.header.root_offset().0 };
        let Ok(entry) = units.entry(root) else { continue };
        let text = |name| entry.text(&units, at, name).map(|text| PathBuf::from(OsStr::from_bytes(text.slice())));
        let Some(name) = text(gimli::DW_AT_dwo_name).or_else(|| text(gimli::DW_AT_GNU_dwo_name)) else { continue };
        let directory = text(gimli::DW_AT_comp_dir).unwrap_or_default();
        let mut candidates = vec![beside.join(&directory).join(&name), beside.join(&name)];
        candidates.extend(name.file_name().map(|name| beside.join(name)));
        found.extend(candidates.into_iter().find_map(|path| read_if(path, |_| true)).map(|(_, bytes)| bytes));
    }
    found
}

fn by_build_id(directory: &Path, id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(directory.join(".build-id").join(format!("{first:02x}")).join(format!("{rest}.debug")))
}

fn has_build_id(bytes: &[u8], id: &[u8]) -> bool {
    object::File::parse(bytes).is_ok_and(|file| file.build_id().ok().flatten() == Some(id))
}

fn with_suffix(path: &Path, suffix: &str) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    read_if(PathBuf::from(name), |_| true).map(|(_, bytes)| bytes)
}

fn read_if(path: PathBuf, accept: impl FnOnce(&[u8]) -> bool) -> Option<(PathBuf, Vec<u8>)> {
    let bytes = read_file(&path).ok().filter(|bytes| accept(bytes))?;
    Some((path, bytes))
}

fn read_file(path: &Path) -> Result<Vec<u8>, FindError> {
    let read = || {
        // A pipe or a device would never end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        fs::read(path)
    };
    read().map_err(|source| FindError::Read { path: path.to_owned(), source })
}

/// The checksum of `.gnu_debuglink`: CRC-32 as in Ethernet and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
