//! Taking a tree in: from files on disk to a component that waits to be committed.

use std::{fs, ops::Range, path::Path};

use aleph_abi::edit::{INTERPRETER_ROOM, edit, mapped};
use aleph_component::{
    Entry, Kind, Manifest, NATIVE_FORMAT, Native, Node, TreePath,
    native::{Hole, HoleKind},
};
use aleph_store::{Staged, Staging, TreeBuilder};

use super::{Description, NativeError, Offers, Tree, bind::Bindings, packed, search::search};

/// A tree that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// The component.
    pub staged: Staged,
    /// What could not be done, in words.
    pub notes: Vec<String>,
}

/// What is found while files are read.
#[derive(Default)]
struct Found {
    anchored: Vec<TreePath>,
    holes: Vec<Hole>,
    fixed: Option<String>,
    notes: Vec<String>,
    left_out: usize,
}

impl Tree {
    /// Makes a component of the tree, bound to what is offered.
    ///
    /// # Errors
    /// [`NativeError::Unresolved`] if it needs what nobody offers; if something cannot be read or written.
    pub fn take_in(self, staging: &Staging<'_>, of: &Description, offers: &Offers) -> Result<Taken, NativeError> {
        let bindings = self.bind(of, offers)?;
        let mut builder = staging.tree()?;
        let mut found = Found { notes: bindings.notes.clone(), ..Found::default() };
        for Entry { path, owner, node } in &self.entries {
            match node {
                Node::Directory { mode } => builder.directory(path.clone(), *mode, *owner)?,
                Node::Symlink { target } => {
                    builder.symlink(path.clone(), &self.relative_target(of, path, target), *owner)?;
                }
                Node::File { mode, .. } => self.file(&mut builder, (path, *mode), (of, &bindings), &mut found)?,
                Node::Absent => {}
            }
        }
        for (name, bytes) in &of.promises {
            builder.control(name.clone(), 0o644, bytes)?;
        }
        if found.left_out > 0 {
            let count = found.left_out;
            found.notes.push(format!("{count} files of Python bytecode name {}; Python makes them anew", of.prefix));
        }
        found.anchored.sort();
        found.holes.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
        let architecture = self.architecture().to_owned();
        let native = Native {
            prefix: of.prefix.clone(),
            offers: self.offers,
            aliases: self.aliases,
            slots: bindings.slots,
            host: bindings.host.into_iter().collect(),
            anchored: found.anchored,
            holes: found.holes,
            fixed: found.fixed,
            checks: of.checks.clone(),
        };
        let describe = |tree, control| Manifest {
            format: NATIVE_FORMAT,
            kind: Kind::Native,
            name: of.name.clone(),
            version: of.version.clone(),
            architecture,
            source: of.source.clone(),
            summary: of.summary.clone(),
            fields: [].into(),
            conffiles: Vec::new(),
            cves: Vec::new(),
            native: Some(Box::new(native)),
            tree,
            control,
        };
        let staged = builder.finish(None, describe)?;
        Ok(Taken { staged, notes: found.notes })
    }

    fn file(
        &self,
        builder: &mut TreeBuilder<'_>,
        (path, mode): (&TreePath, u16),
        (of, bindings): (&Description, &Bindings),
        found: &mut Found,
    ) -> Result<(), NativeError> {
        let full = self.directory.join(path);
        let mut bytes = read(&full)?;
        let is_binary = self.binaries.contains_key(path);
        if let Some(edits) = bindings.edits.get(path) {
            match edit(&bytes, edits) {
                Ok(edited) => {
                    bytes = edited.bytes;
                    found.anchored.push(path.clone());
                    if let (Some(offset), Some(target)) = (edited.interpreter, bindings.interpreters.get(path)) {
                        let (kind, length) = (HoleKind::Bytes, INTERPRETER_ROOM as u64);
                        found.holes.push(Hole { path: path.clone(), offset, length, kind, target: target.clone() });
                    }
                }
                Err(error) => found.notes.push(format!("`{path}` is linked as it was: {error}")),
            }
        }
        let ranges: Option<Vec<Range<usize>>> = is_binary.then(|| mapped(&bytes));
        let searched = search(path, &bytes, &of.prefix, ranges.as_deref());
        let is_packed = packed::holds(path, &bytes, &of.prefix);
        if is_packed || searched.cramped.is_some() || !searched.holes.is_empty() {
            if self.is_spare_bytecode(path) {
                found.left_out += 1;
                return Ok(());
            }
            let why = match searched.cramped {
                _ if is_packed => Some(format!("`{path}` holds {} compressed", of.prefix)),
                Some(at) => Some(format!("`{path}` has no room for a longer path than {} at offset {at}", of.prefix)),
                None => None,
            };
            found.fixed = found.fixed.take().or(why);
        }
        // A program's own dynamic linker is below the prefix, too: that place is known already.
        let known: Vec<Range<u64>> = found.holes.iter().filter(|hole| hole.path == *path).map(place).collect();
        let is_new = |hole: &Hole| known.iter().all(|known| !known.contains(&hole.offset));
        found.holes.extend(searched.holes.into_iter().filter(is_new));
        let size = bytes.len() as u64;
        builder.file(path.clone(), (mode, aleph_component::Owner::default(), size), &mut &*bytes, &mut |_| ())?;
        Ok(())
    }

    /// Whether a file is bytecode whose source is there.
    fn is_spare_bytecode(&self, path: &TreePath) -> bool {
        let Some(stem) = path.file_name().strip_suffix(".pyc") else { return false };
        let module = stem.split('.').next().unwrap_or(stem);
        let directory = path.parent().unwrap_or_default().trim_end_matches("__pycache__");
        self.has(&format!("{directory}{module}.py")) || self.has(&format!("{directory}/{module}.py"))
    }
}

fn place(hole: &Hole) -> Range<u64> {
    hole.offset..hole.offset + hole.length
}

fn read(path: &Path) -> Result<Vec<u8>, NativeError> {
    fs::read(path).map_err(|source| NativeError::Read { path: path.to_owned(), source })
}
