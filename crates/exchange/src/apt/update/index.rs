//! The `Packages` files of all archives: found in the Release file, fetched if they are not there, unpacked, verified.

use std::{
    collections::HashSet,
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
    net::{Answer, DocumentRequest, Expected, FetchError, Fetched, Fetcher, Monitor, Request, Uri, Validators},
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

/// An index to fetch and unpack.
struct Wanted {
    archive: usize,
    component: String,
    architecture: String,
    plain: Option<IndexFile>,
    /// Its packed files, the preferred first; at least one.
    packed: Vec<(Packing, Request)>,
}

/// A packed file that is there now.
struct Packed {
    packing: Packing,
    path: PathBuf,
    /// How many bytes were fetched for it.
    transferred: u64,
}

/// What became of the indices.
pub(super) struct Indices {
    /// In the order of the archives.
    pub(super) results: Vec<Result<Found, SourceFailure>>,
    /// The names of the downloads that can be resumed.
    pub(super) unfinished: HashSet<String>,
}

/// Fetches the indices of all archives whose Release files were accepted.
pub(super) fn fetch(
    archives: &[Archive<'_>],
    releases: Vec<Result<Accepted, SourceFailure>>,
    directory: &Path,
    fetcher: &Fetcher,
    monitor: &dyn Monitor,
) -> Indices {
    let mut wanted = Vec::new();
    let mut results = Vec::new();
    for (at, (archive, accepted)) in archives.iter().zip(releases).enumerate() {
        results.push(accepted.and_then(|accepted| match &accepted.release {
            None => unsigned(archive, accepted, directory, fetcher, monitor),
            Some(_) => Ok(plan(at, archive, accepted, directory, &mut wanted)),
        }));
    }
    let packed = fetch_packed(&wanted, fetcher, monitor);
    let unpacked = unpack_all(&wanted, &packed, directory);
    let mut unfinished = HashSet::new();
    for ((item, packed), unpacked) in wanted.iter().zip(packed).zip(unpacked) {
        let reason = match (packed, unpacked) {
            (Ok(packed), Some(Ok(index))) => {
                if let Ok(found) = &mut results[item.archive] {
                    found.state.indices.push(index);
                    found.transferred += packed.transferred;
                }
                continue;
            }
            (Err(error), _) => error.into(),
            (Ok(_), Some(Err(error))) => error.into(),
            (Ok(_), None) => SourceFailure::NoIndex,
        };
        let targets = item.packed.iter().filter_map(|(_, request)| request.target.file_name());
        unfinished.extend(targets.map(|name| name.to_string_lossy().into_owned()));
        results[item.archive] = Err(reason);
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
    Indices { results, unfinished }
}

/// Fetches one packed file of each index: in the first packing that is there.
fn fetch_packed(wanted: &[Wanted], fetcher: &Fetcher, monitor: &dyn Monitor) -> Vec<Result<Packed, FetchError>> {
    let fetch = |open: &[usize], attempt: usize| {
        let requests: Vec<_> = open.iter().map(|&at| wanted[at].packed[attempt].1.clone()).collect();
        let fetched = if requests.is_empty() { Vec::new() } else { fetcher.fetch_each(&requests, monitor) };
        let packed = |(&at, fetched): (&usize, Result<Fetched, FetchError>)| {
            let Fetched { path, transferred, .. } = fetched?;
            Ok(Packed { packing: wanted[at].packed[attempt].0, path, transferred })
        };
        open.iter().zip(fetched).map(packed).collect::<Vec<_>>()
    };
    let is_missing = |result: &Result<Packed, FetchError>| result.as_ref().is_err_and(FetchError::is_missing);
    let mut found = fetch(&(0..wanted.len()).collect::<Vec<_>>(), 0);
    for attempt in 1..PACKINGS.len() {
        let has_more = |&at: &usize| is_missing(&found[at]) && wanted[at].packed.len() > attempt;
        let open: Vec<usize> = (0..wanted.len()).filter(has_more).collect();
        for (&at, result) in open.iter().zip(fetch(&open, attempt)) {
            // Of several that are missing, the preferred one is told of.
            if !is_missing(&result) {
                found[at] = result;
            }
        }
    }
    found
}

/// Finds what is wanted in the Release file. What is there already is noted at once, the rest is added to `wanted`.
fn plan(at: usize, archive: &Archive<'_>, accepted: Accepted, directory: &Path, wanted: &mut Vec<Wanted>) -> Found {
    let Accepted { bases, release, state, warnings } = accepted;
    let mut found = Found { state, transferred: 0, warnings };
    let Some(release) = release else { return found };
    for (component, architecture) in targets(archive, &release) {
        let path = archive.index_path(&component, &architecture);
        let offered = PACKINGS.iter().filter_map(|(packing, suffix)| {
            let path = format!("{path}{suffix}");
            release.files.get(&path).map(|file| (*packing, path, *file))
        });
        let offered: Vec<(Packing, String, IndexFile)> = offered.collect();
        if offered.is_empty() {
            // Only what was asked for by name is missed.
            if architecture != "all" {
                found.warnings.push(SourceWarning::NoIndex { component, architecture });
            }
            continue;
        }
        let plain = release.files.get(&path).copied();
        if let Some(plain) = plain
            && files::digest(&files::packages(directory, &plain.digest)) == Some((plain.size, plain.digest))
        {
            let IndexFile { size, digest } = plain;
            found.state.indices.push(IndexState { component, architecture, digest, size });
            continue;
        }
        let name = format!("{} {component} {architecture} Packages", archive.suite);
        let packed = offered.into_iter().map(|(packing, path, file)| {
            let mut uris = addresses(archive, &bases, release.acquire_by_hash, &path, &file.digest);
            let request = Request {
                name: name.clone(),
                uri: uris.remove(0),
                fallbacks: uris,
                target: files::partial(directory).join(file.digest.to_string()),
                expected: Expected::exactly(file.size, file.digest),
            };
            (packing, request)
        });
        let packed = packed.collect();
        wanted.push(Wanted { archive: at, component, architecture, plain, packed });
    }
    found
}

/// Where a file of an archive may be: in the archive at each of `bases`, by its digest if that is done there, and by its
/// path below the suite's directory.
fn addresses(archive: &Archive<'_>, bases: &[Uri], by_hash: bool, path: &str, digest: &Digest) -> Vec<Uri> {
    let by_hash = match archive.first().by_hash {
        ByHash::Auto => by_hash,
        ByHash::No => false,
        ByHash::Force => true,
    };
    let parent = path.rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
    let paths = by_hash.then(|| format!("{parent}by-hash/SHA256/{digest}")).into_iter().chain([path.to_owned()]);
    let paths: Vec<String> = paths.collect();
    bases.iter().flat_map(|base| paths.iter().map(|path| archive.directory(base).join(path))).collect()
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
    packed: &[Result<Packed, FetchError>],
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
                    if let Ok(packed) = &packed[at] {
                        let result = unpack(&wanted[at], packed, directory);
                        results.lock().expect("no thread panics while it has this")[at] = Some(result);
                    }
                }
            });
        }
    });
    results.into_inner().expect("no thread panics while it has this")
}

fn unpack(item: &Wanted, packed: &Packed, directory: &Path) -> Result<IndexState, IndexError> {
    let path = &packed.path;
    let io = |source| IndexError::Io { path: path.clone(), source };
    let file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(io)?);
    let mut reader = decoder(packed.packing, file).map_err(io)?;
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
        let places = bases.iter().flat_map(|base| {
            let directory = archive.directory(base);
            let path = &path;
            PACKINGS.iter().map(move |(packing, suffix)| (*packing, directory.join(&format!("{path}{suffix}"))))
        });
        let mut missing = None;
        for (packing, uri) in places {
            let name = format!("{} {component} {architecture} Packages", archive.suite);
            let target = PathBuf::from(uri.to_string());
            let request = DocumentRequest { name, uri, known: Validators::default(), limit: UNANNOUNCED, accept: None };
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
                Some(Err(error)) if error.is_about_address() => missing = missing.or(Some(error)),
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
