use super::*;
use crate::{Heard, Learning};

fn changelog(text: &str) -> Option<crate::Changelog> {
    crate::Changelog::read(text.as_bytes())
}

fn entry(version: &str, what: &str) -> String {
    format!("expat ({version}) bookworm; urgency=low\n\n  * {what}\n\n")
}

fn component(seed: u8) -> ComponentId {
    ComponentId::from_bytes([seed; 20])
}

fn debian(version: &str, release: Option<&str>) -> Identity {
    Identity::Debian { source: "expat".to_owned(), version: version.to_owned(), release: release.map(str::to_owned) }
}

fn inside(edge: Edge, ecosystem: &str, name: &str, version: &str) -> Contents {
    let inside = Inside {
        edge,
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
        version: Some(version.to_owned()),
        path: "bin/it".to_owned(),
    };
    Contents { copies: vec![inside], ..Contents::default() }
}

fn known(records: &[&str]) -> (tempfile::TempDir, Known) {
    let root = tempfile::tempdir().unwrap();
    let learning = Learning::begin(root.path()).unwrap();
    for record in records {
        learning.add(&Advisory::from_osv(record.as_bytes()).unwrap().unwrap()).unwrap();
    }
    learning.heard(&Heard { name: String::new(), read_at: 0, advisories: 0 }).unwrap();
    learning.finish().unwrap();
    let known = Known::open(root.path()).unwrap().unwrap();
    (root, known)
}

/// Component, id, name, certainty and fixed versions of each finding.
fn found(subjects: &[Subject<'_>], known: Option<&Known>) -> Vec<(u8, String, Certainty, Vec<String>)> {
    let findings = judge(subjects, known).unwrap();
    findings.into_iter().map(|one| (one.component.as_bytes()[0], one.id, one.certainty, one.fixed)).collect()
}

fn one(seed: u8, id: &str, certainty: Certainty, fixed: &str) -> (u8, String, Certainty, Vec<String>) {
    (seed, id.to_owned(), certainty, vec![fixed.to_owned()])
}

#[test]
fn the_changelog_of_a_newer_version_tells_what_an_older_one_lacks() {
    let old = entry("2.5-1", "CVE-2020-0001");
    let branch = entry("2.5-1+deb12u1", "CVE-2024-0001") + &old;
    let new = entry("2.6-1", "new release: CVE-2024-0001 and CVE-2024-0002") + &old;
    let contents = |text: &str| Contents { changelog: changelog(text), ..Contents::default() };
    let (old, branch, new) = (contents(&old), contents(&branch), contents(&new));
    let subjects = [
        Subject { id: component(1), identity: debian("2.5-1", None), contents: &old },
        Subject { id: component(2), identity: debian("2.5-1+deb12u1", None), contents: &branch },
        Subject { id: component(3), identity: debian("2.6-1", None), contents: &new },
    ];
    use Certainty::Affected;
    let expected = [
        one(1, "CVE-2024-0001", Affected, "2.5-1+deb12u1"),
        one(1, "CVE-2024-0002", Affected, "2.6-1"),
        one(2, "CVE-2024-0002", Affected, "2.6-1"),
    ];
    assert_eq!(found(&subjects, None), expected);
    // An advisory for the release says better.
    let (_root, known) = known(&[r#"{"id": "DEBIAN-CVE-2024-0002", "upstream": ["CVE-2024-0002"], "affected": [
            {"package": {"ecosystem": "Debian:12", "name": "expat"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.6~"}, {"fixed": "2.6-1"}]}]},
            {"package": {"ecosystem": "Debian:11", "name": "expat"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}"#]);
    let subjects = [
        Subject { id: component(2), identity: debian("2.5-1+deb12u1", Some("12")), contents: &branch },
        Subject { id: component(3), identity: debian("2.6-1", None), contents: &new },
        Subject { id: component(4), identity: debian("2.5-1", Some("11")), contents: &old },
    ];
    let ids: Vec<(u8, String)> = found(&subjects, Some(&known)).into_iter().map(|one| (one.0, one.1)).collect();
    let pair = |seed, id: &str| (seed, id.to_owned());
    // Where the release is not known, what any release says counts.
    assert_eq!(ids, [pair(3, "CVE-2024-0002"), pair(4, "CVE-2024-0001"), pair(4, "CVE-2024-0002")]);
}

#[test]
fn what_is_compiled_in_is_looked_for_where_it_comes_from() {
    let record = |ecosystem: &str, name: &str| {
        format!(
            r#"{{"id": "ADV-{ecosystem}-{name}", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}},
             "ranges": [{{"type": "SEMVER", "events": [{{"introduced": "1.0.0"}}, {{"fixed": "1.2.0"}}]}}]}}]}}"#
        )
    };
    let (_root, known) = known(&[&record("crates.io", "regex"), &record("PyPI", "pillow"), &record("npm", "regex")]);
    let old = inside(Edge::Static, "crates.io", "regex", "1.1.9");
    let new = inside(Edge::Static, "crates.io", "regex", "1.2.0");
    let bundled = inside(Edge::Bundled, "PyPI", "pillow", "1.1");
    let upstream = || Identity::Upstream { name: "tool".to_owned(), version: "1".to_owned() };
    let subjects = [
        Subject { id: component(1), identity: upstream(), contents: &old },
        Subject { id: component(2), identity: upstream(), contents: &new },
        Subject { id: component(3), identity: upstream(), contents: &bundled },
        Subject { id: component(4), identity: debian("1", None), contents: &old },
        Subject { id: component(5), identity: debian("1", None), contents: &bundled },
    ];
    use Certainty::{Affected, Possible};
    let expected = [
        one(1, "ADV-crates.io-regex", Affected, "1.2.0"),
        one(3, "ADV-PyPI-pillow", Affected, "1.2.0"),
        one(4, "ADV-crates.io-regex", Possible, "1.2.0"),
    ];
    assert_eq!(found(&subjects, Some(&known)), expected);
}

#[test]
fn each_version_of_a_copy_is_judged() {
    let record = r#"{"id": "ADV", "affected": [{"package": {"ecosystem": "npm", "name": "n"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "1.5.0"}]}]}]}"#;
    let (_root, known) = known(&[record]);
    let mut contents = Contents::default();
    for version in ["1.0.0", "1.4.0", "1.5.0"] {
        contents.copies.extend(inside(Edge::Bundled, "npm", "n", version).copies);
    }
    let identity = Identity::Upstream { name: "tool".to_owned(), version: "1".to_owned() };
    let subjects = [Subject { id: component(1), identity, contents: &contents }];
    let found = judge(&subjects, Some(&known)).unwrap();
    let versions: Vec<&str> = found.iter().map(|finding| finding.what.1.as_str()).collect();
    assert_eq!(versions, ["1.0.0", "1.4.0"]);
}

#[test]
fn what_debian_fixed_may_be_wrong_with_upstreams() {
    let log = entry("2.6-1", "new: CVE-2024-0002")
        + &entry("2.5-2", "CVE-2024-0001")
        + &entry("2.5-1", "CVE-2020-0001")
        + &entry("2.4-1", "-");
    let debians = Contents { changelog: changelog(&log), ..Contents::default() };
    let copy = inside(Edge::Static, "", "expat", "2.5");
    let nothing = Contents::default();
    let upstream = |version: &str| Identity::Upstream { name: "expat".to_owned(), version: version.to_owned() };
    let subjects = [
        Subject { id: component(1), identity: debian("2.6-1", None), contents: &debians },
        Subject { id: component(2), identity: upstream("2.5"), contents: &nothing },
        Subject { id: component(3), identity: upstream("2.6"), contents: &nothing },
        Subject {
            id: component(4),
            identity: Identity::Upstream { name: "tool".to_owned(), version: "1".to_owned() },
            contents: &copy,
        },
    ];
    use Certainty::Possible;
    let expected = [
        one(2, "CVE-2024-0001", Possible, "2.5-2"),
        one(2, "CVE-2024-0002", Possible, "2.6-1"),
        one(4, "CVE-2024-0001", Possible, "2.5-2"),
        one(4, "CVE-2024-0002", Possible, "2.6-1"),
    ];
    assert_eq!(found(&subjects, None), expected);
}
