//! Debian relation fields (`Depends`, `Breaks`, `Provides`, …), parsed into typed groups of alternatives. Pure.
//!
//! The syntax is that of deb-control(5) and Debian policy §7.1; what satisfies what across architectures is that of
//! dpkg 1.21. Everything borrows from the text it was parsed from.

mod parse;
mod version;

use std::fmt;

pub use parse::{RelationError, parse_provides, parse_relations};
pub use version::{Version, VersionError};

/// A package name, real or virtual: a letter or digit, then letters, digits and `+-._`; at most 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a str);

/// The text is not a package name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a package name")]
pub struct NameError {
    text: String,
}

impl<'a> Name<'a> {
    /// Checks that `text` is a name.
    ///
    /// # Errors
    /// If it is not.
    pub fn new(text: &'a str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        if bytes.len() <= 255 && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(valid) {
            return Ok(Self(text));
        }
        Err(NameError { text: text.chars().take(80).collect() })
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    AtMost,
    /// `=`
    Exactly,
    /// `>=`
    AtLeast,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether `version` stands in this relation to `wanted`.
    pub fn holds(self, version: Version<'_>, wanted: Version<'_>) -> bool {
        let order = version.cmp(&wanted);
        match self {
            Self::Earlier => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Exactly => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::AtMost => "<=",
            Self::Exactly => "=",
            Self::AtLeast => ">=",
            Self::Later => ">>",
        }
    }
}

/// A demand on a version: `(>= 1:2~b)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraint<'a> {
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub version: Version<'a>,
}

impl Constraint<'_> {
    /// Whether `version` meets it.
    pub fn admits(&self, version: Version<'_>) -> bool {
        self.operator.holds(version, self.version)
    }
}

/// What follows the colon of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier<'a> {
    /// `:any`
    Any,
    /// `:native`
    Native,
    /// `:amd64`
    Architecture(&'a str),
}

/// One word of `[amd64 !i386]` or of `<!nocheck cross>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Test<'a> {
    /// Whether it was written with `!`.
    pub negated: bool,
    /// The architecture, architecture wildcard or build profile.
    pub word: &'a str,
}

/// One alternative: `name:qualifier (>= version) [architectures] <profiles>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The name that is asked for.
    pub name: Name<'a>,
    /// From which architecture, if it says.
    pub qualifier: Option<Qualifier<'a>>,
    /// In which version, if it says.
    pub constraint: Option<Constraint<'a>>,
    /// On which architectures it applies; on all if empty.
    pub architectures: Vec<Test<'a>>,
    /// Under which build profiles it applies: any of the lists holds if all of its words do; always if empty.
    pub profiles: Vec<Vec<Test<'a>>>,
}

/// What a package provides besides its own name: `name (= version)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provided<'a> {
    /// The virtual name.
    pub name: Name<'a>,
    /// An explicit architecture, if it says.
    pub qualifier: Option<Qualifier<'a>>,
    /// The version provided; without one no versioned relation is satisfied.
    pub version: Option<Version<'a>>,
}

/// A package's `Multi-Arch` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MultiArch {
    /// Serves its own architecture, and excludes itself of another.
    #[default]
    No,
    /// Can be there for several architectures, in one version.
    Same,
    /// Serves every architecture.
    Foreign,
    /// Serves every architecture for relations that say `:any`.
    Allowed,
}

impl MultiArch {
    /// The meaning of the field's value; anything unknown means `no`, as in dpkg.
    pub fn from_field(value: Option<&str>) -> Self {
        match value.map(str::trim) {
            Some("same") => Self::Same,
            Some("foreign") => Self::Foreign,
            Some("allowed") => Self::Allowed,
            _ => Self::No,
        }
    }
}

impl Relation<'_> {
    /// Whether the relation holds on `architecture` under `profiles`, by its brackets.
    pub fn applies(&self, architecture: &str, profiles: &[&str]) -> bool {
        let mut named = self.architectures.iter();
        let here = match self.architectures.first() {
            None => true,
            Some(first) if first.negated => named.all(|test| !matches_architecture(test.word, architecture)),
            Some(_) => named.any(|test| !test.negated && matches_architecture(test.word, architecture)),
        };
        let holds = |test: &Test<'_>| profiles.contains(&test.word) != test.negated;
        here && (self.profiles.is_empty() || self.profiles.iter().any(|list| list.iter().all(holds)))
    }

    /// Whether a package of architecture `theirs` may satisfy this relation of a package of architecture `ours`. Both
    /// are real architectures: `all` is the native one.
    pub fn crosses(&self, ours: &str, native: &str, theirs: &str, multi_arch: MultiArch) -> bool {
        match self.qualifier {
            None => theirs == ours || multi_arch == MultiArch::Foreign,
            Some(Qualifier::Any) => multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => theirs == native,
            Some(Qualifier::Architecture(wanted)) => theirs == wanted,
        }
    }

    /// Whether a negative relation reaches a package of architecture `theirs`: all do unless they name one.
    pub fn excludes(&self, native: &str, theirs: &str) -> bool {
        match self.qualifier {
            None | Some(Qualifier::Any) => true,
            Some(Qualifier::Native) => theirs == native,
            Some(Qualifier::Architecture(wanted)) => theirs == wanted,
        }
    }

    /// Whether a package's own version meets the constraint.
    pub fn admits(&self, version: Version<'_>) -> bool {
        self.constraint.is_none_or(|constraint| constraint.admits(version))
    }

    /// Whether a provided version meets the constraint; an unversioned provision meets none.
    pub fn admits_provided(&self, version: Option<Version<'_>>) -> bool {
        match (self.constraint, version) {
            (None, _) => true,
            (Some(constraint), Some(version)) => constraint.admits(version),
            (Some(_), None) => false,
        }
    }
}

/// Whether `architecture` (`amd64`, `kfreebsd-i386`) is `word` or matches it as a wildcard (`linux-any`, `any-i386`).
fn matches_architecture(word: &str, architecture: &str) -> bool {
    let parts = |text| str::split_once(text, '-').unwrap_or(("linux", text));
    if word == architecture || word == "any" {
        return true;
    }
    let (system, machine) = parts(architecture);
    match word.split_once('-') {
        Some((wanted, "any")) => wanted == system,
        Some(("any", wanted)) => wanted == machine,
        Some((wanted, wanted_machine)) => (wanted, wanted_machine) == (system, machine),
        None => false,
    }
}

impl fmt::Display for Constraint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator.as_str(), self.version)
    }
}

impl fmt::Display for Qualifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Native => "native",
            Self::Architecture(architecture) => architecture,
        })
    }
}

/// Name, qualifier and constraint; brackets are left out.
impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some(constraint) = self.constraint {
            write!(f, " ({constraint})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
