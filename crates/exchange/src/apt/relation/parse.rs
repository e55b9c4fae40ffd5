//! Reading relation fields from text.

use super::{Constraint, Name, NameError, Operator, Provided, Qualifier, Relation, Test, Version, VersionError};

/// A relation field could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// A name is malformed.
    #[error("in the relation `{relation}`")]
    Name {
        /// The alternative, shortened.
        relation: String,
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// A version is malformed.
    #[error("in the relation `{relation}`")]
    Version {
        /// The alternative, shortened.
        relation: String,
        /// What is wrong with it.
        #[source]
        source: VersionError,
    },
    /// An operator is none of `<<`, `<=`, `=`, `>=`, `>>` (and the obsolete `<`, `>`).
    #[error("the relation `{relation}` compares versions with `{operator}`")]
    Operator {
        /// The alternative, shortened.
        relation: String,
        /// The operator found.
        operator: String,
    },
    /// A bracket is not closed, or something follows the last one.
    #[error("the relation `{relation}` cannot be read from `{rest}` on")]
    Syntax {
        /// The alternative, shortened.
        relation: String,
        /// From where on it makes no sense.
        rest: String,
    },
}

/// Shortens foreign text for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Parses a field such as `Depends` into its groups, each of one alternative or more. Empty groups are skipped, as
/// dpkg does.
///
/// # Errors
/// If an alternative is malformed.
pub fn parse_relations(text: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    let groups = text.split(',').map(str::trim).filter(|group| !group.is_empty());
    groups.map(|group| group.split('|').map(parse_relation).collect()).collect()
}

/// Parses a `Provides` field.
///
/// # Errors
/// If an entry is malformed, has alternatives, or a version that is not exact.
pub fn parse_provides(text: &str) -> Result<Vec<Provided<'_>>, RelationError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            if let Some((_, rest)) = entry.split_once('|') {
                return Err(RelationError::Syntax { relation: excerpt(entry), rest: excerpt(rest) });
            }
            let relation = parse_relation(entry)?;
            let version = match relation.constraint {
                None => None,
                Some(Constraint { operator: Operator::Exactly, version }) => Some(version),
                Some(Constraint { operator, .. }) => {
                    let operator = operator.as_str().to_owned();
                    return Err(RelationError::Operator { relation: excerpt(entry), operator });
                }
            };
            Ok(Provided { name: relation.name, qualifier: relation.qualifier, version })
        })
        .collect()
}

/// Parses one alternative.
fn parse_relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let text = text.trim();
    let syntax = |rest: &str| RelationError::Syntax { relation: excerpt(text), rest: excerpt(rest) };
    let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (full_name, mut rest) = text.split_at(end);
    let (name, qualifier) = match full_name.split_once(':') {
        None => (full_name, None),
        Some((name, "any")) => (name, Some(Qualifier::Any)),
        Some((name, "native")) => (name, Some(Qualifier::Native)),
        Some((name, architecture)) if is_architecture(architecture) => {
            (name, Some(Qualifier::Architecture(architecture)))
        }
        Some(_) => return Err(syntax(full_name)),
    };
    let name = Name::new(name).map_err(|source| RelationError::Name { relation: excerpt(text), source })?;
    let mut relation = Relation { name, qualifier, constraint: None, architectures: Vec::new(), profiles: Vec::new() };
    loop {
        rest = rest.trim_start();
        let close = match rest.as_bytes().first() {
            None => return Ok(relation),
            Some(b'(') => ')',
            Some(b'[') => ']',
            Some(b'<') => '>',
            Some(_) => return Err(syntax(rest)),
        };
        let (inside, after) = rest[1..].split_once(close).ok_or_else(|| syntax(rest))?;
        match close {
            ')' if relation.constraint.is_none() => relation.constraint = Some(parse_constraint(text, inside)?),
            ']' if relation.architectures.is_empty() => relation.architectures = tests(inside).collect(),
            '>' => relation.profiles.push(tests(inside).collect()),
            _ => return Err(syntax(rest)),
        }
        rest = after;
    }
}

/// Parses the inside of the parentheses of the alternative `whole`.
fn parse_constraint<'a>(whole: &str, inside: &'a str) -> Result<Constraint<'a>, RelationError> {
    let inside = inside.trim();
    let end = inside.find(|c| !"<>=".contains(c)).unwrap_or(inside.len());
    let operator = match &inside[..end] {
        "<<" => Operator::Earlier,
        // The single signs are obsolete spellings that mean "or equal".
        "<=" | "<" => Operator::AtMost,
        "=" | "" => Operator::Exactly,
        ">=" | ">" => Operator::AtLeast,
        ">>" => Operator::Later,
        other => {
            return Err(RelationError::Operator { relation: excerpt(whole), operator: excerpt(other) });
        }
    };
    let version = Version::new(inside[end..].trim());
    let version = version.map_err(|source| RelationError::Version { relation: excerpt(whole), source })?;
    Ok(Constraint { operator, version })
}

/// Whether `text` has the form of an architecture's name.
fn is_architecture(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && text.len() <= 64
}

/// The words of a bracket.
fn tests(inside: &str) -> impl Iterator<Item = Test<'_>> {
    inside.split_whitespace().map(|word| match word.strip_prefix('!') {
        Some(word) => Test { negated: true, word },
        None => Test { negated: false, word },
    })
}
