//! A connection: what is sent along with each call, and what the other side can do.

use std::{fs, path::PathBuf, str::FromStr as _};

use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{
        CacheCapabilities, GetCapabilitiesRequest, RequestMetadata, ServerCapabilities, ToolDetails,
        action_cache_client::ActionCacheClient, capabilities_client::CapabilitiesClient, compressor,
        content_addressable_storage_client::ContentAddressableStorageClient, digest_function,
        execution_client::ExecutionClient,
    },
    google::{bytestream::byte_stream_client::ByteStreamClient, longrunning::operations_client::OperationsClient},
};
use prost::Message as _;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataKey, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use crate::{Endpoint, RemoteError, Tls, Tool, retry::retry_briefly};

/// How much is sent or asked for in one message, where the other side allows that. It is what gRPC allows by default, with some
/// room for what is around the contents.
const MESSAGE: u64 = (4 << 20) - (128 << 10);
/// How large a message may be that is taken.
const MOST: usize = 64 << 20;
/// The header that says on whose behalf a call is made.
const METADATA: &str = "build.bazel.remote.execution.v2.requestmetadata-bin";

pub(crate) type Service = InterceptedService<Channel, Headers>;

/// A connection to a cluster that can do what is needed.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    /// How many bytes of contents fit into one message.
    pub(crate) batch: u64,
    /// Whether contents travel compressed.
    pub(crate) zstd: bool,
    channel: Channel,
    headers: Headers,
}

/// What is sent along with each call.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    token: Option<PathBuf>,
    fixed: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    metadata: RequestMetadata,
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let headers = request.metadata_mut();
        for (name, value) in &self.fixed {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(path) = &self.token {
            let unreadable = |error| Status::unauthenticated(format!("cannot read `{}`: {error}", path.display()));
            let token = fs::read_to_string(path).map_err(unreadable)?;
            let value = MetadataValue::try_from(format!("Bearer {}", token.trim()));
            let mut value = value.map_err(|_| Status::unauthenticated(format!("`{}` is no token", path.display())))?;
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        headers.insert_bin(METADATA, MetadataValue::from_bytes(&self.metadata.encode_to_vec()));
        Ok(request)
    }
}

impl Connection {
    /// Connects, and asks what the other side can do.
    pub(crate) async fn open(endpoint: &Endpoint, tool: &Tool) -> Result<Self, RemoteError> {
        let channel = channel(endpoint)?;
        let mut connection = Self {
            endpoint: endpoint.clone(),
            batch: MESSAGE,
            zstd: false,
            channel,
            headers: headers(endpoint, tool)?,
        };
        let capabilities = connection.capabilities().await?;
        let unfit = |reason: &str| RemoteError::Unfit { address: endpoint.address(), reason: reason.to_owned() };
        let sha256 = i32::from(digest_function::Value::Sha256);
        if let Some(execution) = &capabilities.execution_capabilities {
            if !execution.exec_enabled {
                return Err(unfit("it only keeps contents, and executes nothing"));
            }
            let functions = &execution.digest_functions;
            if !functions.contains(&sha256) && (!functions.is_empty() || execution.digest_function != sha256) {
                return Err(unfit("it does not execute what is named by SHA-256"));
            }
        }
        let cache = capabilities.cache_capabilities.unwrap_or_default();
        if !cache.digest_functions.is_empty() && !cache.digest_functions.contains(&sha256) {
            return Err(unfit("it keeps nothing by SHA-256"));
        }
        connection.take_limits(&cache);
        Ok(connection)
    }

    fn take_limits(&mut self, cache: &CacheCapabilities) {
        if let Ok(limit @ 1..) = u64::try_from(cache.max_batch_total_size_bytes) {
            self.batch = limit.min(MESSAGE);
        }
        self.zstd = cache.supported_compressors.contains(&compressor::Value::Zstd.into());
    }

    async fn capabilities(&self) -> Result<ServerCapabilities, RemoteError> {
        let ask = async || {
            let mut client = CapabilitiesClient::new(self.service());
            let request = GetCapabilitiesRequest { instance_name: self.endpoint.instance.clone() };
            Ok(client.get_capabilities(self.timed(request)).await?.into_inner())
        };
        match retry_briefly(ask).await {
            // Servers need not tell.
            Err(status) if status.code() == Code::Unimplemented => Ok(ServerCapabilities::default()),
            answer => answer.map_err(|status| self.failed("say what it can do", status)),
        }
    }

    /// The same connection, on behalf of an action: what it is for and its name.
    pub(crate) fn on_behalf_of(&self, target: &str, action: &str) -> Self {
        let mut other = self.clone();
        other.headers.metadata.action_id = action.to_owned();
        other.headers.metadata.target_id = target.to_owned();
        other
    }

    /// A request that has to be answered at once.
    pub(crate) fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.endpoint.call);
        request
    }

    /// The beginning of a resource's name.
    pub(crate) fn resource(&self, rest: &str) -> String {
        let slash = if self.endpoint.instance.is_empty() { "" } else { "/" };
        format!("{}{slash}{rest}", self.endpoint.instance)
    }

    pub(crate) fn failed(&self, doing: &'static str, status: Status) -> RemoteError {
        RemoteError::Call { address: self.endpoint.address(), doing, status: Box::new(status) }
    }

    fn service(&self) -> Service {
        InterceptedService::new(self.channel.clone(), self.headers.clone())
    }

    pub(crate) fn storage(&self) -> ContentAddressableStorageClient<Service> {
        ContentAddressableStorageClient::new(self.service()).max_decoding_message_size(MOST)
    }

    pub(crate) fn streams(&self) -> ByteStreamClient<Service> {
        ByteStreamClient::new(self.service()).max_decoding_message_size(MOST)
    }

    pub(crate) fn results(&self) -> ActionCacheClient<Service> {
        ActionCacheClient::new(self.service()).max_decoding_message_size(MOST)
    }

    pub(crate) fn execution(&self) -> ExecutionClient<Service> {
        ExecutionClient::new(self.service()).max_decoding_message_size(MOST)
    }

    pub(crate) fn operations(&self) -> OperationsClient<Service> {
        OperationsClient::new(self.service())
    }
}

/// A channel that connects when it is used, and again when it was broken.
fn channel(endpoint: &Endpoint) -> Result<Channel, RemoteError> {
    let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
    let failed = |error: tonic::transport::Error| RemoteError::Setting {
        what: format!("the address {}", endpoint.address()),
        source: error.into(),
    };
    let channel = Channel::from_shared(format!("{scheme}://{}", endpoint.authority));
    let mut channel = channel
        .map_err(|error| RemoteError::Setting {
            what: format!("the address {}", endpoint.address()),
            source: error.into(),
        })?
        .connect_timeout(endpoint.connect)
        .keep_alive_while_idle(false)
        .tcp_nodelay(true);
    if let Some(tls) = &endpoint.tls {
        channel = channel.tls_config(private(tls)?).map_err(failed)?;
    }
    Ok(channel.connect_lazy())
}

fn private(tls: &Tls) -> Result<ClientTlsConfig, RemoteError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|source| RemoteError::Read { path: path.clone(), source });
    let mut config = match &tls.authorities {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    Ok(config)
}

fn headers(endpoint: &Endpoint, tool: &Tool) -> Result<Headers, RemoteError> {
    let mut fixed = Vec::new();
    for (name, value) in &endpoint.headers {
        let wrong = |source| RemoteError::Setting { what: format!("the header `{name}`"), source };
        let key = MetadataKey::from_str(&name.to_lowercase()).map_err(|error| wrong(error.into()))?;
        fixed.push((key, MetadataValue::try_from(value.as_str()).map_err(|error| wrong(error.into()))?));
    }
    let details = ToolDetails { tool_name: tool.name.clone(), tool_version: tool.version.clone() };
    let metadata = RequestMetadata {
        tool_details: Some(details),
        tool_invocation_id: tool.invocation.clone(),
        ..RequestMetadata::default()
    };
    Ok(Headers { token: endpoint.token.clone(), fixed, metadata })
}
