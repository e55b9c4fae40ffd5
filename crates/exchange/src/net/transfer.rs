//! One file, from its address to its name.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use reqwest::{
    StatusCode,
    blocking::Response,
    header::{self, HeaderMap},
};

use super::{
    client::{Clients, set, text},
    error::FetchError,
    fetcher::{Fetched, Origin, Request},
    monitor::Message,
    partial::{Acquired, Partial, is_complete},
    queue::Context,
    retry::Retry,
    uri::Uri,
};

const CHUNK: usize = 64 * 1024;
/// Progress that makes it worth counting the retries anew.
const PROGRESS: u64 = 1024 * 1024;

type Told<'a> = &'a Context<Fetched>;

/// Fetches one file: from the first of its addresses that has it.
pub(super) fn transfer(clients: &Clients, told: Told<'_>, request: &Request) -> Result<Fetched, FetchError> {
    let total = request.expected.size;
    let started = |present| told.tell(Message::Started { id: told.id, name: request.name.clone(), total, present });
    let reused = || Fetched { path: request.target.clone(), origin: Origin::Cache, transferred: 0 };
    if is_complete(&request.target, &request.expected)? {
        started(total.unwrap_or(0));
        return Ok(reused());
    }
    let mut announced = false;
    let waiting = || {
        started(0);
        told.tell(Message::Waiting { id: told.id });
        announced = true;
    };
    let partial = match Partial::acquire(&request.target, &request.expected, waiting, || told.stopped())? {
        None => return Err(FetchError::Stopped { uri: request.uri.clone() }),
        Some(Acquired::Complete) => {
            if !announced {
                started(total.unwrap_or(0));
            }
            return Ok(reused());
        }
        Some(Acquired::Partial(partial)) => partial,
    };
    match announced {
        true => told.tell(Message::Advanced { id: told.id, bytes: partial.len() }),
        false => started(partial.len()),
    }
    let mut job = Transfer { clients, told, request, partial, validator: None, fresh: false, transferred: 0, best: 0 };
    match job.fetch() {
        Ok(()) => job.finish(),
        Err(error) => {
            // What is of no use to the next attempt does not stay.
            if job.partial.len() == 0 || matches!(error, FetchError::WrongDigest { .. } | FetchError::WrongSize { .. })
            {
                job.partial.remove();
            }
            Err(error)
        }
    }
}

struct Transfer<'a> {
    clients: &'a Clients,
    told: Told<'a>,
    request: &'a Request,
    partial: Partial,
    /// Names the state of the resource that the partial file's bytes came from.
    validator: Option<String>,
    /// Caches between us and the server are not to be trusted: they gave something wrong.
    fresh: bool,
    transferred: u64,
    /// The most bytes there ever were of this file.
    best: u64,
}

impl Transfer<'_> {
    /// Gets the whole file from the first address that has it. If none has, the error is the first that says more than
    /// that the file is missing.
    fn fetch(&mut self) -> Result<(), FetchError> {
        let mut told: Option<FetchError> = None;
        for uri in std::iter::once(&self.request.uri).chain(&self.request.fallbacks) {
            match self.fetch_from(uri) {
                Err(error) if error.is_about_address() => {
                    self.validator = None;
                    if told.as_ref().is_none_or(|told| told.is_missing() && !error.is_missing()) {
                        told = Some(error);
                    }
                }
                done => return done,
            }
        }
        Err(told.unwrap_or_else(|| FetchError::NotFound { uri: self.request.uri.clone() }))
    }

    /// Gets the whole file from `uri`, trying again as often as the settings say.
    fn fetch_from(&mut self, uri: &Uri) -> Result<(), FetchError> {
        let mut retry = Retry::new(self.clients.settings());
        self.fresh = false;
        loop {
            let error = match self.attempt(uri).and_then(|()| self.check(uri)) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if self.told.stopped() {
                return Err(FetchError::Stopped { uri: uri.clone() });
            }
            // Perhaps what was there from earlier was wrong, or a cache on the way holds something old: once more, whole.
            let wrong = matches!(
                error,
                FetchError::WrongDigest { .. } | FetchError::WrongSize { .. } | FetchError::TooLarge { .. }
            );
            if wrong {
                self.restart()?;
                if !self.fresh {
                    self.fresh = true;
                    continue;
                }
            }
            if self.partial.len() >= self.best + PROGRESS {
                self.best = self.partial.len();
                retry.reset();
            }
            let Some(wait) = retry.wait(&error) else { return Err(error) };
            self.told.tell(Message::Retrying { id: self.told.id, why: error, wait });
            self.told.sleep(wait);
        }
    }

    /// Gets what is missing, as far as it comes.
    fn attempt(&mut self, uri: &Uri) -> Result<(), FetchError> {
        if self.request.expected.size.is_some_and(|size| self.partial.len() == size) {
            return Ok(());
        }
        match uri.local_path() {
            Some(path) => {
                let failed = |source: io::Error| match source.kind() {
                    io::ErrorKind::NotFound => FetchError::NotFound { uri: uri.clone() },
                    _ => FetchError::Io { path: path.clone(), action: "read", source },
                };
                let mut file = File::open(&path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                self.check_announced(uri, Some(size))?;
                file.seek(SeekFrom::Start(self.partial.len())).map_err(failed)?;
                self.receive(uri, &mut file)
            }
            None => {
                let mut response = self.clients.get(uri, &self.headers())?;
                let rest = self.prepare(uri, &response)?;
                self.check_announced(uri, rest.map(|rest| rest + self.partial.len()))?;
                self.receive(uri, &mut response)
            }
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.partial.len() > 0 {
            set(&mut headers, header::RANGE, &format!("bytes={}-", self.partial.len()));
            if let Some(validator) = &self.validator {
                set(&mut headers, header::IF_RANGE, validator);
            }
        }
        if self.fresh {
            set(&mut headers, header::CACHE_CONTROL, "no-cache");
        }
        headers
    }

    /// Makes the partial file fit the answer's body; the length of that, if the server gives it.
    fn prepare(&mut self, uri: &Uri, response: &Response) -> Result<Option<u64>, FetchError> {
        let interrupted = |what: &str| FetchError::Interrupted {
            uri: uri.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, what.to_owned()),
        };
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range_start(response) == Some(self.partial.len()) => {}
            StatusCode::PARTIAL_CONTENT => {
                self.restart()?;
                return Err(interrupted("the server sent another part than was asked for"));
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.restart()?;
                return Err(interrupted("the server has no such part"));
            }
            StatusCode::OK if self.partial.len() > 0 => self.restart()?,
            StatusCode::OK => {}
            _ => return Err(interrupted("the server answered that nothing had changed, which was not asked")),
        }
        if !resumed || self.validator.is_none() {
            let etag = text(response, header::ETAG).filter(|etag| etag.starts_with('"'));
            self.validator = etag.or_else(|| text(response, header::LAST_MODIFIED)).map(str::to_owned);
        }
        Ok(response.content_length())
    }

    /// Compares the size that a server announces with the one that is expected, before anything is written.
    fn check_announced(&self, uri: &Uri, announced: Option<u64>) -> Result<(), FetchError> {
        match (self.request.expected.size, announced) {
            (Some(expected), Some(found)) if expected != found => {
                Err(FetchError::WrongSize { uri: uri.clone(), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self, uri: &Uri, body: &mut dyn Read) -> Result<(), FetchError> {
        let limit = self.request.expected.limit();
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.told.stopped() {
                return Err(FetchError::Stopped { uri: uri.clone() });
            }
            let read = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(FetchError::Interrupted { uri: uri.clone(), source }),
            };
            if self.partial.len() + read as u64 > limit {
                return Err(FetchError::TooLarge { uri: uri.clone(), limit });
            }
            self.partial.append(&buffer[..read])?;
            self.transferred += read as u64;
            self.told.tell(Message::Advanced { id: self.told.id, bytes: read as u64 });
        }
    }

    /// Compares what is there with what is expected.
    fn check(&mut self, uri: &Uri) -> Result<(), FetchError> {
        let found = self.partial.len();
        match self.request.expected.size {
            Some(expected) if found < expected => {
                return Err(FetchError::Truncated { uri: uri.clone(), expected, found });
            }
            _ => {}
        }
        match (self.request.expected.digest, self.partial.digest()) {
            (Some(expected), found) if expected != found => {
                Err(FetchError::WrongDigest { uri: uri.clone(), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.validator = None;
        if self.partial.len() > 0 {
            self.partial.restart()?;
            self.told.tell(Message::Restarted { id: self.told.id });
        }
        Ok(())
    }

    fn finish(self) -> Result<Fetched, FetchError> {
        self.partial.promote()?;
        let origin = if self.transferred == 0 { Origin::Cache } else { Origin::Source };
        Ok(Fetched { path: self.request.target.clone(), origin, transferred: self.transferred })
    }
}

fn range_start(response: &Response) -> Option<u64> {
    let range = text(response, header::CONTENT_RANGE)?.trim().strip_prefix("bytes")?.trim_start();
    range.split_once('-')?.0.trim().parse().ok()
}
