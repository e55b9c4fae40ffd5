//! A cluster in this process that goes wrong on demand.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use aleph_remote::{Blob, Client, Endpoint, RemoteError, Tool};
use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{self as api, *},
    google::{
        bytestream::{self, *},
        longrunning::{Operation, operation},
        protobuf::Any,
        rpc,
    },
};
use prost::Message as _;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming, transport::Server};

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the cluster has, what it was asked, and what goes wrong.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) contents: HashMap<String, Vec<u8>>,
    partial: HashMap<String, Vec<u8>>,
    /// Names of calls, in order.
    pub(crate) calls: Vec<String>,
    /// Whether it offers compressed streams.
    pub(crate) zstd: bool,
    /// How many streams break in their middle.
    pub(crate) breaks: usize,
    /// Whether what it gives is not what it has.
    pub(crate) lies: bool,
    /// How often it is out of order for everybody.
    pub(crate) refusals: usize,
    /// How many waits for an operation break.
    pub(crate) deaf: usize,
    /// The headers of the last call.
    pub(crate) headers: Vec<(String, String)>,
}

/// The cluster.
#[derive(Clone, Default)]
pub(crate) struct Fake(pub(crate) Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn with(change: impl FnOnce(&mut State)) -> Self {
        let fake = Self::default();
        change(&mut fake.0.lock().unwrap());
        fake
    }

    /// Starts it, and connects to it.
    pub(crate) fn connect(&self, change: impl FnOnce(&mut Endpoint)) -> Result<Client, RemoteError> {
        let address = self.serve(Server::builder());
        Self::connect_to(&format!("grpc://{address}/main"), change)
    }

    /// Connects to what was started at an address.
    pub(crate) fn connect_to(address: &str, change: impl FnOnce(&mut Endpoint)) -> Result<Client, RemoteError> {
        let mut endpoint = Endpoint::parse(address).unwrap();
        change(&mut endpoint);
        Client::connect(&endpoint, &Tool { name: "test".to_owned(), ..Tool::default() })
    }

    /// Starts it, and tells where.
    pub(crate) fn serve(&self, mut server: Server) -> SocketAddr {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fake = self.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let server = server
                .add_service(capabilities_server::CapabilitiesServer::new(fake.clone()))
                .add_service(content_addressable_storage_server::ContentAddressableStorageServer::new(fake.clone()))
                .add_service(byte_stream_server::ByteStreamServer::new(fake.clone()))
                .add_service(action_cache_server::ActionCacheServer::new(fake.clone()))
                .add_service(execution_server::ExecutionServer::new(fake));
            runtime.block_on(server.serve(address)).unwrap();
        });
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        address
    }

    pub(crate) fn calls(&self, name: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|call| *call == name).count()
    }

    fn called<T>(&self, name: &str, request: &Request<T>) -> Result<std::sync::MutexGuard<'_, State>, Status> {
        let mut state = self.0.lock().unwrap();
        state.calls.push(name.to_owned());
        let ascii = request.metadata().iter().filter_map(|pair| match pair {
            tonic::metadata::KeyAndValueRef::Ascii(key, value) => {
                Some((key.to_string(), value.to_str().ok()?.to_owned()))
            }
            tonic::metadata::KeyAndValueRef::Binary(key, _) => Some((key.to_string(), String::new())),
        });
        state.headers = ascii.collect();
        if state.refusals > 0 {
            state.refusals -= 1;
            return Err(Status::unavailable("not now"));
        }
        Ok(state)
    }
}

fn items<T: Send + 'static>(items: Vec<Result<T, Status>>) -> Items<T> {
    Box::pin(tokio_stream::iter(items))
}

fn status(code: Code) -> Option<rpc::Status> {
    Some(rpc::Status { code: code.into(), message: format!("{code:?}"), details: Vec::new() })
}

#[tonic::async_trait]
impl capabilities_server::Capabilities for Fake {
    async fn get_capabilities(&self, request: Request<GetCapabilitiesRequest>) -> Answer<ServerCapabilities> {
        let zstd = self.called("capabilities", &request)?.zstd;
        let sha256 = i32::from(digest_function::Value::Sha256);
        Ok(Response::new(ServerCapabilities {
            cache_capabilities: Some(CacheCapabilities {
                digest_functions: vec![sha256],
                max_batch_total_size_bytes: 10_000,
                supported_compressors: if zstd { vec![compressor::Value::Zstd.into()] } else { Vec::new() },
                ..CacheCapabilities::default()
            }),
            execution_capabilities: Some(ExecutionCapabilities {
                exec_enabled: true,
                digest_functions: vec![sha256],
                ..ExecutionCapabilities::default()
            }),
            ..ServerCapabilities::default()
        }))
    }
}

#[tonic::async_trait]
impl content_addressable_storage_server::ContentAddressableStorage for Fake {
    async fn find_missing_blobs(&self, request: Request<FindMissingBlobsRequest>) -> Answer<FindMissingBlobsResponse> {
        let state = self.called("missing", &request)?;
        let mut missing = request.get_ref().blob_digests.clone();
        missing.retain(|digest| !state.contents.contains_key(&digest.hash));
        Ok(Response::new(FindMissingBlobsResponse { missing_blob_digests: missing }))
    }

    async fn batch_update_blobs(&self, request: Request<BatchUpdateBlobsRequest>) -> Answer<BatchUpdateBlobsResponse> {
        let mut state = self.called("update", &request)?;
        let blobs = request.into_inner().requests;
        if blobs.iter().map(|blob| blob.data.len()).sum::<usize>() > 10_000 {
            return Err(Status::invalid_argument("too much at once"));
        }
        let take = |blob: batch_update_blobs_request::Request| {
            let digest = blob.digest.unwrap();
            let is_right = Blob::of(&blob.data).digest.to_string() == digest.hash;
            state.contents.insert(digest.hash.clone(), blob.data);
            let status = status(if is_right { Code::Ok } else { Code::InvalidArgument });
            batch_update_blobs_response::Response { digest: Some(digest), status }
        };
        Ok(Response::new(BatchUpdateBlobsResponse { responses: blobs.into_iter().map(take).collect() }))
    }

    async fn batch_read_blobs(&self, request: Request<BatchReadBlobsRequest>) -> Answer<BatchReadBlobsResponse> {
        let state = self.called("read", &request)?;
        let give = |digest: &api::Digest| {
            let found = state.contents.get(&digest.hash).cloned();
            let code = if found.is_some() { Code::Ok } else { Code::NotFound };
            let mut data = found.unwrap_or_default();
            if state.lies {
                data.reverse();
            }
            batch_read_blobs_response::Response {
                digest: Some(digest.clone()),
                data,
                status: status(code),
                compressor: 0,
            }
        };
        Ok(Response::new(BatchReadBlobsResponse { responses: request.get_ref().digests.iter().map(give).collect() }))
    }

    type GetTreeStream = Items<GetTreeResponse>;
    async fn get_tree(&self, _: Request<GetTreeRequest>) -> Answer<Self::GetTreeStream> {
        Err(Status::unimplemented(""))
    }
    async fn split_blob(&self, _: Request<SplitBlobRequest>) -> Answer<SplitBlobResponse> {
        Err(Status::unimplemented(""))
    }
    type GetChunkMappingStream = Items<GetChunkMappingResponse>;
    async fn get_chunk_mapping(&self, _: Request<GetChunkMappingRequest>) -> Answer<Self::GetChunkMappingStream> {
        Err(Status::unimplemented(""))
    }
    async fn splice_blob(&self, _: Request<SpliceBlobRequest>) -> Answer<SpliceBlobResponse> {
        Err(Status::unimplemented(""))
    }
    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<RegisterChunkMappingRequest>>,
    ) -> Answer<RegisterChunkMappingResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl byte_stream_server::ByteStream for Fake {
    type ReadStream = Items<ReadResponse>;

    async fn read(&self, request: Request<ReadRequest>) -> Answer<Self::ReadStream> {
        let mut state = self.called("stream out", &request)?;
        let name = request.get_ref().resource_name.clone();
        let parts: Vec<&str> = name.split('/').collect();
        let content = state.contents.get(parts[parts.len() - 2]).cloned();
        let mut content = content.ok_or_else(|| Status::not_found("no such content"))?;
        if state.lies {
            content.reverse();
        }
        let rest = &content[usize::try_from(request.get_ref().read_offset).unwrap()..];
        let bytes =
            if name.contains("/compressed-blobs/zstd/") { zstd::encode_all(rest, 0).unwrap() } else { rest.to_vec() };
        let mut parts: Vec<Result<ReadResponse, Status>> =
            bytes.chunks(3000).map(|part| Ok(ReadResponse { data: part.to_vec() })).collect();
        if state.breaks > 0 {
            state.breaks -= 1;
            parts.truncate(parts.len() / 2);
            parts.push(Err(Status::unavailable("broken")));
        }
        Ok(Response::new(items(parts)))
    }

    async fn write(&self, request: Request<Streaming<WriteRequest>>) -> Answer<WriteResponse> {
        drop(self.called("stream in", &request)?);
        let mut stream = request.into_inner();
        while let Some(part) = stream.message().await? {
            let mut state = self.0.lock().unwrap();
            let breaks = state.breaks > 0;
            let known = state.partial.entry(part.resource_name.clone()).or_default();
            if known.len() != usize::try_from(part.write_offset).unwrap() {
                return Err(Status::invalid_argument("that is not where it was"));
            }
            known.extend(part.data);
            let (bytes, known) = (known.clone(), i64::try_from(known.len()).unwrap());
            if breaks {
                state.breaks -= 1;
                return Err(Status::unavailable("broken"));
            }
            if part.finish_write {
                let names: Vec<&str> = part.resource_name.split('/').collect();
                let is_packed = part.resource_name.contains("/compressed-blobs/zstd/");
                let content = if is_packed { zstd::decode_all(&*bytes).unwrap() } else { bytes };
                let hash = names[names.len() - 2].to_owned();
                if Blob::of(&content).digest.to_string() != hash {
                    return Err(Status::invalid_argument("it is another content"));
                }
                state.contents.insert(hash, content);
                return Ok(Response::new(WriteResponse { committed_size: known }));
            }
        }
        Err(Status::invalid_argument("it has no end"))
    }

    async fn query_write_status(
        &self,
        request: Request<QueryWriteStatusRequest>,
    ) -> Answer<bytestream::QueryWriteStatusResponse> {
        let state = self.called("how far", &request)?;
        let known = state.partial.get(&request.get_ref().resource_name).map_or(0, Vec::len);
        Ok(Response::new(QueryWriteStatusResponse { committed_size: i64::try_from(known).unwrap(), complete: false }))
    }
}

#[tonic::async_trait]
impl action_cache_server::ActionCache for Fake {
    async fn get_action_result(&self, request: Request<GetActionResultRequest>) -> Answer<ActionResult> {
        drop(self.called("known", &request)?);
        Err(Status::not_found("never done"))
    }
    async fn update_action_result(&self, _: Request<UpdateActionResultRequest>) -> Answer<ActionResult> {
        Err(Status::unimplemented(""))
    }
}

/// An operation that ended, or goes on.
fn operation(ended: Option<Code>) -> Operation {
    let response = ended.map(|code| {
        let result = ActionResult { exit_code: 7, ..ActionResult::default() };
        let result = Some(result).filter(|_| code == Code::Ok);
        let response = ExecuteResponse { result, status: status(code), ..ExecuteResponse::default() };
        operation::Result::Response(Any { type_url: String::new(), value: response.encode_to_vec() })
    });
    Operation { name: "main/operation".to_owned(), metadata: None, done: response.is_some(), result: response }
}

#[tonic::async_trait]
impl execution_server::Execution for Fake {
    type ExecuteStream = Items<Operation>;

    /// Needs all contents to be there; then says that it has begun, and breaks off.
    async fn execute(&self, request: Request<ExecuteRequest>) -> Answer<Self::ExecuteStream> {
        let state = self.called("execute", &request)?;
        let hash = &request.get_ref().action_digest.as_ref().unwrap().hash;
        let action = state.contents.get(hash).ok_or_else(|| Status::failed_precondition("no action"))?;
        let root = Action::decode(&**action).unwrap().input_root_digest.unwrap().hash;
        if !state.contents.contains_key(&root) {
            return Err(Status::failed_precondition("no root"));
        }
        Ok(Response::new(items(vec![Ok(operation(None))])))
    }

    type WaitExecutionStream = Items<Operation>;
    async fn wait_execution(&self, request: Request<WaitExecutionRequest>) -> Answer<Self::WaitExecutionStream> {
        let mut state = self.called("wait", &request)?;
        if state.deaf > 0 {
            state.deaf -= 1;
            return Ok(Response::new(items(vec![Ok(operation(None)), Err(Status::unavailable("broken"))])));
        }
        Ok(Response::new(items(vec![Ok(operation(None)), Ok(operation(Some(Code::Ok)))])))
    }
}
