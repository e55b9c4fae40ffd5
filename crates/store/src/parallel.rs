//! The same work on many items, on all processors.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// How many items a thread takes at once.
const SHARE: usize = 16;

/// What `work` makes of each item, in their order. Every thread has a state of its own, made by `state`.
///
/// # Errors
/// The first that `work` has; others may have been worked on by then.
pub fn map<T: Sync, S, R: Send, E: Send>(
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let next = AtomicUsize::new(0);
    let run = || {
        let (mut state, mut done) = (state(), Vec::new());
        loop {
            let start = next.fetch_add(SHARE, Ordering::Relaxed);
            let Some(share) = items.get(start..items.len().min(start + SHARE)).filter(|share| !share.is_empty()) else {
                return Ok(done);
            };
            for (index, item) in (start..).zip(share) {
                match work(&mut state, item) {
                    Ok(result) => done.push((index, result)),
                    Err(error) => {
                        next.store(items.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
    };
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut parts = vec![run()];
        parts.extend(workers.into_iter().map(|worker| worker.join().expect("no worker panics")));
        parts
    });
    let mut results: Vec<(usize, R)> = Vec::with_capacity(items.len());
    for part in parts {
        results.extend(part?);
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_errors_end_it() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let items: Vec<usize> = (0..length).collect();
            let doubled = map(&items, || (), |(), item| Ok::<_, ()>(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let failed = map(&items, || (), |(), item| if *item == length / 2 { Err(*item) } else { Ok(()) });
            assert_eq!(failed.is_err(), length > 0);
        }
    }
}
