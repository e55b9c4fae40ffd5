//! How hosts are reached: proxies, certificates, timeouts, credentials.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use super::uri::{Scheme, Uri};

/// Everything a [`Fetcher`](super::Fetcher) needs to know.
///
/// What is not set is taken from the environment, as is the custom: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`,
/// `SSL_CERT_FILE`, `SSL_CERT_DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many files are fetched at once. 8.
    pub parallel: usize,
    /// How often a file is tried again after a passing failure. 3.
    pub retries: u32,
    /// How long to wait before the first such retry; each further one waits twice as long. 500 ms.
    pub backoff: Duration,
    /// Refuse everything that needs a network.
    pub offline: bool,
    /// The `User-Agent` header. `aleph/VERSION`.
    pub user_agent: String,
    /// Options for `http`.
    pub http: SchemeOptions,
    /// Options for `https`.
    pub https: SchemeOptions,
    /// User names and passwords, the first that fits is used.
    pub credentials: Vec<Credential>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 8,
            retries: 3,
            backoff: Duration::from_millis(500),
            offline: false,
            user_agent: concat!("aleph/", env!("CARGO_PKG_VERSION")).to_owned(),
            http: SchemeOptions::default(),
            https: SchemeOptions::default(),
            credentials: Vec::new(),
        }
    }
}

/// Options of one scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemeOptions {
    /// For every host.
    pub any: HostOptions,
    /// For single hosts; what is set here wins.
    pub hosts: BTreeMap<String, HostOptions>,
}

/// Options of one host. `None` means: as the environment or the usual says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostOptions {
    /// Through which proxy.
    pub proxy: Option<Proxy>,
    /// How long to wait for a connection, an answer or the next bytes. 30 s.
    pub timeout: Option<Duration>,
    /// A PEM file of the only certification authorities that are trusted.
    pub ca_file: Option<PathBuf>,
    /// False: take any certificate.
    pub verify_peer: Option<bool>,
    /// False: take a certificate of any host.
    pub verify_host: Option<bool>,
    /// A PEM file with the certificate to present.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with its key, if that is not in the same file.
    pub client_key: Option<PathBuf>,
}

/// A choice of proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Proxy {
    /// None at all, whatever the environment says.
    Direct,
    /// This one, an `http` or `https` URL; may hold a user name and a password.
    Url(String),
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("none"),
            Self::Url(text) => match text.parse::<Uri>() {
                Ok(uri) => write!(f, "{uri}"),
                Err(_) => f.write_str("(malformed)"),
            },
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A user name and password for some addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Only for this scheme; `None` means `https` only, so that no password travels in the clear unasked.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: String,
    /// The port, if it was given.
    pub port: Option<u16>,
    /// Addresses under this path, `""` for all.
    pub path: String,
    /// The user name.
    pub login: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?} {}@{}{})", self.scheme, self.login, self.host, self.path)
    }
}

impl Credential {
    fn fits(&self, uri: &Uri) -> bool {
        self.scheme.unwrap_or(Scheme::Https) == uri.scheme()
            && self.host.eq_ignore_ascii_case(uri.host())
            && self.port.is_none_or(|port| uri.url().port_or_known_default() == Some(port))
            && uri.url().path().starts_with(&self.path)
    }
}

impl Settings {
    /// The options for `uri`, with those of its host preferred.
    pub fn options(&self, uri: &Uri) -> HostOptions {
        let scheme = if uri.scheme() == Scheme::Https { &self.https } else { &self.http };
        let any = &scheme.any;
        let Some(host) = scheme.hosts.get(uri.host()) else { return any.clone() };
        HostOptions {
            proxy: host.proxy.as_ref().or(any.proxy.as_ref()).cloned(),
            timeout: host.timeout.or(any.timeout),
            ca_file: host.ca_file.as_ref().or(any.ca_file.as_ref()).cloned(),
            verify_peer: host.verify_peer.or(any.verify_peer),
            verify_host: host.verify_host.or(any.verify_host),
            client_certificate: host.client_certificate.as_ref().or(any.client_certificate.as_ref()).cloned(),
            client_key: host.client_key.as_ref().or(any.client_key.as_ref()).cloned(),
        }
    }

    /// For everything below `uri`: the user name that stands in it, if one does, with its password; that may be one of
    /// the credentials.
    pub fn credential_in(&self, uri: &Uri) -> Option<Credential> {
        uri.user_info()?;
        let (login, password) = self.credential(uri)?;
        Some(Credential {
            scheme: Some(uri.scheme()),
            host: uri.host().to_owned(),
            port: uri.url().port_or_known_default(),
            path: uri.url().path().to_owned(),
            login,
            password: password.unwrap_or_default(),
        })
    }

    /// The user name and password for `uri`: those in the URI itself, or the first credential that fits.
    pub(super) fn credential(&self, uri: &Uri) -> Option<(String, Option<String>)> {
        let given = uri.user_info();
        if let Some((_, Some(_))) = given {
            return given;
        }
        let same_login = |login: &str| given.as_ref().is_none_or(|(given, _)| given == login);
        let mut fitting = self.credentials.iter().filter(|credential| credential.fits(uri));
        let found = fitting.find(|credential| same_login(&credential.login));
        found.map(|found| (found.login.clone(), Some(found.password.clone()))).or(given)
    }
}
