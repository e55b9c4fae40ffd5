//! The way in: a cluster, and what can be asked of it.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bazel_remote_apis::google::longrunning::CancelOperationRequest;
use tokio::{runtime::Runtime, sync::watch};
use tonic::{Code, Status};

use crate::{
    Blob, Content, Done, Endpoint, Order, RemoteError, Stage,
    connection::Connection,
    download,
    execute::{self, Ended},
    upload,
};

/// How often an action is begun anew.
const ATTEMPTS: u32 = 5;
/// How long the cluster may take to hear that something is cancelled.
const FAREWELL: Duration = Duration::from_secs(3);

/// How much is heard of what a command said when it failed.
const HEARD: u64 = 64 << 10;

/// Who asks: it shows in the cluster's logs.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Names this run of it.
    pub invocation: String,
}

/// What was sent for an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many contents the action has.
    pub known: usize,
    /// How many of them the cluster lacked.
    pub blobs: usize,
    /// How many bytes these have.
    pub bytes: u64,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.known = self.known.max(other.known);
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

/// A cluster. Any number of threads may ask it for something at once.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    connection: Connection,
    /// What the cluster is known to have. It may lose it again.
    has: Mutex<HashSet<Blob>>,
    /// Held by who sends: what two builds have in common is sent once.
    sending: tokio::sync::Mutex<()>,
    operations: execute::Operations,
    cancelled: watch::Sender<bool>,
}

impl Client {
    /// Connects to a cluster and asks what it can do.
    ///
    /// # Errors
    /// If it cannot be reached, or is none on which builds can run.
    pub fn connect(endpoint: &Endpoint, tool: &Tool) -> Result<Self, RemoteError> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("remote").enable_all().build();
        let runtime = runtime
            .map_err(|source| RemoteError::Setting { what: "this process".to_owned(), source: source.into() })?;
        let connection = runtime.block_on(Connection::open(endpoint, tool))?;
        Ok(Self {
            runtime,
            connection,
            has: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
            operations: Mutex::default(),
            cancelled: watch::Sender::new(false),
        })
    }

    /// Has an action carried out, or takes what came of it before if `use_cache`. What the cluster lacks is sent first.
    ///
    /// # Errors
    /// If it was not carried out to its end. That its command failed is no error.
    pub fn run(
        &self,
        order: &Order,
        use_cache: bool,
        on_stage: &mut (dyn FnMut(Stage) + Send),
    ) -> Result<(Done, Sent), RemoteError> {
        let messages = order.messages();
        let [(command, _), (action, _)] = messages;
        let connection = self.connection.on_behalf_of(&order.target, &action.digest.to_string());
        let mut sent = Sent::default();
        self.until_cancelled(async {
            if use_cache && let Some(done) = execute::known(&connection, action).await? {
                return Ok((Done { is_cached: true, ..done }, sent));
            }
            let mut contents = order.tree.contents();
            contents.extend(messages.iter().map(|(blob, content)| (*blob, content)));
            let mut last = Status::unknown("");
            for attempt in 0..ATTEMPTS {
                on_stage(Stage::Sending);
                let now = self.send(&connection, &contents).await?;
                sent.add(now);
                // It lacks something that is no content: a worker that is like that.
                if last.code() == Code::FailedPrecondition && now.blobs == 0 {
                    break;
                }
                on_stage(Stage::Waiting);
                let ended = execute::execute(&connection, action, use_cache, &self.operations, on_stage).await?;
                last = match ended {
                    Ended::Done(done) => return Ok((hear(&connection, done).await, sent)),
                    Ended::Lacks(status) | Ended::Again(status) => status,
                };
                // Whatever happened there, what is there is not known any more.
                self.forget([command, action].into_iter().chain(contents.keys().copied()));
                tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
            }
            Err(RemoteError::NotCarriedOut { code: last.code(), message: last.message().to_owned() })
        })
    }

    /// Fetches each content to its path, which must not be there; nothing is there until its digest vouched for it.
    ///
    /// # Errors
    /// If one is lost, or cannot be fetched or written.
    pub fn fetch(&self, wanted: Vec<(Blob, PathBuf)>) -> Result<(), RemoteError> {
        self.until_cancelled(download::fetch(&self.connection, wanted))
    }

    /// Fetches one content, which the caller knows to fit into memory.
    ///
    /// # Errors
    /// If it is lost, or cannot be fetched.
    pub fn read(&self, blob: Blob) -> Result<Vec<u8>, RemoteError> {
        self.until_cancelled(download::read(&self.connection, blob))
    }

    /// Ends everything that is being asked for, and tells the cluster so.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
        let names = std::mem::take(&mut *self.operations.lock().unwrap_or_else(PoisonError::into_inner));
        let tell = async {
            for name in names {
                // A cluster that does not take it notices that nobody waits.
                let _ = self.connection.operations().cancel_operation(CancelOperationRequest { name }).await;
            }
        };
        let _ = self.runtime.block_on(async { tokio::time::timeout(FAREWELL, tell).await });
    }

    /// Whether it was told to end everything.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Sends what the cluster lacks.
    async fn send(&self, connection: &Connection, contents: &HashMap<Blob, &Content>) -> Result<Sent, RemoteError> {
        let _alone = self.sending.lock().await;
        let unknown: Vec<Blob> = {
            let has = self.has.lock().unwrap_or_else(PoisonError::into_inner);
            contents.keys().filter(|blob| !has.contains(blob)).copied().collect()
        };
        let missing = upload::missing(connection, &unknown).await?;
        upload::send(connection, &missing, contents).await?;
        self.has.lock().unwrap_or_else(PoisonError::into_inner).extend(unknown);
        let bytes = missing.iter().map(|blob| blob.size).sum();
        Ok(Sent { known: contents.len(), blobs: missing.len(), bytes })
    }

    fn forget(&self, blobs: impl Iterator<Item = Blob>) {
        let mut has = self.has.lock().unwrap_or_else(PoisonError::into_inner);
        for blob in blobs {
            has.remove(&blob);
        }
    }

    fn until_cancelled<T>(&self, doing: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
        let mut cancelled = self.cancelled.subscribe();
        self.runtime.block_on(async {
            tokio::select! {
                done = doing => done,
                _ = cancelled.wait_for(|is| *is) => Err(RemoteError::Cancelled),
            }
        })
    }
}

/// Completes what a command said that failed.
async fn hear(connection: &Connection, mut done: Done) -> Done {
    if let Some(blob) = done.unheard.take().filter(|blob| blob.size <= HEARD && done.exit_code != 0) {
        // It only explains, and is not worth a failure.
        done.said = download::read(connection, blob).await.unwrap_or_default();
    }
    done
}
