//! Names of components and packages, and of the directories that hold them.

use std::{fmt, str::FromStr, sync::LazyLock};

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Digest;

/// RFC 4648 base 32 in lower case, unpadded.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("the alphabet is valid")
});

/// The text is not an id.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an id of 32 lower-case base-32 characters")]
pub struct IdError {
    text: String,
}

/// Defines an id: the first 160 bits of a SHA-256, written as 32 base-32 characters.
///
/// 160 bits keep the target of a link between two packages below the 60 bytes that ext4 stores in an inode.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 20]);

        impl $name {
            /// The id that a digest of the whole identity gives.
            pub fn from_digest(digest: Digest) -> Self {
                let mut bytes = [0; 20];
                bytes.copy_from_slice(&digest.as_bytes()[..20]);
                Self(bytes)
            }

            /// An id that was stored as bytes.
            pub const fn from_bytes(bytes: [u8; 20]) -> Self {
                Self(bytes)
            }

            /// The 20 raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&BASE32.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 20];
                if text.len() == 32 && BASE32.decode_mut(text.as_bytes(), &mut bytes).is_ok() {
                    return Ok(Self(bytes));
                }
                Err(IdError { text: text.chars().take(80).collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// Names a component: the digest of its manifest, which names every byte of its tree.
    ComponentId
}
id! {
    /// Names a package: the digest of its component and of what its slots are bound to, so of its whole closure.
    PackageId
}

id! {
    /// Names a composed tree: the digest of its listing.
    TreeId
}

/// The name of a directory in the store: `<id>-<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreName(String);

impl StoreName {
    /// The directory name of something called `name`; characters that are not `[A-Za-z0-9+._-]` become `_`.
    pub fn new(id: impl fmt::Display, name: &str) -> Self {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "+._-".contains(c) { c } else { '_' };
        let name: String = name.chars().take(80).map(safe).collect();
        Self(format!("{id}-{name}"))
    }

    /// Splits a directory name into its id's text and its name, if it has that form.
    pub fn split(file_name: &str) -> Option<(&str, &str)> {
        let (id, rest) = file_name.split_at_checked(32)?;
        Some((id, rest.strip_prefix('-')?))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_through_its_text_and_its_directory_name() {
        let id = ComponentId::from_digest(Digest::of(b"x"));
        assert_eq!(id.to_string().parse::<ComponentId>().unwrap(), id);
        let name = StoreName::new(id, "libstdc++6:amd64/..");
        assert_eq!(StoreName::split(name.as_str()), Some((id.to_string().as_str(), "libstdc++6_amd64_..")));
        assert_eq!(StoreName::split("short"), None);
    }
}
