//! The records of a preferences file.

use super::{PackagePattern, Pattern, Pin, PinTarget, ReleaseField};
use crate::apt::paragraph::{Field, Paragraph, paragraphs};

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
    /// A `Pin` that is of no known kind.
    #[error("line {line}: a Pin begins with `version`, `release` or `origin`")]
    Pin {
        /// The line.
        line: usize,
    },
    /// A priority that is no number, or 0.
    #[error("line {line}: the priority is not a number other than 0")]
    Priority {
        /// The line.
        line: usize,
    },
}

/// Reads the text of a preferences file: the records, and the lines of those that use regular expressions and are left
/// out.
///
/// # Errors
/// At the first record that is malformed.
pub fn parse_preferences(text: &str) -> Result<(Vec<Pin>, Vec<usize>), PreferencesError> {
    let (mut pins, mut left_out) = (Vec::new(), Vec::new());
    for record in paragraphs(text).map_err(|error| PreferencesError::Field { line: error.line })? {
        let pin = pin(&record)?;
        match pin {
            Some(pin) => pins.push(pin),
            None => left_out.push(record.line()),
        }
    }
    Ok((pins, left_out))
}

/// `None` for a record with a regular expression.
fn pin(record: &Paragraph<'_>) -> Result<Option<Pin>, PreferencesError> {
    let field = |name: &'static str| {
        let missing = PreferencesError::Missing { line: record.line(), field: name };
        record.field(name).ok_or(missing)
    };
    let (packages, target, priority) = (field("Package")?, field("Pin")?, field("Pin-Priority")?);
    let wrong = PreferencesError::Priority { line: priority.line };
    let priority = priority.value.trim().parse::<i32>().ok().filter(|value| *value != 0).ok_or(wrong)?;
    let names: Vec<&str> = packages.value.split_whitespace().collect();
    if names.is_empty() {
        return Err(PreferencesError::Missing { line: packages.line, field: "Package" });
    }
    let Some(target) = pin_target(target)? else { return Ok(None) };
    let packages: Option<Vec<_>> = names.into_iter().map(package_pattern).collect();
    Ok(packages.map(|packages| Pin { packages, target, priority }))
}

fn package_pattern(name: &str) -> Option<PackagePattern> {
    let (is_source, name) = name.strip_prefix("src:").map_or((false, name), |name| (true, name));
    // Architectures after a colon: every one that is wanted at all is.
    let name = name.split(':').next().unwrap_or(name);
    match name {
        "*" if !is_source => Some(PackagePattern::All),
        _ if is_regular_expression(name) => None,
        _ if is_source => Some(PackagePattern::Source(Pattern::new(name))),
        _ => Some(PackagePattern::Name(Pattern::new(name))),
    }
}

fn is_regular_expression(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('/') && text.ends_with('/')
}

fn pin_target(field: &Field<'_>) -> Result<Option<PinTarget>, PreferencesError> {
    let wrong = PreferencesError::Pin { line: field.line };
    let (kind, value) = field.value.trim().split_once(char::is_whitespace).unwrap_or((field.value.trim(), ""));
    let value = value.trim();
    let pattern = |text: &str| (!is_regular_expression(text)).then(|| Pattern::new(text));
    match kind.to_ascii_lowercase().as_str() {
        "version" if !value.is_empty() => Ok(pattern(value).map(PinTarget::Version)),
        "origin" => Ok(pattern(value.trim_matches('"')).map(PinTarget::Origin)),
        "release" if !value.is_empty() => {
            let conditions = value.split(',').map(str::trim).filter(|condition| !condition.is_empty());
            let mut all = Vec::new();
            for condition in conditions {
                let (field, text) = match condition.split_once('=') {
                    Some((name, text)) => (release_field(name.trim()).ok_or(wrong.clone())?, text.trim()),
                    // A number alone is a version, a word alone a suite.
                    None if condition.starts_with(|c: char| c.is_ascii_digit()) => (ReleaseField::Version, condition),
                    None => (ReleaseField::Name, condition),
                };
                match pattern(text.trim_matches('"')) {
                    Some(pattern) => all.push((field, pattern)),
                    None => return Ok(None),
                }
            }
            Ok(Some(PinTarget::Release(all)))
        }
        _ => Err(wrong),
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
