//! Fetching contents. What comes is written to where it belongs only once its digest vouched for it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_component::Hasher;
use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{BatchReadBlobsRequest, digest_function},
    google::bytestream::ReadRequest,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::{
    Blob, RemoteError,
    connection::Connection,
    retry::{is_passing, retry},
    upload::{joined, spawn},
};

/// What is around a content in a message, at most.
const AROUND: u64 = 128;
/// How often a stream is taken up again that got no further.
const STALLS: u32 = 6;

/// Fetches each content to its path, which must not be there.
pub(crate) async fn fetch(connection: &Connection, wanted: Vec<(Blob, PathBuf)>) -> Result<(), RemoteError> {
    let connection = Arc::new(connection.clone());
    let mut tasks: JoinSet<Result<(), RemoteError>> = JoinSet::new();
    let mut batch: Vec<(Blob, PathBuf)> = Vec::new();
    let mut size = 0;
    for (blob, path) in wanted {
        let needed = blob.size + AROUND;
        if needed > connection.batch {
            spawn(&mut tasks, stream_to(connection.clone(), blob, path)).await?;
            continue;
        }
        if size + needed > connection.batch {
            spawn(&mut tasks, fetch_batch(connection.clone(), std::mem::take(&mut batch))).await?;
            size = 0;
        }
        batch.push((blob, path));
        size += needed;
    }
    if !batch.is_empty() {
        spawn(&mut tasks, fetch_batch(connection, batch)).await?;
    }
    while let Some(done) = tasks.join_next().await {
        joined(done)?;
    }
    Ok(())
}

/// Fetches one content into memory.
pub(crate) async fn read(connection: &Connection, blob: Blob) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    match blob.size {
        0 => check(blob, &bytes)?,
        _ => stream(connection, blob, &mut bytes).await.map_err(Broken::in_memory)?,
    }
    Ok(bytes)
}

async fn fetch_batch(connection: Arc<Connection>, batch: Vec<(Blob, PathBuf)>) -> Result<(), RemoteError> {
    let mut wanted: Vec<Blob> = batch.iter().map(|(blob, _)| *blob).filter(|blob| blob.size > 0).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let ask = async || {
        let request = BatchReadBlobsRequest {
            instance_name: connection.endpoint.instance.clone(),
            digests: wanted.iter().map(|blob| blob.to_proto()).collect(),
            acceptable_compressors: Vec::new(),
            digest_function: digest_function::Value::Sha256.into(),
        };
        let answer = connection.storage().batch_read_blobs(connection.timed(request)).await?.into_inner();
        let status = |code: i32| Code::from(code);
        let passing = answer.responses.iter().filter_map(|response| response.status.as_ref());
        match passing.into_iter().map(|said| Status::new(status(said.code), said.message.clone())).find(is_passing) {
            Some(status) => Err(status),
            None => Ok(answer.responses),
        }
    };
    let answers = match wanted.is_empty() {
        true => Vec::new(),
        false => retry(ask).await.map_err(|status| connection.failed("give contents", status))?,
    };
    let mut contents = std::collections::HashMap::new();
    for answer in answers {
        if let Some(blob) = answer.digest.as_ref().and_then(Blob::from_proto) {
            let code = answer.status.map_or(Code::Ok, |status| Code::from(status.code));
            contents.insert(blob, (code, answer.data));
        }
    }
    for (blob, path) in batch {
        let nothing = (Code::Ok, Vec::new());
        let (code, bytes) = match blob.size {
            0 => &nothing,
            _ => contents.get(&blob).ok_or(RemoteError::Lost { blob })?,
        };
        match code {
            Code::Ok => check(blob, bytes)?,
            Code::NotFound => return Err(RemoteError::Lost { blob }),
            code => return Err(connection.failed("give a content", Status::new(*code, blob.to_string()))),
        }
        fs::write(&path, bytes).map_err(|source| RemoteError::Write { path, source })?;
    }
    Ok(())
}

fn check(blob: Blob, bytes: &[u8]) -> Result<(), RemoteError> {
    if Blob::of(bytes) == blob { Ok(()) } else { Err(RemoteError::Lying { blob }) }
}

async fn stream_to(connection: Arc<Connection>, blob: Blob, path: PathBuf) -> Result<(), RemoteError> {
    let mut beside = path.clone().into_os_string();
    beside.push(".coming");
    let beside = PathBuf::from(beside);
    let failed = |path: &Path, source| RemoteError::Write { path: path.to_owned(), source };
    let mut file = File::create(&beside).map_err(|source| failed(&beside, source))?;
    match stream(&connection, blob, &mut file).await {
        Ok(()) => fs::rename(&beside, &path).map_err(|source| failed(&path, source)),
        Err(broken) => {
            // What came is worth nothing; that it cannot be removed is told where the directory is.
            let _ = fs::remove_file(&beside);
            Err(match broken {
                Broken::Remote(error) => error,
                Broken::Here(source) => failed(&beside, source),
            })
        }
    }
}

/// Why a stream ended.
enum Broken {
    Remote(RemoteError),
    Here(io::Error),
}

impl Broken {
    fn in_memory(self) -> RemoteError {
        match self {
            Self::Remote(error) => error,
            Self::Here(source) => RemoteError::Nonsense { what: source.to_string() },
        }
    }
}

/// Reads one content, going on where it was when the connection broke.
async fn stream(connection: &Connection, blob: Blob, out: &mut (impl Write + Send)) -> Result<(), Broken> {
    let kind = if connection.zstd { "compressed-blobs/zstd" } else { "blobs" };
    let name = connection.resource(&format!("{kind}/{blob}"));
    let mut sink = Sink { out, hasher: Hasher::new(), got: 0, blob };
    let mut stalls = 0;
    while sink.got < blob.size {
        let before = sink.got;
        let Err(status) = read_on(connection, &name, &mut sink).await? else { break };
        if status.code() == Code::NotFound {
            return Err(Broken::Remote(RemoteError::Lost { blob }));
        }
        stalls = if sink.got > before { 0 } else { stalls + 1 };
        if !is_passing(&status) || stalls > STALLS {
            return Err(Broken::Remote(connection.failed("give a content", status)));
        }
        tokio::time::sleep(std::time::Duration::from_millis(200 << stalls)).await;
    }
    if sink.got != blob.size || sink.hasher.finish() != blob.digest {
        return Err(Broken::Remote(RemoteError::Lying { blob }));
    }
    Ok(())
}

/// Reads from where the sink is. The outer error is one of this side.
async fn read_on<W: Write + Send>(
    connection: &Connection,
    name: &str,
    sink: &mut Sink<'_, W>,
) -> Result<Result<(), Status>, Broken> {
    let offset = i64::try_from(sink.got).unwrap_or(i64::MAX);
    let request = ReadRequest { resource_name: name.to_owned(), read_offset: offset, read_limit: 0 };
    let mut messages = match connection.streams().read(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    // Only the system has numbers for what goes wrong here; the rest is that what came is not what it should be.
    let blob = sink.blob;
    let broken = move |error: io::Error| match error.raw_os_error() {
        Some(_) => Broken::Here(error),
        None => Broken::Remote(RemoteError::Lying { blob }),
    };
    let mut out: Box<dyn Write + Send + '_> = match connection.zstd {
        true => Box::new(zstd::stream::write::Decoder::new(sink).map_err(Broken::Here)?),
        false => Box::new(sink),
    };
    loop {
        let message = match messages.message().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(status) => return Ok(Err(status)),
        };
        out.write_all(&message.data).map_err(broken)?;
    }
    out.flush().map_err(broken)?;
    Ok(Ok(()))
}

/// Where a content goes: it is hashed on its way, and never gets longer than it should be.
struct Sink<'a, W> {
    out: &'a mut W,
    hasher: Hasher,
    got: u64,
    blob: Blob,
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.got + bytes.len() as u64 > self.blob.size {
            return Err(io::Error::other("more came than the content is long"));
        }
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.got += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
