//! Files that recipes name: fetched once, proven, and kept by what they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aleph_build::Registry;
use aleph_component::Digest;
use aleph_exchange::{
    apt::location::deb_uri,
    net::{Expected, Fetcher, Request, Settings, Silent, Uri},
};

use super::{Apt, git, registry::Registries, report};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::archives::digest_file,
    output::Printer,
};

/// A file to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    /// Where it is.
    pub(crate) place: Place,
    /// What it is called.
    pub(crate) file: String,
    /// What it must be.
    pub(crate) sha256: Digest,
}

/// Where a file is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In the pool of the archives that apt uses, with this source package.
    Debian(String),
    /// At an address.
    Url(String),
    /// Where a language's packages are.
    Registry {
        /// Which.
        registry: Registry,
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
}

/// A file of which nobody knows yet what it must be.
pub(crate) enum Fresh {
    /// In the pool of the archives that apt uses.
    Debian {
        /// The source package.
        package: String,
        /// The file.
        file: String,
    },
    /// At an address.
    Url(Uri),
}

/// A file of which nobody knew what it must be, or which version it has.
pub(crate) struct Newest {
    /// The version.
    pub(crate) version: String,
    /// The file.
    pub(crate) path: PathBuf,
}

/// Files that recipes name, in the cache or on their way to it.
pub(crate) struct Originals<'a> {
    host: &'a Host,
    cache: PathBuf,
    registries: Registries<'a>,
    /// The addresses of archives, with their components.
    archives: Vec<(String, String)>,
    fetcher: Fetcher,
}

impl<'a> Originals<'a> {
    /// Reads where files may be.
    pub(crate) fn open(host: &'a Host, printer: &Printer) -> Outcome<Self> {
        let apt = Apt::read(host, printer)?;
        let mut suites = apt.known()?.suites;
        if suites.is_empty() && !apt.sources.is_empty() && !host.global.offline {
            report::ask(host, printer, &apt)?;
            suites = apt.known()?.suites;
        }
        let mut archives = Vec::new();
        for suite in suites {
            for base in std::iter::once(&suite.base_uri).chain(&suite.mirrors) {
                // `updates/main` of some archives is in `main` of their pool.
                let component = suite.component.rsplit('/').next().unwrap_or_default().to_owned();
                let archive = (base.clone(), component);
                if !archives.contains(&archive) {
                    archives.push(archive);
                }
            }
        }
        let fetcher = match apt.sources.is_empty() {
            true => Fetcher::new(Settings { offline: host.global.offline, ..Settings::default() }),
            false => apt.fetcher(host),
        };
        let registries = Registries::new(host, fetcher.clone());
        Ok(Self { host, cache: host.cache.join("sources"), registries, archives, fetcher })
    }

    /// Where a file is once it was fetched.
    fn target(&self, original: &Original) -> PathBuf {
        self.cache.join(&original.sha256.to_string()[..16]).join(&original.file)
    }

    /// Brings files into the cache, and says where they are, in their order.
    pub(crate) fn fetch(&self, originals: &[Original]) -> Outcome<Vec<PathBuf>> {
        // Where something is that is here is asked of nobody.
        let is_here = |original: &Original| {
            matches!(original.place, Place::Registry { .. })
                && digest_file(&self.target(original)).is_ok_and(|(found, _)| found == original.sha256)
        };
        let missing: Vec<&Original> = originals.iter().filter(|original| !is_here(original)).collect();
        let requests = missing.into_iter().map(|original| self.request(original)).collect::<Outcome<Vec<_>>>()?;
        self.fetcher.fetch(&requests, &Silent)?;
        Ok(originals.iter().map(|original| self.target(original)).collect())
    }

    /// Brings a commit of a git repository, an address or a directory, into the cache as an archive.
    pub(crate) fn commit(&self, from: &str, rev: &str) -> Outcome<PathBuf> {
        git::fetch(self.host, &self.cache, from, rev)
    }

    /// The commit that a git repository is at by itself.
    pub(crate) fn head(&self, from: &str) -> Outcome<String> {
        git::head(self.host, from)
    }

    /// Brings a version of a language's package into the cache, or the newest one. It is what is told of it.
    pub(crate) fn fetch_newest(&self, registry: Registry, name: &str, version: Option<&str>) -> Outcome<Newest> {
        let found = self.registries.find(registry, name, version)?;
        let file = registry.file(name, &found.version);
        let target = self.cache.join("fresh").join(&file);
        let request =
            Request { name: file, uri: found.uri, fallbacks: Vec::new(), target, expected: Expected::default() };
        let fetched = self.fetcher.fetch(&[request], &Silent)?;
        let path = fetched.into_iter().next().ok_or_else(|| Failure::new("nothing was fetched"))?.path;
        if !found.vouched.fits(&fs::read(&path)?) {
            fs::remove_file(&path)?;
            let message = format!("what was fetched as {name} {} is not what is told of it", found.version);
            return Err(Failure::new(message).hint("try again; if it stays so, what fetches for this host changes it"));
        }
        Ok(Newest { version: found.version, path })
    }

    /// Brings a file into the cache whatever it is: who asks for it writes down what it was.
    pub(crate) fn fetch_fresh(&self, fresh: &Fresh, name: &str) -> Outcome<PathBuf> {
        let mut uris = match fresh {
            Fresh::Url(uri) => vec![uri.clone()],
            Fresh::Debian { package, file } => self.in_pools(package, file)?,
        };
        if uris.is_empty() {
            return Err(Failure::new(format!("there is no archive to get {name} from")));
        }
        let target = self.cache.join("fresh").join(name);
        let (name, expected) = (name.to_owned(), Expected::default());
        let request = Request { name, uri: uris.remove(0), fallbacks: uris, target, expected };
        let fetched = self.fetcher.fetch(&[request], &Silent)?;
        Ok(fetched.into_iter().next().ok_or_else(|| Failure::new("nothing was fetched"))?.path)
    }

    /// Where a file of a Debian source package may be.
    fn in_pools(&self, package: &str, file: &str) -> Outcome<Vec<Uri>> {
        let uri = |(base, component): &(String, String)| deb_uri(base, &pool(component, package, file));
        Ok(self.archives.iter().map(uri).collect::<Result<_, _>>()?)
    }

    fn request(&self, original: &Original) -> Outcome<Request> {
        let mut uris: Vec<Uri> = match &original.place {
            Place::Url(url) => vec![url.parse()?],
            Place::Debian(package) => self.in_pools(package, &original.file)?,
            Place::Registry { registry, name, version } => {
                vec![self.registries.uri(*registry, name, version, &original.sha256)?]
            }
        };
        if uris.is_empty() {
            return Err(Failure::new(format!("there is no archive to get {} from", original.file))
                .hint("`aleph source list` shows the sources; --sources FILE names others"));
        }
        Ok(Request {
            name: original.file.clone(),
            uri: uris.remove(0),
            fallbacks: uris,
            target: self.target(original),
            expected: Expected { digest: Some(original.sha256), ..Expected::default() },
        })
    }
}

/// Where a file of a source package is in an archive's pool. Source: Debian's archive, dak's `poolify`.
fn pool(component: &str, package: &str, file: &str) -> String {
    let start = if package.starts_with("lib") { package.get(..4) } else { package.get(..1) };
    let component = if component.is_empty() { "main" } else { component };
    Path::new("pool").join(component).join(start.unwrap_or(package)).join(package).join(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_archives_have_them() {
        assert_eq!(pool("main", "zlib", "x.tar.gz"), "pool/main/z/zlib/x.tar.gz");
        assert_eq!(pool("contrib", "libpsl", "x"), "pool/contrib/libp/libpsl/x");
        assert_eq!(pool("", "lib", "x"), "pool/main/lib/lib/x");
    }
}
