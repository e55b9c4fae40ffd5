//! Asking the store: real packages of which the sources offer a version with known weaknesses and one without, copies that are
//! inside of things, and the record of what was done.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{Ran, Who, World, real::Real};

/// Exit codes of `audit`.
const AFFECTED: i32 = 10;
const DAMAGED: i32 = 4;

fn data(ran: &Ran) -> Value {
    let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("no JSON: {ran:?}"));
    answer["data"].clone()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// The versions of a package that the sources offer, the newest first.
fn offered(name: &str) -> Vec<String> {
    let listed = Command::new("apt-cache").args(["madison", name]).output().expect("apt is installed").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut versions: Vec<String> =
        listed.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect();
    versions.dedup();
    versions
}

#[test]
fn a_weakness_is_found_told_and_mended() {
    let real = Real::new(Who::Self_, "audit");
    let versions = offered("libexpat1");
    let (new, old) = (versions.first().expect("expat is offered"), versions.last().expect("expat is offered"));
    assert_ne!(new, old, "the sources of this host offer one version of expat only");
    let (library, program) = (format!("libexpat1={old}"), format!("expat={old}"));
    real.good(&["--view", "old", "add", &library, &program]);
    let ask = |arguments: &[&str]| Ran::of(&mut real.aleph(&[&["--format", "json", "audit"], arguments].concat()));

    // Nothing that is here tells more than this version's own changelog does.
    let ran = ask(&[]);
    assert_eq!((ran.code, list(&data(&ran)["affected"]).len()), (Some(0), 0), "{ran:?}");

    real.good(&["--view", "new", "add", "libexpat1", "expat"]);
    real.keep();
    let ran = ask(&[]);
    assert_eq!(ran.code, Some(AFFECTED), "{ran:?}");
    let found = data(&ran);
    let [expat] = &list(&found["affected"])[..] else { panic!("{found}") };
    assert_eq!((&expat["name"], &expat["version"], &expat["edge"]), (&json!("expat"), &json!(old), &json!("itself")));
    let views: Vec<&Value> = list(&expat["used"]).iter().map(|used| &used["view"]).collect();
    assert_eq!(views, ["old"]);
    let weaknesses = list(&expat["weaknesses"]);
    // What the newer version's changelog says since the older one, as dpkg reads it.
    let changelog =
        real.good(&["--view", "new", "run", "--", "zcat", "/usr/share/doc/libexpat1/changelog.Debian.gz"]).out;
    let since: String = changelog.lines().take_while(|line| !line.starts_with(&format!("expat ({old})"))).collect();
    assert!(!weaknesses.is_empty());
    for weakness in weaknesses {
        let id = weakness["id"].as_str().expect("an id");
        assert!(since.contains(id), "{id} was not fixed since {old}");
        assert_eq!(weakness["certainty"], "affected");
    }

    // One of them, with all that there is to say.
    let id = weaknesses[0]["id"].as_str().expect("an id");
    let ran = ask(&["why", id]);
    assert_eq!(ran.code, Some(AFFECTED));
    let why = data(&ran);
    let affected: Vec<&Value> = list(&why["affected"]).iter().map(|one| &one["component"]).collect();
    assert_eq!(affected, [&format!("expat {old}"), &format!("libexpat1 {old}")]);
    assert_eq!(why["affected"][1]["used"][0]["reached"]["directly"], json!(["expat:amd64"]));
    assert_eq!(why["fixes"][0]["outlook"], "nothing", "the view asks for these versions: {}", why["fixes"]);
    let mended: Vec<&Value> = list(&why["mended"]).iter().collect();
    assert!(mended.contains(&&json!(format!("libexpat1 {new}"))), "{mended:?}");
    Ran::of(&mut real.aleph(&["audit", "why", "CVE-1999-99999"])).failed(1, &["nothing here speaks of CVE-1999-99999"]);

    // Who uses it, down to a function.
    let users = |what: &str| {
        let reach = data(&ask(&["reach", what]));
        let old = list(&reach["views"]).iter().find(|view| view["view"] == "old").cloned().unwrap_or_default();
        list(&old["users"]).iter().map(|user| user["package"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(users("libexpat.so.1:XML_ParserCreateNS"), ["\"expat:amd64\""]);
    assert_eq!(users(&format!("expat@{old}")), ["\"expat:amd64\""]);
    assert!(users("libexpat.so.1:XML_NoSuchFunction").is_empty());

    // A program that goes on with the old library after the update.
    let mut waiting = real.aleph(&["--view", "old", "run", "--", "xmlwf"]);
    let mut waiting = waiting.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut input = waiting.stdin.take().expect("a pipe");
    input.write_all(b"<a>").expect("it reads");
    let running = |pid: u32| {
        let rows = data(&ask(&["running"]));
        list(&rows).iter().find(|row| row["pid"] == pid).cloned()
    };
    let mut seen = None;
    for _ in 0..200 {
        seen = running(waiting.id()).filter(|row| row["name"] == "xmlwf");
        if seen.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let seen = seen.expect("it runs");
    assert_eq!((&seen["view"], &seen["outdated"]), (&json!("old"), &json!([])));
    real.good(&["--view", "old", "add", "libexpat1", "expat"]);
    let plan = data(&ask(&[]))["fixes"][0].clone();
    assert_eq!((&plan["outlook"], &plan["view"]), (&json!("moves"), &json!("old")), "{plan}");
    real.good(&["--view", "old", "update", "libexpat1", "expat"]);
    let seen = running(waiting.id()).expect("it still runs");
    let outdated = list(&seen["outdated"]);
    assert!(outdated.contains(&json!(["libexpat1", old])), "{seen}");
    drop(input);
    waiting.wait().expect("it ends");

    let ran = ask(&[]);
    assert_eq!(ran.code, Some(0), "no view is at it any more: {ran:?}");
    assert_eq!(list(&data(&ran)["affected"]).len(), 1, "the store still has it");
    let mends =
        |entry: &Value| entry["did"] == "switch" && entry["what"].as_str().is_some_and(|what| what.contains("update"));
    let log = data(&ask(&["log"]));
    assert!(list(&log["entries"]).iter().any(mends), "{log}");
}

#[test]
fn what_is_in_quarantine_enters_nothing_new() {
    let world = World::new();
    let library = support::packages::Package::new("lib", "1").build(&world.directory);
    let program = support::packages::Package::new("prog", "1").fields("Depends: lib\n").build(&world.directory);
    let both = [library.to_str().expect("a name"), program.to_str().expect("a name")];
    world.run(["--view", "one", "add", both[0], both[1]]).good();
    let said = world.run(["store", "quarantine", "lib=1", "--because", "it phones home"]).good();
    assert!(said.out.contains("one has it, in generation 1"), "{said:?}");
    let refused = ["lib 1 is in quarantine: it phones home", "aleph store quarantine lib=1 --lift"];
    world.run(["--view", "two", "add", both[0], both[1]]).failed(3, &refused);
    world.run(["-n", "--view", "two", "add", both[0], both[1]]).failed(3, &refused);
    world.run(["--view", "one", "remove", "prog"]).failed(3, &refused);
    assert!(world.run(["store", "quarantine"]).good().out.contains("used by 1 view"));
    world.run(["store", "quarantine", "other", "--because", "x"]).failed(1, &["the store has no `other`"]);

    world.run(["store", "quarantine", "lib=1", "--lift", "--because", "it does not"]).good();
    world.run(["--view", "two", "add", both[0], both[1]]).good();
    world.run(["store", "quarantine", "lib=1", "--lift", "--because", "x"]).failed(1, &["lib 1 is not in quarantine"]);
    let log = world.run(["audit", "log"]).good().out;
    let did: Vec<&str> = log.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(did[..4], ["switch", "quarantine", "lift", "switch"], "{log}");
}

#[test]
fn copies_inside_are_known_by_their_registry() {
    let world = World::new();
    let tree = world.directory.join("tool-1.0");
    let place = tree.join("lib/python3/site-packages/urllib3-1.26.4.dist-info");
    fs::create_dir_all(&place).expect("a directory");
    fs::write(place.join("METADATA"), "Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.4\n").expect("a file");
    let modules = tree.join("lib/node_modules/@babel/traverse");
    fs::create_dir_all(&modules).expect("a directory");
    fs::write(modules.join("package.json"), r#"{"name": "@babel/traverse", "version": "7.23.2"}"#).expect("a file");
    world.run(["import", "--prefix", tree.to_str().expect("a name")]).good();
    world.run(["--view", "v", "add", "store:tool"]).good();

    // As in the advisories of these names.
    let records = world.directory.join("advisories");
    fs::create_dir(&records).expect("a directory");
    let record = |id: &str, alias: &str, ecosystem: &str, name: &str, fixed: &str| {
        let record = json!({
            "id": id, "aliases": [alias], "summary": format!("A weakness of {name}"),
            "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H" }],
            "affected": [{ "package": { "ecosystem": ecosystem, "name": name },
                "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": fixed }] }] }],
        });
        fs::write(records.join(format!("{id}.json")), record.to_string()).expect("a file");
    };
    record("PYSEC-2021-108", "CVE-2021-33503", "PyPI", "urllib3", "1.26.5");
    record("GHSA-67hx-6x53-jw92", "CVE-2023-45133", "npm", "@babel/traverse", "7.23.2");
    fs::write(records.join("note.json"), "no record").expect("a file");
    world.run(["audit", "update"]).failed(2, &["no advisories were ever learnt here"]);
    let learnt = world.run(["audit", "update", records.to_str().expect("a name")]).good();
    assert!(learnt.out.contains("2 advisories of") && learnt.err.contains("1 file of"), "{learnt:?}");

    let ran = world.run(["--format", "json", "audit"]);
    assert_eq!(ran.code, Some(AFFECTED), "{ran:?}");
    let found = data(&ran);
    let [urllib3] = &list(&found["affected"])[..] else { panic!("{found}") };
    assert_eq!((&urllib3["name"], &urllib3["edge"]), (&json!("urllib3"), &json!("bundled")));
    let weakness = &urllib3["weaknesses"][0];
    assert_eq!((&weakness["id"], &weakness["severity"]), (&json!("CVE-2021-33503"), &json!(7.5)));
    assert_eq!((&weakness["fixed"], &weakness["evidence"]), (&json!(["1.26.5"]), &json!(["PYSEC-2021-108"])));
    let why = world.run(["audit", "why", "PYSEC-2021-108"]);
    assert_eq!(why.code, Some(AFFECTED));
    assert!(why.out.contains("tool 1.0 is affected, by urllib3 1.26.4 in /lib/python3/site-packages"), "{why:?}");
    let reach = world.run(["audit", "reach", "urllib3"]).good();
    assert!(reach.out.contains("bundled urllib3 1.26.4"), "{reach:?}");

    // A newer version of the tool is in the store: its number says nothing of the copy in it.
    let newer = world.directory.join("tool-2.0");
    fs::create_dir_all(newer.join("share")).expect("a directory");
    fs::write(newer.join("share/a"), "").expect("a file");
    world.run(["import", "--prefix", newer.to_str().expect("a name")]).good();
    let said = world.run(["audit"]).out;
    assert!(said.contains("whether that mends it shows then") && said.contains("update tool  tool 2.0"), "{said}");

    // Another place is one more; what is learnt anew takes the place of what was known.
    let other = world.directory.join("GHSA-1.json");
    fs::write(&other, r#"{"id": "GHSA-1", "affected": []}"#).expect("a file");
    let learnt = world.run(["audit", "update", other.to_str().expect("a name")]).good().out;
    assert!(learnt.contains("2 advisories of") && learnt.contains("1 advisory of"), "{learnt}");
    fs::remove_file(&other).expect("it is there");
    world.run(["audit", "update"]).failed(1, &["GHSA-1.json", "what was learnt before stays"]);
    assert_eq!(world.run(["audit"]).code, Some(AFFECTED));
    let only = ["audit", "update", "--only", records.to_str().expect("a name")];
    assert!(!world.run(only).good().out.contains("GHSA-1"));
    fs::remove_file(records.join("PYSEC-2021-108.json")).expect("it is there");
    world.run(["audit", "update"]).good();
    world.run(["audit"]).good();

    for (format, sign) in [("cyclonedx", "pkg:npm/%40babel/traverse@7.23.2"), ("spdx", "pkg:pypi/urllib3@1.26.4")] {
        let file = world.directory.join(format!("bill.{format}.json"));
        let path = file.to_str().expect("a name");
        world.run(["--view", "v", "audit", "sbom", "--as", format, "--output", path]).good();
        let bill = fs::read_to_string(&file).expect("it was written");
        assert!(bill.contains(sign), "{bill}");
        is_valid(format, path);
    }
}

/// The validator of those who made the format accepts a bill of materials.
fn is_valid(format: &str, path: &str) {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validators/bin");
    assert!(place.exists(), "`cargo xtask test` installs the validators");
    const CYCLONEDX: &str = "import sys; from cyclonedx.validation.json import JsonStrictValidator as V; \
        from cyclonedx.schema import SchemaVersion as S; sys.exit(V(S.V1_5).validate_str(open(sys.argv[1]).read()))";
    let ran = match format {
        "cyclonedx" => Command::new(place.join("python")).args(["-c", CYCLONEDX, path]).output(),
        _ => Command::new(place.join("pyspdxtools")).args(["-i", path]).output(),
    };
    let ran = Ran::from(ran.expect("it starts"));
    assert_eq!((ran.code, ran.err.contains("ERROR")), (Some(0), false), "{ran:?}");
}

#[test]
fn a_record_that_was_changed_is_told() {
    let world = World::new();
    let package = support::packages::Package::new("lib", "1").build(&world.directory);
    world.run(["--view", "v", "add", package.to_str().expect("a name")]).good();
    world.run(["--view", "v", "remove", "lib"]).good();
    world.run(["--view", "v", "rollback"]).good();
    let whole = world.run(["audit", "log"]).good().out;
    assert!(whole.contains("whole: 3 entries") && whole.contains("rollback"), "{whole}");
    let journal = world.store.join("audit/journal");
    let text = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, text.replacen("remove lib", "remove Lib", 1)).expect("it is writable");
    let told = world.run(["audit", "log"]);
    assert_eq!(told.code, Some(DAMAGED));
    assert!(told.out.contains("entry 3 does not follow from the one before"), "{told:?}");
    // Work goes on.
    world.run(["--view", "v", "remove", "lib"]).good();
    world.is_whole();
}
