//! Why something could not be fetched, and what helps.

use std::{io, path::PathBuf, time::Duration};

use aleph_component::Digest;

use super::uri::{Uri, UriError};

/// A file or document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It would need a network, which is not to be used.
    #[error("{uri} is not here and the network is not to be used")]
    Offline {
        /// What.
        uri: Uri,
    },
    /// The host has no address.
    #[error("the host of {uri} has no address")]
    Dns {
        /// What.
        uri: Uri,
        /// The cause.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// No connection.
    #[error("no connection for {uri}")]
    Connect {
        /// What.
        uri: Uri,
        /// The cause.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// The host's certificate is not trusted.
    #[error("the certificate of the host of {uri} is not trusted")]
    Certificate {
        /// What.
        uri: Uri,
        /// The cause.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// The proxy does not answer or refuses.
    #[error("the proxy for {uri} does not answer or refuses")]
    Proxy {
        /// What.
        uri: Uri,
        /// The proxy, if it was configured by apt rather than by the environment.
        proxy: Option<String>,
        /// The cause.
        #[source]
        source: Option<Box<reqwest::Error>>,
    },
    /// The settings for this host cannot be used.
    #[error("the connection settings for {uri} cannot be used")]
    Settings {
        /// What.
        uri: Uri,
        /// The cause.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// A file that the settings for this host name cannot be read.
    #[error("the certificate file {path} cannot be read")]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is not there (404, 410, or no such local file).
    #[error("there is no {uri}")]
    NotFound {
        /// What.
        uri: Uri,
    },
    /// The server wants credentials, or better ones (401, 403, 407).
    #[error("the server refuses {uri} (status {status})")]
    Refused {
        /// What.
        uri: Uri,
        /// The HTTP status.
        status: u16,
    },
    /// Any other answer than success.
    #[error("the server answers {uri} with status {status}")]
    Status {
        /// What.
        uri: Uri,
        /// The HTTP status.
        status: u16,
        /// After how long the server wants to be asked again, if it said.
        retry_after: Option<Duration>,
    },
    /// The transfer broke off, or the server is too slow.
    #[error("the transfer of {uri} broke off")]
    Interrupted {
        /// What.
        uri: Uri,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The body ended before its announced end.
    #[error("{uri} ended after {found} of {expected} bytes")]
    Truncated {
        /// What.
        uri: Uri,
        /// The size it should have, in bytes.
        expected: u64,
        /// The size it had.
        found: u64,
    },
    /// The body is longer than it may be.
    #[error("{uri} is larger than the {limit} bytes that it may have")]
    TooLarge {
        /// What.
        uri: Uri,
        /// The limit in bytes.
        limit: u64,
    },
    /// The server has something of another size.
    #[error("{uri} has {found} bytes; it should have {expected}")]
    WrongSize {
        /// What.
        uri: Uri,
        /// The size it should have, in bytes.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// The server has something else.
    #[error("{uri} has the SHA-256 digest {found}; it should have {expected}")]
    WrongDigest {
        /// What.
        uri: Uri,
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// Redirected too often.
    #[error("{uri} was redirected more than {limit} times")]
    Redirects {
        /// What.
        uri: Uri,
        /// How often is allowed.
        limit: usize,
    },
    /// Redirected from an encrypted to an unencrypted address.
    #[error("{uri} was redirected to {to}, which is not encrypted")]
    InsecureRedirect {
        /// What.
        uri: Uri,
        /// Where to.
        to: Uri,
    },
    /// Redirected to something that is no address.
    #[error("{uri} was redirected to something that cannot be fetched")]
    BadRedirect {
        /// What.
        uri: Uri,
        /// Why.
        #[source]
        source: UriError,
    },
    /// A local file could not be read or written.
    #[error("{path} could not be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `written` and the like.
        action: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another transfer of the same call failed before this one was complete.
    #[error("{uri} was not fetched because another transfer failed")]
    Stopped {
        /// What.
        uri: Uri,
    },
}

/// What may help against a [`FetchError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Run again without `--offline`.
    GoOnline,
    /// Look at the network connection and the name of the host.
    CheckNetwork,
    /// Look at the proxy settings of apt and the environment.
    CheckProxy,
    /// Look at the certification authorities of apt's configuration and the environment.
    CheckCertificates,
    /// Look at user name and password in apt's `auth.conf`.
    CheckCredentials,
    /// The index is older than the mirror: update the sources.
    UpdateSources,
    /// The server has trouble: try again later, or another mirror.
    TryLater,
    /// Free disk space.
    FreeSpace,
    /// Look at the file's directory and permissions.
    CheckFiles,
}

impl FetchError {
    /// True if trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Interrupted { .. }
            | Self::Truncated { .. }
            | Self::Proxy { source: Some(_), .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// True if the file is not at this address. Some servers answer so with 403.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Refused { status: 403, .. })
    }

    /// True if the same file at another address may be there and right.
    pub fn is_about_address(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Stopped { .. } | Self::CertificateFile { .. })
    }

    /// What may help.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Offline { .. } => Advice::GoOnline,
            Self::Dns { .. } | Self::Connect { .. } => Advice::CheckNetwork,
            Self::Certificate { .. } | Self::CertificateFile { .. } | Self::Settings { .. } => {
                Advice::CheckCertificates
            }
            Self::Proxy { .. } | Self::Refused { status: 407, .. } => Advice::CheckProxy,
            Self::Refused { .. } => Advice::CheckCredentials,
            Self::NotFound { .. } | Self::WrongSize { .. } | Self::WrongDigest { .. } | Self::TooLarge { .. } => {
                Advice::UpdateSources
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Advice::FreeSpace,
            Self::Io { .. } => Advice::CheckFiles,
            _ => Advice::TryLater,
        }
    }
}
