//! Reading apt's configuration files, in apt's order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    AptConfig, Config, ConfigWarning,
    auth::parse_auth,
    parse::{Directive, ParseConfigError, parse_config},
    settings,
};
use crate::apt::preferences::PinTarget;

/// apt's configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is malformed.
    #[error("{path} is malformed")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ParseConfigError,
    },
    /// A file includes itself, or too many levels of others.
    #[error("{path} includes too many levels of other files")]
    TooDeep {
        /// The file.
        path: PathBuf,
    },
}

const DEPTH: usize = 10;

impl AptConfig {
    /// Reads the configuration below `root`, `/` for the host's own: first `extra`, the file that the variable
    /// `APT_CONFIG` names; then `apt.conf.d`, then `apt.conf`, then `auth.conf` and `auth.conf.d`. What is missing is
    /// nothing; what this user may not read is a warning.
    ///
    /// # Errors
    /// If a file is malformed.
    pub fn read(root: &Path, extra: Option<&Path>) -> Result<Self, ConfigError> {
        let mut reader = Reader { config: Config::default(), root, warnings: Vec::new() };
        if let Some(extra) = extra {
            reader.file(extra, 0)?;
        }
        let etc = reader.etc();
        let setting =
            |reader: &Reader<'_>, key: &str, default: &str| reader.config.find(key).unwrap_or(default).to_owned();
        let parts_name = setting(&reader, "Dir::Etc::parts", "apt.conf.d");
        for path in parts(&below(root, &etc, &parts_name), &["", "conf"]) {
            reader.file(&path, 0)?;
        }
        let main = setting(&reader, "Dir::Etc::main", "apt.conf");
        reader.file(&below(root, &etc, &main), 0)?;
        let etc = reader.etc();
        let mut config = Self::from_config(reader.config, root, etc);
        config.warnings.splice(0..0, reader.warnings);
        config.read_credentials();
        Ok(config)
    }

    /// Interprets a configuration whose paths are below `root`.
    pub fn from_config(config: Config, root: &Path, etc: PathBuf) -> Self {
        let mut warnings = Vec::new();
        let default_release = config.find("APT::Default-Release").and_then(|text| {
            let problem = |problem| ConfigWarning::DefaultRelease { problem };
            PinTarget::release(text).map_err(|error| warnings.push(problem(error))).ok()
        });
        let network = settings::network(&config, root, &mut warnings);
        let dpkg = dpkg_architectures(root);
        let built_for = architecture_of(std::env::consts::ARCH).to_owned();
        let native = config.find("APT::Architecture").map(str::to_owned);
        let architecture = native.or_else(|| dpkg.first().cloned()).unwrap_or(built_for);
        let mut architectures = config.list("APT::Architectures");
        if architectures.is_empty() {
            architectures = dpkg;
        }
        architectures.retain(|name| *name != architecture);
        architectures.insert(0, architecture.clone());
        Self {
            root: root.to_owned(),
            etc,
            architecture,
            architectures,
            default_release,
            check_valid_until: config.find_bool("Acquire::Check-Valid-Until").unwrap_or(true),
            check_date: config.find_bool("Acquire::Check-Date").unwrap_or(true),
            network,
            config,
            warnings,
        }
    }

    fn read_credentials(&mut self) {
        let parts = self.etc("netrcparts", "auth.conf.d");
        for path in self.files(self.etc("netrc", "auth.conf"), &parts, &["", "conf"]) {
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    self.warnings.push(ConfigWarning::Unreadable { path, reason: error.to_string() });
                    continue;
                }
            };
            match parse_auth(&text) {
                Ok(found) => self.network.credentials.extend(found),
                Err(problem) => self.warnings.push(ConfigWarning::Auth { path, problem }),
            }
        }
    }
}

struct Reader<'a> {
    config: Config,
    root: &'a Path,
    warnings: Vec<ConfigWarning>,
}

impl Reader<'_> {
    fn etc(&self) -> PathBuf {
        let base = below(self.root, self.root, self.config.find("Dir").unwrap_or("/"));
        below(self.root, &base, self.config.find("Dir::Etc").unwrap_or("etc/apt"))
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), ConfigError> {
        if depth > DEPTH {
            return Err(ConfigError::TooDeep { path: path.to_owned() });
        }
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.warnings.push(ConfigWarning::Unreadable { path: path.to_owned(), reason: error.to_string() });
                return Ok(());
            }
        };
        let malformed = |source| ConfigError::Malformed { path: path.to_owned(), source };
        for directive in parse_config(&text).map_err(malformed)? {
            match directive {
                Directive::Include { path: included } => {
                    let included = below(self.root, path.parent().unwrap_or(self.root), &included);
                    if included.is_dir() {
                        for part in parts(&included, &["", "conf"]) {
                            self.file(&part, depth + 1)?;
                        }
                    } else {
                        self.file(&included, depth + 1)?;
                    }
                }
                directive => self.config.apply(directive),
            }
        }
        Ok(())
    }
}

fn below(root: &Path, base: &Path, path: &str) -> PathBuf {
    match path.strip_prefix('/') {
        Some(rest) => root.join(rest),
        None => base.join(path),
    }
}

/// The files of a directory whose names apt accepts, sorted: letters, digits, `-`, `_`, `:` and `.`, no dot in front,
/// and one of `extensions` (`""` for none).
pub(super) fn parts(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| is_accepted(name, extensions));
    names.sort();
    names.into_iter().map(|name| directory.join(name)).filter(|path| path.is_file()).collect()
}

fn is_accepted(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    !name.starts_with('.') && extensions.contains(&extension) && name.chars().all(known)
}

/// dpkg's own list: the native architecture and those that were added.
fn dpkg_architectures(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("var/lib/dpkg/arch")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Debian's name of a Rust architecture.
fn architecture_of(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "arm" => "armhf",
        "powerpc64" => "ppc64el",
        "mips64" => "mips64el",
        "loongarch64" => "loong64",
        other => other,
    }
}
