//! apt's own configuration, as far as it says where packages come from and how they are reached.

mod auth;
mod parse;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use auth::{AuthError, parse_auth};
pub use parse::{Directive, ParseConfigError, parse_config};
pub use read::ConfigError;

use super::{
    preferences::{PinTarget, Unsupported},
    sources::AptSource,
};
use crate::net;

/// A tree of values, as apt keeps it: keys like `Acquire::http::Proxy`, in which case does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Keys in lower case; those that end in `::` are members of a list.
    entries: Vec<(String, String)>,
}

impl Config {
    /// Does what a directive says; an `#include` is nothing here.
    pub fn apply(&mut self, directive: Directive) {
        match directive {
            Directive::Set { key, value } => self.set(&key, value),
            Directive::Clear { key } => self.clear(&key),
            Directive::Include { .. } => {}
        }
    }

    /// Sets a value. A key that ends in `::` adds to a list.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let key = key.to_ascii_lowercase();
        let existing = self.entries.iter_mut().find(|(known, _)| *known == key && !key.ends_with("::"));
        match existing {
            Some((_, known)) => *known = value.into(),
            None => self.entries.push((key, value.into())),
        }
    }

    /// Removes a value and everything below it.
    pub fn clear(&mut self, key: &str) {
        let key = key.trim_end_matches(':').to_ascii_lowercase();
        let below = format!("{key}::");
        self.entries.retain(|(known, _)| *known != key && !known.starts_with(&below));
    }

    /// A value, if it is set and not empty.
    pub fn find(&self, key: &str) -> Option<&str> {
        let found = self.entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A truth value; `None` also if it is neither true nor false.
    pub fn find_bool(&self, key: &str) -> Option<bool> {
        self.find(key).and_then(parse_bool)
    }

    /// A number.
    pub fn find_number(&self, key: &str) -> Option<u64> {
        self.find(key).and_then(|value| value.trim().parse().ok())
    }

    /// What is directly below `key`: names (empty for members of a list) and values.
    pub fn below(&self, key: &str) -> impl Iterator<Item = (&str, &str)> + use<'_> {
        let prefix = format!("{}::", key.to_ascii_lowercase());
        self.entries.iter().filter_map(move |(known, value)| {
            let name = known.strip_prefix(&prefix)?;
            (!name.contains("::")).then_some((name, value.as_str()))
        })
    }

    /// The members of a list: those below `key`, or else its own value split at commas.
    pub fn list(&self, key: &str) -> Vec<String> {
        let members: Vec<_> = self.below(key).map(|(_, value)| value.trim().to_owned()).collect();
        let members = members.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>();
        match (members.is_empty(), self.find(key)) {
            (true, Some(value)) => value.split(',').map(|part| part.trim().to_owned()).collect(),
            _ => members,
        }
    }
}

/// `yes`, `no` and their like, as apt reads them.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        _ => None,
    }
}

/// What apt on this host, or below another root, is configured to do.
#[derive(Clone, Debug)]
pub struct AptConfig {
    /// Absolute paths of the configuration are below this. `/` for the host.
    pub root: PathBuf,
    /// `/etc/apt`, below the root.
    pub etc: PathBuf,
    /// `APT::Architecture`, or what this program was built for.
    pub architecture: String,
    /// All architectures whose packages are wanted; the first is [`AptConfig::architecture`].
    pub architectures: Vec<String>,
    /// `APT::Default-Release`.
    pub default_release: Option<PinTarget>,
    /// `Acquire::Check-Valid-Until`: refuse a Release file after its end.
    pub check_valid_until: bool,
    /// `Acquire::Check-Date`: refuse a Release file from the future.
    pub check_date: bool,
    /// Proxies, certificates, timeouts, credentials.
    pub network: net::Settings,
    /// Everything else.
    pub config: Config,
    /// What was found that is not supported, or could not be read.
    pub warnings: Vec<ConfigWarning>,
}

/// Something in the configuration that is not done as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigWarning {
    /// apt would run a program to find a proxy.
    #[error("apt's setting {key} is not supported: the proxy finder `{command}` is not run")]
    ProxyAutoDetect {
        /// The setting.
        key: String,
        /// What it names.
        command: String,
    },
    /// A proxy of a kind that cannot be used.
    #[error("apt's setting {key} names a proxy of a kind that is not supported; http and https are")]
    UnsupportedProxy {
        /// The setting.
        key: String,
    },
    /// The default release is described in a way that is not supported.
    #[error("apt's setting APT::Default-Release is without effect: {problem}")]
    DefaultRelease {
        /// What is not supported.
        problem: Unsupported,
    },
    /// Certificates are not checked.
    #[error("apt's setting {key} switches off a check of certificates")]
    Insecure {
        /// The setting.
        key: String,
    },
    /// A file that apt would read may not be read by this user.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file with user names and passwords is malformed.
    #[error("{path}: {problem}")]
    Auth {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: AuthError,
    },
}

impl AptConfig {
    /// Where `path`, which the configuration names, is: below the root if absolute, below `base` if not.
    pub fn locate(&self, base: &Path, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(rest) => self.root.join(rest),
            None => base.join(path),
        }
    }

    /// The file or directory of `Dir::Etc::KEY`, or `default` if that is not set.
    pub fn etc(&self, key: &str, default: &str) -> PathBuf {
        let path = self.config.find(&format!("Dir::Etc::{key}")).unwrap_or(default);
        self.locate(&self.etc, path)
    }

    /// How `sources` are reached: as configured, and with the user names and passwords that stand in their addresses. In
    /// what is kept of the sources these do not stand, so a package of theirs can only be downloaded with these settings.
    pub fn network_for(&self, sources: &[AptSource]) -> net::Settings {
        let mut settings = self.network.clone();
        let given = sources.iter().filter_map(|source| self.network.credential_in(&source.uri.parse().ok()?));
        let given: Vec<net::Credential> = given.collect();
        settings.credentials.splice(0..0, given);
        settings
    }

    /// `file` of `/etc/apt` and those of the directory `parts` whose names apt accepts, in apt's order.
    pub(crate) fn files(&self, file: PathBuf, parts: &Path, extensions: &[&str]) -> Vec<PathBuf> {
        let mut files = if file.is_file() { vec![file] } else { Vec::new() };
        files.extend(read::parts(parts, extensions));
        files
    }
}
