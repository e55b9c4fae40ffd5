//! The `Packages` files of all archives: found in the Release file, fetched if they are not there, unpacked, verified.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use aleph_component::{Digest, Hasher};

use super::{Found, SourceFailure, SourceWarning, archive::Archive, files, release::Accepted, state::IndexState};
use crate::{
    apt::{
        release::{IndexFile, Release},
        sources::ByHash,
    },
    net::{Answer, DocumentRequest, Expected, FetchError, Fetcher, Monitor, Request, Validators},
};

/// The largest index that is unpacked when its size is not announced, in bytes. Debian's is 52 MB.
const LIMIT: u64 = 2 << 30;
/// The largest compressed index that is fetched unannounced.
const UNANNOUNCED: u64 = 256 << 20;
/// The memory that unpacking may take, in bytes.
const MEMORY: u64 = 256 << 20;

/// An index could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file could not be read or written.
    #[error("{path} could not be unpacked")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds more than is announced.
    #[error("the index {path} has more than the {limit} bytes that it may have")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// What it holds is not what is announced.
    #[error("the unpacked index {path} has the SHA-256 digest {found}; it should have {expected}")]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// The digest announced.
        expected: Digest,
        /// The digest found.
        found: Digest,
    },
}

/// How a file is compressed; the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Xz,
    Zstd,
    Gzip,
    Plain,
}

const PACKINGS: [(Packing, &str); 4] =
    [(Packing::Xz, ".xz"), (Packing::Zstd, ".zst"), (Packing::Gzip, ".gz"), (Packing::Plain, "")];

/// A file to fetch and unpack.
struct Wanted {
    archive: usize,
    component: String,
    architecture: String,
    packing: Packing,
    plain: Option<IndexFile>,
    request: Request,
}

/// Fetches the indices of all archives whose Release files were accepted; the answers are in the order of `archives`.
pub(super) fn fetch(
    archives: &[Archive<'_>],
    releases: Vec<Result<Accepted, SourceFailure>>,
    directory: &Path,
    fetcher: &Fetcher,
    monitor: &dyn Monitor,
) -> Vec<Result<Found, SourceFailure>> {
    let mut wanted = Vec::new();
    let mut results = Vec::new();
    for (at, (archive, accepted)) in archives.iter().zip(releases).enumerate() {
        results.push(accepted.and_then(|accepted| match &accepted.release {
            None => unsigned(archive, accepted, directory, fetcher, monitor),
            Some(_) => Ok(plan(at, archive, accepted, directory, &mut wanted)),
        }));
    }
    let mut requests: BTreeMap<PathBuf, Request> = BTreeMap::new();
    for item in &wanted {
        requests.entry(item.request.target.clone()).or_insert_with(|| item.request.clone());
    }
    let requests: Vec<_> = requests.into_values().collect();
    let fetched = if requests.is_empty() { Vec::new() } else { fetcher.fetch_each(&requests, monitor) };
    let mut fetched: BTreeMap<_, _> = requests.into_iter().map(|request| request.target).zip(fetched).collect();
    let unpacked = unpack_all(&wanted, &fetched, directory);
    for (item, unpacked) in wanted.iter().zip(unpacked) {
        let result = match (fetched.get_mut(&item.request.target), unpacked) {
            (Some(Ok(fetched)), Some(Ok(index))) => {
                let transferred = std::mem::take(&mut fetched.transferred);
                if let Ok(found) = &mut results[item.archive] {
                    found.state.indices.push(index);
                    found.transferred += transferred;
                }
                continue;
            }
            (_, Some(Err(error))) => error.into(),
            // Several archives may want the same file; the first gets the reason, the others one like it.
            (Some(entry), _) => match std::mem::replace(entry, stopped(&item.request)) {
                Err(error) => error.into(),
                Ok(_) => SourceFailure::NoIndex,
            },
            (None, _) => SourceFailure::NoIndex,
        };
        results[item.archive] = Err(result);
    }
    for result in &mut results {
        match result {
            Ok(found) if found.state.indices.is_empty() => *result = Err(SourceFailure::NoIndex),
            Ok(found) => found
                .state
                .indices
                .sort_by(|a, b| (&a.component, &a.architecture).cmp(&(&b.component, &b.architecture))),
            Err(_) => {}
        }
    }
    results
}

fn stopped<T>(request: &Request) -> Result<T, FetchError> {
    Err(FetchError::Stopped { uri: request.uri.clone() })
}

/// Finds what is wanted in the Release file. What is there already is noted at once, the rest is added to `wanted`.
fn plan(at: usize, archive: &Archive<'_>, accepted: Accepted, directory: &Path, wanted: &mut Vec<Wanted>) -> Found {
    let Accepted { bases, release, state, warnings } = accepted;
    let mut found = Found { state, transferred: 0, warnings };
    let Some(release) = release else { return found };
    for (component, architecture) in targets(archive, &release) {
        let path = archive.index_path(&component, &architecture);
        let offered = PACKINGS.iter().find_map(|(packing, suffix)| {
            let path = format!("{path}{suffix}");
            release.files.get(&path).map(|file| (*packing, path, *file))
        });
        let Some((packing, packed_path, packed)) = offered else {
            // Only what was asked for by name is missed.
            if architecture != "all" {
                found.warnings.push(SourceWarning::NoIndex { component, architecture });
            }
            continue;
        };
        let plain = release.files.get(&path).copied();
        if let Some(plain) = plain
            && files::digest(&files::packages(directory, &plain.digest)) == Some((plain.size, plain.digest))
        {
            let IndexFile { size, digest } = plain;
            found.state.indices.push(IndexState { component, architecture, digest, size });
            continue;
        }
        let by_hash = match archive.first().by_hash {
            ByHash::Auto => release.acquire_by_hash,
            ByHash::No => false,
            ByHash::Force => true,
        };
        let mut uris = Vec::new();
        for base in &bases {
            let directory = archive.directory(base);
            if by_hash {
                let parent = packed_path.rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
                uris.push(directory.join(&format!("{parent}by-hash/SHA256/{}", packed.digest)));
            }
            uris.push(directory.join(&packed_path));
        }
        let uri = uris.remove(0);
        let target = files::partial(directory).join(packed.digest.to_string());
        let expected = Expected::exactly(packed.size, packed.digest);
        let name = format!("{} {component} {architecture} Packages", archive.suite);
        let request = Request { name, uri, fallbacks: uris, target, expected };
        wanted.push(Wanted { archive: at, component, architecture, packing, plain, request });
    }
    found
}

/// The components and architectures wanted, and `all` where the archive keeps those packages apart.
fn targets(archive: &Archive<'_>, release: &Release) -> Vec<(String, String)> {
    if archive.is_flat() {
        // One index for all; it is named after the first architecture.
        return archive
            .wanted
            .iter()
            .take(1)
            .map(|(component, _)| {
                (component.clone(), archive.first().architectures.first().cloned().unwrap_or_default())
            })
            .collect();
    }
    let mut all: Vec<_> = archive.wanted.iter().cloned().collect();
    if release.has_architecture_all && release.architectures.iter().any(|name| name == "all") {
        let mut components: Vec<_> = archive.wanted.iter().map(|(component, _)| component.clone()).collect();
        components.dedup();
        for component in components {
            let target = (component, "all".to_owned());
            if !all.contains(&target) {
                all.push(target);
            }
        }
    }
    all
}

/// Unpacks what was fetched, on all processors; `None` for what was not.
fn unpack_all(
    wanted: &[Wanted],
    fetched: &BTreeMap<PathBuf, Result<crate::net::Fetched, FetchError>>,
    directory: &Path,
) -> Vec<Option<Result<IndexState, IndexError>>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(wanted.len());
    let next = Mutex::new(0..wanted.len());
    let results = Mutex::new((0..wanted.len()).map(|_| None).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(at) = next.lock().expect("no thread panics while it has this").next() else { return };
                    let item = &wanted[at];
                    if matches!(fetched.get(&item.request.target), Some(Ok(_))) {
                        let result = unpack(item, directory);
                        results.lock().expect("no thread panics while it has this")[at] = Some(result);
                    }
                }
            });
        }
    });
    results.into_inner().expect("no thread panics while it has this")
}

fn unpack(item: &Wanted, directory: &Path) -> Result<IndexState, IndexError> {
    let path = &item.request.target;
    let io = |source| IndexError::Io { path: path.clone(), source };
    let file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(io)?);
    let mut reader = decoder(item.packing, file).map_err(io)?;
    let limit = item.plain.map_or(LIMIT, |plain| plain.size);
    // Several items may hold the same index, and be unpacked at once.
    let name = format!("{}-{}-{}.plain", item.archive, item.component.replace('/', "_"), item.architecture);
    let temporary = files::partial(directory).join(name);
    let (size, digest) = store(&mut reader, &temporary, limit, path)?;
    if let Some(plain) = item.plain
        && plain.digest != digest
    {
        // Nothing else would be unpacked from it next time.
        let _ = (fs::remove_file(&temporary), fs::remove_file(path));
        return Err(IndexError::WrongDigest { path: path.clone(), expected: plain.digest, found: digest });
    }
    fs::rename(&temporary, files::packages(directory, &digest)).map_err(io)?;
    let (component, architecture) = (item.component.clone(), item.architecture.clone());
    Ok(IndexState { component, architecture, digest, size })
}

fn decoder<'a>(packing: Packing, file: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match packing {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(file)?;
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
        Packing::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED);
            Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream.map_err(io::Error::other)?))
        }
    })
}

/// Writes what `reader` gives to `temporary`; its size and digest.
fn store(reader: &mut dyn Read, temporary: &Path, limit: u64, path: &Path) -> Result<(u64, Digest), IndexError> {
    let io = |source| IndexError::Io { path: path.to_owned(), source };
    let mut file = File::create(temporary).map_err(io)?;
    let (mut hasher, mut size, mut buffer) = (Hasher::new(), 0, vec![0; 256 * 1024]);
    loop {
        let read = reader.read(&mut buffer).map_err(io)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > limit {
            let _ = fs::remove_file(temporary);
            return Err(IndexError::TooLarge { path: path.to_owned(), limit });
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(io)?;
    }
    file.sync_data().map_err(io)?;
    Ok((size, hasher.finish()))
}

/// An archive without any Release file, which the user trusts nevertheless: its index is taken as it is.
fn unsigned(
    archive: &Archive<'_>,
    accepted: Accepted,
    directory: &Path,
    fetcher: &Fetcher,
    monitor: &dyn Monitor,
) -> Result<Found, SourceFailure> {
    let Accepted { bases, mut state, warnings, .. } = accepted;
    let mut transferred = 0;
    for (component, architecture) in targets(archive, &Release::default()) {
        let path = archive.index_path(&component, &architecture);
        let mut missing = None;
        for (packing, suffix) in PACKINGS {
            let request = DocumentRequest {
                name: format!("{} {component} {architecture} Packages", archive.suite),
                uri: archive.directory(&bases[0]).join(&format!("{path}{suffix}")),
                known: Validators::default(),
                limit: UNANNOUNCED,
            };
            let target = PathBuf::from(request.uri.to_string());
            match fetcher.get(&[request], monitor).into_iter().next() {
                Some(Ok(Answer::Document { bytes, .. })) => {
                    let io = |source| IndexError::Io { path: target.clone(), source };
                    let mut reader = decoder(packing, &bytes[..]).map_err(io)?;
                    let temporary = files::partial(directory).join("unsigned.plain");
                    let (size, digest) = store(&mut reader, &temporary, LIMIT, &target)?;
                    fs::rename(&temporary, files::packages(directory, &digest)).map_err(io)?;
                    transferred += bytes.len() as u64;
                    state.indices.push(IndexState { component, architecture, digest, size });
                    missing = None;
                    break;
                }
                Some(Err(error @ FetchError::NotFound { .. })) => missing = Some(error),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(Answer::Unchanged)) | None => return Err(SourceFailure::NoIndex),
            }
        }
        if let Some(error) = missing {
            return Err(error.into());
        }
    }
    Ok(Found { state, transferred, warnings })
}
