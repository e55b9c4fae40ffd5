//! Which keys may vouch for a source.

use std::collections::HashMap;

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

    fn read(&self, signed_by: &[SignedBy]) -> Result<Keyring, SourceFailure> {
        if signed_by.is_empty() {
            return Ok(self.trusted());
        }
        let mut keyring = Keyring::default();
        let mut fingerprints = Vec::new();
        for signer in signed_by {
            match signer {
                SignedBy::File(path) => {
                    let path = self.config.locate(&self.config.root, &path.to_string_lossy());
                    keyring.extend(Keyring::read(&path)?);
                }
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
            let mut trusted = self.trusted();
            trusted.retain(&fingerprints);
            keyring.extend(trusted);
        }
        Ok(keyring)
    }

    /// All keys that apt trusts: `trusted.gpg` and `trusted.gpg.d`. Files without a usable key count for nothing.
    fn trusted(&self) -> Keyring {
        let parts = self.config.etc("trustedparts", "trusted.gpg.d");
        let files = self.config.files(self.config.etc("trusted", "trusted.gpg"), &parts, &["gpg", "asc"]);
        let mut all = Keyring::default();
        files.iter().filter_map(|file| Keyring::read(file).ok()).for_each(|keyring| all.extend(keyring));
        all
    }
}
