//! Libraries that Debian offers in several versions, judged for everything in a store that needs them. Security updates
//! keep their promises: all of these can be relinked.
//!
//! Downloads are kept below the target directory between runs.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{World, packages::with};

/// Packages of libraries that have had security updates.
const LIBRARIES: [&str; 6] = ["libc6", "libssl3", "libexpat1", "libxml2", "libcurl4", "libpq5"];
/// Packages of programs and libraries that use them.
const CONSUMERS: [&str; 12] = [
    "apt",
    "coreutils",
    "curl",
    "dash",
    "git",
    "libapt-pkg6.0",
    "libgnutls30",
    "libldap-2.5-0",
    "libxml2-utils",
    "openssl",
    "postgresql-client-15",
    "util-linux",
];

/// The oldest and the newest version of a package that apt can still download, as archives.
fn versions(name: &str, directory: &Path) -> Vec<PathBuf> {
    let listed = Command::new("apt-cache").args(["madison", name]).output().expect("apt is installed").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut versions: Vec<&str> = listed.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    versions.dedup();
    let ends = [versions.first(), versions.last().filter(|_| versions.len() > 1)];
    ends.into_iter().flatten().filter_map(|version| download(name, version, directory)).collect()
}

fn download(name: &str, version: &str, directory: &Path) -> Option<PathBuf> {
    let start = format!("{name}_{}_", version.replace(':', "%3a"));
    let there = || {
        let mut entries = fs::read_dir(directory).expect("a directory of downloads").flatten();
        entries.find(|entry| entry.file_name().to_string_lossy().starts_with(&start)).map(|entry| entry.path())
    };
    if there().is_none() {
        let mut apt = Command::new("apt-get");
        apt.current_dir(directory).args(["-qq", "-o", "APT::Sandbox::User=root", "download"]);
        apt.arg(format!("{name}={version}")).output().expect("apt is installed");
    }
    there()
}

#[test]
fn security_updates_are_relinked() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pairs");
    fs::create_dir_all(&directory).expect("a directory of downloads");
    let world = World::new();
    let consumers: Vec<PathBuf> =
        CONSUMERS.iter().filter_map(|name| versions(name, &directory).into_iter().next()).collect();
    assert!(consumers.len() > CONSUMERS.len() / 2, "the sources of this host have too few packages");
    world.run(with(&["import"], &consumers)).good();
    let (mut judged, mut consumers) = (0, 0);
    for name in LIBRARIES {
        let [new, old] = &versions(name, &directory)[..] else { continue };
        let (new, old) = (new.to_str().expect("a name of apt's"), old.to_str().expect("a name of apt's"));
        let ran = world.run(["--format", "json", "abi", "diff", old, new, "--stored-consumers"]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.out);
        let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("it is JSON");
        assert_eq!(answer["verdict"], "relink", "{name}");
        let of_this = answer["data"]["verdicts"].as_array().expect("a list").len();
        assert!(of_this > 0, "nothing needs {name}");
        judged += 1;
        consumers += of_this;
        // glibc takes nothing new into a stable release, so there is a way back.
        if name == "libc6" {
            let back = world.run(["--format", "json", "abi", "diff", new, old, "--stored-consumers"]);
            assert_eq!(back.code, Some(0), "{name}: {}", back.out);
        }
    }
    assert!(judged > 0 && consumers > 100, "{judged} pairs for {consumers} consumers are too few");
}
