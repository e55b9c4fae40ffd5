//! Which keys may vouch for a source.

use std::{collections::HashMap, fs, path::PathBuf};

use aleph_component::{Digest, Hasher};

use super::SourceFailure;
use crate::apt::{
    config::AptConfig,
    release::{Keyring, KeyringError},
    sources::SignedBy,
};

/// Keyrings that were read, so that none is read twice.
pub(super) struct Keys<'a> {
    config: &'a AptConfig,
    known: HashMap<String, Keyring>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(config: &'a AptConfig) -> Self {
        Self { config, known: HashMap::new() }
    }

    /// The keys named, or all that apt trusts if none is.
    pub(super) fn of(&mut self, signed_by: &[SignedBy]) -> Result<&Keyring, SourceFailure> {
        let name = format!("{signed_by:?}");
        if !self.known.contains_key(&name) {
            let keyring = self.read(signed_by)?;
            if keyring.is_empty() {
                return Err(SourceFailure::NoKeys);
            }
            self.known.insert(name.clone(), keyring);
        }
        Ok(&self.known[&name])
    }

    /// Stands for these keys: another one if any of the files that hold them changed.
    pub(super) fn mark(&self, signed_by: &[SignedBy]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(format!("{signed_by:?}").as_bytes());
        for file in self.named(signed_by).into_iter().chain(self.trusted_files(signed_by)) {
            hasher.field(file.as_os_str().as_encoded_bytes());
            hasher.field(&fs::read(file).unwrap_or_default());
        }
        hasher.finish()
    }

    fn read(&self, signed_by: &[SignedBy]) -> Result<Keyring, SourceFailure> {
        let mut keyring = Keyring::default();
        for file in self.named(signed_by) {
            keyring.extend(Keyring::read(&file)?);
        }
        // Files without a usable key count for nothing.
        let trusted = self.trusted_files(signed_by);
        trusted.iter().filter_map(|file| Keyring::read(file).ok()).for_each(|keys| keyring.extend(keys));
        let mut fingerprints = Vec::new();
        for signer in signed_by {
            match signer {
                SignedBy::File(_) => {}
                SignedBy::Inline(text) => {
                    let inline = Keyring::parse(text.as_bytes());
                    if inline.is_empty() {
                        return Err(KeyringError::Inline.into());
                    }
                    keyring.extend(inline);
                }
                SignedBy::Fingerprint { fingerprint, exact } => fingerprints.push((fingerprint.clone(), *exact)),
            }
        }
        if !fingerprints.is_empty() {
            keyring.retain(&fingerprints);
        }
        Ok(keyring)
    }

    /// The files that are named.
    fn named(&self, signed_by: &[SignedBy]) -> Vec<PathBuf> {
        let path = |signer: &SignedBy| match signer {
            SignedBy::File(path) => Some(self.config.locate(&self.config.root, &path.to_string_lossy())),
            _ => None,
        };
        signed_by.iter().filter_map(path).collect()
    }

    /// The files of all keys that apt trusts, if no key is named other than by its fingerprint.
    fn trusted_files(&self, signed_by: &[SignedBy]) -> Vec<PathBuf> {
        if !signed_by.iter().all(|signer| matches!(signer, SignedBy::Fingerprint { .. })) {
            return Vec::new();
        }
        let parts = self.config.etc("trustedparts", "trusted.gpg.d");
        self.config.files(self.config.etc("trusted", "trusted.gpg"), &parts, &["gpg", "asc"])
    }
}
