//! Files that recipes name: fetched once, proven, and kept by what they are.

use std::path::{Path, PathBuf};

use aleph_component::Digest;
use aleph_exchange::{
    apt::location::deb_uri,
    net::{Expected, Fetcher, Request, Settings, Silent, Uri},
};

use super::{Apt, report};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
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

/// Files that recipes name, in the cache or on their way to it.
pub(crate) struct Originals {
    cache: PathBuf,
    /// The addresses of archives, with their components.
    archives: Vec<(String, String)>,
    fetcher: Fetcher,
}

impl Originals {
    /// Reads where files may be.
    pub(crate) fn open(host: &Host, printer: &Printer) -> Outcome<Self> {
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
        Ok(Self { cache: host.cache.join("sources"), archives, fetcher })
    }

    /// Where a file is once it was fetched.
    fn target(&self, original: &Original) -> PathBuf {
        self.cache.join(&original.sha256.to_string()[..16]).join(&original.file)
    }

    /// Brings files into the cache, and says where they are, in their order.
    pub(crate) fn fetch(&self, originals: &[Original]) -> Outcome<Vec<PathBuf>> {
        let requests = originals.iter().map(|original| self.request(original)).collect::<Outcome<Vec<_>>>()?;
        let fetched = self.fetcher.fetch(&requests, &Silent)?;
        Ok(fetched.into_iter().map(|fetched| fetched.path).collect())
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
