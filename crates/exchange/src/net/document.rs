//! Small documents that are fetched into memory, only if they changed.

use std::io::{self, Read};

use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};

use super::{
    client::{Clients, set, text},
    error::FetchError,
    fetcher::Origin,
    monitor::{HasOrigin, Message},
    queue::Context,
    retry::Retry,
    uri::Uri,
};

/// A small document to fetch.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// What to call it towards a monitor.
    pub name: String,
    /// Where it is.
    pub uri: Uri,
    /// What was noted of the state of it that we have; then the answer may be [`Answer::Unchanged`].
    pub known: Validators,
    /// The most bytes it may have.
    pub limit: u64,
    /// In which forms it is wanted, for the `Accept` header, if it has several.
    pub accept: Option<&'static str>,
}

/// How a server names a state of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The state that is known.
    Unchanged,
    /// This.
    Document {
        /// Its bytes.
        bytes: Vec<u8>,
        /// What to note of its state.
        validators: Validators,
    },
}

impl HasOrigin for Answer {
    fn origin(&self) -> Origin {
        match self {
            Self::Unchanged => Origin::Cache,
            Self::Document { .. } => Origin::Source,
        }
    }
}

/// Fetches one document, trying again as often as the settings say.
pub(super) fn document(
    clients: &Clients,
    told: &Context<Answer>,
    request: &DocumentRequest,
) -> Result<Answer, FetchError> {
    let mut retry = Retry::new(clients.settings());
    told.tell(Message::Started { id: told.id, name: request.name.clone(), total: None, present: 0 });
    loop {
        let error = match attempt(clients, told, request) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(wait) = retry.wait(&error) else { return Err(error) };
        told.tell(Message::Restarted { id: told.id });
        told.tell(Message::Retrying { id: told.id, why: error, wait });
        told.sleep(wait);
        if told.stopped() {
            return Err(FetchError::Stopped { uri: request.uri.clone() });
        }
    }
}

fn attempt(clients: &Clients, told: &Context<Answer>, request: &DocumentRequest) -> Result<Answer, FetchError> {
    let uri = &request.uri;
    if let Some(path) = uri.local_path() {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => FetchError::NotFound { uri: uri.clone() },
            _ => FetchError::Io { path: path.clone(), action: "read", source },
        };
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let bytes = receive(told, request, &mut file, None)?;
        return Ok(Answer::Document { bytes, validators: Validators::default() });
    }
    let mut headers = HeaderMap::new();
    // Between us and the server nothing may answer from memory: a stale InRelease fits no index.
    set(&mut headers, header::CACHE_CONTROL, "max-age=0");
    if let Some(forms) = request.accept {
        set(&mut headers, header::ACCEPT, forms);
    }
    match &request.known {
        Validators { etag: Some(etag), .. } => set(&mut headers, header::IF_NONE_MATCH, etag),
        Validators { last_modified: Some(date), .. } => set(&mut headers, header::IF_MODIFIED_SINCE, date),
        _ => {}
    }
    let mut response = clients.get(uri, &headers)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if request.known != Validators::default() => return Ok(Answer::Unchanged),
        status => return Err(FetchError::Status { uri: uri.clone(), status: status.as_u16(), retry_after: None }),
    }
    let validators = Validators {
        etag: text(&response, header::ETAG).map(str::to_owned),
        last_modified: text(&response, header::LAST_MODIFIED).map(str::to_owned),
    };
    let length = response.content_length();
    let bytes = receive(told, request, &mut response, length)?;
    Ok(Answer::Document { bytes, validators })
}

fn receive(
    told: &Context<Answer>,
    request: &DocumentRequest,
    body: &mut dyn Read,
    length: Option<u64>,
) -> Result<Vec<u8>, FetchError> {
    let uri = || request.uri.clone();
    let mut bytes = Vec::new();
    body.take(request.limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| FetchError::Interrupted { uri: uri(), source })?;
    let found = bytes.len() as u64;
    if found > request.limit {
        return Err(FetchError::TooLarge { uri: uri(), limit: request.limit });
    }
    match length {
        Some(expected) if found < expected => return Err(FetchError::Truncated { uri: uri(), expected, found }),
        _ => {}
    }
    told.tell(Message::Advanced { id: told.id, bytes: found });
    Ok(bytes)
}
