//! Checks of the reading of sources.

use std::{fs, path::Path};

use super::*;
use crate::apt::config::AptConfig;

fn defaults() -> Defaults {
    Defaults { architecture: "amd64".to_owned(), architectures: vec!["amd64".to_owned(), "i386".to_owned()] }
}

/// `kind uri suite components architectures` of every entry.
fn short(sources: &[AptSource]) -> Vec<String> {
    let line = |s: &AptSource| {
        let kind = if s.kind == Kind::Binary { "deb" } else { "src" };
        format!("{kind} {} {} {} {}", s.uri, s.suite, s.components.join("+"), s.architectures.join("+"))
    };
    sources.iter().map(line).collect()
}

fn one_line(text: &str) -> Result<Vec<AptSource>, SourcesError> {
    parse_one_line_sources(text, Path::new("x.list"), &defaults())
}

fn deb822(text: &str) -> Result<Vec<AptSource>, SourcesError> {
    parse_deb822_sources(text, Path::new("x.sources"), &defaults())
}

fn check(result: Result<Vec<AptSource>, SourcesError>, expected: &[&str]) {
    assert_eq!(short(&result.unwrap()), expected);
}

fn check_mistake(result: Result<Vec<AptSource>, SourcesError>, line: usize, expected: Mistake) {
    match result.unwrap_err() {
        SourcesError::Malformed { place, mistake } => assert_eq!((place.line, mistake), (line, expected)),
        other => panic!("{other}"),
    }
}

#[test]
fn one_line_entries() {
    check(
        one_line("# c\n\ndeb http://m.example/d s main contrib # c\n"),
        &["deb http://m.example/d s main+contrib amd64+i386"],
    );
    check(one_line("deb-src http://m.example/d s main"), &["src http://m.example/d s main amd64+i386"]);
    check(one_line("deb [arch=amd64] http://m.example/d s main"), &["deb http://m.example/d s main amd64"]);
    check(
        one_line("deb [ arch+=arm64 arch-=i386 lang=de ] http://m.example/d s main"),
        &["deb http://m.example/d s main amd64+arm64"],
    );
    check(one_line("deb file:/srv/r ./"), &["deb file:/srv/r ./  amd64+i386"]);
    check(one_line("deb http://m.example/$(ARCH) s-$(ARCH)/"), &["deb http://m.example/amd64 s-amd64/  amd64+i386"]);
    check(one_line("deb cdrom:[Debian 12 a]/ s main"), &["deb cdrom:[Debian 12 a]/ s main amd64+i386"]);
}

#[test]
fn one_line_options() {
    let found = one_line(
        "deb [signed-by=/a.gpg,/b.asc trusted=yes by-hash=force check-valid-until=no check-date=no] http://m.example/d s main",
    );
    let source = &found.unwrap()[0];
    assert_eq!(source.signed_by, [SignedBy::File("/a.gpg".into()), SignedBy::File("/b.asc".into())]);
    assert_eq!((source.trusted, source.by_hash), (Some(true), ByHash::Force));
    assert_eq!((source.check_valid_until, source.check_date), (Some(false), Some(false)));
    assert_eq!(source.place, Place { file: "x.list".into(), line: 1 });
}

#[test]
fn one_line_mistakes() {
    check_mistake(one_line("\nrpm http://m.example/ s main"), 2, Mistake::Type("rpm".to_owned()));
    check_mistake(one_line("deb"), 1, Mistake::Missing("URI"));
    check_mistake(one_line("deb http://m.example/"), 1, Mistake::Missing("suite"));
    check_mistake(one_line("deb [arch=x http://m.example/ s main"), 1, Mistake::Options);
    check_mistake(one_line("deb http://m.example/ s"), 1, Mistake::NoComponents("s".to_owned()));
    check_mistake(one_line("deb http://m.example/ s/ main"), 1, Mistake::FlatWithComponents("s/".to_owned()));
    let truth = Mistake::Truth { option: "trusted".to_owned(), value: "maybe".to_owned() };
    check_mistake(one_line("deb [trusted=maybe] http://m.example/ s main"), 1, truth);
    check_mistake(one_line("deb [signed-by=x] http://m.example/ s main"), 1, Mistake::SignedBy("x".to_owned()));
}

#[test]
fn paragraphs_multiply() {
    let text = "# c\nTypes: deb deb-src\nURIs: http://a.example/d\n http://b.example/d\nSuites: s s-updates\n# c\n\
                Components: main\n contrib\nArchitectures: amd64\n\n\nTypes: deb\nURIs: http://c.example\nSuites: ./\n\n\
                Enabled: no\nTypes: broken\n";
    let found = deb822(text).unwrap();
    let lines = short(&found);
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[0], "deb http://a.example/d s main+contrib amd64");
    assert_eq!(lines[7], "src http://b.example/d s-updates main+contrib amd64");
    assert_eq!(lines[8], "deb http://c.example ./  amd64+i386");
    assert_eq!((found[0].place.line, found[8].place.line), (2, 12));
}

#[test]
fn signers() {
    let with = |value: &str| deb822(&format!("Types: deb\nURIs: http://m.example\nSuites: ./\nSigned-By:{value}\n"));
    let signers = |value: &str| with(value).unwrap().remove(0).signed_by;
    let digits = "0123456789abcdef0123456789abcdef01234567";
    let fingerprint = |exact| SignedBy::Fingerprint { fingerprint: digits.to_uppercase(), exact };
    assert_eq!(signers(&format!(" /a.gpg {digits}!")), [SignedBy::File("/a.gpg".into()), fingerprint(true)]);
    assert_eq!(signers(&format!(" {digits}")), [fingerprint(false)]);
    let key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----";
    let text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n";
    assert_eq!(signers(key), [SignedBy::Inline(text.to_owned())]);
    check_mistake(with(" relative.gpg"), 4, Mistake::SignedBy("relative.gpg".to_owned()));
}

#[test]
fn paragraph_mistakes() {
    check_mistake(deb822("Types: deb\nURIs: x\n"), 1, Mistake::Missing("field Suites"));
    check_mistake(deb822("Types: deb\nURIs: x\nSuites:\n"), 3, Mistake::Missing("field Suites"));
    check_mistake(deb822("Types: deb\nURIs: x\nSuites: s\n"), 3, Mistake::NoComponents("s".to_owned()));
    let many = format!("Types: deb\nURIs: {}\nSuites: {}\n", "u ".repeat(3000), "s/ ".repeat(3000));
    check_mistake(deb822(&many), 2, Mistake::TooMany { found: 18_000_000 });
    check_mistake(deb822("Types: deb\nnonsense\n"), 2, Mistake::Field);
}

#[test]
fn files_are_taken_by_their_names_and_one_bad_one_does_not_lose_the_others() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc/apt");
    fs::create_dir_all(etc.join("sources.list.d")).unwrap();
    fs::write(etc.join("sources.list"), "deb http://a.example s main\n").unwrap();
    fs::write(
        etc.join("sources.list.d/b.sources"),
        "Types: deb\nURIs: http://b.example\nSuites: s\nComponents: main\n",
    )
    .unwrap();
    fs::write(etc.join("sources.list.d/c.list"), "bad\n").unwrap();
    fs::write(etc.join("sources.list.d/d.list.save"), "deb http://d.example s main\n").unwrap();
    fs::write(etc.join("sources.list.d/e.list"), "deb http://e.example s main\n").unwrap();
    let list = read_sources(&AptConfig::read(root.path(), None).unwrap());
    let uris: Vec<_> = list.sources.iter().map(|source| source.uri.as_str()).collect();
    assert_eq!(uris, ["http://a.example", "http://b.example", "http://e.example"]);
    assert_eq!(list.problems.len(), 1);
    assert!(list.problems[0].to_string().contains("c.list, line 1"));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "[deb \\[\\]=:/\\nTypesURISuitComponétx\"#.]*", other in "\\PC*") {
        let _ = (one_line(&text), deb822(&text), one_line(&other), deb822(&other));
    }
}
