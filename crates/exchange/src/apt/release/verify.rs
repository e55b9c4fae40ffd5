//! Who signed a Release file.

use std::{io::Read as _, time::SystemTime};

use pgp::{
    armor::Dearmor,
    crypto::hash::HashAlgorithm,
    packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData},
    types::{KeyDetails as _, VerifyingKey},
};

use super::{
    Keyring, Timestamp,
    cleartext::{ClearsignError, Clearsigned},
    key::{check_primary, check_subkey, is_over},
};

/// More signatures than this are not looked at.
const MOST_SIGNATURES: usize = 64;

/// A text that a key of the keyring vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The text: exactly what was signed, apart from blanks at line ends.
    pub text: String,
    /// The fingerprint of the primary key whose signature it was, as upper-case hexadecimal digits.
    pub signer: String,
}

/// Why one signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The keyring has no such key.
    #[error("the key is not in the keyring")]
    UnknownKey,
    /// The signature is not over this text.
    #[error("the signature is wrong")]
    Wrong,
    /// The key's time is over.
    #[error("the key has expired")]
    Expired,
    /// The key's owner took it back.
    #[error("the key was revoked")]
    Revoked,
    /// The key does not vouch for itself.
    #[error("the key has no valid signature of its own")]
    NoSelfSignature,
    /// The key is for something else.
    #[error("the key is not meant for signing")]
    NotForSigning,
    /// The key is too short or of an outdated kind.
    #[error("the key is too weak")]
    WeakKey,
    /// It uses SHA-1, MD5 or another digest that can be forged.
    #[error("the signature uses a weak digest algorithm")]
    WeakDigest,
    /// The signature's time is over.
    #[error("the signature has expired")]
    SignatureExpired,
    /// It is of a kind, version or has properties that are not understood.
    #[error("the signature is of an unknown kind")]
    Unsupported,
}

/// No key of the keyring vouches for a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not a clear-signed text.
    #[error("the file is not a clear-signed text")]
    Frame(#[from] ClearsignError),
    /// The text of a detached signature is not UTF-8.
    #[error("the signed file is not UTF-8")]
    Encoding,
    /// There is no signature in what should be one.
    #[error("there is no OpenPGP signature")]
    NoSignature,
    /// There are signatures, and none is good.
    #[error("no signature is good: {}", describe(.refused))]
    Refused {
        /// The key that each signature names, and why it does not count.
        refused: Vec<(String, Refusal)>,
    },
}

fn describe(refused: &[(String, Refusal)]) -> String {
    let parts: Vec<_> = refused.iter().map(|(key, why)| format!("{key}: {why}")).collect();
    parts.join("; ")
}

/// Verifies an `InRelease` file.
///
/// # Errors
/// If it is not one clear-signed text and nothing else, or no key of `keyring` that is good at the time `now` signed it.
pub fn verify_clearsigned(bytes: &[u8], keyring: &Keyring, now: SystemTime) -> Result<Verified, VerifyError> {
    let message = Clearsigned::parse(bytes)?;
    let signed = message.signed_text();
    let signatures = signatures(message.signature.as_bytes());
    let signer = judge(&signatures, signed.as_bytes(), keyring, now.into())?;
    Ok(Verified { text: message.text(), signer })
}

/// Verifies a `Release` file against its `Release.gpg`, armored or binary.
///
/// # Errors
/// If no key of `keyring` that is good at the time `now` signed it.
pub fn verify_detached(
    text: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Verified, VerifyError> {
    let signer = judge(&signatures(signature), text, keyring, now.into())?;
    let text = String::from_utf8(text.to_vec()).map_err(|_| VerifyError::Encoding)?;
    Ok(Verified { text, signer })
}

/// The text of an `InRelease` file whose signatures nobody looks at, for sources that the user trusts unsigned.
///
/// # Errors
/// If it is not one clear-signed text and nothing else.
pub fn split_clearsigned(bytes: &[u8]) -> Result<String, ClearsignError> {
    Ok(Clearsigned::parse(bytes)?.text())
}

fn signatures(bytes: &[u8]) -> Vec<Signature> {
    let mut binary = Vec::new();
    let bytes = match bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNATURE-----") {
        true => {
            // Broken armor leaves a broken signature, which is refused.
            let _ = Dearmor::new(bytes.trim_ascii_start()).read_to_end(&mut binary);
            &binary
        }
        false => bytes,
    };
    let packets = PacketParser::new(bytes).take(MOST_SIGNATURES).filter_map(Result::ok);
    packets
        .filter_map(|packet| match packet {
            Packet::Signature(signature) => Some(signature),
            _ => None,
        })
        .collect()
}

fn judge(signatures: &[Signature], data: &[u8], keyring: &Keyring, now: Timestamp) -> Result<String, VerifyError> {
    if signatures.is_empty() {
        return Err(VerifyError::NoSignature);
    }
    let mut refused = Vec::new();
    for signature in signatures {
        match judge_one(signature, data, keyring, now) {
            Ok(signer) => return Ok(signer),
            Err(refusal) => refused.push((issuer(signature), refusal)),
        }
    }
    Err(VerifyError::Refused { refused })
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|print| format!("{print:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "unnamed key".to_owned())
}

fn judge_one(signature: &Signature, data: &[u8], keyring: &Keyring, now: Timestamp) -> Result<String, Refusal> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        Some(_) => return Err(Refusal::WeakDigest),
        None => return Err(Refusal::Unsupported),
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) || asks_for_unknown(signature) {
        return Err(Refusal::Unsupported);
    }
    // The first key that made it decides; if only keys that did not are found, it is wrong rather than unknown.
    let mut refusal = Refusal::UnknownKey;
    for trusted in &keyring.keys {
        let key = &trusted.key;
        let primary = format!("{:X}", key.primary_key.fingerprint());
        if names(signature, &key.primary_key) && trusted.accepts(&primary, &primary) {
            match signature.verify(&key.primary_key, data) {
                Err(_) => refusal = Refusal::Wrong,
                Ok(()) => match check_primary(key, now, true) {
                    Ok(()) if is_over(signature, now) => return Err(Refusal::SignatureExpired),
                    Ok(()) => return Ok(primary),
                    Err(why) => refusal = why,
                },
            }
        }
        for subkey in &key.public_subkeys {
            let print = format!("{:X}", subkey.key.fingerprint());
            if !names(signature, &subkey.key) || !trusted.accepts(&primary, &print) {
                continue;
            }
            match signature.verify(&subkey.key, data) {
                Err(_) => refusal = Refusal::Wrong,
                Ok(()) => match check_primary(key, now, false).and_then(|()| check_subkey(key, subkey, now)) {
                    Ok(()) if is_over(signature, now) => return Err(Refusal::SignatureExpired),
                    Ok(()) => return Ok(primary),
                    Err(why) => refusal = why,
                },
            }
        }
    }
    Err(refusal)
}

/// True if the signature says that this key made it, or does not say who did.
fn names(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let (prints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    (prints.is_empty() && ids.is_empty()) || prints.contains(&&key.fingerprint()) || ids.contains(&&key.legacy_key_id())
}

/// True if the signature says that something must be understood which is not.
fn asks_for_unknown(signature: &Signature) -> bool {
    let mut subpackets = signature.config().into_iter().flat_map(|config| config.hashed_subpackets());
    subpackets.any(|subpacket| {
        let unknown = matches!(subpacket.data, SubpacketData::Experimental(..) | SubpacketData::Other(..));
        subpacket.is_critical && unknown
    })
}
