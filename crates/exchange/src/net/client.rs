//! HTTP requests: one client per way to reach a host, redirects followed by hand.

use std::{
    collections::HashMap,
    error::Error as _,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    StatusCode,
    blocking::{Client, ClientBuilder, Response},
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use super::{
    error::FetchError,
    settings::{HostOptions, Proxy, Settings},
    uri::{Scheme, Uri},
};

const REDIRECTS: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes requests. Clients are made when first needed and kept, with their connections.
#[derive(Debug)]
pub(super) struct Clients {
    settings: Settings,
    clients: Mutex<HashMap<HostOptions, Client>>,
}

impl Clients {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, clients: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gets `uri` with `headers`. The answer has status 200, 206, 304 or 416; anything else is an error.
    pub(super) fn get(&self, uri: &Uri, headers: &HeaderMap) -> Result<Response, FetchError> {
        let mut at = uri.clone();
        for _ in 0..=REDIRECTS {
            let response = self.get_once(&at, headers)?;
            let status = response.status();
            match status {
                StatusCode::OK
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
                | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(response),
                _ if status.is_redirection() && response.headers().contains_key(header::LOCATION) => {
                    at = next_hop(&at, response.headers())?;
                }
                _ => return Err(failure(uri, &response)),
            }
        }
        Err(FetchError::Redirects { uri: uri.clone(), limit: REDIRECTS })
    }

    fn get_once(&self, uri: &Uri, headers: &HeaderMap) -> Result<Response, FetchError> {
        if self.settings.offline {
            return Err(FetchError::Offline { uri: uri.clone() });
        }
        let options = self.settings.options(uri);
        let client = self.client(uri, &options)?;
        let mut url = uri.url().clone();
        // These fail only for URLs that cannot have user information anyway.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut request = client.get(url).headers(headers.clone());
        if let Some((login, password)) = self.settings.credential(uri) {
            request = request.basic_auth(login, password);
        }
        request.send().map_err(|error| classify(uri, &options, error))
    }

    fn client(&self, uri: &Uri, options: &HostOptions) -> Result<Client, FetchError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(options) {
            return Ok(client.clone());
        }
        let settings = |source| FetchError::Settings { uri: uri.clone(), source: Box::new(source) };
        let builder = builder(&self.settings.user_agent, options, &settings)?;
        let client = builder.build().map_err(settings)?;
        clients.insert(options.clone(), client.clone());
        Ok(client)
    }
}

fn builder(
    user_agent: &str,
    options: &HostOptions,
    settings: &dyn Fn(reqwest::Error) -> FetchError,
) -> Result<ClientBuilder, FetchError> {
    let timeout = options.timeout.unwrap_or(TIMEOUT);
    let mut builder = Client::builder()
        .user_agent(user_agent)
        .redirect(Policy::none())
        .referer(false)
        .timeout(timeout)
        .connect_timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(20));
    match &options.proxy {
        None => {}
        Some(Proxy::Direct) => builder = builder.no_proxy(),
        Some(Proxy::Url(url)) => {
            // As in apt, `no_proxy` counts whoever named the proxy.
            let proxy = reqwest::Proxy::all(url).map_err(settings)?.no_proxy(reqwest::NoProxy::from_env());
            builder = builder.proxy(proxy);
        }
    }
    if let Some(path) = &options.ca_file {
        let bundle = read(path)?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&bundle).map_err(settings)?);
    }
    if let Some(path) = &options.client_certificate {
        let mut pem = read(path)?;
        if let Some(key) = &options.client_key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(settings)?);
    }
    if options.verify_peer == Some(false) {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if options.verify_host == Some(false) {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}

fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    std::fs::read(path).map_err(|source| FetchError::CertificateFile { path: path.to_owned(), source })
}

fn next_hop(at: &Uri, headers: &HeaderMap) -> Result<Uri, FetchError> {
    let location = headers.get(header::LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let next =
        at.relative(location.unwrap_or("")).map_err(|source| FetchError::BadRedirect { uri: at.clone(), source })?;
    match (at.scheme(), next.scheme()) {
        // A server has no business pointing at local files.
        (_, Scheme::File) => Err(FetchError::BadRedirect {
            uri: at.clone(),
            source: super::uri::UriError::Scheme { scheme: "file".to_owned() },
        }),
        (Scheme::Https, Scheme::Http) => Err(FetchError::InsecureRedirect { uri: at.clone(), to: next }),
        _ => Ok(next),
    }
}

fn failure(uri: &Uri, response: &Response) -> FetchError {
    let uri = uri.clone();
    match response.status().as_u16() {
        404 | 410 => FetchError::NotFound { uri },
        status @ (401 | 403 | 407) => FetchError::Refused { uri, status },
        status => {
            let seconds = text(response, header::RETRY_AFTER).and_then(|value| value.trim().parse().ok());
            FetchError::Status { uri, status, retry_after: seconds.map(Duration::from_secs) }
        }
    }
}

fn classify(uri: &Uri, options: &HostOptions, error: reqwest::Error) -> FetchError {
    let uri = uri.clone();
    let error = error.without_url();
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        chain.push_str(&inner.to_string());
        source = inner.source();
    }
    let proxy = match &options.proxy {
        Some(proxy @ Proxy::Url(_)) => Some(proxy.to_string()),
        _ => None,
    };
    if chain.contains("certificate") {
        return FetchError::Certificate { uri, source: Box::new(error) };
    }
    if (proxy.is_some() && error.is_connect()) || chain.contains("tunnel") || chain.contains("proxy") {
        return FetchError::Proxy { uri, proxy, source: Some(Box::new(error)) };
    }
    if error.is_dns() {
        return FetchError::Dns { uri, source: Box::new(error) };
    }
    if error.is_connect() {
        return FetchError::Connect { uri, source: Box::new(error) };
    }
    if error.is_builder() {
        return FetchError::Settings { uri, source: Box::new(error) };
    }
    let kind = if error.is_timeout() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    FetchError::Interrupted { uri, source: io::Error::new(kind, error) }
}

/// A header's text, if it is there and is text.
pub(super) fn text(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Adds a header whose value may be foreign; one that cannot be sent is left out.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, location: &str, expected: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        set(&mut headers, header::LOCATION, location);
        let found = next_hop(&from.parse().unwrap(), &headers).map(|uri| uri.to_string());
        let found = found.map_err(|error| format!("{error:?}"));
        match expected {
            Ok(uri) => assert_eq!(found.as_deref(), Ok(uri)),
            Err(kind) => assert!(found.as_ref().is_err_and(|error| error.starts_with(kind)), "{found:?}"),
        }
    }

    #[test]
    fn redirects_lose_no_encryption() {
        check("https://a.example/x", "https://b.example/y", Ok("https://b.example/y"));
        check("https://a.example/x/y", "../z", Ok("https://a.example/z"));
        check("http://a.example/x", "https://b.example/y", Ok("https://b.example/y"));
        check("https://a.example/x", "http://a.example/x", Err("InsecureRedirect"));
        check("https://a.example/x", "file:///etc/passwd", Err("BadRedirect"));
        check("https://a.example/x", "http://[", Err("BadRedirect"));
    }
}
