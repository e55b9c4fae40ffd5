//! Which clusters there are: `executors.toml`, the user's before the machine's.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use aleph_remote::{Endpoint, Tls};
use serde::Deserialize;

use crate::{
    failure::{Failure, Outcome},
    host::Host,
};

/// A cluster, and how builds run on it.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    /// How many builds it may make at once.
    pub(super) jobs: usize,
    /// What a worker has to have.
    pub(super) platform: BTreeMap<String, String>,
    /// How long a build may take there, if that is not left to the cluster.
    pub(super) timeout: Option<Duration>,
}

/// One table of `executors.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    address: String,
    jobs: Option<usize>,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
    token: Option<PathBuf>,
    connect_seconds: Option<u64>,
    call_seconds: Option<u64>,
    queue_minutes: Option<u64>,
    action_minutes: Option<u64>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    platform: Option<BTreeMap<String, String>>,
}

/// How many builds run at once where nothing else is said.
const JOBS: usize = 8;

/// The cluster that is called so, or is at this address.
pub(super) fn find(host: &Host, wanted: &str) -> Outcome<Executor> {
    if wanted.contains("://") {
        let endpoint = Endpoint::parse(wanted).map_err(|error| Failure::from(error).with_code(2))?;
        let (name, platform) = (endpoint.address(), usual_platform());
        return Ok(Executor { name, endpoint, jobs: JOBS, platform, timeout: None });
    }
    let mut names = Vec::new();
    for path in &host.executors {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        let unread = |error: toml::de::Error| Failure::new(format!("`{}` does not read: {error}", path.display()));
        let mut all: BTreeMap<String, Written> = toml::from_str(&text).map_err(unread)?;
        if let Some(written) = all.remove(wanted) {
            let base = path.parent().unwrap_or(Path::new("/"));
            return executor(wanted, written, base).map_err(|failure| {
                Failure::new(format!("`{wanted}` in `{}`: {}", path.display(), failure.chain().join(": ")))
            });
        }
        names.extend(all.into_keys());
    }
    let places: Vec<String> = host.executors.iter().map(|path| path.display().to_string()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let hint = format!("{} names clusters (there: {known}); grpc://HOST:PORT needs no name", places.join(" or "));
    Err(Failure::new(format!("there is no executor `{wanted}`")).with_code(2).hint(hint))
}

fn executor(name: &str, written: Written, base: &Path) -> Outcome<Executor> {
    let mut endpoint = Endpoint::parse(&written.address)?;
    let file = |path: Option<PathBuf>| path.map(|path| base.join(path));
    let identity = match (file(written.certificate), file(written.key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(Failure::new("a certificate needs its key, and a key its certificate")),
    };
    let tls = Tls { authorities: file(written.authorities), identity, server_name: written.server_name };
    match &mut endpoint.tls {
        Some(known) => *known = tls,
        None if tls != Tls::default() => return Err(Failure::new("certificates are for addresses with grpcs://")),
        None => {}
    }
    endpoint.token = file(written.token);
    endpoint.headers = written.headers;
    let or = |seconds: Option<u64>, usual: Duration| seconds.map_or(usual, Duration::from_secs);
    endpoint.connect = or(written.connect_seconds, endpoint.connect);
    endpoint.call = or(written.call_seconds, endpoint.call);
    endpoint.queue = or(written.queue_minutes.map(|minutes| minutes * 60), endpoint.queue);
    Ok(Executor {
        name: name.to_owned(),
        endpoint,
        jobs: written.jobs.unwrap_or(JOBS).max(1),
        platform: written.platform.unwrap_or_else(usual_platform),
        timeout: written.action_minutes.map(|minutes| Duration::from_secs(minutes * 60)),
    })
}

/// What a worker has to be to do what this machine does.
fn usual_platform() -> BTreeMap<String, String> {
    let isa = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86-64" };
    [("OSFamily", "linux"), ("ISA", isa)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_used() {
        let text = "address = 'grpcs://build.example:443/main'\njobs = 3\nauthorities = 'ca.pem'\ntoken = '/run/token'\n\
                    queue-minutes = 2\naction-minutes = 90\nplatform = { pool = 'big' }\nheaders = { x-team = 'a' }\n";
        let found = executor("farm", toml::from_str(text).unwrap(), Path::new("/etc/aleph")).ok().unwrap();
        let tls = found.endpoint.tls.as_ref().unwrap();
        assert_eq!(tls.authorities.as_deref(), Some(Path::new("/etc/aleph/ca.pem")));
        assert_eq!(found.endpoint.token.as_deref(), Some(Path::new("/run/token")));
        assert_eq!((found.jobs, found.endpoint.queue.as_secs()), (3, 120));
        assert_eq!(found.timeout, Some(Duration::from_secs(5400)));
        assert_eq!(found.platform, [("pool".to_owned(), "big".to_owned())].into());
        assert_eq!(found.endpoint.headers["x-team"], "a");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in [
            "address = 'grpc://a:1'\nauthorities = 'ca.pem'",
            "address = 'grpcs://a:1'\nkey = 'k.pem'",
            "address = 'a'",
            "address = 'grpc://a:1'\nadress = 'b'",
        ] {
            let written = toml::from_str::<Written>(wrong).ok();
            let found = written.map(|written| executor("farm", written, Path::new("/")));
            assert!(!matches!(found, Some(Ok(_))), "{wrong}");
        }
    }
}
