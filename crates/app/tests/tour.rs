//! The tour with packages of its own: it needs a C compiler and namespaces, and no network.

use std::{
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// An ordinary user that no table has to know.
const ORDINARY: u32 = 4711;

/// A user's place on a host without apt sources.
struct Stage {
    directory: tempfile::TempDir,
    program: PathBuf,
    uid: Option<u32>,
}

impl Stage {
    /// For whoever runs the test, or for another user if root does.
    fn new(uid: Option<u32>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The build's directory may be one that other users cannot see.
        let program = directory.path().join("aleph");
        std::fs::copy(env!("CARGO_BIN_EXE_aleph"), &program).unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(directory.path().join("none.list"), "# nothing\n").unwrap();
        for name in ["home", "cache"] {
            let path = directory.path().join(name);
            std::fs::create_dir(&path).unwrap();
            chown(&path, uid, uid).unwrap();
        }
        Self { directory, program, uid }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn aleph(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.path("home"));
        command.env("ALEPH_CACHE", self.path("cache")).current_dir(self.path("home"));
        command.arg("--sources").arg(self.path("none.list")).args(arguments);
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.aleph(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aleph {}: {}\n{said}", arguments.join(" "), output.status);
        output
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Directories of a store are read-only.
        let _ = aleph_store::remove_tree(self.directory.path());
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a program printed at some moment.
fn printed<'a>(facts: &'a Value, when: &str, view: &str, program: &str) -> &'a str {
    let mut programs = facts["programs"].as_array().unwrap().iter();
    let found = programs.find(|ran| ran["when"] == when && ran["view"] == view && ran["command"][0] == program);
    found.unwrap_or_else(|| panic!("{program} did not run in {view} {when}"))["output"].as_str().unwrap()
}

fn check_story(stage: &Stage) {
    let output = stage.run(&["--format", "json", "tour"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["schema"], &answer["kind"]), (&1.into(), &"tour".into()));
    let facts = &answer["data"];
    assert_eq!(facts["packages_from"], "own");

    // Two views of two owners; the second brings nothing into the store.
    let views = facts["views"].as_array().unwrap();
    let of = |field: &str| views.iter().map(|view| view[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("view"), ["alice", "bob"]);
    assert_eq!(of("owner"), ["alice", "bob"]);
    assert_eq!(of("generation"), [1, 1]);
    assert_eq!(of("packages"), [4, 3]);
    assert_eq!(of("imported"), [4, 0]);
    assert_eq!(of("warnings"), [Value::Array(Vec::new()), Value::Array(Vec::new())]);
    assert!(views[1]["new_bytes"].as_u64() < views[0]["new_bytes"].as_u64());

    // The same program, the library that each view binds.
    let (old, new) =
        ("(built with libgreet 1.0, running libgreet 1.0)", "(built with libgreet 1.0, running libgreet 1.1)");
    assert_eq!(printed(facts, "before", "alice", "greet"), format!("Hello, Alep! {old}"));
    assert_eq!(printed(facts, "before", "alice", "farewell"), format!("Goodbye, Alep! {old}"));
    assert_eq!(printed(facts, "before", "bob", "greet"), format!("Hello, Alep! {old}"));
    assert_eq!(printed(facts, "updated", "alice", "greet"), format!("Hello, Aleph! {new}"));
    assert_eq!(printed(facts, "updated", "bob", "greet"), format!("Hello, Alep! {old}"));
    assert_eq!(printed(facts, "rolled-back", "alice", "greet"), format!("Hello, Alep! {old}"));

    let update = &facts["update"];
    assert_eq!(update["generation"], 2);
    assert_eq!(update["replaced"], serde_json::json!([{ "name": "libgreet1", "older": "1.0", "newer": "1.1" }]));
    assert_eq!([&update["relinked"], &update["renamed"], &update["untouched"]], [2, 0, 1]);
    assert_eq!(update["rebuilds_avoided"], 2);
    let judged = &update["judged"];
    assert_eq!([&judged["relink"], &judged["unknown"], &judged["rebuild"]], [2, 0, 0]);
    assert_eq!(judged["evidence"], serde_json::json!(["symbols", "static", "declared"]));
    assert_eq!(update["same_file"], true);
    assert_eq!(update["other_view"], serde_json::json!([1, 1]));

    assert_eq!((&facts["rollback"]["from"], &facts["rollback"]["to"]), (&2.into(), &1.into()));
    let refused = &facts["refused"];
    let said = refused["said"].as_str().unwrap();
    assert!(said.starts_with("greet:") && said.ends_with(" would not work any more: function `greet_version` is gone"));
    assert_eq!(refused["generation"], 1);
    assert_eq!(printed(facts, "refused", "carol", "greet"), format!("Hello, Alep! {old}"));
    assert_eq!(facts["verify"]["damage"], 0);
    look_around(stage, facts["store"].as_str().unwrap());
}

/// The tour's store is a store like any other.
fn look_around(stage: &Stage, store: &str) {
    assert!(Path::new(store).starts_with(stage.path("cache")));
    let answer = |arguments: &[&str]| -> Value {
        let output = stage.run(&[&["--store", store, "--format", "json"], arguments].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["data"].clone()
    };
    let generations = answer(&["--view", "alice", "history"]);
    let current: Vec<(i64, bool)> = generations
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["generation"].as_i64().unwrap(), row["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(current, [(2, false), (1, true)]);
    assert_eq!(answer(&["store", "verify"])["damage"], Value::Array(Vec::new()));
    stage.run(&["--store", store, "--view", "alice", "rollback", "2"]);
    let output = stage.run(&["--store", store, "--view", "alice", "run", "--", "greet", "you"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "Hello, you! (built with libgreet 1.0, running libgreet 1.1)\n");
}

#[test]
fn the_story_is_true() {
    let stage = Stage::new(None);
    check_story(&stage);
    // Once more: it begins by removing what the first left.
    check_story(&stage);
}

#[test]
fn the_story_is_true_for_an_ordinary_user() {
    check_story(&Stage::new(is_root().then_some(ORDINARY)));
}

#[test]
fn it_reads_well_in_a_pipe() {
    let stage = Stage::new(None);
    let text = String::from_utf8(stage.run(&["tour"]).stdout).unwrap();
    assert!(!text.contains('\x1b') && !text.contains('\u{a0}'), "{text:?}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100 || line.contains(stage.path("cache").to_str().unwrap()))
    );
    let chapters: Vec<&str> = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
    let expected = [
        "1. What is on offer",
        "2. Alice makes a view",
        "3. Bob makes one too, in the same store",
        "4. Their programs run",
        "5. Alice takes the update of libgreet1",
        "6. Alice's programs run with the new, Bob's with the old",
        "7. And back",
        "8. An update that would break a program is refused",
        "9. Is the store whole?",
    ];
    assert_eq!(chapters, expected);
    let quiet = String::from_utf8(stage.run(&["--quiet", "tour"]).stdout).unwrap();
    assert!(quiet.starts_with("two views ") && quiet.lines().count() < 10, "{quiet}");
    let before = std::fs::metadata(stage.path("cache/tour/db.sqlite")).unwrap().modified().unwrap();
    let dry = String::from_utf8(stage.run(&["--dry-run", "tour"]).stdout).unwrap();
    assert!(dry.starts_with("would empty "), "{dry}");
    assert_eq!(std::fs::metadata(stage.path("cache/tour/db.sqlite")).unwrap().modified().unwrap(), before);
}

#[test]
fn without_a_compiler_it_says_so() {
    let stage = Stage::new(None);
    let output = stage.aleph(&["tour"]).env("PATH", stage.path("home")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: there is no C compiler `cc` on this host"), "{said}");
    assert!(said.contains("try: install a C compiler"), "{said}");
}
