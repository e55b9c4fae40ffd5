//! Many archives at once, on all processors.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use aleph_store::{Staged, Staging};

use super::{Expected, ImportError, Limits, OriginInput, import_with};

/// One archive to import.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where it is.
    pub path: PathBuf,
    /// What it must be, if somebody who is trusted said so.
    pub expect: Option<Expected>,
    /// Where it comes from.
    pub origin: OriginInput,
}

/// Imports all of `jobs`, biggest first, and returns them in the order given. `finished` is called for each as it is
/// done, from any thread.
///
/// # Errors
/// The first that failed; the others stop after the archive they are at.
pub fn import_many(
    staging: &Staging<'_>,
    jobs: &[Job],
    limits: &Limits,
    finished: &(dyn Fn(&Job, &Staged) + Sync),
) -> Result<Vec<Staged>, ImportError> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    let size = |job: &Job| job.path.metadata().map_or(0, |metadata| metadata.len());
    order.sort_by_cached_key(|&index| std::cmp::Reverse(size(&jobs[index])));
    let results: Mutex<Vec<Option<Staged>>> = Mutex::new((0..jobs.len()).map(|_| None).collect());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            let job = &jobs[index];
            let staged = import_with(staging, &job.path, job.expect.as_ref(), job.origin.clone(), limits)
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            finished(job, &staged);
            results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(staged);
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(results.into_iter().map(|staged| staged.expect("every job was done")).collect())
}
