//! Keys that are made for a test, and what they sign.

use std::time::{Duration, SystemTime};

use pgp::{
    armor::{BlockType, write},
    composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder},
    crypto::hash::HashAlgorithm,
    packet::{KeyFlags, PacketTrait as _, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData},
    ser::Serialize as _,
    types::{KeyDetails as _, Password, SigningKey, Tag, Timestamp},
};

/// A key and its secret part.
pub(crate) struct Signer {
    pub(crate) secret: SignedSecretKey,
    pub(crate) public: SignedPublicKey,
}

/// What a signature is to be like.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) hash: HashAlgorithm,
    pub(crate) by_subkey: bool,
    /// Seconds until it expires; 0 for never.
    pub(crate) expires: u32,
    pub(crate) kind: SignatureType,
    pub(crate) extra: Vec<Subpacket>,
}

impl Default for Manner {
    fn default() -> Self {
        let (hash, kind) = (HashAlgorithm::Sha512, SignatureType::Text);
        Self { hash, by_subkey: false, expires: 0, kind, extra: Vec::new() }
    }
}

fn password() -> Password {
    Password::empty()
}

impl Signer {
    pub(crate) fn new() -> Self {
        Self::of(KeyType::Ed25519Legacy, true)
    }

    /// A key with a subkey that signs. With `primary` it signs itself too.
    pub(crate) fn of(kind: KeyType, primary: bool) -> Self {
        let mut subkey = SubkeyParamsBuilder::default();
        let subkey = subkey.key_type(KeyType::Ed25519Legacy).can_sign(true).build().unwrap();
        let mut builder = SecretKeyParamsBuilder::default();
        builder.key_type(kind).can_certify(true).can_sign(primary).subkey(subkey);
        builder.primary_user_id("Archive <archive@mirror.example>".to_owned());
        let secret = builder.build().unwrap().generate(rand::thread_rng()).unwrap();
        let public = secret.to_public_key();
        Self { secret, public }
    }

    pub(crate) fn fingerprint(&self) -> String {
        format!("{:X}", self.public.primary_key.fingerprint())
    }

    pub(crate) fn subkey_fingerprint(&self) -> String {
        format!("{:X}", self.public.public_subkeys[0].key.fingerprint())
    }

    pub(crate) fn binary(&self) -> Vec<u8> {
        self.public.to_bytes().unwrap()
    }

    pub(crate) fn armored(&self) -> String {
        self.public.to_armored_string(ArmorOptions::default()).unwrap()
    }

    pub(crate) fn sign(&self, data: &[u8], manner: &Manner) -> Signature {
        match manner.by_subkey {
            true => sign(&self.secret.secret_subkeys[0].key, data, manner),
            false => sign(&self.secret.primary_key, data, manner),
        }
    }

    /// `text`, whose lines end in line feeds, clear-signed the way gpg does it.
    pub(crate) fn clearsign(&self, text: &str, manner: &Manner) -> String {
        frame(text, &[self.sign(signed_form(text).as_bytes(), manner)])
    }

    /// Makes the key expire so many seconds after it was made.
    pub(crate) fn expire(&mut self, seconds: u32) {
        let key = &self.secret.primary_key;
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let mut config = config(key, SignatureType::CertPositive, HashAlgorithm::Sha256);
        let length = pgp::types::Duration::from_secs(seconds);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyExpirationTime(length)).unwrap());
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags)).unwrap());
        let user = &mut self.public.details.users[0];
        let signature = config.sign_certification(key, key.public_key(), &password(), Tag::UserId, &user.id).unwrap();
        user.signatures = vec![signature];
    }

    pub(crate) fn revoke(&mut self) {
        let key = &self.secret.primary_key;
        let config = config(key, SignatureType::KeyRevocation, HashAlgorithm::Sha256);
        let signature = config.sign_key(key, &password(), key.public_key()).unwrap();
        self.public.details.revocation_signatures.push(signature);
    }

    pub(crate) fn revoke_subkey(&mut self) {
        let key = &self.secret.primary_key;
        let config = config(key, SignatureType::SubkeyRevocation, HashAlgorithm::Sha256);
        let subkey = &mut self.public.public_subkeys[0];
        let signature = config.sign_subkey_binding(key, key.public_key(), &password(), &subkey.key).unwrap();
        subkey.signatures.push(signature);
    }

    /// Takes another key's subkey for our own, which that never agreed to.
    pub(crate) fn steal_subkey(&mut self, other: &Self) {
        let key = &self.secret.primary_key;
        let mut config = config(key, SignatureType::SubkeyBinding, HashAlgorithm::Sha256);
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags)).unwrap());
        let mut subkey = other.public.public_subkeys[0].clone();
        let signature = config.sign_subkey_binding(key, key.public_key(), &password(), &subkey.key).unwrap();
        subkey.signatures = vec![signature];
        self.public.public_subkeys = vec![subkey];
    }
}

fn config(key: &impl SigningKey, kind: SignatureType, hash: HashAlgorithm) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    let created = SubpacketData::SignatureCreationTime(Timestamp::now());
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    config.hashed_subpackets = vec![Subpacket::regular(created).unwrap(), Subpacket::regular(issuer).unwrap()];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).unwrap()];
    config
}

fn sign(key: &impl SigningKey, data: &[u8], manner: &Manner) -> Signature {
    let mut config = config(key, manner.kind, manner.hash);
    if manner.expires > 0 {
        let length = pgp::types::Duration::from_secs(manner.expires);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::SignatureExpirationTime(length)).unwrap());
    }
    config.hashed_subpackets.extend(manner.extra.iter().cloned());
    config.sign(key, &password(), data).unwrap()
}

/// What is signed of a clear-signed text.
pub(crate) fn signed_form(text: &str) -> String {
    let lines: Vec<_> = text.strip_suffix('\n').unwrap_or(text).split('\n').map(|line| line.trim_end()).collect();
    lines.join("\r\n")
}

/// Puts signatures below a text.
pub(crate) fn frame(text: &str, signatures: &[Signature]) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let escaped: String = text
        .split('\n')
        .flat_map(|line| if line.starts_with('-') { ["- ", line, "\n"] } else { ["", line, "\n"] })
        .collect();
    format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}{}", armor(signatures))
}

pub(crate) fn bytes(signatures: &[Signature]) -> Vec<u8> {
    let mut bytes = Vec::new();
    signatures.iter().for_each(|signature| signature.to_writer_with_header(&mut bytes).unwrap());
    bytes
}

pub(crate) fn armor(signatures: &[Signature]) -> String {
    struct Raw(Vec<u8>);
    impl pgp::ser::Serialize for Raw {
        fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
            Ok(writer.write_all(&self.0)?)
        }
        fn write_len(&self) -> usize {
            self.0.len()
        }
    }
    let mut out = Vec::new();
    write(&Raw(bytes(signatures)), BlockType::Signature, &mut out, None, true).unwrap();
    String::from_utf8(out).unwrap()
}

/// Now, or so many days later.
#[allow(clippy::disallowed_methods, reason = "rPGP dates keys and signatures by the clock, so tests of them need it")]
pub(crate) fn in_days(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(days * 86_400)
}
