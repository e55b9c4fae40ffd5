//! The Release files of all archives: fetched if they changed, verified in any case.

use std::{fs, path::Path, time::SystemTime};

use aleph_component::Digest;

use super::{
    SourceFailure, SourceWarning,
    archive::Archive,
    changes, files,
    keys::Keys,
    state::{ArchiveState, State},
};
use crate::{
    apt::{
        config::AptConfig,
        release::{DateRules, Release, split_clearsigned, verify_clearsigned, verify_detached},
    },
    net::{Answer, DocumentRequest, FetchError, Fetcher, Monitor, Uri, Validators},
};

/// Debian's are 200 kB.
const LIMIT: u64 = 32 << 20;

/// What vouches for an archive's indices.
pub(super) struct Accepted {
    /// Where it is; the first is the one that answered.
    pub(super) bases: Vec<Uri>,
    /// None for an archive without any, which the user trusts nevertheless.
    pub(super) release: Option<Release>,
    /// What is known so far; the indices are missing.
    pub(super) state: ArchiveState,
    pub(super) warnings: Vec<SourceWarning>,
}

/// The signed files, not yet verified.
enum Signed {
    Clear { bytes: Vec<u8>, validators: Validators },
    Detached { text: Vec<u8>, signature: Option<Vec<u8>> },
    Nothing,
}

type Step<T> = Result<T, SourceFailure>;

/// Fetches and verifies the Release files of all `archives`; the answers are in their order.
pub(super) fn fetch(
    archives: &[Archive<'_>],
    old: &State,
    directory: &Path,
    config: &AptConfig,
    fetcher: &Fetcher,
    now: SystemTime,
    monitor: &dyn Monitor,
) -> Vec<Step<Accepted>> {
    let mut bases: Vec<Step<Vec<Uri>>> = archives.iter().map(Archive::bases).collect();
    let mut signed: Vec<Option<Step<Signed>>> = bases.iter().map(|_| None).collect();
    let most = bases.iter().flatten().map(Vec::len).max().unwrap_or(0);
    for attempt in 0..most {
        let open: Vec<usize> = (0..archives.len())
            .filter(|&at| bases[at].as_ref().is_ok_and(|bases| bases.len() > attempt))
            .filter(|&at| !matches!(signed[at], Some(Ok(_))))
            .collect();
        let places: Vec<(&Archive<'_>, &Uri)> =
            open.iter().filter_map(|&at| Some((&archives[at], bases[at].as_ref().ok()?.get(attempt)?))).collect();
        let found = download(&places, old, directory, fetcher, monitor);
        for (at, found) in open.into_iter().zip(found) {
            if let (Ok(_), Ok(bases)) = (&found, &mut bases[at]) {
                bases.swap(0, attempt);
            }
            signed[at] = Some(found);
        }
    }
    let mut keys = Keys::new(config);
    let all = archives.iter().zip(bases).zip(signed);
    all.map(|((archive, bases), signed)| {
        let bases = bases?;
        let signed = signed.unwrap_or(Err(SourceFailure::NoIndex))?;
        let rules = rules(archive, old, config, now);
        let mut accepted = accept(archive, bases, signed, &mut keys, &rules, directory)?;
        accepted.warnings.extend(changes::check(old.find(archive), &accepted.state, config)?);
        Ok(accepted)
    })
    .collect()
}

fn rules(archive: &Archive<'_>, old: &State, config: &AptConfig, now: SystemTime) -> DateRules {
    DateRules {
        now,
        check_valid_until: archive.first().check_valid_until.unwrap_or(config.check_valid_until),
        check_date: archive.first().check_date.unwrap_or(config.check_date),
        seen: old.find(archive).and_then(|state| state.date),
    }
}

/// First `InRelease` of all; where there is none, `Release` and `Release.gpg`.
fn download(
    places: &[(&Archive<'_>, &Uri)],
    old: &State,
    directory: &Path,
    fetcher: &Fetcher,
    monitor: &dyn Monitor,
) -> Vec<Step<Signed>> {
    let request = |(archive, base): &(&Archive<'_>, &Uri), name: &str, known| DocumentRequest {
        name: format!("{} {name}", archive.suite),
        uri: archive.directory(base).join(name),
        known,
        limit: LIMIT,
        accept: None,
    };
    let stored: Vec<_> = places.iter().map(|(archive, base)| stored(archive, base, old, directory)).collect();
    let with = places.iter().zip(&stored);
    let clear: Vec<_> = with
        .map(|(place, stored)| {
            let known = stored.as_ref().map(|(_, validators)| validators.clone()).unwrap_or_default();
            request(place, "InRelease", known)
        })
        .collect();
    let answers = fetcher.get(&clear, monitor);
    let mut found: Vec<Option<Step<Signed>>> = Vec::new();
    for (answer, stored) in answers.into_iter().zip(stored) {
        found.push(match (answer, stored) {
            (Ok(Answer::Document { bytes, validators }), _) => Some(Ok(Signed::Clear { bytes, validators })),
            (Ok(Answer::Unchanged), Some((bytes, validators))) => Some(Ok(Signed::Clear { bytes, validators })),
            (Ok(Answer::Unchanged), None) => Some(Err(SourceFailure::Unsigned)),
            (Err(FetchError::NotFound { .. } | FetchError::Refused { .. }), _) => None,
            (Err(error), _) => Some(Err(error.into())),
        });
    }
    let missing: Vec<usize> = (0..places.len()).filter(|&at| found[at].is_none()).collect();
    let requests = missing
        .iter()
        .flat_map(|&at| ["Release", "Release.gpg"].map(|name| request(&places[at], name, Validators::default())));
    let requests: Vec<_> = requests.collect();
    let mut answers = if requests.is_empty() { Vec::new() } else { fetcher.get(&requests, monitor) }.into_iter();
    for at in missing {
        let trusted = places[at].0.first().trusted == Some(true);
        found[at] = Some(detached(answers.next(), answers.next(), trusted));
    }
    found.into_iter().map(|found| found.unwrap_or(Err(SourceFailure::Unsigned))).collect()
}

fn detached(
    text: Option<Result<Answer, FetchError>>,
    signature: Option<Result<Answer, FetchError>>,
    trusted: bool,
) -> Step<Signed> {
    let bytes = |answer: Option<Result<Answer, FetchError>>| match answer {
        Some(Ok(Answer::Document { bytes, .. })) => Ok(Some(bytes)),
        Some(Err(error)) if error.is_missing() => Ok(None),
        Some(Ok(Answer::Unchanged)) | None => Ok(None),
        Some(Err(error)) => Err(SourceFailure::from(error)),
    };
    let text = match text {
        Some(Err(error)) if error.is_missing() && trusted => return Ok(Signed::Nothing),
        Some(Err(error)) if error.is_missing() => return Err(error.into()),
        text => bytes(text)?.ok_or(SourceFailure::Unsigned)?,
    };
    Ok(Signed::Detached { text, signature: bytes(signature)? })
}

/// The `InRelease` file of the last update from the same place, and what the server called it.
fn stored(archive: &Archive<'_>, base: &Uri, old: &State, directory: &Path) -> Option<(Vec<u8>, Validators)> {
    let state = old.find(archive).filter(|state| state.base_uri == base.to_string() && state.signature.is_none())?;
    let digest = state.release?;
    let bytes = fs::read(files::release(directory, &digest)).ok().filter(|bytes| Digest::of(bytes) == digest)?;
    Some((bytes, state.validators()))
}

fn accept(
    archive: &Archive<'_>,
    bases: Vec<Uri>,
    signed: Signed,
    keys: &mut Keys<'_>,
    rules: &DateRules,
    directory: &Path,
) -> Step<Accepted> {
    let mut state = ArchiveState::new(archive, &bases);
    let mut warnings = Vec::new();
    let source = archive.first();
    let trusted = source.trusted == Some(true);
    if trusted {
        warnings.push(SourceWarning::Unverified);
    }
    let keep = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let path = files::release(directory, &digest);
        let kept = files::keep(&path, bytes);
        kept.map(|()| digest).map_err(|source| FetchError::Io { path, action: "written", source })
    };
    let text = match signed {
        Signed::Nothing => return Ok(Accepted { bases, release: None, state, warnings }),
        Signed::Clear { bytes, validators } => {
            let text = match trusted {
                true => split_clearsigned(&bytes)?,
                false => {
                    let verified = verify_clearsigned(&bytes, keys.of(&source.signed_by)?, rules.now)?;
                    state.signer = Some(verified.signer);
                    state.keys = Some(keys.mark(&source.signed_by));
                    verified.text
                }
            };
            state.release = Some(keep(&bytes)?);
            state.etag = validators.etag;
            state.last_modified = validators.last_modified;
            text
        }
        Signed::Detached { text, .. } if trusted => {
            state.release = Some(keep(&text)?);
            String::from_utf8_lossy(&text).into_owned()
        }
        Signed::Detached { signature: None, .. } => return Err(SourceFailure::Unsigned),
        Signed::Detached { text, signature: Some(signature) } => {
            let verified = verify_detached(&text, &signature, keys.of(&source.signed_by)?, rules.now)?;
            state.release = Some(keep(&text)?);
            state.signature = Some(keep(&signature)?);
            state.signer = Some(verified.signer);
            state.keys = Some(keys.mark(&source.signed_by));
            verified.text
        }
    };
    let release = Release::parse(&text)?;
    release.check_dates(rules)?;
    warnings.extend(archive.check_name(&release));
    state.describe(&release);
    Ok(Accepted { bases, release: Some(release), state, warnings })
}
