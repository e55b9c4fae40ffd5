//! `aleph abi`: files, packages, directories and the store; verdicts, exit codes, and answers as JSON.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{
    Ran, World,
    packages::{Package, with},
};

/// A library in versions 1 to 3: 2 has one function more, 3 lost one and a struct of it grew. A program uses all of 1.
const VERSIONS: [&str; 3] = [
    "struct s { int a; }; int first(struct s *s) { return s->a; } int second(void) { return 2; }",
    "struct s { int a; }; int first(struct s *s) { return s->a; } int second(void) { return 2; } int third(void) { return 3; }",
    "struct s { int b, a; }; int first(struct s *s) { return s->a; } int third(void) { return 3; }",
];
const PROGRAM: &str = "struct s { int a; }; int first(struct s *); int second(void); \
    int start(void) { struct s s = {1}; return first(&s) + second(); }";

/// What the tests compare, in a directory of their own.
struct Made {
    world: World,
}

impl Made {
    fn new() -> Self {
        let made = Self { world: World::new() };
        for (index, text) in VERSIONS.iter().enumerate() {
            let version = index + 1;
            fs::create_dir_all(made.path(&format!("v{version}"))).expect("a directory");
            fs::write(made.path("x.c"), text).expect("a source");
            made.compile(&["-shared", "-fPIC", "-Wl,-soname,libx.so.1", "-o", &format!("v{version}/libx.so.1"), "x.c"]);
        }
        fs::write(made.path("main.c"), PROGRAM).expect("a source");
        made.compile(&[
            "-e",
            "start",
            "-Wl,-dynamic-linker,/usr/lib/libx.so.1",
            "-o",
            "prog",
            "main.c",
            "v1/libx.so.1",
        ]);
        made
    }

    fn compile(&self, arguments: &[&str]) {
        let common = ["-g", "-O1", "-w", "-nostdlib", "-nostartfiles"];
        let built = Command::new("cc").args(common).args(arguments).current_dir(&self.world.directory).output();
        let built = built.expect("cc is installed: apt-get install gcc");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.directory.join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it was made")
    }

    fn library(&self, version: &str) -> PathBuf {
        let package = Package::new("libx", version);
        let package = package.file("usr/lib/libx.so.1", 0o644, self.bytes(&format!("v{version}/libx.so.1")));
        package.script("shlibs", "libx 1 libx\n").build(&self.world.directory)
    }

    fn program(&self) -> PathBuf {
        Package::new("prog", "1").file("usr/bin/prog", 0o755, self.bytes("prog")).build(&self.world.directory)
    }

    fn abi(&self, arguments: &[&str]) -> Ran {
        self.world.run([&["abi"], arguments].concat())
    }

    /// The answer as JSON, which must have this exit code and verdict.
    #[track_caller]
    fn judged(&self, arguments: &[&str], code: i32, verdict: &str) -> serde_json::Value {
        let ran = self.world.run([&["--format", "json", "abi"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!(answer["verdict"], verdict, "{ran:?}");
        assert!(answer["evidence"].is_array() && answer["reasons"].is_array(), "{ran:?}");
        answer
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("names of tests are text")
}

#[test]
fn files_directories_and_packages_are_judged() {
    let made = Made::new();
    let debs = ["1", "2", "3"].map(|version| made.library(version));
    let [one, two, three] = debs.each_ref().map(|path| text(path));
    for [old, good, bad] in [["v1/libx.so.1", "v2/libx.so.1", "v3/libx.so.1"], ["v1", "v2", "v3"], [one, two, three]] {
        made.judged(&["diff", old, good], 0, "relink");
        let found = made.judged(&["diff", old, bad, "--consumer", "prog"], 10, "rebuild");
        let reasons = found["reasons"].to_string();
        assert!(reasons.contains("`second` is gone") && reasons.contains("struct s"), "{reasons}");
        assert_eq!(found["data"]["verdicts"][0]["consumer"], "prog");
    }
    let ran = made.abi(&["diff", "v1", "v3", "--consumer", "prog"]);
    assert!(ran.out.starts_with("libx.so.1\n  rebuild prog (by symbols, types)\n"), "{ran:?}");
}

#[test]
fn stripped_files_are_unknown_unless_symbols_are_enough() {
    let made = Made::new();
    for version in ["v1", "v2", "v3"] {
        let stripped =
            Command::new("strip").arg(made.path(version).join("libx.so.1")).status().expect("strip is there");
        assert!(stripped.success());
    }
    let found = made.judged(&["diff", "v1", "v2", "--consumer", "prog"], 11, "unknown");
    assert!(found["reasons"].to_string().contains("rests on symbols alone"), "{found}");
    made.judged(&["diff", "v1", "v2", "--consumer", "prog", "--accept", "symbols"], 0, "relink");
    // The maintainer of both packages promised it.
    let [one, two] = ["1", "2"].map(|version| made.library(version));
    let found = made.judged(&["diff", text(&one), text(&two)], 0, "relink");
    assert_eq!(found["evidence"], serde_json::json!(["symbols", "declared"]));
}

#[test]
fn what_is_known_to_be_harmless_is_not_counted() {
    let made = Made::new();
    let known = "[[harmless]]\nsymbol = \"second\"\nreason = \"nobody calls it\"\n[[harmless]]\ntext = \"struct s\"\nreason = \"ours\"\n";
    fs::write(made.path("known.toml"), known).expect("a file of harmless differences");
    let found = made.judged(&["diff", "v1", "v3", "--suppress", "known.toml"], 0, "relink");
    assert!(found["reasons"].to_string().contains("nobody calls it"), "{found}");
    fs::write(made.path("known.toml"), "[[harmless]]\nsymbol = \"second\"\n").expect("a file");
    made.abi(&["diff", "v1", "v3", "--suppress", "known.toml"]).failed(1, &["known.toml"]);
}

#[test]
fn what_cannot_be_read_is_unknown_or_refused() {
    let made = Made::new();
    let whole = made.bytes("v1/libx.so.1");
    fs::write(made.path("cut.so"), &whole[..whole.len() / 2]).expect("half a file");
    made.judged(&["diff", "cut.so", "v2/libx.so.1"], 11, "unknown");
    made.judged(&["diff", "v1/libx.so.1", "cut.so", "--consumer", "prog"], 11, "unknown");
    assert_eq!(made.abi(&["show", "cut.so"]).code, Some(11));
    made.abi(&["show", "nowhere.so"]).failed(1, &["nowhere.so"]);
    made.abi(&["show", "nowhere/x"]).failed(1, &["nowhere/x"]);
    made.abi(&["diff", "main.c", "x.c"]).failed(11, &[]);
    assert!(!made.world.store.exists(), "looking at files makes no store");
}

#[test]
fn packages_of_the_store_are_found_by_name() {
    let made = Made::new();
    let archives = [made.library("1"), made.library("2"), made.library("3"), made.program()];
    made.world.run(with(&["import"], &archives)).good();
    let shown = made.abi(&["show", "libx=2"]).good().out;
    assert!(shown.contains("/usr/lib/libx.so.1") && shown.contains("third"), "{shown}");
    made.abi(&["show", "libx"]).failed(1, &["more than one package", "libx:all=1, libx:all=2, libx:all=3"]);
    made.abi(&["show", "liby"]).failed(1, &["`liby` is neither a file nor a package in this store"]);
    let judge_all = || {
        let found = made.judged(&["diff", "libx=1", "libx=2", "--consumer", "prog"], 0, "relink");
        assert_eq!(found["evidence"], serde_json::json!(["symbols", "types", "static"]));
        let found = made.judged(&["diff", "libx=1", "libx=3", "--stored-consumers"], 10, "rebuild");
        assert_eq!(found["data"]["verdicts"][0]["consumer"], "/usr/bin/prog (prog 1)");
        assert_eq!(found["data"]["verdicts"].as_array().map(Vec::len), Some(1));
    };
    judge_all();
    // What was kept is used, and what is kept wrongly or not at all does no harm.
    let kept = made.world.store.join("derived.sqlite");
    judge_all();
    let bytes = fs::read(&kept).expect("facts are kept");
    fs::write(&kept, vec![b'x'; bytes.len()]).expect("rubbish");
    judge_all();
    let mut bytes = fs::read(&kept).expect("facts are kept");
    let names: Vec<usize> =
        bytes.windows(6).enumerate().filter(|(_, part)| *part == b"second").map(|(at, _)| at).collect();
    assert!(!names.is_empty(), "facts have names");
    names.into_iter().for_each(|at| bytes[at] = b'x');
    fs::write(&kept, bytes).expect("a name that rotted");
    judge_all();
    fs::remove_file(&kept).expect("it may be removed");
    judge_all();
    made.world.is_whole();
}

#[test]
fn views_are_checked_in_both_directions() {
    let made = Made::new();
    made.abi(&["check"]).failed(1, &["there is no store"]);
    made.world.run(with(&["add"], &[made.library("1"), made.program()])).good();
    let good = made.judged(&["check"], 0, "relink");
    assert_eq!((&good["data"]["programs"], &good["data"]["libraries"]), (&1.into(), &1.into()));
    let said = made.abi(&["check"]).good().out;
    assert!(
        said.ends_with("generation 1: 1 program and 1 library\nrelink: everything that they need is there\n"),
        "{said}"
    );
    made.world.run(with(&["add", "--accept-breaks"], &[made.library("3")])).good();
    let bad = made.judged(&["check"], 10, "rebuild");
    assert!(bad["reasons"].to_string().contains("/usr/bin/prog needs `second`, which nothing defines"), "{bad}");
    assert_eq!(bad["data"]["before"], 1);
    made.judged(&["check", "--generation", "1"], 0, "relink");
    made.world.run(["rollback"]).good();
    made.judged(&["check"], 0, "relink");
    made.abi(&["check", "nobody"]).failed(1, &["there is no view `nobody`"]);
}

#[test]
fn changes_that_break_what_stays_are_refused() {
    let made = Made::new();
    let (first, second, third) = (made.library("1"), made.library("2"), made.library("3"));
    made.world.run(with(&["add"], &[first, made.program()])).good();
    let said = made.world.run(with(&["add", "-n"], std::slice::from_ref(&second))).good().out;
    assert!(said.contains("judged when it is fetched, and refused if it breaks anything: libx:all\n"), "{said}");
    let said = made.world.run(with(&["add"], &[second])).good().out;
    assert!(
        said.contains("\n1 package that stays uses what changes: relink (by symbols, static, declared)\n"),
        "{said}"
    );

    let refused = made.world.run(with(&["add"], std::slice::from_ref(&third)));
    refused.failed(3, &["prog:all would not work any more: ", "`second`", "--accept-breaks"]);
    let current = made.world.run(["list", "--all"]).good().out;
    assert!(current.contains("libx") && !current.contains('3'), "{current}");
    let planned = made.world.run(with(&["--format", "json", "add", "-n"], std::slice::from_ref(&third))).good().out;
    let planned: serde_json::Value = serde_json::from_str(&planned).expect("JSON");
    let judged = &planned["data"]["judged"];
    assert_eq!((&judged[0]["package"], &judged[0]["verdict"]), (&"prog:all".into(), &"rebuild".into()), "{planned}");
    assert!(judged[0]["reasons"][0]["text"].as_str().is_some_and(|text| text.contains("second")), "{planned}");

    let said = made.world.run(with(&["add", "--accept-breaks"], &[third])).good().out;
    assert!(said.contains("\nrebuild prog:all (by symbols)\n  - breaks: "), "{said}");
    made.world.run(["rollback"]).good();
    made.judged(&["check"], 0, "relink");
}

#[test]
fn a_library_that_moves_to_another_package_is_not_gone() {
    let made = Made::new();
    let alone = Package::new("libx", "4").script("shlibs", "libx 1 libx\n").build(&made.world.directory);
    made.world.run(with(&["add"], &[made.library("1"), made.program()])).good();
    let refused = made.world.run(with(&["add"], std::slice::from_ref(&alone)));
    refused.failed(3, &["prog:all would not work any more: libx.so.1 is gone"]);

    let other = Package::new("libx-common", "4").fields("Replaces: libx\nBreaks: libx (<< 4)\n");
    let other = other.file("usr/lib/libx.so.1", 0o644, made.bytes("v2/libx.so.1")).build(&made.world.directory);
    let said = made.world.run(with(&["add"], &[alone, other])).good().out;
    assert!(!said.contains("rebuild"), "{said}");
    made.judged(&["check"], 0, "relink");
}

#[test]
fn going_back_is_judged_in_its_own_direction() {
    let made = Made::new();
    made.world.run(with(&["add"], &[made.library("1"), made.program()])).good();
    made.world.run(with(&["add"], &[made.library("2")])).good();
    let planned = made.world.run(["rollback", "-n"]).good().out;
    assert!(planned.contains("libx:all  2 -> 1\n1 package that stays uses what changes: relink"), "{planned}");
    assert!(made.world.run(["view", "diff"]).good().out.contains("1 -> 2"), "nothing was done");
}

#[test]
fn a_library_that_cannot_be_read_is_not_taken_for_gone() {
    let made = Made::new();
    made.world.run(with(&["add"], &[made.library("1"), made.program()])).good();
    let odd = [&b"\x7fELF"[..], &[0xff; 200]].concat();
    let other = Package::new("libx", "4").file("usr/lib/liby.so.1", 0o644, odd.clone()).build(&made.world.directory);
    made.world.run(with(&["add"], &[other])).failed(3, &["libx.so.1 is gone"]);
    let odd = Package::new("libx", "5").file("usr/lib/libx.so.1", 0o644, odd).build(&made.world.directory);
    let said = made.world.run(with(&["add"], &[odd])).good().out;
    assert!(
        said.contains("\nunknown prog:all\n  - unclear: libx.so.1 is not found, and `/usr/lib/libx.so.1` cannot"),
        "{said}"
    );
}
