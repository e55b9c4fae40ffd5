//! Real packages from this host's apt sources work in a view as they do on a Debian system: certificates, alternatives,
//! caches that triggers make, virtual environments, and dpkg's own view of what is there.
//!
//! Downloads are kept below the target directory between runs.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Ran, Who, World, granted, is_root};

const PACKAGES: [&str; 9] = [
    "ca-certificates",
    "fontconfig",
    "fonts-dejavu-core",
    "gawk",
    "gsettings-desktop-schemas",
    "jq",
    "libglib2.0-bin",
    "man-db",
    "python3-venv",
];

/// What of the caller's environment leads to the sources.
const NETWORK: [&str; 7] =
    ["http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "APT_CONFIG"];

struct Real(World);

impl Real {
    fn aleph(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.aleph(arguments);
        command.env_remove("ALEPH_SOURCES").current_dir(self.0.directory.join("home"));
        command.envs(NETWORK.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.aleph(arguments)).good()
    }

    /// What a shell in the view prints.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.good(&["run", "--", "sh", "-euc", script]).out.trim().to_owned()
    }

    /// dpkg finds nothing amiss, and lists just what aleph lists.
    #[track_caller]
    fn agrees_with_dpkg(&self) {
        assert_eq!(self.sh("dpkg --audit; dpkg --verify"), "");
        let listed = self.good(&["--format", "json", "list", "--all"]).out;
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
        let text = |package: &serde_json::Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let line = |p| format!("{} {} {} ii ", text(p, "name"), text(p, "architecture"), text(p, "version"));
        let ours: BTreeSet<String> = listed["data"].as_array().expect("a list").iter().map(line).collect();
        let theirs = self.good(&[
            "run",
            "--",
            "dpkg-query",
            "-Wf",
            "${Package} ${Architecture} ${Version} ${db:Status-Abbrev}\n",
        ]);
        assert_eq!(theirs.out.lines().map(str::to_owned).collect::<BTreeSet<_>>(), ours);
    }
}

/// Copies what one cache has into another, for its owner.
fn copy_cache(world: &World, from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a cache");
    let copied =
        Command::new("cp").args(["-RT", "--preserve=mode,timestamps"]).args([from, to]).status().expect("cp starts");
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
    if let Who::User { uid, gid } = world.who {
        let given = Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(to).status().expect("chown starts");
        assert!(given.success(), "chown {}", to.display());
    }
}

fn check(who: Who) {
    let shared = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("debian-cache");
    fs::create_dir_all(&shared).expect("a cache");
    let real = Real(World::of(who, "programs"));
    let cache = real.0.directory.join("cache");
    copy_cache(&real.0, &shared, &cache);

    let added = real.good(&[["add"].as_slice(), &PACKAGES].concat());
    copy_cache(&World::new(), &cache, &shared);
    assert!(!added.err.contains("warning"), "{added:?}");
    real.agrees_with_dpkg();

    let certificates: usize = real.sh("ls /etc/ssl/certs/*.pem | wc -l").parse().expect("a number");
    assert!(certificates > 100, "{certificates} certificates");
    assert_eq!(real.sh("test -s /etc/ssl/certs/ca-certificates.crt; readlink -f /usr/bin/awk"), "/usr/bin/gawk");
    assert_eq!(real.sh("echo '{\"a\":[1,2]}' | jq -c .a"), "[1,2]");
    assert_eq!(real.sh("python3 -m venv v; v/bin/python -c 'import pip, ssl; print(1)'"), "1");
    assert!(real.sh("fc-list").contains("DejaVuSans.ttf"));
    assert!(real.sh("ls /var/cache/fontconfig").contains("cache"));
    assert!(real.sh("gsettings list-schemas").contains("org.gnome.desktop.interface"));
    assert!(real.sh("apropos -e jq").contains("JSON"));

    // The launcher of what was asked for with another package: `python3-venv` has no program of its own.
    let bin = real.good(&["view", "path"]).out;
    let python = real.0.command(Path::new(bin.trim()).join("python3")).args(["-c", "print(2)"]).output();
    assert_eq!(String::from_utf8_lossy(&python.expect("the launcher starts").stdout), "2\n");

    // A trigger that runs as another user finds what is his.
    let added = real.good(&["add", "hello"]);
    copy_cache(&World::new(), &cache, &shared);
    assert!(!added.err.contains("warning"), "{added:?}");
    assert!(real.sh("apropos -e hello").contains("hello (1)"));
    real.agrees_with_dpkg();
    real.good(&["remove", "hello"]);
    real.agrees_with_dpkg();
}

#[test]
fn real_packages_work_in_views() {
    check(Who::Self_);
    if is_root() {
        // Somebody without subordinate ids, and, where the host grants them to somebody, with.
        check(Who::User { uid: 47_011, gid: 47_011 });
        granted().into_iter().for_each(check);
    }
}
