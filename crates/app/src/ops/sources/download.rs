//! Archives into the cache.

use std::path::PathBuf;

use aleph_exchange::{
    apt::{location::deb_uri, update::Suite},
    net::{Expected, Request, Uri},
};
use aleph_store::{Origin, Store};

use super::{Apt, index, monitor::Line};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{archives::digest_file, plan::Chosen},
    output::Printer,
};

/// Brings the archives that the store lacks into the cache; the paths are in the order of `chosen`, with nothing for
/// what the store has.
pub(crate) fn download(
    host: &Host,
    printer: &Printer,
    store: &Store,
    chosen: &[Chosen],
) -> Outcome<Vec<Option<PathBuf>>> {
    let mut paths: Vec<Option<PathBuf>> = vec![None; chosen.len()];
    let mut wanted = Vec::new();
    for (index, chosen) in chosen.iter().enumerate() {
        if store.component_of_archive(&chosen.archive)?.is_some() {
            continue;
        }
        match local(chosen)? {
            Some(path) => paths[index] = Some(path),
            None => wanted.push(index),
        }
    }
    if wanted.is_empty() {
        return Ok(paths);
    }
    let apt = Apt::read(host, printer)?;
    let (cache, suites) = (archives(host)?, apt.known()?.suites);
    let requests: Vec<Request> =
        wanted.iter().map(|&index| request(&suites, &chosen[index], &cache)).collect::<Outcome<_>>()?;
    let fetched = {
        let line = Line::new(printer, "downloading");
        apt.fetcher(host).fetch(&requests, &line)?
    };
    for (index, fetched) in wanted.into_iter().zip(fetched) {
        paths[index] = Some(fetched.path);
    }
    Ok(paths)
}

/// The file that an archive comes from, if it comes from none of the sources. A lock file may be somebody else's: what it
/// says of this host's files is not followed.
fn local(chosen: &Chosen) -> Outcome<Option<PathBuf>> {
    if chosen.file.starts_with(aleph_view::Request::STORE) {
        let message = format!("{} {} is a native component that is not in this store", chosen.name, chosen.version);
        return Err(Failure::new(message).hint("`aleph import --prefix PREFIX DIR` takes its tree in"));
    }
    let path = PathBuf::from(&chosen.file);
    if !path.is_absolute() || (!chosen.named && chosen.uri.is_some()) {
        return Ok(None);
    }
    if chosen.named {
        return Ok(Some(path));
    }
    let Chosen { name, version, file, .. } = chosen;
    let message = format!("{name} {version} was added from a local file, {file}, and is not in this store");
    let file_name = path.file_name().unwrap_or_default().display();
    Err(Failure::new(message).hint(format!("if you have and trust that file: `aleph add ./{file_name}`")))
}

fn archives(host: &Host) -> Outcome<PathBuf> {
    let cache = host.cache.join("archives");
    std::fs::create_dir_all(&cache)?;
    Ok(cache)
}

/// Where an archive may be: at its own address if a source offers it now, and at the same path at every source's address
/// and mirror, which is where a pinned version may still be.
fn addresses(suites: &[Suite], own: Option<&str>, file: &str) -> Outcome<Vec<Uri>> {
    let mut uris: Vec<Uri> = own.iter().map(|uri| uri.parse()).collect::<Result<_, _>>()?;
    for base in suites.iter().flat_map(|suite| std::iter::once(&suite.base_uri).chain(&suite.mirrors)) {
        let uri = deb_uri(base, file)?;
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    Ok(uris)
}

fn request(suites: &[Suite], chosen: &Chosen, cache: &std::path::Path) -> Outcome<Request> {
    // No source has a local file's path.
    let suites = if chosen.file.starts_with('/') { &[] } else { suites };
    let mut uris = addresses(suites, chosen.uri.as_deref(), &chosen.file)?;
    if uris.is_empty() {
        return Err(Failure::new(format!("there is no source to get {} {} from", chosen.name, chosen.version))
            .hint("`aleph source list` shows the sources; --sources FILE names others"));
    }
    let file_name = format!("{}_{}_{}.deb", chosen.name, chosen.version.replace(':', "%3a"), chosen.architecture);
    Ok(Request {
        name: file_name.clone(),
        uri: uris.remove(0),
        fallbacks: uris,
        target: cache.join(file_name),
        expected: Expected::exactly(chosen.size, chosen.archive),
    })
}

/// The archive that a component came from, once more: from the cache, from where it was imported, or from a source that
/// still offers it.
pub(crate) fn fetch_again(host: &Host, printer: &Printer, origin: &Origin) -> Outcome<PathBuf> {
    let cache = archives(host)?;
    let imported = origin.source.strip_prefix(crate::ops::archives::FILE).map(PathBuf::from);
    for path in imported.into_iter().chain([cache.join(&origin.file_name)]) {
        if digest_file(&path).is_ok_and(|found| found == (origin.archive, origin.size)) {
            return Ok(path);
        }
    }
    let offers = index::offers(host, printer)?;
    let offer = offers.index.all().find(|candidate| candidate.sha256() == Some(origin.archive));
    let file = offer.and_then(|candidate| candidate.filename());
    let file = file.ok_or_else(|| Failure::new("no source offers it any more, and the cache does not have it"))?;
    let mut uris = addresses(&offers.suites, offer.and_then(|candidate| candidate.uri()).as_deref(), file)?;
    if uris.is_empty() {
        return Err(Failure::new("no source that offers it can be asked for it"));
    }
    let line = Line::new(printer, "downloading");
    let request = Request {
        name: origin.file_name.clone(),
        uri: uris.remove(0),
        fallbacks: uris,
        target: cache.join(&origin.file_name),
        expected: Expected::exactly(origin.size, origin.archive),
    };
    let fetched = offers.apt.fetcher(host).fetch(&[request], &line)?;
    let first = fetched.into_iter().next().ok_or_else(|| Failure::new("nothing was fetched"))?;
    Ok(first.path)
}
