//! Looking at a tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use aleph_abi::elf;
use aleph_component::{Digest, Entry, Node, Owner, TreePath, native::LINKS};
use aleph_store::parallel;

use super::{NativeError, Tree, binary::Binary};

/// Where libraries are looked for first, when several files have one soname.
const LIBRARY_DIRECTORIES: [&str; 6] = ["lib", "lib64", "usr/lib", "usr/lib64", "lib/", "usr/lib/"];

/// What the store keeps of its own at the top of a component.
const META: &str = ".aleph";

impl Tree {
    /// Looks at the tree in a directory: its names, and the facts of its programs and libraries.
    ///
    /// # Errors
    /// If something cannot be read, or has a name that no component may have.
    pub fn scan(directory: &Path) -> Result<Self, NativeError> {
        let mut entries = Vec::new();
        walk(directory, None, &mut entries)?;
        entries.sort_by(|a: &Entry, b| a.path.cmp(&b.path));
        let files: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry.node, Node::File { .. })).collect();
        let found = parallel::map(&files, || (), |(), entry| binary(&directory.join(&entry.path)))?;
        let binaries: BTreeMap<TreePath, Binary> =
            files.iter().zip(found).filter_map(|(entry, found)| Some((entry.path.clone(), found?))).collect();
        let mut tree = Self {
            directory: directory.to_owned(),
            entries,
            binaries,
            offers: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        tree.offers = tree.offered();
        tree.aliases = tree.aliased();
        Ok(tree)
    }

    /// The sonames that the tree offers, with the paths that they are loaded by.
    pub fn offers(&self) -> &BTreeMap<String, TreePath> {
        &self.offers
    }

    /// Other names of its libraries, with the paths that they are loaded by.
    pub fn aliases(&self) -> &BTreeMap<String, TreePath> {
        &self.aliases
    }

    /// The sonames that the tree needs and does not offer itself.
    pub fn needs(&self) -> BTreeSet<&str> {
        let all = self.binaries.values().flat_map(|binary| {
            binary.needed.iter().map(String::as_str).chain(binary.interpreter.as_deref().map(file_name))
        });
        all.filter(|soname| !soname.contains('/') && self.own(soname).is_none()).collect()
    }

    /// What machine the tree's programs are for, as `uname -m` calls it, which is how no distribution's package has it in
    /// one view with another of the same name; `any` if it has none.
    pub fn architecture(&self) -> &'static str {
        match self.binaries.values().next().map(|binary| binary.machine) {
            None => "any",
            Some(62) => "x86_64",
            Some(183) => "aarch64",
            Some(243) => "riscv64",
            Some(21) => "ppc64le",
            Some(22) => "s390x",
            Some(_) => "other",
        }
    }

    fn offered(&self) -> BTreeMap<String, TreePath> {
        let mut offers: BTreeMap<String, TreePath> = BTreeMap::new();
        for (path, binary) in &self.binaries {
            // A dynamic linker is its own program.
            let Some(soname) = binary.soname.as_ref().filter(|_| binary.is_library) else { continue };
            let Some(place) = self.loaded_by(path, soname) else { continue };
            let is_better = offers.get(soname).is_none_or(|known| rank(&place) < rank(known));
            if is_better {
                offers.insert(soname.clone(), place);
            }
        }
        offers
    }

    /// Names in library directories that are no library's soname.
    fn aliased(&self) -> BTreeMap<String, TreePath> {
        let mut aliases = BTreeMap::new();
        for entry in &self.entries {
            let name = entry.path.file_name();
            let real = match &entry.node {
                Node::Symlink { target } if !target.contains('/') => TreePath::new(
                    &entry.path.parent().map_or(target.to_string(), |parent| format!("{parent}/{target}")),
                ),
                Node::File { .. } => Ok(entry.path.clone()),
                _ => continue,
            };
            let is_known = |path: TreePath| self.binaries.get(&path).is_some_and(|binary| binary.is_library);
            let is_library = name.contains(".so") && is_searched(&entry.path) && real.is_ok_and(is_known);
            if is_library && !self.offers.contains_key(name) {
                aliases.insert(name.to_owned(), entry.path.clone());
            }
        }
        aliases
    }

    /// Where the tree has a library that is asked for by a name.
    pub(super) fn own(&self, name: &str) -> Option<&TreePath> {
        self.offers.get(name).or_else(|| self.aliases.get(name))
    }

    /// The path that a library is loaded by: the name beside it that is its soname, or its own.
    fn loaded_by(&self, path: &TreePath, soname: &str) -> Option<TreePath> {
        let beside = match path.parent() {
            Some(parent) => format!("{parent}/{soname}"),
            None => soname.to_owned(),
        };
        let beside = TreePath::new(&beside).ok()?;
        Some(if self.has(beside.as_str()) { beside } else { path.clone() })
    }

    /// Whether the tree has a name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).is_ok()
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file is where every program's libraries are looked for.
pub(super) fn is_searched(path: &TreePath) -> bool {
    rank(path).0 < LIBRARY_DIRECTORIES.len()
}

fn rank(path: &TreePath) -> (usize, usize) {
    let parent = path.parent().unwrap_or_default();
    let is_triplet = |directory: &str| {
        let below = parent.strip_prefix(directory).filter(|_| directory.ends_with('/'));
        below.is_some_and(|below| !below.contains('/') && below.contains("-linux-"))
    };
    let known = LIBRARY_DIRECTORIES.iter().position(|directory| parent == *directory || is_triplet(directory));
    (known.unwrap_or(LIBRARY_DIRECTORIES.len()), path.as_str().len())
}

fn walk(directory: &Path, below: Option<&TreePath>, entries: &mut Vec<Entry>) -> Result<(), NativeError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| NativeError::Read { path, source }
    };
    let here = below.map_or_else(|| directory.to_owned(), |below| directory.join(below));
    for entry in fs::read_dir(&here).map_err(read(&here))? {
        let entry = entry.map_err(read(&here))?;
        let full = entry.path();
        let refuse = |why: &str| NativeError::Name { path: full.clone(), why: why.to_owned() };
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| refuse("its name is not UTF-8"))?;
        if below.is_none() && [LINKS, META].contains(&name) {
            continue;
        }
        let path = below.map_or_else(|| name.to_owned(), |below| format!("{below}/{name}"));
        let path = TreePath::new(&path).map_err(|error| refuse(&error.to_string()))?;
        let metadata = fs::symlink_metadata(&full).map_err(read(&full))?;
        let mode = (metadata.permissions().mode() & 0o7777) as u16;
        let node = if metadata.is_dir() {
            walk(directory, Some(&path), entries)?;
            Node::Directory { mode: mode & 0o1777 }
        } else if metadata.is_symlink() {
            let target = fs::read_link(&full).map_err(read(&full))?;
            let target = target.to_str().ok_or_else(|| refuse("its target is not UTF-8"))?;
            Node::Symlink { target: target.into() }
        } else if metadata.is_file() {
            Node::File { digest: Digest::of(b""), size: metadata.len(), mode }
        } else {
            return Err(refuse("it is neither a file nor a directory nor a link"));
        };
        entries.push(Entry { path, owner: Owner::default(), node });
    }
    Ok(())
}

/// What a file is to a dynamic linker, if it is anything.
fn binary(path: &Path) -> Result<Option<Binary>, NativeError> {
    let read = |source| NativeError::Read { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(read)?;
    let mut head = [0; 4];
    match std::io::Read::read_exact(&mut file, &mut head) {
        Ok(()) if head == *b"\x7fELF" => {}
        _ => return Ok(None),
    }
    let bytes = fs::read(path).map_err(read)?;
    Ok(elf::read(&bytes).ok().as_ref().and_then(Binary::of))
}
