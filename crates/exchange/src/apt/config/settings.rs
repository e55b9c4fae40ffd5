//! From apt's keys to what [`net`](crate::net) understands.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{Config, ConfigWarning};
use crate::net::{HostOptions, Proxy, SchemeOptions, Settings};

/// What `Acquire::` says of connections. Paths are below `root`.
pub(super) fn network(config: &Config, root: &Path, warnings: &mut Vec<ConfigWarning>) -> Settings {
    let defaults = Settings::default();
    let retries = config.find_number("Acquire::Retries").and_then(|count| count.try_into().ok());
    auto_detection(config, warnings);
    Settings {
        retries: retries.unwrap_or(defaults.retries).min(20),
        http: scheme(config, &["http"], root, warnings),
        // What is not set for https is taken from http, as apt does.
        https: scheme(config, &["https", "http"], root, warnings),
        ..defaults
    }
}

fn scheme(config: &Config, schemes: &[&str], root: &Path, warnings: &mut Vec<ConfigWarning>) -> SchemeOptions {
    let mut hosts = BTreeSet::new();
    for scheme in schemes {
        for option in ["Proxy", "CaInfo", "Verify-Peer", "Verify-Host", "SslCert", "SslKey", "Timeout"] {
            let below = config.below(&format!("Acquire::{scheme}::{option}"));
            hosts.extend(below.map(|(host, _)| host.to_owned()).filter(|host| !host.is_empty()));
        }
    }
    let mut options = |suffix: &str| host_options(config, schemes, suffix, root, warnings);
    let any = options("");
    let hosts = hosts.into_iter().map(|host| (host.clone(), options(&format!("::{host}")))).collect();
    SchemeOptions { any, hosts }
}

fn host_options(
    config: &Config,
    schemes: &[&str],
    suffix: &str,
    root: &Path,
    warnings: &mut Vec<ConfigWarning>,
) -> HostOptions {
    let find = |option: &str| {
        let mut keys = schemes.iter().map(|scheme| format!("Acquire::{scheme}::{option}{suffix}"));
        keys.find_map(|key| config.find(&key).map(|value| (key.clone(), value.to_owned())))
    };
    let path = |option| find(option).map(|(_, value)| root.join(value.trim_start_matches('/')));
    let mut check = |option| {
        let (key, value) = find(option)?;
        let value = super::parse_bool(&value)?;
        if !value {
            warn(warnings, ConfigWarning::Insecure { key });
        }
        Some(value)
    };
    let (verify_peer, verify_host) = (check("Verify-Peer"), check("Verify-Host"));
    let proxy = find("Proxy").map(|(key, value)| proxy(key, value, warnings));
    let timeout = find("Timeout").and_then(|(_, value)| value.trim().parse().ok()).filter(|seconds| *seconds > 0);
    HostOptions {
        proxy,
        timeout: timeout.map(Duration::from_secs),
        ca_file: path("CaInfo"),
        verify_peer,
        verify_host,
        client_certificate: path("SslCert"),
        client_key: path("SslKey"),
    }
}

fn proxy(key: String, value: String, warnings: &mut Vec<ConfigWarning>) -> Proxy {
    match value.trim() {
        "DIRECT" | "direct" | "false" => Proxy::Direct,
        url => {
            let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
            if !matches!(scheme, "http" | "https") {
                warn(warnings, ConfigWarning::UnsupportedProxy { key });
            }
            Proxy::Url(url.to_owned())
        }
    }
}

fn auto_detection(config: &Config, warnings: &mut Vec<ConfigWarning>) {
    for scheme in ["http", "https"] {
        for option in ["Proxy-Auto-Detect", "ProxyAutoDetect"] {
            let key = format!("Acquire::{scheme}::{option}");
            if let Some(command) = config.find(&key) {
                let command = command.to_owned();
                warn(warnings, ConfigWarning::ProxyAutoDetect { key, command });
            }
        }
    }
}

fn warn(warnings: &mut Vec<ConfigWarning>, warning: ConfigWarning) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}
