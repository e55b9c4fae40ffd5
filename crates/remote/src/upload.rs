//! Sending contents that the cluster does not have: small ones many at a time, large ones each in a stream.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    sync::Arc,
};

use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{
        BatchUpdateBlobsRequest, FindMissingBlobsRequest, batch_update_blobs_request, digest_function,
    },
    google::bytestream::{QueryWriteStatusRequest, WriteRequest},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::{Blob, Content, RemoteError, connection::Connection, retry::is_passing, retry::retry};

/// How many contents are asked for at once: about 400 KiB of digests.
const ASKED: usize = 5000;
/// How many messages or streams are on their way at once.
pub(crate) const AT_ONCE: usize = 4;
/// How much of a content is in one message of a stream.
const CHUNK: usize = 1 << 20;
/// What is around a content in a message, at most.
const AROUND: u64 = 128;
/// How often a stream is taken up again that got no further.
const STALLS: u32 = 6;

/// Which of these the cluster does not have.
pub(crate) async fn missing(connection: &Connection, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError> {
    let mut missing = Vec::new();
    for chunk in blobs.chunks(ASKED) {
        let ask = async || {
            let request = FindMissingBlobsRequest {
                instance_name: connection.endpoint.instance.clone(),
                blob_digests: chunk.iter().map(|blob| blob.to_proto()).collect(),
                digest_function: digest_function::Value::Sha256.into(),
            };
            Ok(connection.storage().find_missing_blobs(connection.timed(request)).await?.into_inner())
        };
        let answer = retry(ask).await.map_err(|status| connection.failed("say which contents it has", status))?;
        missing.extend(answer.missing_blob_digests.iter().filter_map(Blob::from_proto));
    }
    Ok(missing)
}

/// Sends these, of which `contents` knows where they are.
pub(crate) async fn send(
    connection: &Connection,
    blobs: &[Blob],
    contents: &HashMap<Blob, &Content>,
) -> Result<(), RemoteError> {
    let mut tasks: JoinSet<Result<(), RemoteError>> = JoinSet::new();
    let mut batch: Vec<(Blob, Content)> = Vec::new();
    let mut size = 0;
    let connection = Arc::new(connection.clone());
    for blob in blobs {
        let Some(content) = contents.get(blob) else {
            return Err(RemoteError::Nonsense { what: format!("it lacks {blob}, which nobody offered") });
        };
        let needed = blob.size + AROUND;
        if needed > connection.batch {
            spawn(&mut tasks, stream(connection.clone(), *blob, (*content).clone())).await?;
            continue;
        }
        if size + needed > connection.batch {
            spawn(&mut tasks, send_batch(connection.clone(), std::mem::take(&mut batch))).await?;
            size = 0;
        }
        batch.push((*blob, (*content).clone()));
        size += needed;
    }
    if !batch.is_empty() {
        spawn(&mut tasks, send_batch(connection, batch)).await?;
    }
    while let Some(done) = tasks.join_next().await {
        joined(done)?;
    }
    Ok(())
}

/// Begins another task once there are fewer than there may be.
pub(crate) async fn spawn(
    tasks: &mut JoinSet<Result<(), RemoteError>>,
    task: impl Future<Output = Result<(), RemoteError>> + Send + 'static,
) -> Result<(), RemoteError> {
    while tasks.len() >= AT_ONCE {
        if let Some(done) = tasks.join_next().await {
            joined(done)?;
        }
    }
    tasks.spawn(task);
    Ok(())
}

/// What became of a task.
pub(crate) fn joined(done: Result<Result<(), RemoteError>, tokio::task::JoinError>) -> Result<(), RemoteError> {
    done.unwrap_or_else(|error| Err(RemoteError::Nonsense { what: error.to_string() }))
}

async fn send_batch(connection: Arc<Connection>, batch: Vec<(Blob, Content)>) -> Result<(), RemoteError> {
    let mut requests = Vec::with_capacity(batch.len());
    for (blob, content) in &batch {
        let data = read(content)?;
        if data.len() as u64 != blob.size {
            return Err(changed(content));
        }
        requests.push(batch_update_blobs_request::Request { digest: Some(blob.to_proto()), data, compressor: 0 });
    }
    let request = BatchUpdateBlobsRequest {
        instance_name: connection.endpoint.instance.clone(),
        requests,
        digest_function: digest_function::Value::Sha256.into(),
    };
    let send = async || {
        let mut client = connection.storage();
        let answer = client.batch_update_blobs(connection.timed(request.clone())).await?.into_inner();
        let refused = answer.responses.iter().filter_map(|response| response.status.as_ref());
        match refused.into_iter().find(|status| status.code != 0) {
            Some(status) => Err(Status::new(Code::from(status.code), status.message.clone())),
            None => Ok(()),
        }
    };
    retry(send).await.map_err(|status| connection.failed("take contents", status))
}

/// Sends one content, going on where it was when the connection broke.
async fn stream(connection: Arc<Connection>, blob: Blob, content: Content) -> Result<(), RemoteError> {
    let failed = |status| connection.failed("take a content", status);
    let mut stalls = 0;
    let (mut name, mut from) = (upload_name(&connection, blob)?, 0);
    loop {
        let (sender, receiver) = mpsc::channel(2);
        let compressed = connection.zstd;
        let (source, target) = (content.clone(), name.clone());
        let feeding = tokio::task::spawn_blocking(move || feed(&source, target, from, compressed, sender));
        let answer = connection.streams().write(ReceiverStream::new(receiver)).await;
        let fed = feeding.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let status = match answer {
            // Sent to its end, or known before.
            Ok(_) => return fed.map_err(|source| unreadable(&content, source)),
            Err(status) => status,
        };
        if let Err(source) = fed {
            return Err(unreadable(&content, source));
        }
        if !is_passing(&status) || stalls == STALLS {
            return Err(failed(status));
        }
        tokio::time::sleep(std::time::Duration::from_millis(200 << stalls)).await;
        if compressed {
            // How far it came cannot be told in bytes of the content.
            (name, from, stalls) = (upload_name(&connection, blob)?, 0, stalls + 1);
            continue;
        }
        match written(&connection, &name).await {
            Ok((_, true)) => return Ok(()),
            Ok((known, false)) if known > from && known <= blob.size => (from, stalls) = (known, 0),
            _ => (name, from, stalls) = (upload_name(&connection, blob)?, 0, stalls + 1),
        }
    }
}

/// How much of a stream was written, and whether that is all.
async fn written(connection: &Connection, name: &str) -> Result<(u64, bool), Status> {
    let ask = async || {
        let request = QueryWriteStatusRequest { resource_name: name.to_owned() };
        Ok(connection.streams().query_write_status(connection.timed(request)).await?.into_inner())
    };
    let answer = retry(ask).await?;
    Ok((answer.committed_size.try_into().unwrap_or(0), answer.complete))
}

fn upload_name(connection: &Connection, blob: Blob) -> Result<String, RemoteError> {
    const RANDOM: &str = "/proc/sys/kernel/random/uuid";
    let uuid = fs::read_to_string(RANDOM).map_err(|source| RemoteError::Read { path: RANDOM.into(), source })?;
    let kind = if connection.zstd { "compressed-blobs/zstd" } else { "blobs" };
    Ok(connection.resource(&format!("uploads/{}/{kind}/{blob}", uuid.trim())))
}

/// Puts a content into a stream of messages.
fn feed(
    content: &Content,
    name: String,
    from: u64,
    compressed: bool,
    sender: mpsc::Sender<WriteRequest>,
) -> io::Result<()> {
    let mut out = Messages { name, at: i64::try_from(from).unwrap_or(i64::MAX), buffer: Vec::new(), sender };
    let fed = (|| {
        if compressed {
            let mut encoder = zstd::Encoder::new(&mut out, 0)?;
            copy(content, from, &mut encoder)?;
            encoder.finish()?;
            return Ok(());
        }
        copy(content, from, &mut out)
    })();
    match fed.and_then(|()| out.give(true)) {
        // Nobody listens any more: the answer says why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        fed => fed,
    }
}

fn copy(content: &Content, from: u64, out: &mut impl Write) -> io::Result<()> {
    match content {
        Content::Bytes(bytes) => out.write_all(bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or(&[])),
        Content::File(path) => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => out.write_all(&buffer[..read])?,
                }
            }
        }
    }
}

/// Bytes that become messages of a stream.
struct Messages {
    name: String,
    at: i64,
    buffer: Vec<u8>,
    sender: mpsc::Sender<WriteRequest>,
}

impl Messages {
    fn give(&mut self, is_last: bool) -> io::Result<()> {
        let data = std::mem::take(&mut self.buffer);
        let sent = i64::try_from(data.len()).unwrap_or(i64::MAX);
        let request =
            WriteRequest { resource_name: self.name.clone(), write_offset: self.at, finish_write: is_last, data };
        self.at += sent;
        self.sender.blocking_send(request).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.give(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(content: &Content) -> Result<Vec<u8>, RemoteError> {
    match content {
        Content::Bytes(bytes) => Ok(bytes.clone()),
        Content::File(path) => fs::read(path).map_err(|source| unreadable(content, source)),
    }
}

fn unreadable(content: &Content, source: io::Error) -> RemoteError {
    match content {
        Content::Bytes(_) => RemoteError::Nonsense { what: source.to_string() },
        Content::File(path) => RemoteError::Read { path: path.clone(), source },
    }
}

/// A file that is not what it was when it was listed.
fn changed(content: &Content) -> RemoteError {
    unreadable(content, io::Error::other("its content is another than when it was listed"))
}
