//! apt's preferences: which version of a package is preferred, as apt_preferences(5) has it.

mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use parse::{PreferencesError, Records, Unsupported, parse_preferences};
pub use pattern::Pattern;

use super::{config::AptConfig, update::Suite};

/// Everything that is pinned. Where nothing is, a suite's own priority counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The native architecture.
    pub native: String,
    /// The records, in the order in which they count: the first that fits decides.
    pub pins: Vec<Pin>,
    /// Files or records that are not in effect, and why.
    pub warnings: Vec<PreferencesWarning>,
}

/// One record: some packages, some of their versions, and a priority for these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which packages; one that fits suffices.
    pub packages: Vec<PackagePattern>,
    /// Which of their versions.
    pub target: PinTarget,
    /// How much they are wanted. Below 0: never. 1000 and above: even if that means going back to an older version.
    pub priority: i32,
}

/// Which packages a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackagePattern {
    /// `*`: all. Such a record only counts for packages of which no other speaks.
    All,
    /// Packages of this name, of the native architecture or of those named.
    Name {
        /// The name.
        name: Pattern,
        /// The architecture, if it is not just the native one.
        architecture: Option<Pattern>,
    },
    /// Packages made from a source package of this name: `src:name`.
    Source {
        /// The name.
        name: Pattern,
        /// The architecture, if it is not just the native one.
        architecture: Option<Pattern>,
    },
}

/// Which versions a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinTarget {
    /// Those of this number.
    Version(Pattern),
    /// Those from a suite that is described so; all conditions must be met.
    Release(Vec<(ReleaseField, Pattern)>),
    /// Those from this host; empty for local archives.
    Origin(Pattern),
}

/// A property of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseField {
    /// `a=`: its `Suite`.
    Archive,
    /// A word alone: its `Suite` or its `Codename`.
    Name,
    /// `n=`: its `Codename`.
    Codename,
    /// `v=`: its `Version`.
    Version,
    /// `c=`: the component.
    Component,
    /// `o=`: its `Origin`.
    Origin,
    /// `l=`: its `Label`.
    Label,
    /// `b=`: the architecture.
    Architecture,
}

/// Something that is not in effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesWarning {
    /// A file is malformed; all of its records are missing.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: PreferencesError,
    },
    /// A file cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A record says something that is not supported.
    #[error("{file}, line {line}: {why}; the record is without effect")]
    LeftOut {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What that is.
        why: Unsupported,
    },
}

/// One version of one package, as far as preferences ask.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The package's name.
    pub package: &'a str,
    /// The architecture, as its control file says; `all` counts as the native one.
    pub architecture: &'a str,
    /// The name of the source package it was made from, if it is known and another.
    pub source: Option<&'a str>,
    /// The version.
    pub version: &'a str,
}

impl Preferences {
    /// Reads `preferences` and `preferences.d`. What cannot be used is a warning.
    pub fn read(config: &AptConfig) -> Self {
        let parts = config.etc("preferencesparts", "preferences.d");
        let files = config.files(config.etc("preferences", "preferences"), &parts, &["", "pref"]);
        let mut all = Self { native: config.architecture.clone(), ..Self::default() };
        for file in files {
            all.read_file(&file);
        }
        all
    }

    fn read_file(&mut self, file: &Path) {
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let warning = PreferencesWarning::Unreadable { file: file.to_owned(), reason: error.to_string() };
                return self.warnings.push(warning);
            }
        };
        match parse_preferences(&text) {
            Err(problem) => self.warnings.push(PreferencesWarning::Malformed { file: file.to_owned(), problem }),
            Ok((pins, lines)) => {
                self.pins.extend(pins);
                let warning = |(line, why)| PreferencesWarning::LeftOut { file: file.to_owned(), line, why };
                self.warnings.extend(lines.into_iter().map(warning));
            }
        }
    }

    /// The priority of `subject` if only `suite` offers it.
    pub fn priority_of(&self, subject: &Subject<'_>, suite: &Suite) -> i32 {
        self.priority_among(subject, std::iter::once(suite)).unwrap_or(suite.priority)
    }

    /// The priority of `subject` if these suites offer it; `None` if none does.
    ///
    /// That of the first record about this very package that fits one of the suites, else the highest of the suites: that
    /// of the first record about all packages, or else the suite's own. The default release precedes records about all
    /// packages, and `never` all but that. Checked against apt's own policy.
    pub fn priority_among<'a, I>(&self, subject: &Subject<'_>, suites: I) -> Option<i32>
    where
        I: IntoIterator<Item = &'a Suite>,
        I::IntoIter: Clone,
    {
        let suites = suites.into_iter();
        let own = suites.clone().map(|suite| self.general(subject, suite)).max()?;
        if own == NEVER {
            return Some(NEVER);
        }
        let mut specific = self.pins.iter().filter(|pin| pin.names(subject, &self.native));
        let pin = specific.find(|pin| suites.clone().any(|suite| pin.target.fits(subject.version, suite)));
        Some(pin.map_or(own, |pin| pin.priority))
    }

    fn general(&self, subject: &Subject<'_>, suite: &Suite) -> i32 {
        if suite.priority == DEFAULT_RELEASE {
            return suite.priority;
        }
        let mut general = self.pins.iter().filter(|pin| pin.is_general());
        general.find(|pin| pin.target.fits(subject.version, suite)).map_or(suite.priority, |pin| pin.priority)
    }

    /// True if no record can make a difference for `package` beyond what its suites' priorities say.
    pub fn is_silent_about(&self, package: &str) -> bool {
        let may_name = |pin: &Pin| {
            pin.packages.iter().any(|pattern| match pattern {
                PackagePattern::All => pin.is_general(),
                PackagePattern::Name { name, .. } => name.fits_name(package),
                PackagePattern::Source { .. } => true,
            })
        };
        !self.pins.iter().any(may_name)
    }
}

/// What apt gives the default release.
pub(crate) const DEFAULT_RELEASE: i32 = 990;

/// The priority `never`, which no record about a single package overrides.
const NEVER: i32 = i16::MIN as i32;

impl Pin {
    fn is_general(&self) -> bool {
        // As in apt, a version makes no sense for all packages.
        self.packages.contains(&PackagePattern::All) && !matches!(self.target, PinTarget::Version(_))
    }

    fn names(&self, subject: &Subject<'_>, native: &str) -> bool {
        let own = if subject.architecture == "all" { native } else { subject.architecture };
        let fits = |architecture: &Option<Pattern>| match architecture {
            None => own == native,
            Some(pattern) => pattern.fits(own),
        };
        self.packages.iter().any(|pattern| match pattern {
            PackagePattern::All => false,
            PackagePattern::Name { name, architecture } => name.fits_name(subject.package) && fits(architecture),
            PackagePattern::Source { name, architecture } => {
                name.fits_name(subject.source.unwrap_or(subject.package)) && fits(architecture)
            }
        })
    }
}

impl PinTarget {
    /// Whether `version`, on offer in `suite`, is one of these.
    pub(crate) fn fits(&self, version: &str, suite: &Suite) -> bool {
        match self {
            Self::Version(pattern) => pattern.fits(version),
            Self::Origin(pattern) => pattern.fits(host(&suite.base_uri)),
            Self::Release(conditions) => conditions.iter().all(|(field, pattern)| match field {
                ReleaseField::Archive => pattern.fits(&suite.suite),
                ReleaseField::Name => pattern.fits(&suite.suite) || pattern.fits(&suite.codename),
                ReleaseField::Codename => pattern.fits(&suite.codename),
                ReleaseField::Version => pattern.fits(&suite.version),
                ReleaseField::Component => pattern.fits(&suite.component),
                ReleaseField::Origin => pattern.fits(&suite.origin),
                ReleaseField::Label => pattern.fits(&suite.label),
                ReleaseField::Architecture => pattern.fits(&suite.architecture),
            }),
        }
    }
}

/// The host of an address, without port; `""` for a local one.
fn host(uri: &str) -> &str {
    let Some((_, rest)) = uri.split_once("://") else { return "" };
    let host = rest.split('/').next().unwrap_or("");
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}
