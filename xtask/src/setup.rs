//! What the tests and the comparisons need of the host, and how it gets there.

use std::process::Command;

use crate::tool::{Outcome, has_program, is_root, run, succeeds};

/// A Debian package that is needed, and by what it is recognised where there is no dpkg.
pub(crate) struct Need {
    package: &'static str,
    program: &'static str,
    purpose: &'static str,
}

const fn need(package: &'static str, program: &'static str, purpose: &'static str) -> Need {
    Need { package, program, purpose }
}

/// What the tests use.
pub(crate) const TESTS: &[Need] = &[
    need("gcc", "gcc", "links Rust programs, compiles bundled C and the small packages of the tests"),
    need("libc6-dev", "gcc", "headers for these"),
    need("make", "make", "build scripts of bundled C"),
    need("binutils", "ar", "makes and takes apart archives"),
    need("dpkg-dev", "dpkg-deb", "makes the packages that are imported, and reads them for comparison"),
    need("tar", "tar", "makes archives with every kind of entry"),
    need("xz-utils", "xz", "compresses them"),
    need("zstd", "zstd", "compresses them"),
    need("gzip", "gzip", "compresses them"),
    need("uidmap", "newuidmap", "gives ordinary users subordinate ids"),
    need("util-linux", "unshare", "namespaces and other users for the sandbox's tests"),
    need("openssl", "openssl", "digests for comparison, certificates for local servers"),
    need("ca-certificates", "update-ca-certificates", "what servers are trusted"),
    need("git", "git", "fetches sources"),
];

/// What the comparisons use besides.
pub(crate) const PEERS: &[Need] = &[
    need("dpkg", "dpkg-deb", "unpacks packages: the peer of import"),
    need("dpkg-dev", "dpkg-scanpackages", "indexes packages for mmdebstrap"),
    need("mmdebstrap", "mmdebstrap", "makes trees of packages: a peer of import"),
    need("ostree", "ostree", "checks out trees: the peer of compose"),
    need("bubblewrap", "bwrap", "enters trees: the peer of run"),
    need("openssl", "openssl", "digests files: the peer of verify"),
    need("findutils", "xargs", "two processes at once"),
];

/// Installs those that are missing, as root or with sudo, or says which they are.
pub(crate) fn install(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> =
        missing.iter().map(|need| format!("  {} ({}): {}", need.package, need.program, need.purpose)).collect();
    eprintln!("missing on this machine:\n{}", list.join("\n"));
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("install them, as with: apt-get install {}", names.join(" "));
    if !has_program("apt-get") {
        return Err(format!("this machine has no apt-get; {by_hand}").into());
    }
    if !is_root() && !succeeds(Command::new("sudo").arg("true")) {
        return Err(format!("neither root nor allowed to use sudo; {by_hand}").into());
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&names);
    // Lists may be absent, as in container images, or older than what the mirror has kept.
    if run(&mut apt_get(&arguments)).is_ok() {
        return Ok(());
    }
    run(&mut apt_get(&["update"])).map_err(|error| format!("{error}; is there a network? Else {by_hand}"))?;
    run(&mut apt_get(&arguments)).map_err(|error| format!("{error}; {by_hand}").into())
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

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    if !is_root() {
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300"]);
    command.args(arguments);
    command
}
