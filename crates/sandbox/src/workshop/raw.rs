//! Bytes that need not be text, in JSON: a string where they are UTF-8, else an array of numbers.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type that is bytes on Unix.
pub(super) trait Raw: Sized {
    fn bytes(&self) -> &[u8];
    fn from_bytes(bytes: Vec<u8>) -> Self;
}

impl Raw for OsString {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl Raw for PathBuf {
    fn bytes(&self) -> &[u8] {
        self.as_os_str().as_bytes()
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        OsString::from_vec(bytes).into()
    }
}

impl Raw for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Text(String),
    Bytes(Vec<u8>),
}

impl Wire {
    fn new(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(|_| Self::Bytes(bytes.to_vec()), |t| Self::Text(t.to_owned()))
    }
    fn into<T: Raw>(self) -> T {
        T::from_bytes(match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        })
    }
}

pub(super) fn serialize<T: Raw, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    Wire::new(value.bytes()).serialize(serializer)
}

pub(super) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Wire::deserialize(deserializer)?.into())
}

/// For lists.
pub(super) mod list {
    use super::*;

    pub(in super::super) fn serialize<T: Raw, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|v| Wire::new(v.bytes())))
    }

    pub(in super::super) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<Wire>::deserialize(d)?.into_iter().map(Wire::into).collect())
    }
}

/// For lists of pairs.
pub(super) mod pairs {
    use super::*;

    pub(in super::super) fn serialize<T: Raw, S: Serializer>(pairs: &[(T, T)], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(pairs.iter().map(|(a, b)| (Wire::new(a.bytes()), Wire::new(b.bytes()))))
    }

    pub(in super::super) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(d: D) -> Result<Vec<(T, T)>, D::Error> {
        Ok(Vec::<(Wire, Wire)>::deserialize(d)?.into_iter().map(|(a, b)| (a.into(), b.into())).collect())
    }
}

/// For values that may be absent.
pub(super) mod option {
    use super::*;

    pub(in super::super) fn serialize<T: Raw, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|v| Wire::new(v.bytes())).serialize(s)
    }

    pub(in super::super) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<Wire>::deserialize(d)?.map(Wire::into))
    }
}
