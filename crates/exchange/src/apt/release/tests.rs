//! Checks of signatures and of what they vouch for.

pub(crate) mod signer;

use std::time::{Duration, UNIX_EPOCH};

use pgp::{
    composed::KeyType,
    crypto::hash::HashAlgorithm,
    packet::{SignatureType, Subpacket, SubpacketData},
};

use super::*;
use signer::{Manner, Signer, armor, bytes, frame, in_days, signed_form};

const TEXT: &str = "Origin: Test\nSuite: stable  \n- dashed\n--\n\nSHA256:\n";
const READ: &str = "Origin: Test\nSuite: stable\n- dashed\n--\n\nSHA256:\n";

fn ring(signers: &[&Signer]) -> Keyring {
    let mut all = Keyring::default();
    signers.iter().for_each(|signer| all.extend(Keyring::parse(&signer.binary())));
    all
}

fn verify(message: &str, keyring: &Keyring) -> Result<Verified, VerifyError> {
    verify_clearsigned(message.as_bytes(), keyring, in_days(0))
}

fn check_good(message: &str, keyring: &Keyring, signer: &Signer) {
    let verified = verify(message, keyring).unwrap();
    assert_eq!((verified.text.as_str(), verified.signer), (READ, signer.fingerprint()));
}

fn check_refused(message: &str, keyring: &Keyring, expected: Refusal) {
    match verify(message, keyring) {
        Err(VerifyError::Refused { refused }) => assert_eq!(refused.last().unwrap().1, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_signatures() {
    let (signer, other) = (Signer::new(), Signer::new());
    let message = signer.clearsign(TEXT, &Manner::default());
    check_good(&message, &ring(&[&other, &signer]), &signer);
    check_good(&message.replace('\n', "\r\n"), &ring(&[&signer]), &signer);
    check_good(&message, &Keyring::parse(signer.armored().as_bytes()), &signer);
    let both = format!("{}\n{}", other.armored(), signer.armored());
    check_good(&message, &Keyring::parse(both.as_bytes()), &signer);
    let by_subkey = signer.clearsign(TEXT, &Manner { by_subkey: true, ..Manner::default() });
    check_good(&by_subkey, &ring(&[&signer]), &signer);
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
        check_good(&signer.clearsign(TEXT, &Manner { hash, ..Manner::default() }), &ring(&[&signer]), &signer);
    }
}

#[test]
fn rsa_keys() {
    let signer = Signer::of(KeyType::Rsa(2048), true);
    check_good(&signer.clearsign(TEXT, &Manner::default()), &ring(&[&signer]), &signer);
}

#[test]
fn one_good_signature_of_several_suffices() {
    let (known, unknown) = (Signer::new(), Signer::new());
    let form = signed_form(TEXT);
    let signatures = [&unknown, &known].map(|signer| signer.sign(form.as_bytes(), &Manner::default()));
    check_good(&frame(TEXT, &signatures), &ring(&[&known]), &known);
    let wrong = [known.sign(b"other", &Manner::default()), signatures[1].clone()];
    check_good(&frame(TEXT, &wrong), &ring(&[&known]), &known);
}

#[test]
fn what_is_not_signed_by_a_known_key_is_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let keyring = ring(&[&signer]);
    let message = signer.clearsign(TEXT, &Manner::default());
    check_refused(&message.replace("stable", "stablf"), &keyring, Refusal::Wrong);
    check_refused(&message.replace("- dashed", "dashed"), &keyring, Refusal::Wrong);
    check_refused(&message.replace("SHA256:\n", "SHA256:\n\n"), &keyring, Refusal::Wrong);
    check_refused(&other.clearsign(TEXT, &Manner::default()), &keyring, Refusal::UnknownKey);
    check_refused(&frame(TEXT, &[signer.sign(b"other", &Manner::default())]), &keyring, Refusal::Wrong);
    check_refused(&message, &Keyring::default(), Refusal::UnknownKey);
}

#[test]
fn only_one_message_and_nothing_else() {
    let signer = Signer::new();
    let keyring = ring(&[&signer]);
    let message = signer.clearsign(TEXT, &Manner::default());
    let check = |message: &str, expected: ClearsignError| {
        assert_eq!(verify(message, &keyring), Err(VerifyError::Frame(expected)), "{message}");
    };
    let end = message.lines().count() + 1;
    check(&format!("{message}Origin: Evil\n"), ClearsignError::Trailing { line: end });
    check(&format!("{message}\n{message}"), ClearsignError::Trailing { line: end + 1 });
    check(&format!("Origin: Evil\n{message}"), ClearsignError::NotSigned);
    check(&format!("\n{message}"), ClearsignError::NotSigned);
    check(&message.replace("Hash: SHA512", "Origin: Evil"), ClearsignError::Header { line: 2 });
    check(&message.replace("- - dashed", "-dashed"), ClearsignError::Dash { line: 6 });
    check(&message[..message.len() - 30], ClearsignError::Incomplete);
    check(TEXT, ClearsignError::NotSigned);
    let unsigned = frame(TEXT, &[]);
    assert!(matches!(verify(&unsigned, &keyring), Err(VerifyError::NoSignature)));
    assert!(matches!(
        verify_clearsigned(b"\xff", &keyring, UNIX_EPOCH),
        Err(VerifyError::Frame(ClearsignError::Encoding))
    ));
}

#[test]
fn weak_digests_and_unknown_demands_are_refused() {
    let signer = Signer::new();
    let keyring = ring(&[&signer]);
    let with = |manner: Manner| signer.clearsign(TEXT, &manner);
    // rPGP itself would not sign like this with an Ed25519 key.
    let rsa = Signer::of(KeyType::Rsa(2048), true);
    let sha1 = rsa.clearsign(TEXT, &Manner { hash: HashAlgorithm::Sha1, ..Manner::default() });
    check_refused(&sha1, &ring(&[&rsa]), Refusal::WeakDigest);
    let certification = signer.public.details.users[0].signatures[0].clone();
    check_refused(&frame(TEXT, &[certification]), &keyring, Refusal::Unsupported);
    let unknown = Subpacket::critical(SubpacketData::Experimental(101, vec![1].into())).unwrap();
    check_refused(&with(Manner { extra: vec![unknown], ..Manner::default() }), &keyring, Refusal::Unsupported);
}

#[test]
fn keys_that_may_not_sign_are_refused() {
    let manner = Manner::default();
    let by_subkey = Manner { by_subkey: true, ..Manner::default() };
    let mut signer = Signer::new();
    signer.expire(86_400);
    let known = ring(&[&signer]);
    for manner in [&manner, &by_subkey] {
        let message = signer.clearsign(TEXT, manner);
        check_good(&message, &known, &signer);
        let later = verify_clearsigned(message.as_bytes(), &known, in_days(2)).unwrap_err();
        assert!(matches!(later, VerifyError::Refused { refused } if refused[0].1 == Refusal::Expired));
    }
    let mut signer = Signer::new();
    signer.revoke();
    check_refused(&signer.clearsign(TEXT, &manner), &ring(&[&signer]), Refusal::Revoked);
    check_refused(&signer.clearsign(TEXT, &by_subkey), &ring(&[&signer]), Refusal::Revoked);
    let mut signer = Signer::new();
    signer.revoke_subkey();
    check_refused(&signer.clearsign(TEXT, &by_subkey), &ring(&[&signer]), Refusal::Revoked);
    check_good(&signer.clearsign(TEXT, &manner), &ring(&[&signer]), &signer);
    let signer = Signer::of(KeyType::Ed25519Legacy, false);
    check_refused(&signer.clearsign(TEXT, &manner), &ring(&[&signer]), Refusal::NotForSigning);
    check_good(&signer.clearsign(TEXT, &by_subkey), &ring(&[&signer]), &signer);
    let mut signer = Signer::new();
    signer.public.details.users[0].signatures = Signer::new().public.details.users[0].signatures.clone();
    check_refused(&signer.clearsign(TEXT, &manner), &ring(&[&signer]), Refusal::NoSelfSignature);
}

#[test]
fn a_subkey_belongs_to_whom_it_agreed_to_belong() {
    let (mut thief, owner) = (Signer::new(), Signer::new());
    thief.steal_subkey(&owner);
    let message = owner.clearsign(TEXT, &Manner { by_subkey: true, ..Manner::default() });
    check_refused(&message, &ring(&[&thief]), Refusal::NotForSigning);
}

#[test]
fn signatures_expire() {
    let signer = Signer::new();
    let known = ring(&[&signer]);
    let message = signer.clearsign(TEXT, &Manner { expires: 86_400, ..Manner::default() });
    check_good(&message, &known, &signer);
    let later = verify_clearsigned(message.as_bytes(), &known, in_days(2)).unwrap_err();
    assert!(matches!(later, VerifyError::Refused { refused } if refused[0].1 == Refusal::SignatureExpired));
}

#[test]
fn fingerprints_narrow_a_keyring() {
    let (signer, other) = (Signer::new(), Signer::new());
    let (manner, by_subkey) = (Manner::default(), Manner { by_subkey: true, ..Manner::default() });
    let only = |fingerprint: String, exact| {
        let mut known = ring(&[&signer, &other]);
        known.retain(&[(fingerprint, exact)]);
        known
    };
    let (primary, subkey) = (signer.clearsign(TEXT, &manner), signer.clearsign(TEXT, &by_subkey));
    check_good(&primary, &only(signer.fingerprint(), false), &signer);
    check_good(&subkey, &only(signer.fingerprint(), false), &signer);
    check_good(&primary, &only(signer.fingerprint(), true), &signer);
    check_refused(&subkey, &only(signer.fingerprint(), true), Refusal::UnknownKey);
    check_good(&subkey, &only(signer.subkey_fingerprint(), true), &signer);
    check_refused(&primary, &only(signer.subkey_fingerprint(), false), Refusal::UnknownKey);
    check_refused(&primary, &only(other.fingerprint(), false), Refusal::UnknownKey);
}

#[test]
fn detached_signatures() {
    let signer = Signer::new();
    let known = ring(&[&signer]);
    let binary = Manner { kind: SignatureType::Binary, ..Manner::default() };
    let signature = [signer.sign(TEXT.as_bytes(), &binary)];
    for form in [bytes(&signature), armor(&signature).into_bytes()] {
        let check = |text: &str| verify_detached(text.as_bytes(), &form, &known, in_days(0));
        assert_eq!(check(TEXT).unwrap(), Verified { text: TEXT.to_owned(), signer: signer.fingerprint() });
        assert!(check(&TEXT.replace("stable", "evil")).is_err());
        assert!(check(&format!("{TEXT}\n")).is_err());
    }
    assert_eq!(verify_detached(b"x", b"", &known, UNIX_EPOCH), Err(VerifyError::NoSignature));
}

const RELEASE: &str = "Origin: Debian\nLabel: L\nSuite: stable\nCodename: bookworm\nVersion: 12\n\
    Date: Sat, 01 Nov 2025 09:00:00 UTC\nValid-Until: Sat, 08 Nov 2025 09:00:00 UTC\nNotAutomatic: yes\n\
    ButAutomaticUpgrades: yes\nAcquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
    Architectures: all amd64\nMD5Sum:\n 0 0 x\nSHA256:\n \
    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad        3 main/binary-amd64/Packages\n";

#[test]
fn release_files() {
    let release = Release::parse(RELEASE).unwrap();
    assert_eq!((release.origin.as_str(), release.codename.as_str()), ("Debian", "bookworm"));
    assert!(release.not_automatic && release.but_automatic_upgrades && release.acquire_by_hash);
    assert!(!release.has_architecture_all);
    assert_eq!(release.files["main/binary-amd64/Packages"].size, 3);
    assert_eq!(release.architectures, ["all", "amd64"]);
    assert_eq!(Release::parse("Suite: x\n"), Err(ReleaseError::NoTable));
    assert!(matches!(Release::parse("Suite: x\n\nSHA256:\n"), Err(ReleaseError::Paragraphs { found: 2 })));
    assert!(matches!(Release::parse("SHA256:\n x 3 y\n"), Err(ReleaseError::Table { .. })));
    assert!(matches!(Release::parse("Date: soon\nSHA256:\n"), Err(ReleaseError::Date { field: "Date", .. })));
}

#[test]
fn priorities() {
    let check = |fields: &str, expected| {
        let release = Release::parse(&format!("Suite: stable\nCodename: bookworm\n{fields}SHA256:\n")).unwrap();
        assert_eq!(release.priority(), expected, "{fields}");
    };
    check("", 500);
    check("NotAutomatic: yes\n", 1);
    check("NotAutomatic: yes\nButAutomaticUpgrades: yes\n", 100);
    check("ButAutomaticUpgrades: yes\n", 500);
}

#[test]
fn dates() {
    let release = Release::parse(RELEASE).unwrap();
    let date = release.date.unwrap();
    let check = |after: i64, seen: Option<i64>, rules: (bool, bool)| {
        let now = UNIX_EPOCH + Duration::from_secs((date.0 + after) as u64);
        let seen = seen.map(|seconds| Timestamp(date.0 + seconds));
        release.check_dates(&DateRules { now, check_valid_until: rules.0, check_date: rules.1, seen })
    };
    const DAY: i64 = 86_400;
    assert_eq!(check(DAY, None, (true, true)), Ok(()));
    assert_eq!(check(-5, None, (true, true)), Ok(()));
    assert_eq!(check(DAY, Some(0), (true, true)), Ok(()));
    assert_eq!(check(-DAY, None, (true, false)), Ok(()));
    assert_eq!(check(8 * DAY, None, (false, true)), Ok(()));
    assert_eq!(check(-DAY, None, (true, true)), Err(ReleaseError::Future { date }));
    assert!(matches!(check(8 * DAY, None, (true, true)), Err(ReleaseError::Expired { .. })));
    assert!(matches!(check(DAY, Some(1), (false, false)), Err(ReleaseError::Older { .. })));
}

proptest::proptest! {
    #[test]
    fn a_signed_text_is_what_was_signed(lines in proptest::collection::vec("(-|- |-----BEGIN PGP SIGNATURE-----|[a-z ü]{0,4}[a-zü])?", 1..6)) {
        let escaped: String =
            lines.iter().map(|line| format!("{}{line}\n", if line.starts_with('-') { "- " } else { "" })).collect();
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{escaped}-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"
        );
        let expected: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
        proptest::prop_assert_eq!(split_clearsigned(text.as_bytes()).unwrap(), expected);
        for around in [text.clone() + "x\n", "x\n".to_owned() + &text] {
            proptest::prop_assert!(split_clearsigned(around.as_bytes()).is_err());
        }
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in "(-----BEGIN PGP SIGNED MESSAGE-----|-----BEGIN PGP SIGNATURE-----|-----END PGP SIGNATURE-----|Hash: x|[-a=\\n ])*") {
        let keyring = Keyring::parse(&bytes);
        let _ = (verify_clearsigned(text.as_bytes(), &keyring, UNIX_EPOCH), verify_detached(b"x", &bytes, &keyring, UNIX_EPOCH));
        let _ = (Keyring::parse(text.as_bytes()), Release::parse(&text), Release::parse(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn damaged_signatures_and_keys_never_count(at in 0usize..1000, bit in 0u8..8) {
        thread_local!(static SIGNER: Signer = Signer::new());
        SIGNER.with(|signer| {
            let binary = Manner { kind: SignatureType::Binary, ..Manner::default() };
            let mut signature = bytes(&[signer.sign(TEXT.as_bytes(), &binary)]);
            let mut key = signer.binary();
            let at_key = at % key.len();
            key[at_key] ^= 1 << bit;
            let damaged = Keyring::parse(&key);
            // A key with a flipped bit may still be the key, where the bit is in something that does not matter.
            let _ = verify_detached(TEXT.as_bytes(), &signature, &damaged, in_days(0));
            let at = at % signature.len();
            signature[at] ^= 1 << bit;
            let _ = verify_detached(TEXT.as_bytes(), &signature, &ring(&[signer]), in_days(0));
            let evil = TEXT.replace("stable", "evil");
            assert!(verify_detached(evil.as_bytes(), &signature, &ring(&[signer]), in_days(0)).is_err());
        });
    }
}
