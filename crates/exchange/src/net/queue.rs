//! A small pool of threads that works through a list, and tells the caller's thread what happens.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    error::FetchError,
    monitor::{HasOrigin, Message, Monitor, TransferId, tell},
};

/// What a job knows of its surroundings.
pub(super) struct Context<T> {
    pub(super) id: TransferId,
    messages: Sender<Message<T>>,
    stop: Arc<AtomicBool>,
}

impl<T> Context<T> {
    /// Tells the caller's thread; pointless but harmless once that has left.
    pub(super) fn tell(&self, message: Message<T>) {
        let _ = self.messages.send(message);
    }

    /// True when the result is no longer wanted.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps, unless the result is no longer wanted.
    pub(super) fn sleep(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while !self.stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// What to do when a job fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// Leave at once, without waiting for jobs that are blocked in a system call; they end by themselves.
    Stop,
    /// Do the other jobs.
    Continue,
}

/// Does `work` on all `jobs`, at most `parallel` at once, those of most `weight` first so that none of them is left for
/// last, and gives the results in their order. Results that are missing
/// (there was a failure and the call was to stop then) are `None`.
pub(super) fn run<J, T, W>(
    jobs: Vec<J>,
    parallel: usize,
    on_failure: OnFailure,
    monitor: &dyn Monitor,
    weight: impl Fn(&J) -> u64,
    work: W,
) -> Vec<Option<Result<T, FetchError>>>
where
    J: Send + 'static,
    T: HasOrigin + Send + 'static,
    W: Fn(&Context<T>, &J) -> Result<T, FetchError> + Send + Sync + 'static,
{
    let mut results: Vec<_> = jobs.iter().map(|_| None).collect();
    let threads = parallel.clamp(1, jobs.len().max(1));
    let mut queue: Vec<_> = jobs.into_iter().enumerate().collect();
    queue.sort_by_key(|(_, job)| Reverse(weight(job)));
    let queue = Arc::new(Mutex::new(VecDeque::from(queue)));
    let work = Arc::new(work);
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    for _ in 0..threads {
        let (queue, work, stop, messages) = (queue.clone(), work.clone(), stop.clone(), sender.clone());
        thread::spawn(move || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((index, job)) = next else { return };
                let context = Context { id: TransferId(index), messages: messages.clone(), stop: stop.clone() };
                let result = work(&context, &job);
                context.tell(Message::Done { id: context.id, result });
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
    }
    drop(sender);
    for message in receiver {
        if let Some((TransferId(index), result)) = tell(monitor, message) {
            let failed = result.is_err();
            results[index] = Some(result);
            if failed && on_failure == OnFailure::Stop {
                stop.store(true, Ordering::Relaxed);
                break;
            }
        }
    }
    results
}
