//! Whether a key may sign: its own signatures, its expiry, its revocation.
//!
//! The keyring itself is trusted, as is apt's; what is checked here is what its owner said of it. Self-signatures may
//! therefore use SHA-1, as those of older keys do; signatures over Release files may not.

use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    packet::{Signature, SignatureType, SubpacketData},
    ser::Serialize as _,
    types::{KeyDetails, PublicParams, Tag},
};

use super::{Timestamp, verify::Refusal};

/// Fails if the primary key may not be trusted now. With `signs`: nor sign.
pub(super) fn check_primary(key: &SignedPublicKey, now: Timestamp, signs: bool) -> Result<(), Refusal> {
    let primary = &key.primary_key;
    if key.details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Err(Refusal::Revoked);
    }
    let latest = latest_self_signature(key).ok_or(Refusal::NoSelfSignature)?;
    if is_past(created(primary), latest.key_expiration_time().map(Into::into), now) {
        return Err(Refusal::Expired);
    }
    if !signs {
        return Ok(());
    }
    if has_flags(latest) && !latest.key_flags().sign() {
        return Err(Refusal::NotForSigning);
    }
    check_strength(primary.public_params())
}

/// Fails if the subkey may not sign now; the primary key has to be checked besides.
pub(super) fn check_subkey(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: Timestamp) -> Result<(), Refusal> {
    let of_type = |wanted| {
        let signatures = subkey.signatures.iter().filter(move |signature| signature.typ() == Some(wanted));
        signatures.filter(|signature| signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok())
    };
    if of_type(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(Refusal::Revoked);
    }
    let latest = of_type(SignatureType::SubkeyBinding).max_by_key(|signature| made(signature));
    let latest = latest.ok_or(Refusal::NoSelfSignature)?;
    if is_past(created(&subkey.key), latest.key_expiration_time().map(Into::into), now) || is_over(latest, now) {
        return Err(Refusal::Expired);
    }
    // The subkey must have agreed to be one of this key, or its signatures could be claimed by any key.
    let agreed = latest.embedded_signature();
    let agreed = agreed.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok());
    if !latest.key_flags().sign() || !agreed {
        return Err(Refusal::NotForSigning);
    }
    check_strength(subkey.key.public_params())
}

/// True if a signature says itself that it is no longer valid.
pub(super) fn is_over(signature: &Signature, now: Timestamp) -> bool {
    is_past(made(signature), signature.signature_expiration_time().map(Into::into), now)
}

/// When a signature was made; 0 if it does not say.
pub(super) fn made(signature: &Signature) -> i64 {
    signature.created().map_or(0, |created| i64::from(created.as_secs()))
}

fn latest_self_signature(key: &SignedPublicKey) -> Option<&Signature> {
    let primary = &key.primary_key;
    let direct = key.details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let certifications = key.details.users.iter().flat_map(|user| {
        let own = user.signatures.iter().filter(|signature| is_own(key, signature));
        own.filter(|signature| signature.verify_certification(primary, Tag::UserId, &user.id).is_ok())
    });
    direct.chain(certifications).max_by_key(|signature| made(signature))
}

/// True for a certification that says it was made by the key itself: the others need not be verified.
fn is_own(key: &SignedPublicKey, signature: &Signature) -> bool {
    signature.typ() != Some(SignatureType::CertRevocation)
        && (signature.issuer_key_id().contains(&&key.primary_key.legacy_key_id())
            || signature.issuer_fingerprint().contains(&&key.primary_key.fingerprint()))
}

fn has_flags(signature: &Signature) -> bool {
    let mut subpackets = signature.config().into_iter().flat_map(|config| config.hashed_subpackets());
    subpackets.any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
}

fn created(key: &impl KeyDetails) -> i64 {
    i64::from(key.created_at().as_secs())
}

fn is_past(start: i64, length: Option<std::time::Duration>, now: Timestamp) -> bool {
    let seconds = length.map_or(0, |length| i64::try_from(length.as_secs()).unwrap_or(i64::MAX));
    seconds != 0 && start.saturating_add(seconds) <= now.0
}

/// RSA from 2048 bits and the elliptic curves; no DSA.
fn check_strength(params: &PublicParams) -> Result<(), Refusal> {
    match params {
        // The modulus and the exponent, each with two bytes of length before it; the exponent has at least one.
        PublicParams::RSA(rsa) if rsa.write_len() >= 256 + 5 => Ok(()),
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            Ok(())
        }
        _ => Err(Refusal::WeakKey),
    }
}
