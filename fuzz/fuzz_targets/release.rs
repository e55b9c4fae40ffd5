//! Release files, clear-signed or not.
#![no_main]

use std::time::SystemTime;

use aleph_exchange::apt::release::{DateRules, Release, Timestamp, split_clearsigned};

fn check(text: &str) {
    let _ = Timestamp::parse(text).map(|time| time.to_string());
    let Ok(release) = Release::parse(text) else { return };
    let rules =
        DateRules { now: SystemTime::UNIX_EPOCH, check_valid_until: true, check_date: true, seen: Some(Timestamp(0)) };
    let _ = release.check_dates(&rules).map_err(|error| error.to_string());
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    check(text);
    let Ok(signed) = split_clearsigned(text.as_bytes()) else { return };
    check(&signed);
    // Nothing is taken from outside the signed part, and signing it again gives it again.
    let escaped: String =
        signed.lines().flat_map(|line| [if line.starts_with('-') { "- " } else { "" }, line, "\n"]).collect();
    let frame =
        ["-----BEGIN PGP SIGNED MESSAGE-----\n\n", "-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n"];
    let again = format!("{}{escaped}{}", frame[0], frame[1]);
    assert_eq!(split_clearsigned(again.as_bytes()).expect("a proper frame"), signed);
});
