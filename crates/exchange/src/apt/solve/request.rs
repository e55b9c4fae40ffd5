//! What is asked of the solver.

use std::{collections::BTreeSet, fmt};

use aleph_component::Digest;

use crate::apt::{
    index::Candidate,
    relation::{Name, Operator, Version, VersionError},
};

/// Which version of a package is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VersionChoice {
    /// The best on offer.
    #[default]
    Any,
    /// Exactly this one.
    Exact(String),
    /// One that stands in this relation to this version.
    Op(Operator, String),
}

/// A package that somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Its name. A virtual name is understood if a single package provides it.
    pub name: String,
    /// Its architecture; the native one, or else any that there is, if not given.
    pub architecture: Option<String>,
    /// Its version.
    pub version: VersionChoice,
    /// The suite or codename that it must be on offer in.
    pub suite: Option<String>,
}

impl Want {
    /// The best version of `name`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The text does not name a package as [`Want`]s are written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    /// The name is malformed.
    #[error("`{text}` does not start with a package name; packages are written name:architecture=version/suite")]
    Name {
        /// What was written.
        text: String,
    },
    /// The version is malformed.
    #[error("in `{text}`")]
    Version {
        /// What was written.
        text: String,
        /// What is wrong with it.
        #[source]
        source: VersionError,
    },
    /// The architecture or the suite is empty.
    #[error("`{text}` leaves out what follows `{sign}`")]
    Empty {
        /// What was written.
        text: String,
        /// `:` or `/`.
        sign: char,
    },
}

/// Reads `name:architecture=version/suite`, all but the name optional.
impl std::str::FromStr for Want {
    type Err = WantError;

    fn from_str(text: &str) -> Result<Self, WantError> {
        let whole = || text.chars().take(80).collect::<String>();
        let (rest, suite) = text.split_once('/').map_or((text, None), |(rest, suite)| (rest, Some(suite)));
        let (rest, version) = rest.split_once('=').map_or((rest, None), |(rest, version)| (rest, Some(version)));
        let (name, architecture) = rest.split_once(':').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        Name::new(name).map_err(|_| WantError::Name { text: whole() })?;
        for (sign, part) in [(':', architecture), ('/', suite)] {
            if part == Some("") {
                return Err(WantError::Empty { text: whole(), sign });
            }
        }
        let version = match version {
            None => VersionChoice::Any,
            Some(version) => {
                Version::new(version).map_err(|source| WantError::Version { text: whole(), source })?;
                VersionChoice::Exact(version.to_owned())
            }
        };
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self { name: name.to_owned(), architecture: owned(architecture), version, suite: owned(suite) })
    }
}

/// As people write it: `name:architecture=version/suite`.
impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        match &self.version {
            VersionChoice::Any => {}
            VersionChoice::Exact(version) => write!(f, "={version}")?,
            VersionChoice::Op(operator, version) => write!(f, " ({} {version})", operator.as_str())?,
        }
        if let Some(suite) = &self.suite {
            write!(f, "/{suite}")?;
        }
        Ok(())
    }
}

/// A package that the view holds already. It is preferred to others as long as something needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, as its control file says (`all` included).
    pub architecture: String,
    /// Its control stanza, for when no suite offers it any more. Without one it can then not be kept.
    pub stanza: Option<String>,
    /// The digest of its archive, if known: what is on offer as the same version with another is another package.
    pub archive: Option<Digest>,
    /// The slots that are filled for it. Recommendations among these come along again, whether or not others do.
    pub slots: BTreeSet<String>,
}

/// Which of the kept packages move to the best version on offer. The others move only if they must.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those with these names.
    Names(Vec<String>),
}

/// What the solver is asked for.
#[derive(Clone)]
pub struct Request<'r> {
    /// The packages asked for, in the order in which they were named; the order decides between equal alternatives.
    pub wanted: Vec<Want>,
    /// Names that must not be in the set.
    pub forbidden: BTreeSet<String>,
    /// What the view holds now.
    pub keep: Vec<Kept>,
    /// What of that moves to newer versions.
    pub upgrade: Upgrade,
    /// Whether recommended packages come along where they can.
    pub recommends: bool,
    /// Whether all essential packages of the native architecture belong to the set.
    pub essential: bool,
    /// The native architecture (`amd64`).
    pub native: String,
    /// Further architectures, the most preferred first.
    pub foreign: Vec<String>,
    /// Pin priorities, in place of [`Candidate::priority`].
    pub pins: Option<&'r dyn Fn(&Candidate<'_>) -> i32>,
}

impl Request<'_> {
    /// An empty request for one architecture, without recommended and essential packages.
    pub fn new(native: impl Into<String>) -> Self {
        Self {
            wanted: Vec::new(),
            forbidden: BTreeSet::new(),
            keep: Vec::new(),
            upgrade: Upgrade::None,
            recommends: false,
            essential: false,
            native: native.into(),
            foreign: Vec::new(),
            pins: None,
        }
    }

    /// Whether a kept package called `name` stays in its version if it can.
    pub(super) fn stays(&self, name: &str) -> bool {
        match &self.upgrade {
            Upgrade::None => true,
            Upgrade::All => false,
            Upgrade::Names(names) => !names.iter().any(|other| other == name),
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, forbidden, keep, upgrade, recommends, essential, native, foreign, pins } = self;
        f.debug_struct("Request")
            .field("wanted", wanted)
            .field("forbidden", forbidden)
            .field("keep", keep)
            .field("upgrade", upgrade)
            .field("recommends", recommends)
            .field("essential", essential)
            .field("native", native)
            .field("foreign", foreign)
            .field("pins", &pins.is_some())
            .finish()
    }
}
