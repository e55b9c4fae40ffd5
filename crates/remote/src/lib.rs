//! Builds on a cluster that speaks the Remote Execution API v2: what goes there, what is run, and what comes back.
//!
//! [`Client`] is the way in; it blocks, and has a runtime of its own. Files are read from and written to disk as they
//! travel: no tree's contents are ever in memory.
//!
//! Invariants: this crate knows nothing of recipes, stores and views; it is the only one that speaks gRPC; no byte of a
//! cluster's is given to anybody before its digest vouched for it.

mod blob;
mod client;
mod connection;
mod download;
mod endpoint;
mod error;
mod execute;
mod retry;
mod tree;
mod upload;

pub use blob::{Blob, Content};
pub use client::{Client, Sent, Tool};
pub use endpoint::{Endpoint, EndpointError, Tls};
pub use error::RemoteError;
pub use execute::{Done, Order, Stage};
pub use tree::{Child, Tree};
