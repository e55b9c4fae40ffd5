//! Archives from files, as if a source offered them.

use std::path::PathBuf;

use aleph_component::{ComponentId, Digest};
use aleph_exchange::{apt::solve::Kept, deb::Expected};
use aleph_store::{FsError, Store};
use aleph_view::Pinned;

use super::archives::{self, Archive, digest_file};
use crate::{failure::Outcome, host::Host, output::Printer};

/// An archive that was named as a file and is in the store now.
pub(crate) struct Local {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    path: PathBuf,
    digest: Digest,
    size: u64,
    stanza: Option<String>,
}

impl Local {
    /// What is asked for: just this version, and just this architecture where it is not the `native` one.
    pub(crate) fn request(&self, native: &str) -> String {
        let Self { name, version, architecture, .. } = self;
        match architecture == native || architecture == "all" {
            true => format!("{name}={version}"),
            false => format!("{name}:{architecture}={version}"),
        }
    }

    /// Whether it has the name, version and architecture of a package of a view.
    pub(crate) fn is(&self, pinned: &Pinned) -> bool {
        (&self.name, &self.version, &self.architecture) == (&pinned.name, &pinned.version, &pinned.architecture)
    }

    /// As the solver wants to know it.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            name: self.name.clone(),
            version: self.version.clone(),
            architecture: self.architecture.clone(),
            stanza: self.stanza.clone(),
            archive: Some(self.digest),
            ..Kept::default()
        }
    }

    /// Digest, length and path of the archive.
    pub(crate) fn archive(&self) -> (Digest, u64, String) {
        (self.digest, self.size, self.path.display().to_string())
    }
}

/// Whether an argument of `add` means a file.
pub(crate) fn is_file(text: &str) -> bool {
    text.starts_with("./") || text.starts_with('/') || text.starts_with("../") || text.ends_with(".deb")
}

/// Path, digest and length of a file that was named.
pub(crate) fn digest(host: &Host, file: &str) -> Outcome<(PathBuf, (Digest, u64))> {
    let path = host.cwd.join(file);
    let found = digest_file(&path).map_err(|source| FsError { action: "read", path: path.clone(), source })?;
    Ok((path, found))
}

/// Imports the files. The store takes them in even in a dry run: only a component can be asked what it needs, and one
/// that no view uses goes with the next collection.
pub(crate) fn import(host: &Host, printer: &Printer, store: &Store, files: &[&String]) -> Outcome<Vec<Local>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut files_found = Vec::new();
    let mut digests = Vec::new();
    for file in files {
        let (path, (sha256, size)) = digest(host, file)?;
        digests.push((sha256, size));
        let expect = Some(Expected { sha256, size });
        let source = format!("{}{}", archives::FILE, path.display());
        files_found.push(Archive { path, expect, source, vouched_by: None });
    }
    let mut lock = host.lock(store, "importing", printer)?;
    let ids = archives::import(host, printer, store, &mut lock, &files_found)?;
    let mut locals = Vec::new();
    for ((id, (digest, size)), archive) in ids.iter().zip(digests).zip(files_found) {
        let row = store.component_row(id)?;
        locals.push(Local {
            name: row.name,
            version: row.version,
            architecture: row.architecture,
            path: archive.path,
            digest,
            size,
            stanza: control_text(store, id)?,
        });
    }
    Ok(locals)
}

/// The control stanza that a component came with.
pub(crate) fn control_text(store: &Store, id: &ComponentId) -> Outcome<Option<String>> {
    let row = store.component_row(id)?;
    let directory = store.layout().entry(&aleph_component::StoreName::new(id, &row.name));
    Ok(std::fs::read_to_string(directory.join(".aleph/control/control")).ok())
}
