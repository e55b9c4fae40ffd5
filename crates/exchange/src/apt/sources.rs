//! Which archives apt is told to use: `sources.list` in its one-line form and `.sources` files of paragraphs.

mod deb822;
mod one_line;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use deb822::parse_deb822_sources;
pub use one_line::parse_one_line_sources;
pub use read::{SourceList, read_sources, read_sources_file};

/// One archive, suite and set of components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptSource {
    /// Binary packages, or source packages, which are read over.
    pub kind: Kind,
    /// The archive's address as it was written, `$(ARCH)` replaced. Perhaps of a kind that cannot be fetched.
    pub uri: String,
    /// The suite, or a path that ends in `/` for a flat archive.
    pub suite: String,
    /// The components; none for a flat archive.
    pub components: Vec<String>,
    /// The architectures.
    pub architectures: Vec<String>,
    /// Whose signature is wanted; nobody named means: any key that apt trusts.
    pub signed_by: Vec<SignedBy>,
    /// `trusted=yes`: taken without a signature. `trusted=no`: never taken.
    pub trusted: Option<bool>,
    /// Whether indices are fetched by digest.
    pub by_hash: ByHash,
    /// Overrides `Acquire::Check-Valid-Until`.
    pub check_valid_until: Option<bool>,
    /// Overrides `Acquire::Check-Date`.
    pub check_date: Option<bool>,
    /// Where this was written.
    pub place: Place,
}

/// What an archive entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `deb`
    Binary,
    /// `deb-src`
    Source,
}

/// Whose signature is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// Any key in this file.
    File(PathBuf),
    /// This key, of those that apt trusts.
    Fingerprint {
        /// Upper-case hexadecimal digits.
        fingerprint: String,
        /// True if only this key itself may sign, not its subkeys.
        exact: bool,
    },
    /// Any key in this text.
    Inline(String),
}

/// Whether indices are fetched by digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByHash {
    /// If the Release file says that it can be done.
    #[default]
    Auto,
    /// Never.
    No,
    /// Always.
    Force,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// A sources file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// The file could not be read.
    #[error("{file} could not be read")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, line {}: {mistake}", place.file.display(), place.line)]
    Malformed {
        /// Where.
        place: Place,
        /// What.
        mistake: Mistake,
    },
}

/// What is wrong in a sources file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Neither `deb` nor `deb-src`.
    #[error("`{0}` is no type of source; `deb` and `deb-src` are")]
    Type(String),
    /// Something is missing.
    #[error("the {0} is missing")]
    Missing(&'static str),
    /// Options are not closed, or not of the form `name=value`.
    #[error("the options in `[...]` are malformed")]
    Options,
    /// Not `Name: value`, and no continuation.
    #[error("this is neither a field nor a continuation of one")]
    Field,
    /// A suite that is a path takes no components.
    #[error("the suite `{0}` is a path, so no components may follow")]
    FlatWithComponents(String),
    /// A suite that is no path needs components.
    #[error("the suite `{0}` needs components, or a `/` at its end if it is a path")]
    NoComponents(String),
    /// A paragraph multiplies to more than is kept.
    #[error(
        "the paragraph stands for {found} sources, with their components and architectures; at most {MOST} are read"
    )]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A value that is neither yes nor no.
    #[error("the value `{value}` of `{option}` is neither yes nor no")]
    Truth {
        /// The option.
        option: String,
        /// Its value.
        value: String,
    },
    /// A `Signed-By` that is no absolute path, fingerprint or key.
    #[error("`{0}` in Signed-By is neither an absolute path nor a fingerprint of 40 or 64 digits")]
    SignedBy(String),
}

/// What the configuration adds to the sources: architectures, and where absolute paths begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Replaces `$(ARCH)`.
    pub architecture: String,
    /// Used where a source names none.
    pub architectures: Vec<String>,
}

/// The most that one paragraph may stand for: types times addresses times suites, times components and architectures.
const MOST: usize = 4096;

/// The options of one entry or paragraph, in whichever form they were written.
#[derive(Clone, Debug, Default)]
struct Options {
    architectures: Option<Vec<String>>,
    added: Vec<String>,
    removed: Vec<String>,
    signed_by: Vec<SignedBy>,
    trusted: Option<bool>,
    by_hash: ByHash,
    check_valid_until: Option<bool>,
    check_date: Option<bool>,
}

impl Options {
    /// Takes one option. Those that change nothing here, as languages, and those that would weaken a check beyond what
    /// is supported are passed over.
    fn set(&mut self, name: &str, value: &str) -> Result<(), Mistake> {
        let words = || value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned);
        match name.to_ascii_lowercase().as_str() {
            "arch" | "architectures" => self.architectures = Some(words().collect()),
            "arch+" | "architectures-add" => self.added.extend(words()),
            "arch-" | "architectures-remove" => self.removed.extend(words()),
            "signed-by" => self.signed_by = signed_by(value)?,
            "trusted" => self.trusted = Some(truth(name, value)?),
            "check-valid-until" => self.check_valid_until = Some(truth(name, value)?),
            "check-date" => self.check_date = Some(truth(name, value)?),
            "by-hash" if value.eq_ignore_ascii_case("force") => self.by_hash = ByHash::Force,
            "by-hash" => self.by_hash = if truth(name, value)? { ByHash::Auto } else { ByHash::No },
            _ => {}
        }
        Ok(())
    }

    fn architectures(&self, defaults: &Defaults) -> Vec<String> {
        let mut all = self.architectures.clone().unwrap_or_else(|| defaults.architectures.clone());
        for name in &self.added {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        all.retain(|name| !self.removed.contains(name));
        all
    }

    fn source(&self, kind: Kind, uri: &str, suite: &str, components: &[String], at: (&Defaults, Place)) -> AptSource {
        let (defaults, place) = at;
        let substitute = |text: &str| text.replace("$(ARCH)", &defaults.architecture);
        AptSource {
            kind,
            uri: substitute(uri),
            suite: substitute(suite),
            components: components.to_vec(),
            architectures: self.architectures(defaults),
            signed_by: self.signed_by.clone(),
            trusted: self.trusted,
            by_hash: self.by_hash,
            check_valid_until: self.check_valid_until,
            check_date: self.check_date,
            place,
        }
    }
}

fn kind(word: &str) -> Result<Kind, Mistake> {
    match word {
        "deb" => Ok(Kind::Binary),
        "deb-src" => Ok(Kind::Source),
        other => Err(Mistake::Type(other.chars().take(40).collect())),
    }
}

fn check_components(suite: &str, components: &[String]) -> Result<(), Mistake> {
    match (suite.ends_with('/'), components.is_empty()) {
        (true, false) => Err(Mistake::FlatWithComponents(suite.to_owned())),
        (false, true) => Err(Mistake::NoComponents(suite.to_owned())),
        _ => Ok(()),
    }
}

fn truth(option: &str, value: &str) -> Result<bool, Mistake> {
    super::config::parse_bool(value)
        .ok_or_else(|| Mistake::Truth { option: option.to_owned(), value: value.chars().take(40).collect() })
}

fn signed_by(value: &str) -> Result<Vec<SignedBy>, Mistake> {
    if value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        // A single dot stands for an empty line, which would end the paragraph.
        let lines = value.lines().map(str::trim).map(|line| if line == "." { "" } else { line });
        let text = lines.skip_while(|line| line.is_empty()).flat_map(|line| [line, "\n"]).collect();
        return Ok(vec![SignedBy::Inline(text)]);
    }
    let words = value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
    words.map(signer).collect()
}

fn signer(word: &str) -> Result<SignedBy, Mistake> {
    if word.starts_with('/') {
        return Ok(SignedBy::File(PathBuf::from(word)));
    }
    let (digits, exact) = word.strip_suffix('!').map_or((word, false), |digits| (digits, true));
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    if matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(SignedBy::Fingerprint { fingerprint: digits.to_ascii_uppercase(), exact });
    }
    Err(Mistake::SignedBy(word.chars().take(80).collect()))
}
