//! What goes into an index comes out of it, and damage never does harm.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::apt::{location::deb_uri, relation::Version};

/// An input with the text `text`, named `name`.
fn input(directory: &Path, name: &str, text: impl AsRef<[u8]>, priority: i32) -> IndexInput {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    IndexInput {
        text: path,
        id: name.to_owned(),
        origin: "Example".to_owned(),
        suite: name.to_owned(),
        codename: "trial".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
        base_uri: format!("http://mirror.example/{name}/"),
        priority,
    }
}

/// The index of some texts, of suites `s0`, `s1`, … of falling priority.
fn index(texts: &[&str]) -> (tempfile::TempDir, PreparedIndex) {
    let directory = tempfile::tempdir().unwrap();
    let suites = texts.iter().enumerate();
    let inputs: Vec<_> =
        suites.map(|(i, text)| input(directory.path(), &format!("s{i}"), text, 500 - i as i32)).collect();
    let out = directory.path().join("index");
    PreparedIndex::build(&inputs, &out).unwrap();
    let index = PreparedIndex::open(&out).unwrap();
    index.verify().unwrap();
    (directory, index)
}

const MAIN: &str = "\
Package: openssl
Version: 3.0.17-1~deb12u2
Architecture: amd64
Multi-Arch: foreign
Priority: optional
Depends: libc6 (>= 2.34),
 libssl3 (>= 3.0.17)
Filename: pool/o/openssl_1.deb
Size: 12
SHA256: aa
Description: Secure Sockets Layer toolkit
 longer

Package: bash
Essential: yes
Version: 5.2
Architecture: amd64
SHA256: bb
Provides: sh (= 5), shell


Package: broken name
Version: 1
Architecture: all

Package: dash
Version: 1
Architecture: amd64
Provides: shell
Description: POSIX-compliant shell";

const SECURITY: &str = "\
Package: openssl
Version: 3.0.18-1
Architecture: amd64
SHA256: cc

Package: openssl
Version: 3.0.17-1~deb12u2
Architecture: amd64
SHA256: aa
Filename: pool/updates/openssl_1.deb
";

#[test]
fn stanzas_are_found_by_name_and_by_what_they_provide() {
    let (_directory, index) = index(&[MAIN, SECURITY]);
    assert_eq!(index.names().collect::<Vec<_>>(), ["bash", "dash", "openssl"]);
    let versions: Vec<_> = index.candidates("openssl").map(|candidate| candidate.version()).collect();
    assert_eq!(versions, ["3.0.18-1", "3.0.17-1~deb12u2"]);
    let providers: Vec<_> = index.providers("shell").map(|provider| provider.candidate.name()).collect();
    assert_eq!(providers, ["bash", "dash"]);
    let sh = index.providers("sh").next().unwrap();
    assert_eq!(sh.version.map(Version::as_str), Some("5"));
    assert!(sh.candidate.essential());
    assert_eq!(index.candidates("shell").count() + index.candidates("nothing").count(), 0);
    assert_eq!(index.all().count(), 4);
}

#[test]
fn a_candidate_knows_its_fields_and_all_its_suites() {
    let (_directory, index) = index(&[MAIN, SECURITY]);
    let old = index.candidates("openssl").nth(1).unwrap();
    assert_eq!(old.field("depends"), Some("libc6 (>= 2.34),\n libssl3 (>= 3.0.17)"));
    assert_eq!((old.size(), old.summary()), (Some(12), "Secure Sockets Layer toolkit"));
    assert_eq!(old.multi_arch(), crate::apt::relation::MultiArch::Foreign);
    assert_eq!(old.uri().as_deref(), Some("http://mirror.example/s0/pool/o/openssl_1.deb"));
    assert_eq!(old.suites().map(|suite| suite.input.suite.as_str()).collect::<Vec<_>>(), ["s0", "s1"]);
    assert_eq!((old.priority(), index.candidates("openssl").next().unwrap().priority()), (500, 499));
}

#[test]
fn file_names_are_escaped_as_addresses_want_it() {
    let (_directory, index) = index(&["Package: a\nVersion: 1\nArchitecture: all\nFilename: ./pool/a b%3a1#.deb\n"]);
    let candidate = index.candidates("a").next().unwrap();
    let uri = deb_uri(&candidate.suites().next().unwrap().input.base_uri, candidate.filename().unwrap()).unwrap();
    assert_eq!(candidate.uri(), Some(uri.to_string()));
    assert_eq!(uri.to_string(), "http://mirror.example/s0/pool/a%20b%253a1%23.deb");
}

#[test]
fn search_ranks_names_before_summaries() {
    let (_directory, index) = index(&[MAIN]);
    let found = |query| index.search(query).iter().map(|found| found.candidate.name()).collect::<Vec<_>>();
    assert_eq!(found("shell"), ["dash"]);
    assert_eq!(found("SH"), ["bash", "dash"]);
    assert_eq!(found("sockets layer"), ["openssl"]);
    assert_eq!(found("sockets nothing"), Vec::<&str>::new());
    assert_eq!(found(" "), Vec::<&str>::new());
    assert_eq!(index.similar("opnessl", 3), ["openssl"]);
}

#[test]
fn the_first_of_two_fields_counts_everywhere() {
    let text =
        "package: a\nPackage: b\nVersion: 1\nversion: 2\nArchitecture: all\nSHA256: x\nEssential: yes\nEssential: no\n";
    let (_directory, index) = index(&[text]);
    let candidate = index.all().next().unwrap();
    assert_eq!((candidate.name(), candidate.version()), ("a", "1"));
    assert_eq!((candidate.field("Package"), candidate.field("Version")), (Some("a"), Some("1")));
    assert!(candidate.essential());
}

#[test]
fn foreign_and_damaged_files_are_refused() {
    let (directory, index) = index(&[MAIN]);
    let bytes = fs::read(directory.path().join("index")).unwrap();
    let path = directory.path().join("other");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        PreparedIndex::open(&path)
    };
    assert!(matches!(open(b""), Err(OpenError::Io { .. } | OpenError::Foreign { .. })));
    assert!(matches!(open(b"Package: a"), Err(OpenError::Foreign { .. })));
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert!(matches!(open(&newer), Err(OpenError::Format { found: 9, .. })));
    for length in [9, 100, 255, 256, bytes.len() - 1] {
        assert!(matches!(open(&bytes[..length]), Err(OpenError::Damaged { .. })), "{length}");
    }
    let mut altered = bytes.clone();
    altered[60] ^= 1;
    assert!(matches!(open(&altered), Err(OpenError::Damaged { .. })));
    let mut altered = bytes;
    *altered.last_mut().unwrap() ^= 1;
    assert!(matches!(open(&altered).unwrap().verify(), Err(OpenError::Damaged { .. })));
    assert!(matches!(PreparedIndex::open(Path::new("/nonexistent")), Err(OpenError::Io { .. })));
    index.verify().unwrap();
}

#[test]
fn a_failed_build_leaves_what_was_there() {
    let (directory, _index) = index(&[MAIN]);
    let out = directory.path().join("index");
    let before = fs::read(&out).unwrap();
    let mut missing = input(directory.path(), "s9", "", 1);
    missing.text = directory.path().join("missing");
    assert!(matches!(PreparedIndex::build(&[missing], &out), Err(BuildError::Read { .. })));
    assert_eq!(fs::read(&out).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

/// Uses everything that an index offers.
fn exercise(index: &PreparedIndex) {
    for name in index.names().map(str::to_owned).collect::<Vec<_>>() {
        for candidate in index.candidates(&name) {
            let _ = (candidate.name(), candidate.version(), candidate.uri(), candidate.summary(), candidate.priority());
            let _ = candidate.suites().map(|suite| suite.stanza.len()).sum::<usize>();
        }
    }
    let _ = index.providers("shell").count();
    let _ = index.search("s");
    let _ = index.similar("openssl", 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_stanza_is_found_again(stanzas in proptest::collection::btree_set(("[a-c]{1,2}", "[0-9]{1,2}", "[a-z]{0,9}"), 0..40)) {
        let stanzas: std::collections::BTreeMap<_, _> =
            stanzas.into_iter().map(|(name, version, word)| ((name, version.parse::<u32>().unwrap()), word)).collect();
        let text: String = stanzas.iter().map(|((name, version), word)| {
            format!("Package: {name}\nVersion: {version}\nArchitecture: all\nDescription: {word}\nFilename: {name}-{version}\nProvides: v-{word}x\n\n")
        }).collect();
        let (_directory, index) = index(&[&text]);
        prop_assert_eq!(index.all().count(), stanzas.len());
        for ((name, version), word) in &stanzas {
            let version = version.to_string();
            let found = index.candidates(name).find(|candidate| candidate.version() == version).unwrap();
            prop_assert_eq!(found.summary(), word);
            prop_assert_eq!(found.field("package"), Some(&**name));
            let provided = format!("v-{word}x");
            prop_assert!(index.providers(&provided).any(|provider| provider.candidate == found));
            prop_assert!(index.search(name).iter().any(|found| found.candidate.name() == name));
        }
        for name in index.names() {
            let versions: Vec<u32> = index.candidates(name).map(|candidate| candidate.version().parse().unwrap()).collect();
            prop_assert!(versions.is_sorted_by(|a, b| a > b));
        }
    }

    #[test]
    fn any_bytes_make_an_index(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "((Package|Version|Architecture|Provides|x):? ?[ab1,()=]{0,4}\n{1,2} ?){0,30}") {
        let directory = tempfile::tempdir().unwrap();
        let inputs = [input(directory.path(), "s0", &bytes, 1), input(directory.path(), "s1", &text, 2)];
        let out = directory.path().join("index");
        PreparedIndex::build(&inputs, &out).unwrap();
        let index = PreparedIndex::open(&out).unwrap();
        index.verify().unwrap();
        exercise(&index);
    }

    #[test]
    fn damage_never_panics(changes in proptest::collection::vec((256_usize..4000, any::<u8>()), 1..40)) {
        let (directory, _index) = index(&[MAIN, SECURITY]);
        let path = directory.path().join("damaged");
        let mut bytes = fs::read(directory.path().join("index")).unwrap();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[256 + at % (length - 256)] = byte;
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(index) = PreparedIndex::open(&path) {
            exercise(&index);
        }
    }
}
