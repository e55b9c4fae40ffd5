//! From archives on disk to components in the store.

use std::path::PathBuf;

use aleph_component::{ComponentId, Digest};
use aleph_exchange::deb::{Expected, Job, Limits, OriginInput, import_many};
use aleph_store::{Store, WriteLock};

use crate::{failure::Outcome, host::Host, output::Printer};

/// What the source of an archive that was named as a file is called, before its path.
pub(crate) const FILE: &str = "file ";

/// An archive that is on disk, with what is known of it.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) expect: Option<Expected>,
    /// The source in words.
    pub(crate) source: String,
    pub(crate) vouched_by: Option<String>,
}

/// Imports the archives and returns their components in order. What the store has already is not read again.
pub(crate) fn import(
    host: &Host,
    printer: &Printer,
    store: &Store,
    lock: &mut WriteLock,
    archives: &[Archive],
) -> Outcome<Vec<ComponentId>> {
    let known = |archive: &Archive| match archive.expect {
        Some(expected) => store.component_of_archive(&expected.sha256),
        None => Ok(None),
    };
    let mut ids: Vec<Option<ComponentId>> = archives.iter().map(known).collect::<Result<_, _>>()?;
    let missing: Vec<usize> = (0..archives.len()).filter(|&index| ids[index].is_none()).collect();
    if missing.is_empty() {
        return Ok(ids.into_iter().flatten().collect());
    }
    let jobs: Vec<Job> = missing.iter().map(|&index| job(host, &archives[index])).collect();
    let size = |job: &Job| job.path.metadata().map_or(0, |metadata| metadata.len());
    let bar = printer.progress().bytes("importing", jobs.iter().map(size).sum());
    let staging = store.stage(lock)?;
    let staged = import_many(&staging, &jobs, &Limits::default(), &|job, _| bar.inc(size(job)));
    printer.progress().clear();
    let committed = store.commit(lock, staged?)?;
    for (index, id) in missing.into_iter().zip(committed) {
        ids[index] = Some(id);
    }
    Ok(ids.into_iter().flatten().collect())
}

fn job(host: &Host, archive: &Archive) -> Job {
    let file_name = archive.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let origin = OriginInput {
        file_name,
        source: archive.source.clone(),
        vouched_by: archive.vouched_by.clone(),
        imported_by: host.login.clone(),
        imported_at: Host::now(),
    };
    Job { path: archive.path.clone(), expect: archive.expect, origin }
}

/// SHA-256 and length of a file.
pub(crate) fn digest_file(path: &std::path::Path) -> std::io::Result<(Digest, u64)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut size, mut buffer) = (aleph_component::Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
