//! Running scripts against a view that is being composed, and keeping what they wrote.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use aleph_component::{Entry, FORMAT, Kind, Manifest, Owner, Source};
use aleph_sandbox::workshop::{Event, Job, Limits, Placed, Step, StepReport, WorkshopError};
use aleph_store::{Store, StoreError, WriteLock};

use crate::{CaptureError, CaptureRef, Captured, capture::read_upper};

/// What to run, and on what.
pub struct Session<'a> {
    /// The trees below, topmost first.
    pub layers: Vec<PathBuf>,
    /// Files put in place first.
    pub files: Vec<Placed>,
    /// The scripts, in order.
    pub steps: Vec<Step>,
    /// Starts this program as a sandbox's worker.
    pub worker: Command,
    /// Told what happens.
    pub on_event: &'a mut dyn FnMut(&Event),
}

/// What a session left.
#[derive(Debug)]
pub struct Configured {
    /// What was written.
    pub captured: Captured,
    /// How each step that was started ended, in order.
    pub steps: Vec<StepReport>,
}

/// Why scripts could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The directories for their writes cannot be made.
    #[error("cannot prepare `{}`", path.display())]
    Prepare {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The sandbox failed.
    #[error("the scripts of the view's packages cannot be run")]
    Sandbox(#[from] WorkshopError),
    /// Their writes cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs a session's scripts and reads what they wrote into the pool. That a script failed is in the reports.
///
/// # Errors
/// If the sandbox does not come about, or the writes cannot be read.
pub fn configure(store: &Store, _lock: &WriteLock, session: Session<'_>) -> Result<Configured, ConfigureError> {
    let scratch = store.layout().tmp().join(format!("configure-{}", std::process::id()));
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    prepare(&scratch, &[&upper, &work])?;
    let Session { layers, files, steps, worker, on_event } = session;
    let ids = aleph_sandbox::ids::choose();
    let job = Job { layers, upper: upper.clone(), work, ids, files, steps, limits: Limits::default() };
    let outcome = job.run(worker, &mut |event| on_event(&event))?;
    let intended = |harvested: &aleph_sandbox::workshop::Harvested| {
        let path = harvested.path.to_str()?.trim_start_matches('/').to_owned();
        let owner = Owner { uid: harvested.uid, gid: harvested.gid };
        Some((path, (owner, (harvested.mode & 0o7777) as u16)))
    };
    let captured = read_upper(store, &upper, &outcome.harvest.iter().filter_map(intended).collect())?;
    aleph_store::remove_tree(&scratch).map_err(StoreError::from)?;
    Ok(Configured { captured, steps: outcome.steps })
}

/// Makes a directory that nobody else may enter, for while scripts run it holds set-id files, and those inside it. These
/// are open whatever the umask: one of them is the scripts' `/`, where other users of theirs look too.
fn prepare(scratch: &Path, inside: &[&Path]) -> Result<(), ConfigureError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| ConfigureError::Prepare { path, source }
    };
    // Made closed, and closed again if it was there.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(scratch);
    made.and_then(|()| fs::set_permissions(scratch, fs::Permissions::from_mode(0o700))).map_err(failed(scratch))?;
    let open = |path: &Path| {
        fs::create_dir_all(path).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
    };
    inside.iter().try_for_each(|path| open(path).map_err(failed(path)))
}

/// Keeps captured entries: as a component, with owners and modes as recorded, and as the tree that a view runs from.
///
/// # Errors
/// If they cannot be stored.
pub fn keep(store: &Store, lock: &mut WriteLock, view: &str, entries: &[Entry]) -> Result<CaptureRef, StoreError> {
    let component = {
        let staging = store.stage(lock)?;
        let mut builder = staging.tree()?;
        entries.iter().try_for_each(|entry| builder.pooled(entry.clone()))?;
        let staged = builder.finish(None, |tree, control| Manifest {
            format: FORMAT,
            kind: Kind::Capture,
            name: format!("{view}-capture"),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            source: Source { name: format!("{view}-capture"), version: "1".to_owned() },
            summary: format!("What scripts wrote while {view} was composed"),
            fields: BTreeMap::new(),
            conffiles: Vec::new(),
            cves: Vec::new(),
            native: None,
            tree,
            control,
        })?;
        store.commit(lock, vec![staged])?[0]
    };
    Ok(CaptureRef { component, tree: store.write_tree(lock, entries)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_enters_where_scripts_write() {
        let directory = tempfile::TempDir::new().unwrap();
        let scratch = directory.path().join("configure");
        let upper = scratch.join("upper");
        let modes = || [&scratch, &upper].map(|path| fs::metadata(path).unwrap().permissions().mode() & 0o7777);
        prepare(&scratch, &[&upper]).unwrap();
        assert_eq!(modes(), [0o700, 0o755]);
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o700)).unwrap();
        prepare(&scratch, &[&upper]).unwrap();
        assert_eq!(modes(), [0o700, 0o755]);
    }
}
