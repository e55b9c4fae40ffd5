//! Paths inside a component's tree, valid once made.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A relative path inside a tree: UTF-8, `/`-separated, without empty, `.` or `..` parts, at most 4,095 bytes, and
/// with no part above 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TreePath(Box<str>);

/// Why a text is not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is left of it.
    #[error("the path is empty")]
    Empty,
    /// It starts with `/`.
    #[error("`{0}` is absolute")]
    Absolute(String),
    /// It holds `..`, `.` or an empty part.
    #[error("`{0}` leaves or restates its directory")]
    Traversal(String),
    /// The kernel would refuse it.
    #[error("`{0}…` is longer than the kernel allows")]
    TooLong(String),
    /// It holds a NUL or another control character.
    #[error("{0:?} holds a control character")]
    Control(String),
}

impl TreePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// A [`PathError`] that names the first rule broken.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let shown = || text.chars().take(120).collect::<String>();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute(shown()));
        }
        // Every name that is read passes here, so each byte is looked at twice at most, without a branch the first time.
        if text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == 0x7f)) {
            return Err(PathError::Control(shown()));
        }
        let (mut start, mut too_long, mut traverses) = (0, text.len() > 4095, false);
        for end in memchr::memchr_iter(b'/', text.as_bytes()).chain([text.len()]) {
            let part = &text.as_bytes()[start..end];
            too_long |= part.len() > 255;
            traverses |= matches!(part, b"" | b"." | b"..");
            start = end + 1;
        }
        if too_long {
            return Err(PathError::TooLong(shown()));
        }
        if traverses {
            return Err(PathError::Traversal(shown()));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory it is in; `None` at the top.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// Its last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<std::path::Path> for TreePath {
    fn as_ref(&self) -> &std::path::Path {
        self.as_str().as_ref()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside_are_paths() {
        for good in ["a", "usr/bin/[", "usr/share/ä b", "...", "a/..b"] {
            assert_eq!(TreePath::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "/a", "..", "a/../b", "a//b", "a/", "./a", "a\0b", "a\nb"] {
            assert!(TreePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(TreePath::new(&"x".repeat(256)), Err(PathError::TooLong(_))));
    }
}
