//! Bytes from elsewhere: parallel, resumable, retried downloads over `http`, `https`, `file` and `copy`, checked against
//! their announced size and digest before they get their name.
//!
//! Invariant: nothing appears at a request's target path that does not have the size and digest that were asked for.

mod client;
mod document;
mod error;
mod fetcher;
mod monitor;
mod partial;
mod queue;
mod retry;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod uri;

pub use document::{Answer, DocumentRequest, Validators};
pub use error::{Advice, FetchError};
pub use fetcher::{Expected, Fetched, Fetcher, Origin, Request};
pub use monitor::{Event, Monitor, Silent, TransferId};
pub use settings::{Credential, HostOptions, Proxy, SchemeOptions, Settings};
pub use uri::{Scheme, Uri, UriError};
