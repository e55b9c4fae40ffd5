//! Where a cluster is, and how it is spoken to.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Where a cluster is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `HOST:PORT`.
    pub authority: String,
    /// The instance's name, which may be empty.
    pub instance: String,
    /// How the connection is kept private, if it is.
    pub tls: Option<Tls>,
    /// A file with a token that is shown with each call. It is read anew each time: tokens run out.
    pub token: Option<PathBuf>,
    /// What else is sent with each call.
    pub headers: BTreeMap<String, String>,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a call may take that is answered at once.
    pub call: Duration,
    /// How long an action may wait for a worker.
    pub queue: Duration,
}

/// How a connection is kept private. The host's authorities are trusted unless others are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A file of certificates of authorities, which are trusted instead of the host's.
    pub authorities: Option<PathBuf>,
    /// Files with a certificate of one's own and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate has to have, if it is not the host's.
    pub server_name: Option<String>,
}

/// A text is no address of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of a cluster: {reason}")]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

impl Endpoint {
    /// The cluster at `grpc://HOST:PORT[/INSTANCE]`, or `grpcs://…` with TLS.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let fail = |reason| EndpointError { text: text.to_owned(), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| fail("it begins with grpc:// or grpcs://"))?;
        let tls = match scheme {
            "grpc" => None,
            "grpcs" => Some(Tls::default()),
            _ => return Err(fail("it begins with grpc:// or grpcs://")),
        };
        let (authority, instance) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| fail("it has no port"))?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "@?#".contains(c)) {
            return Err(fail("it has no host"));
        }
        port.parse::<u16>().map_err(|_| fail("its port is no number"))?;
        Ok(Self {
            authority: authority.to_owned(),
            instance: instance.trim_matches('/').to_owned(),
            tls,
            token: None,
            headers: BTreeMap::new(),
            connect: Duration::from_secs(10),
            call: Duration::from_secs(60),
            queue: Duration::from_secs(30 * 60),
        })
    }

    /// Its address.
    pub fn address(&self) -> String {
        let scheme = if self.tls.is_some() { "grpcs" } else { "grpc" };
        let slash = if self.instance.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.authority, self.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_where_and_how() {
        let check = |text: &str, expected: Option<(&str, &str, bool)>| {
            let endpoint = Endpoint::parse(text);
            let found = endpoint.as_ref().ok().map(|e| (e.authority.as_str(), e.instance.as_str(), e.tls.is_some()));
            assert_eq!(found, expected, "{text}");
            if let Ok(endpoint) = &endpoint {
                assert_eq!(endpoint.address(), text.trim_end_matches('/'));
            }
        };
        check("grpc://localhost:50051", Some(("localhost:50051", "", false)));
        check("grpcs://build.example:443/main/eu", Some(("build.example:443", "main/eu", true)));
        check("grpc://[::1]:8980/", Some(("[::1]:8980", "", false)));
        for wrong in ["", "localhost:1", "http://a:1", "grpc://a", "grpc://:1", "grpc://a:99999", "grpc://u@a:1"] {
            check(wrong, None);
        }
    }
}
