//! A file of differences that are known to be harmless:
//!
//! ```toml
//! [[harmless]]
//! symbol = "foo_internal@V1"     # as `aleph abi diff --format json` has it, with or without version
//! text = "is gone"               # a part of the reason
//! reason = "it was never declared in a header"
//! ```

use std::path::{Path, PathBuf};

use aleph_abi::Suppression;
use serde::Deserialize;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuppressError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{}` is not a list of harmless differences", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("entry {number} of `{}` names neither `symbol` nor `text`: it would suppress everything", path.display())]
    Everything { path: PathBuf, number: usize },
    #[error("entry {number} of `{}` gives no reason", path.display())]
    NoReason { path: PathBuf, number: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    harmless: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    symbol: Option<String>,
    text: Option<String>,
    reason: String,
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> Result<Vec<Suppression>, SuppressError> {
    let path = path.to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, path),
        Err(source) => Err(SuppressError::Read { path, source }),
    }
}

fn parse(text: &str, path: PathBuf) -> Result<Vec<Suppression>, SuppressError> {
    let document: Document = match toml::from_str(text) {
        Ok(document) => document,
        Err(source) => return Err(SuppressError::Syntax { path, source: Box::new(source) }),
    };
    let is_blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.is_empty());
    for (index, entry) in document.harmless.iter().enumerate() {
        let number = index + 1;
        if is_blank(&entry.symbol) && is_blank(&entry.text) {
            return Err(SuppressError::Everything { path, number });
        }
        if entry.reason.trim().is_empty() {
            return Err(SuppressError::NoReason { path, number });
        }
    }
    let known = |entry: Entry| Suppression {
        symbol: entry.symbol.filter(|text| !text.is_empty()),
        text: entry.text.filter(|text| !text.is_empty()),
        reason: entry.reason,
    };
    Ok(document.harmless.into_iter().map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = parse(text, "x".into()).map(|known| known.len()).map_err(|error| error.to_string());
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }

    #[test]
    fn every_entry_names_something_and_says_why() {
        check(
            "[[harmless]]\nsymbol = \"f\"\nreason = \"unused\"\n[[harmless]]\ntext = \"gone\"\nreason = \"so\"",
            "Ok(2)",
        );
        check("", "Ok(0)");
        check("[[harmless]]\nreason = \"x\"", "suppress everything");
        check("[[harmless]]\nsymbol = \"\"\nreason = \"x\"", "suppress everything");
        check("[[harmless]]\nsymbol = \"f\"\nreason = \" \"", "no reason");
        check("[[harmless]]\nsymbol = \"f\"", "is not a list");
        check("[[harmles]]\nsymbol = \"f\"", "is not a list");
    }
}
