//! Having an action carried out, and waiting for it whatever happens to the connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{
        Action, ActionResult, Command, ExecuteOperationMetadata, ExecuteRequest, ExecuteResponse,
        GetActionResultRequest, Platform, WaitExecutionRequest, command::EnvironmentVariable, digest_function,
        execution_stage, platform,
    },
    google::{
        longrunning::{Operation, operation},
        protobuf,
    },
};
use prost::Message as _;
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::{Blob, Content, RemoteError, Tree, connection::Connection, retry::is_passing, retry::retry};

/// How often the wait for an action is taken up again without hearing of it in between.
const SILENCES: u32 = 8;

/// An action that can be carried out.
#[derive(Clone, Debug)]
pub struct Order {
    /// What it is for: a recipe's name.
    pub target: String,
    /// The command, looked up below the tree, and its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub tree: Arc<Tree>,
    /// Files that are wanted afterwards.
    pub files: Vec<String>,
    /// Directories whose files are wanted afterwards.
    pub directories: Vec<String>,
    /// What a worker has to have.
    pub platform: BTreeMap<String, String>,
    /// How long it may take, if that is not left to the cluster.
    pub timeout: Option<Duration>,
}

/// What is going on with an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What the cluster lacks is sent.
    Sending,
    /// It waits for a worker.
    Waiting,
    /// It runs.
    Running,
}

/// What came of an action.
#[derive(Clone, Debug)]
pub struct Done {
    /// How its command ended.
    pub exit_code: i32,
    /// The files that are there afterwards of those that are wanted.
    pub files: BTreeMap<String, Blob>,
    /// What the command said on standard error, as far as it was passed on.
    pub said: Vec<u8>,
    /// The rest of that, if it is not here yet.
    pub(crate) unheard: Option<Blob>,
    /// Who carried it out; empty if the cluster does not tell.
    pub worker: String,
    /// Whether the cluster had carried it out before.
    pub is_cached: bool,
}

impl Order {
    /// The messages of the action, its name last.
    pub(crate) fn messages(&self) -> [(Blob, Content); 2] {
        let mut paths: Vec<String> = self.files.iter().chain(&self.directories).cloned().collect();
        paths.sort();
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort();
            list
        };
        let properties = self.platform.iter();
        let platform = Platform {
            properties: properties
                .map(|(name, value)| platform::Property { name: name.clone(), value: value.clone() })
                .collect(),
        };
        let variables = self.environment.iter();
        // The older fields are for clusters that do not know of paths yet, and passed over by the others.
        #[allow(deprecated)]
        let command = Command {
            arguments: self.arguments.clone(),
            environment_variables: variables
                .map(|(name, value)| EnvironmentVariable { name: name.clone(), value: value.clone() })
                .collect(),
            output_paths: paths,
            output_files: sorted(&self.files),
            output_directories: sorted(&self.directories),
            platform: Some(platform.clone()),
            ..Command::default()
        };
        let command = command.encode_to_vec();
        let action = Action {
            command_digest: Some(Blob::of(&command).to_proto()),
            input_root_digest: Some(self.tree.root.to_proto()),
            timeout: self.timeout.map(|timeout| protobuf::Duration {
                seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            platform: Some(platform),
            ..Action::default()
        };
        let action = action.encode_to_vec();
        [(Blob::of(&command), Content::Bytes(command)), (Blob::of(&action), Content::Bytes(action))]
    }
}

/// What the cluster remembers of an action, if it does.
pub(crate) async fn known(connection: &Connection, action: Blob) -> Result<Option<Done>, RemoteError> {
    let ask = async || {
        let request = GetActionResultRequest {
            instance_name: connection.endpoint.instance.clone(),
            action_digest: Some(action.to_proto()),
            inline_stderr: true,
            digest_function: digest_function::Value::Sha256.into(),
            ..GetActionResultRequest::default()
        };
        Ok(connection.results().get_action_result(connection.timed(request)).await?.into_inner())
    };
    match retry(ask).await {
        Ok(result) => Ok(Some(done(result, true))),
        Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented | Code::PermissionDenied) => {
            Ok(None)
        }
        Err(status) => Err(connection.failed("say whether it has done this before", status)),
    }
}

/// The names of operations that go on, to be cancelled.
pub(crate) type Operations = Mutex<Vec<String>>;

/// Why an action has to be begun anew.
pub(crate) enum Ended {
    /// It was carried out.
    Done(Done),
    /// The cluster lacks contents.
    Lacks(Status),
    /// It was forgotten, or failed for a passing reason.
    Again(Status),
}

/// Has an action carried out once.
pub(crate) async fn execute(
    connection: &Connection,
    action: Blob,
    use_cache: bool,
    operations: &Operations,
    on_stage: &mut (dyn FnMut(Stage) + Send),
) -> Result<Ended, RemoteError> {
    let request = ExecuteRequest {
        instance_name: connection.endpoint.instance.clone(),
        skip_cache_lookup: !use_cache,
        action_digest: Some(action.to_proto()),
        inline_stderr: true,
        digest_function: digest_function::Value::Sha256.into(),
        ..ExecuteRequest::default()
    };
    let begin = async || Ok(connection.execution().execute(request.clone()).await?.into_inner());
    let mut stream = match retry(begin).await {
        Ok(stream) => stream,
        Err(status) if status.code() == Code::FailedPrecondition => return Ok(Ended::Lacks(status)),
        Err(status) => return Err(connection.failed("execute it", status)),
    };
    let mut wait = Wait { connection, name: String::new(), queued: Instant::now(), stage: Stage::Waiting, silences: 0 };
    let ended = loop {
        match wait.listen(&mut stream, operations, on_stage).await? {
            Heard::Ended(ended) => break ended,
            Heard::Nothing(status) if wait.name.is_empty() || wait.silences == SILENCES => break Ended::Again(status),
            Heard::Nothing(_) => {}
        }
        wait.silences += 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let again = async || {
            let request = WaitExecutionRequest { name: wait.name.clone() };
            Ok(connection.execution().wait_execution(request).await?.into_inner())
        };
        match retry(again).await {
            Ok(again) => stream = again,
            // The server was started again, and knows nothing.
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                break Ended::Again(status);
            }
            Err(status) => return Err(connection.failed("say how it goes", status)),
        }
    };
    operations.lock().unwrap_or_else(PoisonError::into_inner).retain(|name| *name != wait.name);
    Ok(ended)
}

/// A wait for one operation.
struct Wait<'a> {
    connection: &'a Connection,
    name: String,
    queued: Instant,
    stage: Stage,
    silences: u32,
}

enum Heard {
    Ended(Ended),
    /// The stream ended before the operation did.
    Nothing(Status),
}

impl Wait<'_> {
    /// Hears what a stream tells, to its end.
    async fn listen(
        &mut self,
        stream: &mut Streaming<Operation>,
        operations: &Operations,
        on_stage: &mut (dyn FnMut(Stage) + Send),
    ) -> Result<Heard, RemoteError> {
        loop {
            let operation = match self.next(stream).await? {
                Ok(Some(operation)) => operation,
                Ok(None) => return Ok(Heard::Nothing(Status::unavailable("it stopped telling"))),
                Err(status) if is_passing(&status) => return Ok(Heard::Nothing(status)),
                Err(status) if status.code() == Code::NotFound => return Ok(Heard::Ended(Ended::Again(status))),
                Err(status) if status.code() == Code::FailedPrecondition => {
                    return Ok(Heard::Ended(Ended::Lacks(status)));
                }
                Err(status) => return Err(self.connection.failed("execute it", status)),
            };
            self.silences = 0;
            if self.name != operation.name {
                let mut all = operations.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|name| *name != self.name);
                all.push(operation.name.clone());
                self.name.clone_from(&operation.name);
            }
            if operation.done {
                return Ok(Heard::Ended(ended(operation)?));
            }
            let stage = stage(&operation);
            if stage != self.stage {
                (self.stage, self.queued) = (stage, Instant::now());
            }
            on_stage(stage);
        }
    }

    /// The next message; that there is none while no worker takes the action is an error.
    async fn next(&self, stream: &mut Streaming<Operation>) -> Result<Result<Option<Operation>, Status>, RemoteError> {
        if self.stage == Stage::Running {
            return Ok(stream.message().await);
        }
        let limit = self.connection.endpoint.queue;
        match tokio::time::timeout_at(self.queued + limit, stream.message()).await {
            Ok(message) => Ok(message),
            Err(_) => Err(RemoteError::NoWorker { waited: limit }),
        }
    }
}

fn stage(operation: &Operation) -> Stage {
    let metadata = operation.metadata.as_ref().and_then(|any| ExecuteOperationMetadata::decode(&*any.value).ok());
    match metadata.map(|metadata| metadata.stage()) {
        Some(execution_stage::Value::Executing) => Stage::Running,
        _ => Stage::Waiting,
    }
}

/// How an operation that is done ended.
fn ended(operation: Operation) -> Result<Ended, RemoteError> {
    let nonsense = |what: &str| RemoteError::Nonsense { what: what.to_owned() };
    let (status, result, is_cached) = match operation.result {
        Some(operation::Result::Response(any)) => {
            let response = ExecuteResponse::decode(&*any.value).map_err(|_| nonsense("the response does not read"))?;
            (response.status.unwrap_or_default(), response.result, response.cached_result)
        }
        Some(operation::Result::Error(status)) => (status, None, false),
        None => return Err(nonsense("an operation ended without a result")),
    };
    match (Code::from(status.code), result) {
        (Code::Ok, Some(result)) => Ok(Ended::Done(done(result, is_cached))),
        (Code::Ok, None) => Err(nonsense("an operation ended without a result")),
        (Code::FailedPrecondition, _) => Ok(Ended::Lacks(Status::failed_precondition(status.message))),
        (code @ (Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::Internal | Code::Unknown), _) => {
            Ok(Ended::Again(Status::new(code, status.message)))
        }
        (code, _) => Err(RemoteError::NotCarriedOut { code, message: status.message }),
    }
}

fn done(result: ActionResult, is_cached: bool) -> Done {
    let files = result.output_files.into_iter();
    let named = files.filter_map(|file| Some((file.path, Blob::from_proto(file.digest.as_ref()?)?)));
    Done {
        exit_code: result.exit_code,
        files: named.collect(),
        unheard: result.stderr_digest.as_ref().and_then(Blob::from_proto).filter(|_| result.stderr_raw.is_empty()),
        said: result.stderr_raw,
        worker: result.execution_metadata.map(|metadata| metadata.worker).unwrap_or_default(),
        is_cached,
    }
}

#[cfg(test)]
mod tests {
    use aleph_component::Digest;

    use super::*;

    #[test]
    fn actions_are_those_of_another_implementation() {
        let root: Digest = "7d8ee0d23eab28ea15ccd69b6485f95d93c5e158c629fec806a4a333714aa3e3".parse().unwrap();
        let mut tree = Tree::directory([]);
        tree.root = Blob { digest: root, size: 307 };
        let order = Order {
            target: "a".to_owned(),
            arguments: ["bin/a", "b"].map(str::to_owned).to_vec(),
            environment: BTreeMap::new(),
            tree: Arc::new(tree),
            files: vec!["out/f".to_owned()],
            directories: vec!["out/d".to_owned()],
            platform: [("OSFamily", "linux"), ("ISA", "x")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            timeout: Some(Duration::from_secs(60)),
        };
        let [(command, _), (action, _)] = order.messages();
        // What Python's protobuf library makes of the same messages.
        assert_eq!(command.to_string(), "0312587167f22b435c65a5df77ed62d59ff4a268ba5737b4c6ced3005d99288d/69");
        assert_eq!(action.to_string(), "8dbeb753305a63706419880058f70342de6a32b0193807c6ebea5c1a1468dfe9/176");
    }
}
