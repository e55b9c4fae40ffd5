//! The records of a preferences file.

use super::{NEVER, PackagePattern, Pattern, Pin, PinTarget, ReleaseField};
use crate::apt::paragraph::{Paragraph, paragraphs};

/// A preferences file is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesError {
    /// A line is not a field.
    #[error("line {line} is neither a field nor a continuation of one")]
    Field {
        /// The line, from 1.
        line: usize,
    },
    /// A record lacks something.
    #[error("line {line}: the record has no field {field}")]
    Missing {
        /// The line where the record begins.
        line: usize,
        /// What it lacks.
        field: &'static str,
    },
    /// A `Pin` that says nothing.
    #[error("line {line}: the Pin names no version or release")]
    Pin {
        /// The line.
        line: usize,
    },
    /// A priority that is no number, 0, or one that apt does not know.
    #[error("line {line}: the priority is not a number other than 0 between {} and {}", i16::MIN, i16::MAX)]
    Priority {
        /// The line.
        line: usize,
    },
    /// A priority that only all packages together can have.
    #[error("line {line}: the priority `never` is for `Package: *` only")]
    Never {
        /// The line.
        line: usize,
    },
}

/// What is without effect in a record that is not malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A regular expression.
    #[error("regular expressions are not supported")]
    RegularExpression,
    /// A `Pin` of no known kind.
    #[error("`{0}` is no kind of Pin; `version`, `release` and `origin` are")]
    Kind(String),
    /// A condition on a release of no known kind.
    #[error("`{0}` is no condition on a release; a, n, v, c, o, l and b are")]
    Condition(String),
}

/// The records of a file, and the lines of those that are left out, with the reasons.
pub type Records = (Vec<Pin>, Vec<(usize, Unsupported)>);

/// Reads the text of a preferences file.
///
/// # Errors
/// At the first record that is malformed.
pub fn parse_preferences(text: &str) -> Result<Records, PreferencesError> {
    let (mut pins, mut left_out) = (Vec::new(), Vec::new());
    for record in paragraphs(text).map_err(|error| PreferencesError::Field { line: error.line })? {
        match pin(&record)? {
            Ok(pin) => pins.push(pin),
            Err(why) => left_out.push((record.line(), why)),
        }
    }
    Ok((pins, left_out))
}

/// A record, or why it is left out.
type Read<T> = Result<T, Unsupported>;

fn pin(record: &Paragraph<'_>) -> Result<Read<Pin>, PreferencesError> {
    let field = |name: &'static str| {
        let missing = PreferencesError::Missing { line: record.line(), field: name };
        record.field(name).ok_or(missing)
    };
    let (packages, target, priority) = (field("Package")?, field("Pin")?, field("Pin-Priority")?);
    let names: Vec<&str> = packages.value.split_whitespace().collect();
    if names.is_empty() {
        return Err(PreferencesError::Missing { line: packages.line, field: "Package" });
    }
    let priority = match priority.value.trim() {
        "never" if names == ["*"] => NEVER,
        "never" => return Err(PreferencesError::Never { line: priority.line }),
        value => {
            let number = value.parse::<i16>().ok().filter(|value| *value != 0);
            number.ok_or(PreferencesError::Priority { line: priority.line })?.into()
        }
    };
    let (kind, value) = target.value.trim().split_once(char::is_whitespace).unwrap_or((target.value.trim(), ""));
    if value.trim().is_empty() && matches!(kind, "version" | "release") {
        return Err(PreferencesError::Pin { line: target.line });
    }
    let packages: Read<Vec<PackagePattern>> = names.into_iter().map(package_pattern).collect();
    let target = pin_target(kind, value.trim());
    Ok(packages.and_then(|packages| Ok(Pin { packages, target: target?, priority })))
}

fn package_pattern(name: &str) -> Read<PackagePattern> {
    if name == "*" {
        return Ok(PackagePattern::All);
    }
    let (is_source, name) = name.strip_prefix("src:").map_or((false, name), |name| (true, name));
    if name.starts_with('/') {
        return Err(Unsupported::RegularExpression);
    }
    let (name, architecture) = match name.split_once(':').unwrap_or((name, "native")) {
        (name, "" | "native") => (name, None),
        (name, "any") => (name, Some("*")),
        (name, architecture) => (name, Some(architecture)),
    };
    let (name, architecture) = (Pattern::new(name), architecture.map(Pattern::new));
    Ok(match is_source {
        true => PackagePattern::Source { name, architecture },
        false => PackagePattern::Name { name, architecture },
    })
}

fn pattern(text: &str) -> Read<Pattern> {
    match text.len() >= 2 && text.starts_with('/') && text.ends_with('/') {
        true => Err(Unsupported::RegularExpression),
        false => Ok(Pattern::new(text)),
    }
}

fn pin_target(kind: &str, value: &str) -> Read<PinTarget> {
    match kind.to_ascii_lowercase().as_str() {
        "version" => pattern(value).map(PinTarget::Version),
        "origin" => pattern(value.trim_matches('"')).map(PinTarget::Origin),
        "release" => PinTarget::release(value),
        _ => Err(Unsupported::Kind(kind.to_owned())),
    }
}

impl PinTarget {
    /// Reads conditions on a release as `Pin: release` and `APT::Default-Release` have them.
    ///
    /// # Errors
    /// If one of them is a regular expression or of no known kind.
    pub fn release(text: &str) -> Result<Self, Unsupported> {
        let conditions = text.split(',').map(str::trim).filter(|condition| !condition.is_empty());
        let one = |condition: &str| {
            let (field, text) = match condition.split_once('=') {
                Some((name, text)) => {
                    let field = release_field(name.trim());
                    (field.ok_or_else(|| Unsupported::Condition(condition.to_owned()))?, text.trim())
                }
                // A number alone is a version, a word alone a suite.
                None if condition.starts_with(|c: char| c.is_ascii_digit()) => (ReleaseField::Version, condition),
                None => (ReleaseField::Name, condition),
            };
            Ok((field, pattern(text.trim_matches('"'))?))
        };
        conditions.map(one).collect::<Result<_, _>>().map(Self::Release)
    }
}

fn release_field(name: &str) -> Option<ReleaseField> {
    Some(match name {
        "a" => ReleaseField::Archive,
        "n" => ReleaseField::Codename,
        "v" => ReleaseField::Version,
        "c" => ReleaseField::Component,
        "o" => ReleaseField::Origin,
        "l" => ReleaseField::Label,
        "b" => ReleaseField::Architecture,
        _ => return None,
    })
}
