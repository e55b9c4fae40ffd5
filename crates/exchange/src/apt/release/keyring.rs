//! Files of OpenPGP keys, binary or armored.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pgp::{
    armor::Dearmor,
    composed::{Deserializable, SignedPublicKey},
    packet::{Packet, PacketParser},
    types::KeyDetails as _,
};

const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";
/// No keyring has more; what claims to is not read to its end.
const MOST_PACKETS: usize = 200_000;

/// Keys whose signatures are accepted.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    pub(super) keys: Vec<Trusted>,
}

/// A key, and which of its parts may sign.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    pub(super) key: SignedPublicKey,
    /// If not empty: only these, and whether their subkeys are out.
    only: Vec<(String, bool)>,
}

impl Trusted {
    /// True if `signer`, the key `primary` or a subkey of it, is one of those asked for.
    pub(super) fn accepts(&self, primary: &str, signer: &str) -> bool {
        let mut only = self.only.iter();
        self.only.is_empty() || only.any(|(print, exact)| print == signer || (print == primary && !exact))
    }

    fn has(&self, fingerprint: &str) -> bool {
        let subkeys = self.key.public_subkeys.iter().map(|subkey| subkey.key.fingerprint());
        let mut all = std::iter::once(self.key.primary_key.fingerprint()).chain(subkeys);
        all.any(|print| format!("{print:X}") == fingerprint)
    }
}

/// A keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It could not be read.
    #[error("the keyring {path} could not be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no key in it that can be understood.
    #[error("the keyring {path} holds no OpenPGP key that can be used")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in the text of a `Signed-By`.
    #[error("the key in Signed-By cannot be used")]
    Inline,
}

impl Keyring {
    /// Reads keys, binary or armored; several of both. What is not a key is passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut keys = Vec::new();
        if find(bytes, BEGIN).is_none() {
            keys.extend(parse_binary(bytes));
        }
        let mut rest = bytes;
        while let Some(start) = find(rest, BEGIN) {
            let end = find(&rest[start..], END).map_or(rest.len(), |end| start + end + END.len());
            let mut binary = Vec::new();
            let dearmor = &mut Dearmor::new(&rest[start..end]);
            // What comes before an error may be a key; what is cut off then has no valid self-signature.
            let _ = io::Read::read_to_end(dearmor, &mut binary);
            keys.extend(parse_binary(&binary));
            rest = &rest[end..];
        }
        Self { keys: keys.into_iter().map(|key| Trusted { key, only: Vec::new() }).collect() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let bytes = fs::read(path).map_err(|source| KeyringError::Io { path: path.to_owned(), source })?;
        let keyring = Self::parse(&bytes);
        match keyring.keys.is_empty() {
            true => Err(KeyringError::Empty { path: path.to_owned() }),
            false => Ok(keyring),
        }
    }

    /// Adds the keys of another.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
    }

    /// Leaves only keys that are, or have a subkey, of one of these fingerprints (upper-case hexadecimal digits). With
    /// `true` only that very key may sign.
    pub fn retain(&mut self, fingerprints: &[(String, bool)]) {
        self.keys.retain(|trusted| fingerprints.iter().any(|(fingerprint, _)| trusted.has(fingerprint)));
        self.keys.iter_mut().for_each(|trusted| trusted.only = fingerprints.to_vec());
    }

    /// True if there is no key in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The fingerprints of its keys, as upper-case hexadecimal digits.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|trusted| format!("{:X}", trusted.key.primary_key.fingerprint())).collect()
    }
}

fn parse_binary(bytes: &[u8]) -> Vec<SignedPublicKey> {
    // Packets of unknown kinds or versions are left out, so that they do not hide what follows.
    let packets = PacketParser::new(bytes).take(MOST_PACKETS).filter_map(Result::ok);
    let packets: Vec<Packet> = packets.collect();
    let limit = packets.len();
    let mut packets = packets.into_iter().map(Ok).peekable();
    let keys = SignedPublicKey::from_packets(packets.by_ref().collect::<Vec<_>>().into_iter().peekable());
    keys.take(limit).filter_map(Result::ok).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
