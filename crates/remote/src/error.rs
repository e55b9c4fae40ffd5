//! What can go wrong with a cluster.

use std::{io, path::PathBuf, time::Duration};

use tonic::{Code, Status};

use crate::Blob;

/// A cluster did not do what was asked of it, or could not be asked. That a command failed there is no such error.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A file that is to be sent, or says how to connect, cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What came cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A setting cannot be used.
    #[error("{what} cannot be used")]
    Setting {
        /// Which.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cluster is no such cluster as is needed.
    #[error("the cluster at {address} cannot be used: {reason}")]
    Unfit {
        /// Where it is.
        address: String,
        /// What it lacks.
        reason: String,
    },
    /// A call was not answered as it should have been.
    #[error("the cluster at {address} did not {doing}: {}", said(status))]
    Call {
        /// Where it is.
        address: String,
        /// What it was asked to do.
        doing: &'static str,
        /// What it said. Its causes are in the message: they would repeat it.
        status: Box<Status>,
    },
    /// The cluster does not have a content that it should have.
    #[error("the cluster no longer has the content {blob}")]
    Lost {
        /// Which.
        blob: Blob,
    },
    /// What came is not what was asked for.
    #[error("the cluster gave something else than the content {blob}")]
    Lying {
        /// What was asked for.
        blob: Blob,
    },
    /// An answer lacks something.
    #[error("the cluster's answer makes no sense: {what}")]
    Nonsense {
        /// What is wrong.
        what: String,
    },
    /// The action was not carried out to its end.
    #[error("the cluster could not carry it out: {message}")]
    NotCarriedOut {
        /// The code of the protocol.
        code: Code,
        /// What it said.
        message: String,
    },
    /// No worker took the action.
    #[error("no worker took it for {} s", waited.as_secs())]
    NoWorker {
        /// For how long.
        waited: Duration,
    },
    /// It was cancelled here.
    #[error("it was cancelled")]
    Cancelled,
}

impl RemoteError {
    /// Whether the cluster, rather than this one action, is out of order: others need not be sent there.
    pub fn is_of_all(&self) -> bool {
        match self {
            Self::Call { status, .. } => !matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition),
            Self::Setting { .. } | Self::Unfit { .. } | Self::NoWorker { .. } | Self::Cancelled => true,
            _ => false,
        }
    }
}

/// What a status says, in a few words.
fn said(status: &Status) -> String {
    // Behind a failed connection there is why it failed.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(status);
    while let Some(below) = cause.and_then(std::error::Error::source) {
        cause = Some(below);
    }
    match (status.message(), cause) {
        ("", None) => status.code().description().to_owned(),
        (message, None) => format!("{message} ({:?})", status.code()),
        (message, Some(cause)) => format!("{message}: {cause}"),
    }
}
