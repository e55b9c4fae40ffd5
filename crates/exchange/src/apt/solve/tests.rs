//! Small worlds, one rule each.

mod random;

use std::fs;

use aleph_component::Digest;

use super::*;
use crate::apt::index::{Candidate, IndexInput};

/// An index of stanzas in short form, one a line: `name version[:architecture] Field: value; Field: value`. A line
/// `suite NAME PRIORITY` starts another suite.
fn world(text: &str) -> (tempfile::TempDir, PreparedIndex) {
    let directory = tempfile::tempdir().unwrap();
    let mut suites = vec![("main".to_owned(), 500, String::new())];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(suite) = line.strip_prefix("suite ") {
            let (name, priority) = suite.split_once(' ').unwrap();
            suites.push((name.to_owned(), priority.parse().unwrap(), String::new()));
        } else {
            suites.last_mut().unwrap().2.push_str(&stanza(line));
        }
    }
    let inputs: Vec<IndexInput> = suites
        .into_iter()
        .map(|(name, priority, text)| {
            let path = directory.path().join(&name);
            fs::write(&path, text).unwrap();
            IndexInput {
                text: path,
                id: name.clone(),
                origin: "Example".to_owned(),
                suite: name.clone(),
                codename: name,
                component: "main".to_owned(),
                architecture: "amd64".to_owned(),
                base_uri: "http://mirror.example/".to_owned(),
                priority,
            }
        })
        .collect();
    let out = directory.path().join("index");
    PreparedIndex::build(&inputs, &out).unwrap();
    let index = PreparedIndex::open(&out).unwrap();
    (directory, index)
}

fn stanza(line: &str) -> String {
    let (name, rest) = line.split_once(' ').unwrap();
    let (version, fields) = rest.split_once(' ').unwrap_or((rest, ""));
    let (version, architecture) = match version.rsplit_once('@') {
        Some((version, architecture)) => (version, architecture),
        None => (version, "amd64"),
    };
    let fields: String = fields
        .split(';')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .fold(String::new(), |text, field| text + field + "\n");
    let filename = format!("Filename: {name}_{version}_{architecture}\n");
    format!("Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{filename}{fields}\n")
}

fn request<'r>(wants: &str) -> Request<'r> {
    Request { wanted: wants.split(' ').map(|want| want.parse().unwrap()).collect(), ..Request::new("amd64") }
}

/// The solution as `name=version` or `name:architecture=version`, or the error's text.
fn answer(index: &PreparedIndex, request: &Request<'_>) -> String {
    match solve(index, request) {
        Ok(solution) => {
            let show = |chosen: &Chosen<'_>| match chosen.architecture {
                "amd64" | "all" => format!("{}={}", chosen.name, chosen.version),
                other => format!("{}:{other}={}", chosen.name, chosen.version),
            };
            solution.packages.iter().map(show).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

/// Asks for `wants` in `text`.
fn check(text: &str, wants: &str, expected: &str) {
    check_request(text, &request(wants), expected);
}

fn check_request(text: &str, request: &Request<'_>, expected: &str) {
    let (_directory, index) = world(text);
    assert_eq!(answer(&index, request), expected, "{text}");
}

#[test]
fn versions_are_the_best_that_the_request_allows() {
    let text = "a 1 Depends: b (= 1)\n a 2 Depends: b (= 2)\n b 1\n b 2\n b 3";
    check(text, "a", "a=2 b=2");
    check(text, "a=1", "a=1 b=1");
    check(text, "a b=1", "a=1 b=1");
    check(text, "a=1 a", "a=1 b=1");
    check(text, "a a=1", "a=1 b=1");
    check("a 1:1~rc1\n a 9", "a", "a=1:1~rc1");
    check("a 1:1\n a 1:1~rc1", "a", "a=1:1");
}

#[test]
fn wants_are_read_as_people_write_them() {
    for text in ["a", "libstdc++6:i386", "openssl=1:3.0~1-2", "a/bookworm-backports", "a:i386=1/next"] {
        assert_eq!(text.parse::<Want>().unwrap().to_string(), text);
    }
    for text in ["", "=1", "/x", "a=", "a=1_2", "a:", "a/", "../a", "a b"] {
        assert!(text.parse::<Want>().is_err(), "{text}");
    }
}

#[test]
fn priorities_come_before_versions() {
    let text = "a 1\n suite backports 100\n a 2\n c 1 Depends: a (>= 2)";
    check(text, "a", "a=1");
    check(text, "a/backports", "a=2");
    check(text, "c", "a=2 c=1");
    let pins = |candidate: &Candidate<'_>| if candidate.version() == "2" { 990 } else { 500 };
    let pinned = Request { pins: Some(&pins), ..request("a") };
    check_request(text, &pinned, "a=2");
}

/// As apt: only where it is asked for by its number or suite, or is there already.
#[test]
fn versions_of_negative_priority_are_not_taken() {
    let pins = |candidate: &Candidate<'_>| match (candidate.name(), candidate.version()) {
        ("a", "2") => -1,
        ("b", _) => -10,
        _ => 500,
    };
    let text = "a 1\n suite next 500\n a 2\n b 1\n c 1 Depends: b | d\n d 1\n e 1 Depends: b\n f 1 Depends: a (>= 2)";
    let pinned = |wants| Request { pins: Some(&pins), ..request(wants) };
    check_request(text, &pinned("a"), "a=1");
    check_request(text, &pinned("a=2"), "a=2");
    check_request(text, &pinned("a/next"), "a=2");
    check_request(text, &pinned("c"), "c=1 d=1");
    check_request(text, &pinned("e b=1"), "b=1 e=1");
    check_request(text, &pinned("b"), "`b` is not on offer; b is there as 1 (next; ruled out by its priority -10)");
    check_request(
        text,
        &pinned("f"),
        "f 1 needs a (>= 2), but on offer is a 1 (main) and a 2 (next; ruled out by its priority -1)",
    );
    let keep = vec![Kept {
        name: "a".to_owned(),
        version: "2".to_owned(),
        architecture: "amd64".to_owned(),
        ..Kept::default()
    }];
    check_request(text, &Request { keep, upgrade: Upgrade::All, ..pinned("f") }, "a=2 f=1");
}

#[test]
fn the_first_alternative_that_can_be_had_is_taken() {
    check("a 1 Depends: b | c\n b 1\n c 1", "a", "a=1 b=1");
    check("a 1 Depends: x | c\n c 1", "a", "a=1 c=1");
    check("a 1 Depends: b | c\n b 1 Depends: x\n c 1", "a", "a=1 c=1");
    check("a 1 Depends: b | c\n b 1\n c 1", "a c", "a=1 c=1");
    check("a 1 Depends: b | c, d\n b 1 Conflicts: d\n c 1\n d 1", "a", "a=1 c=1 d=1");
}

#[test]
fn virtual_names_are_met_by_providers() {
    check("a 1 Depends: v\n p 1 Provides: v\n v 1", "a", "a=1 v=1");
    check("a 1 Depends: v\n p 1 Provides: v", "a", "a=1 p=1");
    check("a 1 Depends: v (>= 2)\n p 1 Provides: v\n q 1 Provides: v (= 2)", "a", "a=1 q=1");
    check("a 1 Depends: v\n p 1 Provides: v; Priority: extra\n q 1 Provides: v; Priority: important", "a", "a=1 q=1");
    check("p 1 Provides: v", "v", "p=1");
    check("p 1 Provides: v\n q 1 Provides: v", "v", "`v` is a virtual package; choose one that provides it: p, q");
}

/// An update of one provider, in a suite that is read later, is no reason to choose it.
#[test]
fn updates_do_not_change_which_provider_is_taken() {
    let before = "a 1 Depends: v\n p 1 Provides: v\n q 1 Provides: v";
    check(before, "a", "a=1 q=1");
    check(&format!("{before}\n suite security 500\n p 2 Provides: v"), "a", "a=1 q=1");
    check(&format!("{before}\n suite security 500\n q 2 Provides: v"), "a", "a=1 q=2");
}

#[test]
fn a_package_neither_needs_nor_excludes_itself() {
    check("a 1 Provides: v; Conflicts: v; Depends: v", "a", "a=1");
    check("a 2 Breaks: a (<< 2)", "a", "a=2");
    check(
        "a 1 Provides: v; Conflicts: v\n b 1 Provides: v",
        "a b",
        "a 1 conflicts with v, which excludes b 1: you asked for a; you asked for b",
    );
}

#[test]
fn conflicts_and_breaks_exclude() {
    check("a 1 Depends: b\n b 2 Breaks: c (<< 2)\n b 1\n c 1", "a c", "a=1 b=1 c=1");
    check("a 1 Depends: b\n b 2 Breaks: c (<< 2)\n b 1\n c 1\n c 2", "a c", "a=1 b=2 c=2");
    check("a 1 Conflicts: v (<< 2)\n p 1 Provides: v\n q 1 Provides: v (= 1)", "a p", "a=1 p=1");
}

#[test]
fn recommendations_come_along_where_they_can() {
    let text = "a 1 Recommends: b | c, d, x, e\n b 1 Recommends: f\n c 1\n d 1 Conflicts: a\n e 1 Depends: x\n f 1";
    check(text, "a", "a=1");
    check_request(text, &Request { recommends: true, ..request("a") }, "a=1 b=1 f=1");
    // Also where apt's own choices do not fit together: `b` is wanted at a version that its best one is not.
    let text = "a 1 Depends: b, c; Recommends: r\n b 2\n b 1\n c 1 Depends: d\n d 2 Breaks: b (<< 3)\n d 1 Recommends: s\n r 1\n s 1";
    check_request(text, &Request { recommends: true, ..request("a") }, "a=1 b=2 c=1 d=1 r=1 s=1");
}

#[test]
fn essential_packages_belong_to_every_system() {
    let text = "a 1\n base 2 Essential: yes; Depends: c\n old 1 Essential: yes\n old 2\n c 1";
    check(text, "a", "a=1");
    check_request(text, &Request { essential: true, ..request("a") }, "a=1 base=2 c=1");
}

#[test]
fn architectures_mix_as_multi_arch_says() {
    let text = "a 1@i386 Depends: lib, tool, py:any, data
        lib 1 Multi-Arch: same\n lib 1@i386 Multi-Arch: same\n lib 2 Multi-Arch: same
        tool 1 Multi-Arch: foreign
        py 1 Multi-Arch: allowed
        data 1@all Multi-Arch: foreign
        plain 1\n plain 1@i386";
    let mixed = |wants| Request { foreign: vec!["i386".to_owned()], ..request(wants) };
    check_request(text, &mixed("a"), "a:i386=1 data=1 lib:i386=1 py=1 tool=1");
    check_request(text, &mixed("a lib"), "a:i386=1 data=1 lib=1 lib:i386=1 py=1 tool=1");
    check_request(text, &mixed("lib"), "lib=2");
    check_request(
        text,
        &mixed("plain plain:i386"),
        "plain 1 cannot share a view with every plain of another architecture, which excludes plain:i386 1: you asked for plain; you asked for plain:i386",
    );
    check(text, "a", "a is on offer for i386 only, which is none of this system's architectures");
}

#[test]
fn what_a_view_holds_stays_unless_it_must_move() {
    let text = "a 1 Depends: l\n a 2 Depends: l\n l 2\n b 1 Depends: l (>= 2)\n v 1 Depends: x | y\n x 1\n y 1";
    let kept = |name: &str, version: &str, stanza: Option<&str>| Kept {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        stanza: stanza.map(self::stanza),
        ..Kept::default()
    };
    let keep = vec![kept("a", "1", None), kept("l", "1", Some("l 1 Provides: old")), kept("y", "1", None)];
    let view = |wants| Request { keep: keep.clone(), ..request(wants) };
    check_request(text, &view("a"), "a=1 l=1");
    check_request(text, &view("a old"), "a=1 l=1");
    check_request(text, &view("a b"), "a=1 b=1 l=2");
    check_request(text, &view("v"), "v=1 y=1");
    check_request(text, &Request { upgrade: Upgrade::All, ..view("a") }, "a=2 l=2");
    check_request(text, &Request { upgrade: Upgrade::Names(vec!["l".to_owned()]), ..view("a") }, "a=1 l=2");
    // An upgrade is no way back.
    let newer = vec![kept("a", "3", Some("a 3"))];
    check_request(text, &Request { keep: newer, upgrade: Upgrade::All, ..request("a") }, "a=3");
    let (_directory, index) = world(text);
    let request = view("a b");
    let solution = solve(&index, &request).unwrap();
    assert_eq!(solution.packages.iter().map(|chosen| chosen.kept).collect::<Vec<_>>(), [Some(0), None, None]);
    assert_eq!(solution.packages.iter().map(|chosen| chosen.requested).collect::<Vec<_>>(), [true, true, false]);
}

/// As apt tells versions apart: a package that was built again is another one, though its number is the same.
#[test]
fn one_version_with_two_archives_is_two_packages() {
    let [old, new] = [Digest::of(b"old"), Digest::of(b"new")];
    let text = format!("a 1 SHA256: {new}; Depends: n\n n 1\n o 1");
    let kept = Kept {
        name: "a".to_owned(),
        version: "1".to_owned(),
        architecture: "amd64".to_owned(),
        stanza: Some(stanza("a 1 Depends: o")),
        archive: Some(old),
        ..Kept::default()
    };
    let view = Request { keep: vec![kept.clone()], ..request("a") };
    check_request(&text, &view, "a=1 o=1");
    check_request(&text, &Request { upgrade: Upgrade::All, ..view }, "a=1 n=1");
    let same = Kept { archive: Some(new), ..kept };
    check_request(&text, &Request { keep: vec![same], ..request("a") }, "a=1 n=1");
}

/// What came along as a recommendation stays, as it does with apt, and brings nothing else along.
#[test]
fn recommendations_that_were_followed_are_followed_again() {
    let text = "a 1 Depends: d; Recommends: r, s, d (>= 2)\n a 2 Depends: d; Recommends: r, t\n d 1\n d 2\n r 1\n r 2\n s 1\n t 1\n b 1 Recommends: s";
    let kept = |name: &str, version: &str, slots: &[&str]| Kept {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        slots: slots.iter().map(|&slot| slot.to_owned()).collect(),
        ..Kept::default()
    };
    let keep = vec![kept("a", "1", &["d", "r"]), kept("d", "1", &[]), kept("r", "1", &[]), kept("s", "1", &[])];
    let view = |wants| Request { keep: keep.clone(), ..request(wants) };
    check_request(text, &view("a b"), "a=1 b=1 d=1 r=1");
    check_request(text, &view("b"), "b=1");
    check_request(text, &Request { upgrade: Upgrade::All, ..view("a") }, "a=2 d=2 r=2");
}

#[test]
fn slots_name_who_fills_them() {
    let text = "a 1 Pre-Depends: libc; Depends: v | w, libc (>= 1), m | n, m | o; Recommends: r, s\n libc 1\n p 1 Provides: v\n n 1\n o 1 Conflicts: m\n r 1\n m 1";
    let (_directory, index) = world(text);
    let request = Request { recommends: true, ..request("a o n") };
    let solution = solve(&index, &request).unwrap();
    let slots: Vec<String> = solution.packages[0]
        .slots
        .iter()
        .map(|(slot, &at)| format!("{slot}->{}", solution.packages[at].name))
        .collect();
    assert_eq!(slots, ["libc->libc", "m->n", "m#2->o", "r->r", "v->p"]);
}

#[test]
fn forbidden_names_stay_out() {
    let forbid = |wants, name: &str| Request { forbidden: [name.to_owned()].into(), ..request(wants) };
    check_request("a 1 Depends: b | c\n b 1\n c 1", &forbid("a", "b"), "a=1 c=1");
    check_request("a 1 Depends: b\n b 1", &forbid("a", "b"), "a 1 needs b, but you exclude b");
    check_request("a 1", &forbid("a", "a"), "a is asked for and excluded at once");
    check_request("a 1 Recommends: b\n b 1", &Request { recommends: true, ..forbid("a", "b") }, "a=1");
}

#[test]
fn failures_are_told_in_words() {
    check(
        "openssl 1\n curl 1",
        "opnessl crul",
        "no source offers a package called `opnessl`; did you mean openssl?\nno source offers a package called `crul`; did you mean curl?",
    );
    check("jq 1", "JQ", "no source offers a package called `JQ`; did you mean jq?");
    check("a 1\n suite next 100\n a 2", "a=3", "`a=3` is not on offer; a is there as 1 (main) and 2 (next)");
    check("a 1\n suite next 100\n b 2", "a/next", "`a/next` is not on offer; a is there as 1 (main)");
    check(
        "a 1 Depends: b\n b 1 Depends: x (>= 2)\n x 1",
        "a",
        "you asked for a, and a 1 needs b, and b 1 needs x (>= 2), but on offer is x 1 (main)",
    );
    check("a 1 Depends: x", "a", "a 1 needs x, which no source offers");
    check(
        "libc 2\n libc 1\n app 1 Depends: lib\n lib 5 Depends: libc (>= 2)",
        "app libc=1",
        "libc can be there in one version only: you asked for libc=1; you asked for app, and app 1 needs lib, and lib 5 needs libc (>= 2)",
    );
    check(
        "postfix 1 Provides: mta; Conflicts: mta\n exim 1 Depends: light | heavy\n light 1 Provides: mta; Conflicts: mta\n heavy 1 Provides: mta; Conflicts: mta",
        "postfix exim",
        "postfix 1 conflicts with mta, which excludes light 1 and heavy 1: you asked for postfix; you asked for exim, and exim 1 needs light | heavy",
    );
    check(
        "a 1 Depends: b\n b 2 Breaks: c (<< 3)\n c 1\n d 1 Depends: c",
        "a d",
        "b 2 breaks c (<< 3), which excludes c 1: you asked for a, and a 1 needs b; you asked for d, and d 1 needs c",
    );
    check("a 1 Depends: b (", "a", "a 1 cannot be used: the relation `b (` cannot be read from `(` on");
}

/// The solver alone, without apt's choices as the answer, gives sets that fit as well.
#[test]
fn the_solver_agrees_with_the_marks() {
    let text =
        "a 1 Depends: b | c, v\n b 1 Depends: d\n c 1\n d 1 Recommends: e\n e 1\n p 1 Provides: v\n q 1 Provides: v";
    let (_directory, index) = world(text);
    let request = Request { recommends: true, ..request("a") };
    let mut universe = universe::Universe::new(&index, &request);
    let demands = universe::demands(&mut universe).unwrap();
    let marks = mark::mark(&mut universe, &demands);
    let (universe, chosen) = provider::run(universe, &demands, &marks).unwrap();
    assert_eq!(solution::assemble(universe, &demands, &chosen), solve(&index, &request).unwrap());
}

#[test]
fn deep_chains_do_not_exhaust_the_stack() {
    let text: String = (0..20_000).map(|i| format!("p{i} 1 Depends: p{}\n", i + 1)).collect::<String>() + "p20000 1";
    let (_directory, index) = world(&text);
    assert_eq!(solve(&index, &request("p0")).unwrap().packages.len(), 20_001);
}
