//! What a download tells while it runs.

use std::{path::Path, time::Duration};

use super::{
    error::FetchError,
    fetcher::{Fetched, Origin},
};

/// Which of the requests of one call: its position among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub usize);

/// One thing that happened.
///
/// For every transfer there is one `Started`, then any number of the others, then one `Finished` or `Failed`; unless
/// the call stops early, when transfers may end without a word. `present` + all `bytes` since the last `Restarted` is
/// what there is of the file.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A call begins.
    Planned {
        /// How many transfers.
        transfers: usize,
        /// Their sizes together, as far as they are known.
        bytes: u64,
    },
    /// Another process has hold of something that is needed first; we wait for it.
    Locked {
        /// The lock's file.
        path: &'a Path,
    },
    /// A transfer begins.
    Started {
        /// Which.
        id: TransferId,
        /// What the requester calls it.
        name: &'a str,
        /// Its size, if known.
        total: Option<u64>,
        /// How much is there already, from an earlier attempt.
        present: u64,
    },
    /// More bytes are there.
    Advanced {
        /// Which.
        id: TransferId,
        /// How many more.
        bytes: u64,
    },
    /// Everything that was there of this transfer is void; it begins again at zero.
    Restarted {
        /// Which.
        id: TransferId,
    },
    /// Another process is downloading this; we wait for it.
    Waiting {
        /// Which.
        id: TransferId,
    },
    /// A passing failure; the transfer is tried again after a while.
    Retrying {
        /// Which.
        id: TransferId,
        /// Why.
        why: &'a FetchError,
        /// After how long.
        wait: Duration,
    },
    /// A transfer is complete and checked.
    Finished {
        /// Which.
        id: TransferId,
        /// Where its bytes came from.
        origin: Origin,
    },
    /// A transfer failed for good.
    Failed {
        /// Which.
        id: TransferId,
        /// Why.
        why: &'a FetchError,
    },
}

/// Somebody who watches. Called from the thread that called the [`Fetcher`](super::Fetcher), never from two at once.
pub trait Monitor: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// An event on its way from a worker to the caller's thread.
#[derive(Debug)]
pub(super) enum Message<T> {
    Started { id: TransferId, name: String, total: Option<u64>, present: u64 },
    Advanced { id: TransferId, bytes: u64 },
    Restarted { id: TransferId },
    Waiting { id: TransferId },
    Retrying { id: TransferId, why: FetchError, wait: Duration },
    Done { id: TransferId, result: Result<T, FetchError> },
}

/// What a finished transfer tells of where its bytes came from.
pub(super) trait HasOrigin {
    fn origin(&self) -> Origin;
}

impl HasOrigin for Fetched {
    fn origin(&self) -> Origin {
        self.origin
    }
}

/// Tells `monitor` of `message`; the result, if it carried one.
pub(super) fn tell<T: HasOrigin>(
    monitor: &dyn Monitor,
    message: Message<T>,
) -> Option<(TransferId, Result<T, FetchError>)> {
    match message {
        Message::Started { id, name, total, present } => {
            monitor.event(&Event::Started { id, name: &name, total, present });
        }
        Message::Advanced { id, bytes } => monitor.event(&Event::Advanced { id, bytes }),
        Message::Restarted { id } => monitor.event(&Event::Restarted { id }),
        Message::Waiting { id } => monitor.event(&Event::Waiting { id }),
        Message::Retrying { id, why, wait } => monitor.event(&Event::Retrying { id, why: &why, wait }),
        Message::Done { id, result } => {
            match &result {
                Ok(done) => monitor.event(&Event::Finished { id, origin: done.origin() }),
                Err(why) => monitor.event(&Event::Failed { id, why }),
            }
            return Some((id, result));
        }
    }
    None
}
