//! Where fuzzers begin: real data of this machine, as far as it has any. What is missing is left out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::tool::{output, succeeds};

/// The longest seed in bytes: what a fuzzer takes.
const LONGEST: usize = 65_536;
/// How many of what there are many of.
const MOST: usize = 60;

/// Inputs for a fuzzer.
pub(super) fn of_host(target: &str, scratch: &Path) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "control" => stanzas().into_iter().map(String::into_bytes).collect(),
        "relations" => fields(&["Depends", "Pre-Depends", "Breaks", "Replaces", "Provides", "Conflicts"]),
        "versions" => fields(&["Version"]).chunks(3).map(|three| three.join(&b'\n')).collect(),
        "packages" => stanzas().chunks(4).map(|few| few.concat().into_bytes()).collect(),
        "dpkg" => scripts(),
        "release" => files("/var/lib/apt/lists", "InRelease"),
        "keyring" => keyrings(),
        "sources" => [files("/etc/apt", "sources.list"), files("/etc/apt/sources.list.d", "")].concat(),
        "apt_conf" => [files("/etc/apt", "apt.conf"), files("/etc/apt/apt.conf.d", "")].concat(),
        "preferences" => [files("/etc/apt", "preferences"), files("/etc/apt/preferences.d", "")].concat(),
        "deb" => packages(scratch).into_iter().map(|package| read(&package)).collect(),
        "edit" => files("/usr/bin", ""),
        "elf" => [files("/usr/bin", ""), files("/usr/lib/x86_64-linux-gnu", ".o")].concat(),
        "tar" => members(scratch, ""),
        "unpack" => [".xz", ".zst", ".gz", ""].iter().flat_map(|suffix| members(scratch, suffix)).collect(),
        _ => Vec::new(),
    };
    seeds.retain(|seed: &Vec<u8>| !seed.is_empty() && seed.len() <= LONGEST);
    seeds.truncate(MOST);
    seeds
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_default()
}

/// The files of a directory whose names end so.
fn files(directory: &str, end: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    // What is too long to be a seed is not read: what this process held is counted as the fuzzer's, too.
    let is_short = |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.len() <= LONGEST as u64);
    paths.retain(|path| path.to_string_lossy().ends_with(end) && is_short(path));
    paths.sort();
    paths.iter().take(MOST).map(|path| read(path)).collect()
}

/// What dpkg knows of some packages.
fn stanzas() -> Vec<String> {
    let status = String::from_utf8_lossy(&read(Path::new("/var/lib/dpkg/status"))).into_owned();
    status.split_inclusive("\n\n").take(MOST * 4).map(str::to_owned).collect()
}

/// The values of some of their fields.
fn fields(names: &[&str]) -> Vec<Vec<u8>> {
    let value =
        |line: &str| names.iter().find_map(|name| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
    stanzas()
        .iter()
        .flat_map(|stanza| stanza.lines().filter_map(value).map(String::into_bytes).collect::<Vec<_>>())
        .collect()
}

/// Packages' conffiles, control file, three scripts and triggers, and a status file.
fn scripts() -> Vec<Vec<u8>> {
    let info = Path::new("/var/lib/dpkg/info");
    let of_package = |stanza: &String| {
        let name = stanza.lines().next()?.strip_prefix("Package: ")?.to_owned();
        let member = |kind: &str| read(&info.join(format!("{name}.{kind}")));
        let [conffiles, triggers] = ["conffiles", "triggers"].map(member);
        let [postinst, postrm, preinst] = ["postinst", "postrm", "preinst"].map(member);
        let stanza = stanza.clone().into_bytes();
        Some([conffiles, stanza.clone(), postinst, postrm, preinst, triggers, stanza].join(&0xff))
    };
    stanzas().iter().filter_map(of_package).collect()
}

/// Keyrings, each with a text that one of them may have signed.
fn keyrings() -> Vec<Vec<u8>> {
    let signed = files("/var/lib/apt/lists", "-security_InRelease").pop().unwrap_or_default();
    let keyrings = [files("/usr/share/keyrings", ".gpg"), files("/etc/apt/trusted.gpg.d", "")].concat();
    let with_length = |keyring: Vec<u8>| {
        let length = u16::try_from(keyring.len()).ok()?;
        Some([&length.to_le_bytes()[..], &keyring, &signed].concat())
    };
    keyrings.into_iter().filter_map(with_length).collect()
}

/// Small packages, packed in each way, that dpkg makes.
fn packages(scratch: &Path) -> Vec<PathBuf> {
    let root = scratch.join("package");
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text))
    };
    let control = "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";
    let written = [
        write("DEBIAN/control", control),
        write("DEBIAN/conffiles", "/etc/small\n"),
        write("etc/small", "x\n"),
        write("usr/share/doc/small/changelog", "CVE-2024-12345\n"),
        write(&format!("usr/{}/{}", "d".repeat(90), "f".repeat(90)), "x"),
    ];
    let _ = std::os::unix::fs::symlink("small", root.join("etc/link"));
    let _ = fs::hard_link(root.join("etc/small"), root.join("usr/hard"));
    if written.iter().any(Result::is_err) {
        return Vec::new();
    }
    let make = |packing: &&str| {
        let path = scratch.join(format!("{packing}.deb"));
        let mut command = Command::new("dpkg-deb");
        command.args(["--root-owner-group", "-Z", packing, "--build"]).arg(&root).arg(&path);
        succeeds(&mut command).then_some(path)
    };
    ["none", "gzip", "xz", "zstd"].iter().filter_map(make).collect()
}

/// The inner archives of these packages whose names end so, after the byte that tells the fuzzer what they are.
fn members(scratch: &Path, suffix: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for package in packages(scratch) {
        let names = output(Command::new("ar").arg("t").arg(&package)).unwrap_or_default();
        for name in names.lines().filter(|name| name.ends_with(&format!(".tar{suffix}"))) {
            let mut command = Command::new("ar");
            let printed = command.arg("p").arg(&package).arg(name).stderr(Stdio::null()).output();
            let bytes = printed.map(|output| output.stdout).unwrap_or_default();
            let packing = [".xz", ".zst", ".gz", ""].iter().position(|known| *known == suffix).unwrap_or(3) as u8;
            seeds.push([&[packing][..], &bytes].concat());
            // For the fuzzer of unpacked archives it is also one with control members.
            seeds.extend((suffix.is_empty()).then(|| [&[0][..], &bytes].concat()));
        }
    }
    seeds
}
