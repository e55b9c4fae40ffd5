//! The way in: what to fetch, and how it ended.

use std::{path::PathBuf, sync::Arc};

use aleph_component::Digest;

use super::{
    client::Clients,
    document::{Answer, DocumentRequest, document},
    error::FetchError,
    monitor::{Event, Monitor},
    queue::{OnFailure, run},
    settings::Settings,
    transfer::transfer,
    uri::Uri,
};

/// A file to fetch.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to call it towards a monitor.
    pub name: String,
    /// Where it is.
    pub uri: Uri,
    /// Where else it may be, tried in this order.
    pub fallbacks: Vec<Uri>,
    /// Where it is to be. Its directory is made if it is missing; beside it a `.partial` file lives meanwhile.
    pub target: PathBuf,
    /// What it must be.
    pub expected: Expected,
}

/// What is known beforehand of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its digest. Without one a file is always fetched anew, and never resumed.
    pub digest: Option<Digest>,
    /// The most bytes it may have where the size is not known; 0 for the default of 1 GiB.
    pub at_most: u64,
}

impl Expected {
    /// A file of which size and digest are known.
    pub fn exactly(size: u64, digest: Digest) -> Self {
        Self { size: Some(size), digest: Some(digest), at_most: size }
    }

    pub(super) fn limit(&self) -> u64 {
        match (self.size, self.at_most) {
            (Some(size), _) => size,
            (None, 0) => 1 << 30,
            (None, limit) => limit,
        }
    }
}

/// A file that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where: the request's target.
    pub path: PathBuf,
    /// Where its bytes came from.
    pub origin: Origin,
    /// How many bytes were read from the source, failed attempts included.
    pub transferred: u64,
}

/// Where a file's bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They were here already.
    Cache,
    /// They were fetched.
    Source,
}

/// Fetches files and documents. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    clients: Arc<Clients>,
}

impl Fetcher {
    /// A fetcher that does as `settings` say.
    pub fn new(settings: Settings) -> Self {
        Self { clients: Arc::new(Clients::new(settings)) }
    }

    /// A fetcher that refuses to use a network: what is here already, and `file:` addresses, still work.
    pub fn offline() -> Self {
        Self::new(Settings { offline: true, ..Settings::default() })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        self.clients.settings()
    }

    /// Fetches all files, several at once; the answer is in their order. Files that are there with the right digest are
    /// not fetched again, unfinished ones are resumed, and what another process is fetching is waited for.
    ///
    /// # Errors
    /// The first failure that trying again does not mend ends it all. Finished files stay, unfinished ones can be
    /// resumed later.
    pub fn fetch(&self, requests: &[Request], monitor: &dyn Monitor) -> Result<Vec<Fetched>, FetchError> {
        let results = self.transfers(requests, OnFailure::Stop, monitor);
        let mut fetched = Vec::with_capacity(results.len());
        let mut stopped = None;
        for (result, request) in results.into_iter().zip(requests) {
            match result {
                Some(Ok(done)) => fetched.push(done),
                Some(Err(error)) => return Err(error),
                None => stopped = Some(FetchError::Stopped { uri: request.uri.clone() }),
            }
        }
        stopped.map_or(Ok(fetched), Err)
    }

    /// Like [`Fetcher::fetch`], but a failure of one does not keep the others from being fetched.
    pub fn fetch_each(&self, requests: &[Request], monitor: &dyn Monitor) -> Vec<Result<Fetched, FetchError>> {
        let results = self.transfers(requests, OnFailure::Continue, monitor);
        let with_request = results.into_iter().zip(requests);
        with_request
            .map(|(result, request)| result.unwrap_or_else(|| Err(FetchError::Stopped { uri: request.uri.clone() })))
            .collect()
    }

    /// Fetches small documents into memory, several at once; the answers are in their order.
    pub fn get(&self, requests: &[DocumentRequest], monitor: &dyn Monitor) -> Vec<Result<Answer, FetchError>> {
        monitor.event(&Event::Planned { transfers: requests.len(), bytes: 0 });
        let clients = self.clients.clone();
        let work = move |told: &_, request: &DocumentRequest| document(&clients, told, request);
        let results = run(requests.to_vec(), self.settings().parallel, OnFailure::Continue, monitor, |_| 0, work);
        let with_request = results.into_iter().zip(requests);
        with_request
            .map(|(result, request)| result.unwrap_or_else(|| Err(FetchError::Stopped { uri: request.uri.clone() })))
            .collect()
    }

    fn transfers(
        &self,
        requests: &[Request],
        on_failure: OnFailure,
        monitor: &dyn Monitor,
    ) -> Vec<Option<Result<Fetched, FetchError>>> {
        let bytes = requests.iter().filter_map(|request| request.expected.size).sum();
        monitor.event(&Event::Planned { transfers: requests.len(), bytes });
        let clients = self.clients.clone();
        let work = move |told: &_, request: &Request| transfer(&clients, told, request);
        let weight = |request: &Request| request.expected.size.unwrap_or(0);
        run(requests.to_vec(), self.settings().parallel, on_failure, monitor, weight, work)
    }
}
