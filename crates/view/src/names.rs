//! Names and kinds of views.

use std::{fmt, str::FromStr};

use aleph_component::Digest;
use serde::{Deserialize, Serialize};

/// Whom a view serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One user, everywhere.
    User,
    /// Whoever works in one directory.
    Project,
    /// Everybody on the machine.
    System,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::User => "user",
            Self::Project => "project",
            Self::System => "system",
        })
    }
}

/// A view's name: 1 to 64 characters of `[a-z0-9._-]`, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ViewName(String);

/// The text is not a view's name.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a view's name: use up to 64 of the characters a-z, 0-9, `.`, `_`, `-`")]
pub struct NameError {
    text: String,
}

impl ViewName {
    /// The name of the system's view.
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    /// The name of a user's view.
    pub fn user(login: &str) -> Self {
        Self(format!("user-{}", tame(login)))
    }

    /// The name of the view of the project at `directory`, an absolute path.
    pub fn project(directory: &std::path::Path) -> Self {
        let digest = Digest::of(directory.as_os_str().as_encoded_bytes()).to_string();
        let name = directory.file_name().map(|name| tame(&name.to_string_lossy())).unwrap_or_default();
        Self(format!("project-{name}-{}", &digest[..8]))
    }

    /// Whom a view of this name serves, as far as the name tells.
    pub(crate) fn kind(&self) -> Kind {
        match &*self.0 {
            "system" => Kind::System,
            name if name.starts_with("project-") => Kind::Project,
            _ => Kind::User,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` cut and folded to the characters of a name.
fn tame(text: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '_' };
    text.chars().take(40).map(fold).collect()
}

impl FromStr for ViewName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts && text.len() <= 64 && text.chars().all(fine) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError { text: text.to_owned() })
    }
}

impl TryFrom<String> for ViewName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ViewName> for String {
    fn from(name: ViewName) -> Self {
        name.0
    }
}

impl fmt::Display for ViewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_names_are_names() {
        for name in [
            ViewName::system(),
            ViewName::user("Älice Smith"),
            ViewName::project("/home/a/My Project (2)".as_ref()),
            ViewName::project("/".as_ref()),
        ] {
            assert_eq!(name.as_str().parse::<ViewName>().unwrap(), name);
        }
        for bad in ["", "-x", "../x", "A", "a/b"] {
            assert!(bad.parse::<ViewName>().is_err(), "{bad}");
        }
    }
}
