//! Packages of languages: where they are, by the configuration of the host's cargo, pip and npm, and what is told there.

use std::{cell::OnceCell, fs, path::Path};

use aleph_build::Registry;
use aleph_component::Digest;
use aleph_exchange::{
    net::{Answer, DocumentRequest, FetchError, Fetcher, Silent, Uri, Validators},
    registry::{
        Found, RegistryError, Vouched,
        cargo::{self, Crates, IndexConfig},
        npm, pypi,
    },
};

use crate::{
    failure::{Failure, Outcome},
    host::{Configured, Host},
};

/// The most bytes that are read of what is told of one package.
const LIMIT: u64 = 256 << 20;

/// Where packages of languages are.
pub(super) struct Registries<'a> {
    host: &'a Host,
    fetcher: Fetcher,
    configured: Configured,
    crates: OnceCell<Places>,
}

/// Where crates are.
enum Places {
    /// Where an index says, and where that is.
    Index { at: Uri, config: IndexConfig },
    /// In a directory.
    Local(std::path::PathBuf),
}

impl<'a> Registries<'a> {
    pub(super) fn new(host: &'a Host, fetcher: Fetcher) -> Self {
        Self { host, fetcher, configured: host.configured(), crates: OnceCell::new() }
    }

    /// Where the file of a version is.
    pub(super) fn uri(&self, registry: Registry, name: &str, version: &str, sha256: &Digest) -> Outcome<Uri> {
        if registry != Registry::Crates {
            return Ok(self.find(registry, name, Some(version))?.uri);
        }
        Ok(match self.crates()? {
            Places::Index { config, .. } => config.uri(name, version, sha256)?,
            Places::Local(directory) => local(&directory.join(registry.file(name, version)))?,
        })
    }

    /// What is told of a version, or of the newest.
    pub(super) fn find(&self, registry: Registry, name: &str, version: Option<&str>) -> Outcome<Found> {
        match registry {
            Registry::Crates => match self.crates()? {
                Places::Index { at, config } => {
                    let bytes = self.told("cargo", name, &at.join(&cargo::index_path(name)), None)?;
                    elsewhere(at, cargo::find(&String::from_utf8_lossy(&bytes), name, version, config)?)
                }
                Places::Local(directory) => {
                    let version = version.ok_or_else(|| {
                        Failure::new(format!(
                            "which version of {name} is the newest cannot be told: crates are in {}",
                            directory.display()
                        ))
                        .hint(format!("name one: crate:{name}@VERSION"))
                    })?;
                    let uri = local(&directory.join(registry.file(name, version)))?;
                    Ok(Found { version: version.to_owned(), uri, vouched: Vouched::Nothing })
                }
            },
            Registry::Pypi => {
                let page = pypi::document(&self.pypi()?, name);
                let bytes = self.told("pip", name, &page, Some(pypi::ACCEPT))?;
                elsewhere(&page, pypi::find(&bytes, &page, name, version)?)
            }
            Registry::Npm => {
                let at = npm::document(&self.npm(name)?, name, version);
                elsewhere(&at, npm::find(&self.told("npm", name, &at, None)?, name)?)
            }
        }
    }

    fn pypi(&self) -> Outcome<Uri> {
        let texts: Vec<&str> = self.configured.pip.iter().map(String::as_str).collect();
        // What pip has by itself only pip says.
        const DEFAULT: &str = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
        let index = pypi::index(&texts).map(str::to_owned);
        let index = index.or_else(|| self.host.asked("python3", &["-c", DEFAULT])).ok_or_else(|| {
            Failure::new("this host does not say where Python projects are fetched from")
                .hint("`index-url` in pip's configuration, or PIP_INDEX_URL, says it")
        })?;
        Ok(index.parse()?)
    }

    fn npm(&self, name: &str) -> Outcome<Uri> {
        let texts: Vec<&str> = self.configured.npm.iter().map(String::as_str).collect();
        // Only npm knows what a variable in its configuration stands for.
        let registry = npm::registry(&texts, name).filter(|text| !text.contains("${")).map(str::to_owned);
        let registry =
            registry.or_else(|| self.host.asked("npm", &["config", "get", "registry"])).ok_or_else(|| {
                Failure::new("this host does not say where npm packages are fetched from")
                    .hint("`registry` in npm's configuration, or npm_config_registry, says it")
            })?;
        Ok(registry.parse()?)
    }

    fn crates(&self) -> Outcome<&Places> {
        if let Some(known) = self.crates.get() {
            return Ok(known);
        }
        let home = &self.configured.cargo_home;
        let files = ["config.toml", "config"].map(|name| home.join(name));
        let text = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let places = match cargo::replacement(&text, home.parent().unwrap_or(home))? {
            Some(Crates::Local(directory)) => Places::Local(directory),
            Some(Crates::Sparse(at)) => {
                let bytes = self.told("cargo", "its index", &at.join("config.json"), None)?;
                Places::Index { config: IndexConfig::parse(&bytes)?, at }
            }
            None => remembered(home)?,
        };
        Ok(self.crates.get_or_init(|| places))
    }

    /// What is told of a package at an address.
    fn told(&self, tool: &'static str, name: &str, at: &Uri, accept: Option<&'static str>) -> Outcome<Vec<u8>> {
        let known = Validators::default();
        let request = DocumentRequest { name: name.to_owned(), uri: at.clone(), known, limit: LIMIT, accept };
        let answer = self.fetcher.get(&[request], &Silent).into_iter().next();
        match answer {
            Some(Ok(Answer::Document { bytes, .. })) => Ok(bytes),
            Some(Err(FetchError::NotFound { .. } | FetchError::Status { status: 404 | 410, .. })) => {
                Err(RegistryError::Missing { tool, name: name.to_owned(), version: None }.into())
            }
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Answer::Unchanged)) | None => Err(Failure::new(format!("{at} tells nothing"))),
        }
    }
}

/// Where cargo has crates from by itself, as it has written down: a directory for each index, named after its host.
fn remembered(home: &Path) -> Outcome<Places> {
    let nowhere = || {
        Failure::new("this host does not say where crates are fetched from")
            .hint("`[source.crates-io]` with `replace-with` in cargo's `config.toml` says it; cargo writes down what it uses by itself when it first fetches a crate")
    };
    let entries = fs::read_dir(home.join("registry/index")).map_err(|_| nowhere())?.flatten();
    let index = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let config = fs::read(entry.path().join("config.json")).ok()?;
        Some((name.rsplit_once('-')?.0.to_owned(), config))
    };
    let mut known = entries.filter_map(index);
    let (host, config) = known.next().ok_or_else(nowhere)?;
    if let Some((other, _)) = known.next() {
        let message = format!("cargo of this host has crates from several places: {host}, {other}");
        return Err(Failure::new(message)
            .hint("`[source.crates-io]` with `replace-with` in cargo's `config.toml` says which it is"));
    }
    Ok(Places::Index { at: format!("https://{host}/").parse()?, config: IndexConfig::parse(&config)? })
}

/// What is told by somebody elsewhere is no file of this host.
fn elsewhere(at: &Uri, found: Found) -> Outcome<Found> {
    if at.is_remote() && !found.uri.is_remote() {
        return Err(Failure::new(format!("{at} names a file of this host, which it can know nothing of")));
    }
    Ok(found)
}

/// The address of a file of this host.
fn local(path: &Path) -> Outcome<Uri> {
    Ok("file:///".parse::<Uri>()?.join(&path.display().to_string()))
}
