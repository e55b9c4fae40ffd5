//! Archives from files, as if a source offered them.

use std::path::PathBuf;

use aleph_component::{ComponentId, Digest};
use aleph_exchange::{
    apt::solve::Kept,
    deb::{self, Control},
};
use aleph_store::{FsError, Store};
use aleph_view::Pinned;

use super::archives::{FILE, digest_file};
use crate::{failure::Outcome, host::Host};

/// An archive that was named as a file.
pub(crate) struct Local {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    path: PathBuf,
    digest: Digest,
    size: u64,
    stanza: String,
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
            stanza: Some(self.stanza.clone()),
            archive: Some(self.digest),
            ..Kept::default()
        }
    }

    /// Digest, length and path of the archive.
    pub(crate) fn archive(&self) -> (Digest, u64, String) {
        (self.digest, self.size, self.path.display().to_string())
    }

    /// Where it comes from, in words.
    pub(crate) fn source(&self) -> String {
        format!("{FILE}{}", self.path.display())
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

/// Looks at a file. It is imported when the plan is carried out.
pub(crate) fn look(host: &Host, file: &str) -> Outcome<Local> {
    let (path, (digest, size)) = digest(host, file)?;
    let (control, stanza) = deb::look(&path)?;
    let Control { name, version, architecture, .. } = control;
    Ok(Local { name, version, architecture, path, digest, size, stanza })
}

/// The control stanza that a component came with.
pub(crate) fn control_text(store: &Store, id: &ComponentId) -> Outcome<Option<String>> {
    let row = store.component_row(id)?;
    let directory = store.layout().entry(&aleph_component::StoreName::new(id, &row.name));
    Ok(std::fs::read_to_string(directory.join(".aleph/control/control")).ok())
}
