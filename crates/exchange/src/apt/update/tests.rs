//! Updates from an archive that does everything wrong that can be done wrong.

mod mirror;

use std::{fs, path::Path, sync::atomic::Ordering, time::Duration};

use aleph_component::Digest;

use super::*;
use crate::{
    apt::{
        location::deb_uri,
        release::{
            Refusal, ReleaseError, VerifyError,
            tests::signer::{Manner, Signer, armor, in_days},
        },
        sources::{parse_deb822_sources, parse_one_line_sources, read_sources},
    },
    net::{Expected, FetchError, Request, Silent},
};
use mirror::{Host, Mirror};

const SOURCE: &str = "deb [signed-by=/keys/mirror.gpg] MIRROR stable main";
const TEXT: &str = "Package: a\nVersion: 1\n";

fn outcome(reports: &[SourceReport]) -> &SourceOutcome {
    assert_eq!(reports.len(), 1, "{reports:#?}");
    &reports[0].outcome
}

fn check_updated(reports: &[SourceReport]) {
    assert!(matches!(outcome(reports), SourceOutcome::Updated { .. }), "{reports:#?}");
}

/// It failed so, and what there was is still there.
fn check_kept(host: &Host, reports: &[SourceReport], expected: fn(&SourceFailure) -> bool) {
    match outcome(reports) {
        SourceOutcome::Failed { reason, kept } => assert!(expected(reason) && *kept, "{reports:#?}"),
        _ => panic!("{reports:#?}"),
    }
    assert_eq!(host.texts(), [TEXT]);
}

/// It failed so, and there is nothing.
fn check_failed(sources: &str, mirror: &Mirror, host: &Host, expected: fn(&SourceFailure) -> bool) {
    let reports = host.update(sources, mirror);
    match outcome(&reports) {
        SourceOutcome::Failed { reason, kept } => assert!(expected(reason) && !kept, "{reports:#?}"),
        _ => panic!("{reports:#?}"),
    }
    assert_eq!(host.suites(), []);
}

fn published() -> (Mirror, Host) {
    let mut mirror = Mirror::new();
    mirror.publish();
    let host = Host::new(&mirror);
    (mirror, host)
}

/// After a first update.
fn updated() -> (Mirror, Host) {
    let (mirror, host) = published();
    check_updated(&host.update(SOURCE, &mirror));
    (mirror, host)
}

#[test]
fn first_nothing_then_something_new() {
    let (mut mirror, host) = updated();
    let suite = host.suites().remove(0);
    assert_eq!(host.texts(), [TEXT]);
    assert_eq!(suite.id, format!("{} stable main amd64", mirror.server.uri("/debian")));
    assert_eq!((suite.suite.as_str(), suite.codename.as_str()), ("stable", "bookworm"));
    assert_eq!((suite.component.as_str(), suite.architecture.as_str(), suite.priority), ("main", "amd64", 500));
    assert_eq!(suite.base_uri, mirror.server.uri("/debian"));
    assert_eq!(suite.trust, Trust::Signed(mirror.signer.fingerprint()));
    assert_eq!(mirror.asked("by-hash"), 1);
    assert_eq!(mirror.asked("Packages"), 0);
    // The same again: one request, which is answered with "not modified".
    let before = mirror.server.seen().len();
    assert!(matches!(outcome(&host.update(SOURCE, &mirror)), SourceOutcome::Unchanged));
    assert_eq!(mirror.server.seen().len(), before + 1);
    assert!(mirror.server.seen()[before].header("if-none-match").is_some());
    // Another Release file, the same index.
    mirror.publish();
    let date = suite.date;
    check_updated(&host.update(SOURCE, &mirror));
    assert_eq!(mirror.asked("by-hash"), 1);
    assert!(host.suites()[0].date > date);
    // Another index.
    mirror.index("main", "amd64", "Package: b\n");
    mirror.publish();
    check_updated(&host.update(SOURCE, &mirror));
    assert_eq!(host.texts(), ["Package: b\n"]);
    // Whoever read the state before this update may still be reading its files, but not those from before that.
    assert!(suite.packages.exists());
    host.update(SOURCE, &mirror);
    assert!(!suite.packages.exists());
    assert_eq!((host.files("packages"), host.files("release"), host.files("partial")), (1, 1, 0));
}

#[test]
fn other_components_and_architectures_are_added_without_asking_for_the_rest() {
    let (mut mirror, host) = published();
    mirror.index("contrib", "amd64", "Package: c\n");
    mirror.index("main", "arm64", "Package: d\n");
    mirror.publish();
    host.update(SOURCE, &mirror);
    let sources =
        format!("{SOURCE}\ndeb [signed-by=/keys/mirror.gpg arch=amd64,arm64] MIRROR stable main contrib nope");
    let reports = host.update(&sources, &mirror);
    check_updated(&reports);
    assert_eq!(host.texts(), ["Package: c\n", TEXT, "Package: d\n"]);
    assert_eq!(mirror.asked("by-hash"), 3);
    assert_eq!(reports[0].places.len(), 2);
    let missing = |component: &str, architecture: &str| SourceWarning::NoIndex {
        component: component.to_owned(),
        architecture: architecture.to_owned(),
    };
    let expected = [missing("contrib", "arm64"), missing("nope", "amd64"), missing("nope", "arm64")];
    assert_eq!(reports[0].warnings, expected);
    // What is no longer named is forgotten.
    host.update(SOURCE, &mirror);
    assert_eq!(host.texts(), [TEXT]);
    host.update("", &mirror);
    assert_eq!(host.suites(), []);
}

#[test]
fn packages_for_all_architectures_may_be_apart() {
    let (mut mirror, host) = published();
    mirror.index("main", "all", "Package: e\n");
    mirror.fields = "Architectures: all amd64\n".to_owned();
    mirror.publish();
    host.update(SOURCE, &mirror);
    assert_eq!(host.texts(), ["Package: e\n", TEXT]);
    assert_eq!(mirror.asked("by-hash"), 0);
    mirror.fields = "Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n".to_owned();
    mirror.publish();
    host.update(SOURCE, &mirror);
    assert_eq!(host.texts(), [TEXT]);
}

#[test]
fn every_way_of_packing() {
    for packings in [vec![".zst", ".gz"], vec![".gz"], vec![""]] {
        let mut mirror = Mirror::new();
        mirror.packings = packings;
        mirror.publish();
        let host = Host::new(&mirror);
        check_updated(&host.update(SOURCE, &mirror));
        assert_eq!(host.texts(), [TEXT]);
    }
}

#[test]
fn signatures_count() {
    let (mut mirror, host) = updated();
    mirror.change("InRelease", |bytes| {
        let at = bytes.windows(6).position(|window| window == b"stable").unwrap();
        bytes[at] = b'S';
    });
    let wrong = |reason: &SourceFailure| match reason {
        SourceFailure::Verify(VerifyError::Refused { refused }) => refused[0].1 == Refusal::Wrong,
        _ => false,
    };
    check_kept(&host, &host.update(SOURCE, &mirror), wrong);
    mirror.signer = Signer::new();
    mirror.publish();
    let unknown = |reason: &SourceFailure| match reason {
        SourceFailure::Verify(VerifyError::Refused { refused }) => refused[0].1 == Refusal::UnknownKey,
        _ => false,
    };
    check_kept(&host, &host.update(SOURCE, &mirror), unknown);
    let release = mirror.release();
    mirror.put("InRelease", release);
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Verify(VerifyError::Frame(_)))
    });
    mirror.remove("InRelease");
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Fetch(FetchError::NotFound { .. }))
    });
    let release = mirror.release();
    mirror.put("Release", release);
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| matches!(reason, SourceFailure::Unsigned));
}

#[test]
fn an_unchanged_file_is_verified_again() {
    let (mirror, host) = updated();
    host.write("keys/mirror.gpg", Signer::new().binary());
    check_failed(SOURCE, &mirror, &host, |reason| matches!(reason, SourceFailure::Verify(_)));
    fs::remove_file(host.root.path().join("keys/mirror.gpg")).unwrap();
    check_failed(SOURCE, &mirror, &host, |reason| matches!(reason, SourceFailure::Keyring(_)));
}

/// Without an update: what is no longer configured, wanted or vouched for is not there.
#[test]
fn the_configuration_counts_as_it_is_now() {
    let (mut mirror, host) = published();
    mirror.index("contrib", "amd64", "Package: c\n");
    mirror.publish();
    host.update(&format!("{SOURCE} contrib"), &mirror);
    let uri = mirror.server.uri("/debian");
    let configure = |text: &str| {
        let text = text.replace("MIRROR", &uri);
        let sources = parse_one_line_sources(&text, Path::new("x"), &host.config().source_defaults()).unwrap();
        host.sources.replace(sources);
        (host.texts(), host.known().doubted.len())
    };
    let signed = |keys: &str| configure(&SOURCE.replace("/keys/mirror.gpg", keys));
    let main = || (vec![TEXT.to_owned()], 0);
    assert_eq!(configure(SOURCE), main());
    assert_eq!(configure(""), (vec![], 0));
    assert_eq!(configure(&SOURCE.replace("stable main", "stable contrib")), (vec!["Package: c\n".to_owned()], 0));
    assert_eq!(configure(&SOURCE.replace(" stable", " other")), (vec![], 0));
    assert_eq!(configure(&SOURCE.replace("]", " trusted=no]")), (vec![], 1));
    assert_eq!(configure(&SOURCE.replace("]", " trusted=yes]")), main());
    assert_eq!(host.suites()[0].trust, Trust::Unverified);
    // Other keys may vouch for it just as well, or not.
    host.write("keys/both.gpg", [Signer::new().binary(), mirror.signer.binary()].concat());
    host.write("keys/other.gpg", Signer::new().binary());
    assert_eq!(signed("/keys/both.gpg"), main());
    assert_eq!(host.suites()[0].trust, Trust::Signed(mirror.signer.fingerprint()));
    assert_eq!(signed("/keys/other.gpg"), (vec![], 1));
    assert_eq!(signed("/keys/missing.gpg"), (vec![], 1));
    host.write("keys/mirror.gpg", Signer::new().binary());
    assert_eq!(configure(SOURCE), (vec![], 1));
    host.write("keys/mirror.gpg", mirror.signer.binary());
    assert_eq!(configure(SOURCE), main());
    // What was trusted without a signature has one after all, or not.
    let trusting = SOURCE.replace("]", " trusted=yes]");
    host.update(&trusting, &mirror);
    assert_eq!(configure(SOURCE), main());
    mirror.signer = Signer::new();
    mirror.publish();
    host.update(&trusting, &mirror);
    assert_eq!(configure(SOURCE), (vec![], 1));
}

#[test]
fn keys_can_be_named_in_every_way() {
    let (mirror, host) = published();
    let bare = "deb MIRROR stable main";
    check_failed(bare, &mirror, &host, |reason| matches!(reason, SourceFailure::NoKeys));
    host.write("etc/apt/trusted.gpg.d/junk.gpg", "junk");
    host.write("etc/apt/trusted.gpg.d/other.gpg", Signer::new().binary());
    check_failed(bare, &mirror, &host, |reason| matches!(reason, SourceFailure::Verify(_)));
    host.write("etc/apt/trusted.gpg.d/mirror.asc", mirror.signer.armored());
    check_updated(&host.update(bare, &mirror));
    host.update("", &mirror);
    let fingerprint = mirror.signer.fingerprint();
    check_updated(&host.update(&format!("deb [signed-by={fingerprint}] MIRROR stable main"), &mirror));
    host.update("", &mirror);
    let other = Signer::new().fingerprint();
    check_failed(&format!("deb [signed-by={other}] MIRROR stable main"), &mirror, &host, |reason| {
        matches!(reason, SourceFailure::NoKeys)
    });
    // Of a file and fingerprints, only those of the file's keys count; with `!`, not their subkeys.
    let both = [Signer::new().binary(), mirror.signer.binary()].concat();
    host.write("keys/both.gpg", both);
    let file_and = |rest: &str| format!("deb [signed-by=/keys/both.gpg,{rest}] MIRROR stable main");
    for named in [fingerprint.clone(), format!("{fingerprint}!")] {
        host.update("", &mirror);
        check_updated(&host.update(&file_and(&named), &mirror));
    }
    host.update("", &mirror);
    check_failed(&file_and(&other), &mirror, &host, |reason| matches!(reason, SourceFailure::NoKeys));
    let stranger = Signer::new();
    host.write("keys/both.gpg", [stranger.binary(), mirror.signer.binary()].concat());
    check_failed(&file_and(&stranger.fingerprint()), &mirror, &host, |reason| {
        matches!(reason, SourceFailure::Verify(_))
    });
    // A key in the source itself.
    let key: String = mirror
        .signer
        .armored()
        .lines()
        .map(|line| format!(" {}\n", if line.is_empty() { "." } else { line }))
        .collect();
    let uri = mirror.server.uri("/debian");
    let text = format!("Types: deb\nURIs: {uri}\nSuites: stable\nComponents: main\nSigned-By:\n{key}");
    let config = host.config();
    let sources = parse_deb822_sources(&text, Path::new("x.sources"), &config.source_defaults()).unwrap();
    let reports = host.lists().update(&sources, &config, &Fetcher::new(config.network.clone()), host.now, &Silent);
    check_updated(&reports.unwrap());
}

#[test]
fn detached_signatures() {
    let (mut mirror, host) = published();
    let release = mirror.release();
    let signature = mirror
        .signer
        .sign(release.as_bytes(), &Manner { kind: pgp::packet::SignatureType::Binary, ..Manner::default() });
    mirror.remove("InRelease");
    mirror.put("Release", release);
    mirror.put("Release.gpg", armor(&[signature]));
    check_updated(&host.update(SOURCE, &mirror));
    assert_eq!(host.texts(), [TEXT]);
    assert!(matches!(outcome(&host.update(SOURCE, &mirror)), SourceOutcome::Unchanged));
    mirror.change("/Release", |bytes| bytes.extend(b" "));
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| matches!(reason, SourceFailure::Verify(_)));
}

#[test]
fn what_the_user_trusts_is_marked() {
    let (mut mirror, host) = published();
    mirror.signer = Signer::new();
    mirror.publish();
    let reports = host.update("deb [trusted=yes] MIRROR stable main", &mirror);
    check_updated(&reports);
    assert_eq!(reports[0].warnings, [SourceWarning::Unverified]);
    assert_eq!(host.suites()[0].trust, Trust::Unverified);
    check_failed("deb [trusted=no signed-by=/keys/mirror.gpg] MIRROR/ other main", &mirror, &host, |reason| {
        matches!(reason, SourceFailure::Distrusted)
    });
}

#[test]
fn flat_archives() {
    let mut mirror = Mirror::new();
    mirror.suite = "/debian/";
    mirror.indices = [("Packages".to_owned(), TEXT.to_owned())].into();
    mirror.fields = String::new();
    mirror.publish();
    let host = Host::new(&mirror);
    check_updated(&host.update("deb [signed-by=/keys/mirror.gpg arch=amd64,i386] MIRROR ./", &mirror));
    let suite = host.suites().remove(0);
    assert_eq!((suite.component.as_str(), suite.architecture.as_str()), ("", "amd64"));
    assert_eq!(suite.base_uri, mirror.server.uri("/debian"));
    assert_eq!(host.texts(), [TEXT]);
}

#[test]
fn a_directory_with_nothing_but_packages() {
    let (mirror, host) = published();
    host.write("repo/Packages.gz", mirror::pack(".gz", TEXT.as_bytes()));
    let source = format!("file://{} ./", host.root.path().join("repo").display());
    let reports = host.update(&format!("deb [trusted=yes] {source}"), &mirror);
    check_updated(&reports);
    assert_eq!((host.texts(), &host.suites()[0].trust), (vec![TEXT.to_owned()], &Trust::Unverified));
    let again = host.update(&format!("deb [trusted=yes] {source}"), &mirror);
    assert!(matches!(outcome(&again), SourceOutcome::Unchanged));
    host.update("", &mirror);
    check_failed(&format!("deb {source}"), &mirror, &host, |reason| {
        matches!(reason, SourceFailure::Fetch(FetchError::NotFound { .. }))
    });
}

#[test]
fn wrong_indices_are_refused() {
    let (mut mirror, host) = updated();
    mirror.index("main", "amd64", "Package: evil\n");
    let good = mirror.release();
    let message = mirror.signer.clearsign(&good, &Manner::default());
    mirror.put("InRelease", message);
    mirror.change(".xz", |bytes| bytes[20] ^= 1);
    mirror.remove("by-hash");
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Fetch(FetchError::WrongDigest { .. }))
    });
    // What is unpacked is something else than the Release file says.
    mirror.publish();
    let release = mirror.release();
    let plain = Digest::of(b"Package: evil\n").to_string();
    let lying = release.replace(&plain, &Digest::of(b"x").to_string());
    mirror.put("InRelease", mirror.signer.clearsign(&lying, &Manner::default()));
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Index(IndexError::WrongDigest { .. }))
    });
    // More is unpacked than it says.
    let bomb = release.replace(&format!("{plain} 14"), &format!("{plain} 5"));
    mirror.put("InRelease", mirror.signer.clearsign(&bomb, &Manner::default()));
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Index(IndexError::TooLarge { limit: 5, .. }))
    });
    // And all is well again when the mirror is.
    mirror.publish();
    check_updated(&host.update(SOURCE, &mirror));
    assert_eq!(host.texts(), ["Package: evil\n"]);
}

#[test]
fn a_mirror_that_cannot_do_by_hash_after_all() {
    let (mirror, host) = published();
    mirror.remove("by-hash");
    check_updated(&host.update(SOURCE, &mirror));
    assert_eq!((mirror.asked("by-hash"), mirror.asked("Packages.xz")), (1, 1));
}

/// Some servers answer with 403 for what is not there, and some have not all files that they announce.
#[test]
fn a_mirror_that_lacks_files_or_says_that_they_are_forbidden() {
    for status in [404, 403] {
        let (mirror, host) = published();
        mirror.missing.store(status, Ordering::Relaxed);
        mirror.remove("by-hash");
        mirror.remove("Packages.xz");
        check_updated(&host.update(SOURCE, &mirror));
        assert_eq!(host.texts(), [TEXT]);
        assert_eq!((mirror.asked("by-hash"), mirror.asked("Packages.xz"), mirror.asked("Packages.gz")), (2, 1, 1));
    }
    let (mut mirror, host) = published();
    mirror.missing.store(403, Ordering::Relaxed);
    let release = mirror.release();
    let signature = mirror
        .signer
        .sign(release.as_bytes(), &Manner { kind: pgp::packet::SignatureType::Binary, ..Manner::default() });
    mirror.remove("InRelease");
    mirror.put("Release", release);
    check_failed(SOURCE, &mirror, &host, |reason| matches!(reason, SourceFailure::Unsigned));
    mirror.put("Release.gpg", armor(&[signature]));
    check_updated(&host.update(SOURCE, &mirror));
}

#[test]
fn only_what_can_be_resumed_stays_of_downloads() {
    let (mirror, host) = published();
    host.write("lists/partial/0000.partial", "from some update long ago");
    mirror.change(".xz", |bytes| bytes.truncate(40));
    let source = SOURCE.replace("]", " by-hash=no]");
    assert!(matches!(outcome(&host.update(&source, &mirror)), SourceOutcome::Failed { .. }));
    assert!(!host.directory().join("partial/0000.partial").exists());
}

#[test]
fn by_hash_can_be_forbidden_and_forced() {
    let (mut mirror, host) = published();
    host.update(&SOURCE.replace("]", " by-hash=no]"), &mirror);
    assert_eq!((mirror.asked("by-hash"), mirror.asked("Packages.xz")), (0, 1));
    mirror.fields = String::new();
    mirror.index("main", "amd64", "Package: b\n");
    mirror.publish();
    host.update(&SOURCE.replace("]", " by-hash=force]"), &mirror);
    assert_eq!((mirror.asked("by-hash"), mirror.asked("Packages.xz")), (1, 1));
}

#[test]
fn old_and_expired_release_files_are_refused() {
    let (mut mirror, host) = updated();
    mirror.date -= 3600;
    mirror.publish();
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Release(ReleaseError::Older { .. }))
    });
    mirror.date += 7200;
    mirror.fields = "Valid-Until: Tue, 14 Nov 2023 23:00:00 UTC\n".to_owned();
    mirror.publish();
    check_kept(&host, &host.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Release(ReleaseError::Expired { .. }))
    });
    check_updated(&host.update(&SOURCE.replace("]", " check-valid-until=no]"), &mirror));
    let early = Host { now: std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000), ..host };
    mirror.publish();
    check_kept(&early, &early.update(SOURCE, &mirror), |reason| {
        matches!(reason, SourceFailure::Release(ReleaseError::Future { .. }))
    });
}

#[test]
fn one_bad_source_does_not_lose_the_others() {
    let (mirror, host) = published();
    let sources = format!(
        "deb [signed-by=/nowhere] MIRROR bad main\ndeb cdrom:[Disc]/ stable main\ndeb-src MIRROR stable main\n{SOURCE}\n\
         deb [signed-by=/keys/mirror.gpg] http://127.0.0.1:1/debian stable main\n\
         deb [signed-by=/keys/mirror.gpg] MIRROR/x stable main\ndeb [trusted=yes] MIRROR/x stable main\n"
    );
    let reports = host.update(&sources, &mirror);
    let reasons: Vec<_> = reports
        .iter()
        .map(|report| match &report.outcome {
            SourceOutcome::Failed { reason, .. } => format!("{reason:?}").split([' ', '(']).next().unwrap().to_owned(),
            _ => "fine".to_owned(),
        })
        .collect();
    assert_eq!(reasons, ["Fetch", "Address", "fine", "Fetch", "Contradiction"]);
    assert_eq!(host.texts(), [TEXT]);
}

#[test]
fn a_name_that_does_not_fit_is_told() {
    let mut mirror = Mirror::new();
    mirror.suite = "/debian/dists/sid/";
    mirror.publish();
    let host = Host::new(&mirror);
    let reports = host.update("deb [signed-by=/keys/mirror.gpg] MIRROR sid main", &mirror);
    check_updated(&reports);
    assert!(matches!(&reports[0].warnings[..], [SourceWarning::OtherSuite { .. }]), "{reports:?}");
    let (mirror, host) = published();
    check_failed("deb [signed-by=/keys/mirror.gpg] MIRROR stable nope", &mirror, &host, |reason| {
        matches!(reason, SourceFailure::NoIndex)
    });
}

/// As apt: one key signs many suites, and a mirror must not give one for another. That a suite ages is no surprise.
#[test]
fn another_suite_is_not_taken_for_the_one_before() {
    let (mut mirror, host) = updated();
    let changed = |reason: &SourceFailure, fields: &[&str]| match reason {
        SourceFailure::Changed { changes } => changes.iter().map(|change| change.field).eq(fields.iter().copied()),
        _ => false,
    };
    mirror.names = "Suite: stable\nCodename: trixie\nOrigin: Debian\n".to_owned();
    mirror.publish();
    let reports = host.update(SOURCE, &mirror);
    check_kept(&host, &reports, |_| true);
    let SourceOutcome::Failed { reason, .. } = outcome(&reports) else { panic!("{reports:?}") };
    assert!(changed(reason, &["Origin", "Codename"]), "{reason:?}");
    assert!(reason.to_string().contains("its Codename was `bookworm` and is `trixie`"), "{reason}");
    host.write("etc/apt/apt.conf", "APT::Architecture \"amd64\"; Acquire::AllowReleaseInfoChange \"true\";");
    let reports = host.update(SOURCE, &mirror);
    check_updated(&reports);
    assert_eq!(reports[0].warnings.len(), 2);
    // It stays accepted, and a suite may age.
    host.write("etc/apt/apt.conf", "APT::Architecture \"amd64\";");
    assert!(matches!(outcome(&host.update(SOURCE, &mirror)), SourceOutcome::Unchanged));
    mirror.names = "Suite: oldstable\nCodename: trixie\nOrigin: Debian\nVersion: 13.1\n".to_owned();
    mirror.publish();
    let reports = host.update(SOURCE, &mirror);
    check_updated(&reports);
    assert!(matches!(&reports[0].warnings[..], [SourceWarning::OtherSuite { .. }, SourceWarning::Changed(_)]));
    // What is suddenly not for everybody any more is another kind of suite.
    mirror.fields = "NotAutomatic: yes\n".to_owned();
    mirror.publish();
    check_kept(
        &host,
        &host.update(SOURCE, &mirror),
        |reason| matches!(reason, SourceFailure::Changed { changes } if changes[0].field == "DefaultPin"),
    );
}

#[test]
fn lists_of_mirrors() {
    let (mirror, host) = published();
    let list =
        format!("# c\n{}\tpriority:2\n{}\tpriority:1\n", mirror.server.uri("/debian"), mirror.server.uri("/gone"));
    host.write("etc/mirrors.txt", list);
    check_updated(&host.update("deb [signed-by=/keys/mirror.gpg] mirror+file:/etc/mirrors.txt stable main", &mirror));
    assert_eq!(host.texts(), [TEXT]);
    assert_eq!(host.suites()[0].base_uri, mirror.server.uri("/debian"));
    assert_eq!(host.suites()[0].mirrors, [mirror.server.uri("/gone")]);
    host.write("etc/mirrors.txt", "");
    let reports = host.update("deb [signed-by=/keys/mirror.gpg] mirror+file:/etc/mirrors.txt stable main", &mirror);
    check_kept(&host, &reports, |reason| matches!(reason, SourceFailure::Mirrors { .. }));
}

#[test]
fn no_password_gets_into_the_state() {
    let (mirror, host) = published();
    let with_password = mirror.server.uri("/debian").replace("//", "//user:secret@");
    let reports = host.update(&SOURCE.replace("MIRROR", &with_password), &mirror);
    check_updated(&reports);
    assert!(mirror.server.seen().iter().all(|seen| seen.header("authorization").is_some()));
    let state = fs::read_to_string(host.directory().join("state.json")).unwrap();
    assert!(!state.contains("secret") && !format!("{reports:?}").contains("secret"));
    // And yet packages can be downloaded with it.
    let config = host.config();
    let line = format!("deb {with_password} stable main");
    let sources = parse_one_line_sources(&line, Path::new("x"), &config.source_defaults()).unwrap();
    let uri = deb_uri(&host.suites()[0].base_uri, "dists/stable/InRelease").unwrap();
    let body = mirror.body("InRelease");
    let package = Request {
        name: "x".to_owned(),
        uri,
        fallbacks: Vec::new(),
        target: host.root.path().join("x"),
        expected: Expected::exactly(body.len() as u64, Digest::of(&body)),
    };
    Fetcher::new(config.network_for(&sources)).fetch(&[package], &Silent).unwrap();
    assert!(mirror.server.seen().iter().all(|seen| seen.header("authorization").is_some()));
    assert!(matches!(
        outcome(&host.update(&SOURCE.replace("MIRROR", &with_password), &mirror)),
        SourceOutcome::Unchanged
    ));
}

#[test]
fn a_state_that_cannot_be_read_is_replaced() {
    let (mirror, host) = updated();
    let state = host.directory().join("state.json");
    for (text, expected) in [("{", "damaged"), ("{\"format\": 7}", "format 7")] {
        fs::write(&state, text).unwrap();
        let error = host.lists().known(&[], &host.config(), host.now).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        check_updated(&host.update(SOURCE, &mirror));
        assert_eq!(host.texts(), [TEXT]);
    }
}

#[test]
fn a_damaged_index_is_fetched_again() {
    let (mirror, host) = updated();
    fs::write(&host.suites()[0].packages, "Package: evil").unwrap();
    host.update(SOURCE, &mirror);
    assert_eq!(host.texts(), [TEXT]);
}

#[test]
fn the_default_release_is_preferred() {
    let (_mirror, host) = updated();
    let check = |release: &str, expected: i32| {
        let text = format!("APT::Architecture \"amd64\"; APT::Default-Release \"{release}\";");
        host.write("etc/apt/apt.conf", text);
        assert_eq!(host.suites()[0].priority, expected, "{release}");
        host.config().warnings.len()
    };
    for release in ["bookworm", "stable", "book*", "n=bookworm", "a=stable,n=book*", "*"] {
        assert_eq!(check(release, 990), 0);
    }
    for release in ["sid", "a=bookworm", "n=bookworm,o=Other", ""] {
        assert_eq!(check(release, 500), 0);
    }
    assert_eq!(check("/book.*/", 500) + check("q=bookworm", 500), 2);
}

/// The archives that this machine is configured to use.
#[test]
fn the_host_itself() {
    let directory = tempfile::tempdir().unwrap();
    let config = AptConfig::read(Path::new("/"), None).unwrap();
    let list = read_sources(&config);
    let lists = Lists::new(directory.path());
    let fetcher = Fetcher::new(config.network.clone());
    let update = || lists.update(&list.sources, &config, &fetcher, in_days(0), &Silent).unwrap();
    for report in update() {
        assert!(matches!(report.outcome, SourceOutcome::Updated { .. }), "{report:?}");
    }
    for suite in lists.known(&list.sources, &config, in_days(0)).unwrap().suites {
        assert!(matches!(suite.trust, Trust::Signed(_)));
        assert!(fs::read_to_string(&suite.packages).unwrap().contains("Package: "));
    }
    assert!(update().iter().all(|report| matches!(report.outcome, SourceOutcome::Unchanged)));
}
