//! The prepared index, made anew whenever the lists changed.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use aleph_component::Hasher;
use aleph_exchange::apt::{
    index::{Candidate, IndexInput, PreparedIndex},
    preferences::{Preferences, Subject},
    update::{Suite, Trust},
};

use super::{Apt, report};
use crate::{failure::Outcome, host::Host, output::Printer};

/// What all sources offer, and on what terms. Read once for a command: it takes verified Release files, at worst.
pub(crate) struct Offers {
    pub(crate) index: PreparedIndex,
    pub(super) apt: Apt,
    pub(super) suites: Vec<Suite>,
}

/// What all sources offer. They are asked first if they never were.
pub(crate) fn offers(host: &Host, printer: &Printer) -> Outcome<Offers> {
    let apt = Apt::read(host, printer)?;
    let mut known = apt.known()?;
    if known.suites.is_empty() && !apt.sources.is_empty() {
        printer.note("asking the sources what they offer");
        report::ask(host, printer, &apt)?;
        known = apt.known()?;
    }
    for (uri, suite) in &known.doubted {
        printer.warning(&format!("{uri} {suite} is left out: nobody who may do so vouches for what was heard of it"));
        printer.note("  try: `aleph source update` asks it again");
    }
    let suites = known.suites;
    Ok(Offers { index: prepared(&apt, &suites, printer)?, apt, suites })
}

fn prepared(apt: &Apt, suites: &[Suite], printer: &Printer) -> Outcome<PreparedIndex> {
    let path = apt.directory.join(format!("{PREFIX}{}", key(suites)));
    if let Ok(index) = PreparedIndex::open(&path) {
        return Ok(index);
    }
    fs::create_dir_all(&apt.directory)?;
    // Until it is open, nobody else may take this index for one that is no longer needed.
    let _lock = lock(&apt.directory, printer)?;
    if let Ok(index) = PreparedIndex::open(&path) {
        return Ok(index);
    }
    let inputs: Vec<IndexInput> = suites.iter().cloned().map(input).collect();
    PreparedIndex::build(&inputs, &path)?;
    forget_others(&apt.directory, &path)?;
    Ok(PreparedIndex::open(&path)?)
}

/// Makes this process the only one that prepares an index.
fn lock(directory: &Path, printer: &Printer) -> Outcome<File> {
    let file = File::options().create(true).append(true).open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error.into()),
        Err(TryLockError::WouldBlock) => {
            printer.note("another process is preparing the index; waiting for it");
            file.lock()?;
        }
    }
    Ok(file)
}

const PREFIX: &str = "index-";

/// Names an index by what goes into it.
fn key(suites: &[Suite]) -> String {
    let mut hasher = Hasher::new();
    for suite in suites {
        for field in [&suite.id, &suite.suite, &suite.codename, &suite.base_uri, &suite.priority.to_string()] {
            hasher.field(field.as_bytes());
        }
        hasher.field(suite.packages.as_os_str().as_encoded_bytes());
    }
    hasher.finish().to_string()[..24].to_owned()
}

fn input(suite: Suite) -> IndexInput {
    IndexInput {
        text: suite.packages,
        id: suite.id,
        origin: suite.origin,
        suite: suite.suite,
        codename: suite.codename,
        component: suite.component,
        architecture: suite.architecture,
        base_uri: suite.base_uri,
        priority: suite.priority,
    }
}

/// Removes other indices, and what a process that was killed left of one.
fn forget_others(directory: &Path, keep: &PathBuf) -> Outcome<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_index = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_index && path != *keep {
            // Another process that has it open keeps what it has mapped.
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Offers {
    /// Priorities as apt's preferences set them.
    pub(crate) fn pins(&self, printer: &Printer) -> impl Fn(&Candidate<'_>) -> i32 {
        let preferences = Preferences::read(&self.apt.config);
        preferences.warnings.iter().for_each(|warning| printer.warning(&warning.to_string()));
        let suites: HashMap<&str, &Suite> = self.suites.iter().map(|suite| (suite.id.as_str(), suite)).collect();
        move |candidate| {
            if preferences.is_silent_about(candidate.name()) {
                return candidate.priority();
            }
            let source = candidate.field("Source").and_then(|source| source.split_whitespace().next());
            let (package, architecture) = (candidate.name(), candidate.architecture());
            let subject = Subject { package, architecture, source, version: candidate.version() };
            let offers = candidate.suites().filter_map(|suite| suites.get(suite.input.id.as_str()).copied());
            let offers: Vec<&Suite> = offers.collect();
            preferences.priority_among(&subject, offers.iter().copied()).unwrap_or_else(|| candidate.priority())
        }
    }

    /// The key that vouches for one of the suites with a candidate.
    pub(crate) fn vouched_by(&self, candidate: &Candidate<'_>) -> Option<String> {
        let trust = |id: &str| self.suites.iter().find(|suite| suite.id == id).map(|suite| &suite.trust);
        candidate.suites().find_map(|suite| match trust(&suite.input.id)? {
            Trust::Signed(fingerprint) => Some(fingerprint.clone()),
            Trust::Unverified => None,
        })
    }
}

/// Where a candidate is on offer, in words.
pub(crate) fn describe(candidate: &Candidate<'_>) -> String {
    let place = |input: &aleph_exchange::apt::index::Input| {
        let suite = if input.codename.is_empty() { &input.suite } else { &input.codename };
        if input.component.is_empty() { suite.clone() } else { format!("{suite}/{}", input.component) }
    };
    let places: Vec<String> = candidate.suites().map(|suite| place(suite.input)).collect();
    format!("apt {}", places.join(", "))
}
