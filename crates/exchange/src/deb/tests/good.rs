//! Archives that are fine, by our own hand and by dpkg's.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use aleph_component::{Digest, Node, Owner, Source};

use super::{
    Bench,
    build::{CONTROL, Tar, ar, control, deb, gz, with_data, xz, zst},
};
use crate::deb::{Expected, Found, Limits, read_contents};

#[test]
fn every_packing_gives_the_same_component() {
    let bench = Bench::new();
    let plain_control = control(CONTROL, &[("md5sums", "900150983cd24fb0d6963f7d28e17f72  usr/bin/abc\n")]);
    let data = Tar::default().directory("./").directory("./usr/").directory("./usr/bin/").file("./usr/bin/abc", "abc");
    let plain_data = data.end();
    type Pack = fn(&[u8]) -> Vec<u8>;
    let packings: [(&str, Pack); 4] = [("", <[u8]>::to_vec), (".gz", gz), (".xz", xz), (".zst", zst)];
    let mut ids = std::collections::BTreeSet::new();
    for (suffix, pack) in packings {
        let archive = ar(&[
            ("debian-binary", b"2.0\n"),
            ("_before", b"odd"),
            (&format!("control.tar{suffix}"), &pack(&plain_control)),
            (&format!("data.tar{suffix}"), &pack(&plain_data)),
            ("_gpgorigin", b"signature"),
        ]);
        let expect = Expected { sha256: Digest::of(&archive), size: archive.len() as u64 };
        ids.insert(bench.import(&archive, Some(&expect), &Limits::default()).unwrap().id());
    }
    assert_eq!(ids.len(), 1);
}

#[test]
fn the_manifest_says_what_the_control_members_say() {
    let members = [("conffiles", "/etc/small.conf\nremove-on-upgrade /etc/old\n"), ("triggers", "activate x\n")];
    let control = control(&CONTROL.replace("Version", "Source: big (2.0)\nVersion"), &members);
    let changelog = gz(b"small (1.0-1) unstable\n  * Fix CVE-2024-12345.\n");
    let news = gz(b"CVE-2023-0001 and CVE-2024-12345");
    let data = Tar::default()
        .raw(b"./usr/share/doc/small/changelog.Debian.gz", b"", |_| (), &changelog)
        .raw(b"./usr/share/doc/small/NEWS.gz", b"", |_| (), &news)
        .file("./etc/small.conf", "x\n")
        .symlink("./etc/link", "/anywhere/else");
    let manifest = Bench::new().import(&deb(&control, &data.end()), None, &Limits::default()).unwrap();
    assert_eq!(manifest.source, Source { name: "big".into(), version: "2.0".into() });
    assert_eq!(manifest.summary, "a small package");
    assert_eq!(manifest.field("Depends"), "other (>= 1)");
    assert_eq!(manifest.conffiles, ["/etc/small.conf"]);
    assert_eq!(manifest.cves, ["CVE-2023-0001", "CVE-2024-12345"]);
    let names = |entries: &[aleph_component::Entry]| -> Vec<String> {
        entries.iter().map(|entry| entry.path.to_string()).collect()
    };
    assert_eq!(names(&manifest.control), ["conffiles", "control", "triggers"]);
    assert_eq!(names(&manifest.tree)[..3], ["etc", "etc/link", "etc/small.conf"]);
}

#[test]
fn set_id_bits_are_recorded_and_not_granted() {
    let bench = Bench::new();
    let owner = |header: &mut tar::Header| {
        header.set_mode(0o6755);
        header.set_gid(42);
    };
    let manifest = bench.import(&with_data(Tar::default().raw(b"./su", b"", owner, b"x")), None, &Limits::default());
    let manifest = manifest.unwrap();
    let entry = &manifest.tree[0];
    assert!(matches!(entry.node, Node::File { mode: 0o6755, .. }));
    assert_eq!(entry.owner, Owner { uid: 0, gid: 42 });
    let mode = fs::metadata(bench.place(&manifest).join("su")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o555);
}

#[test]
fn long_names_and_hard_links_are_kept() {
    let long = format!("./{}/{}", "d".repeat(120), "f".repeat(200));
    let data = Tar::default()
        .long(b'L', long.as_bytes())
        .file("./dddd", "content")
        .long(b'K', long.as_bytes())
        .hard_link("./hard", "x")
        .hard_link("./harder", "./hard");
    let manifest = Bench::new().import(&with_data(data), None, &Limits::default()).unwrap();
    let file = |path: &str| manifest.tree.iter().find(|entry| entry.path.as_str() == path).map(|entry| &entry.node);
    assert!(matches!(file(&long[2..]), Some(Node::File { size: 7, .. })));
    assert_eq!(file("hard"), file(&long[2..]));
    assert_eq!(file("harder"), file("hard"));
}

#[test]
fn what_dpkg_builds_is_what_we_read() {
    let bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(root.join("usr/share/small")).unwrap();
    fs::write(root.join("DEBIAN/control"), CONTROL).unwrap();
    fs::write(root.join("DEBIAN/postinst"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(root.join("DEBIAN/postinst"), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in [("a", "alpha"), ("ü", "umlaut"), ("empty", "")] {
        fs::write(root.join("usr/share/small").join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("a", root.join("usr/share/small/link")).unwrap();
    for packing in ["none", "gzip", "xz", "zstd"] {
        let path = directory.path().join(format!("{packing}.deb"));
        let mut build = Command::new("dpkg-deb");
        build.args(["--root-owner-group", "-Z", packing, "-b"]).arg(&root).arg(&path);
        assert!(build.stdout(Stdio::null()).status().unwrap().success());
        let manifest = bench.import(&fs::read(&path).unwrap(), None, &Limits::default()).unwrap();
        let files: Vec<&str> = manifest.tree.iter().map(|entry| entry.path.file_name()).collect();
        assert_eq!(files, ["usr", "share", "small", "a", "empty", "link", "ü"]);
        let postinst = manifest.control.iter().find(|entry| entry.path.as_str() == "postinst").unwrap();
        assert!(matches!(postinst.node, Node::File { mode: 0o755, .. }));
    }
}

#[test]
fn contents_are_read_without_a_store() {
    let data = Tar::default().directory("./usr/").file("./usr/a", "abc").symlink("./usr/b", "a").file("./usr/c", "");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("small.deb");
    fs::write(&path, deb(&control(CONTROL, &[("shlibs", "libx 1 small\n")]), &data.end())).unwrap();
    let mut found = Vec::new();
    let contents = read_contents(&path, &Limits::default(), &mut |path, item| {
        found.push(match item {
            Found::File(size, reader) => {
                let mut text = String::new();
                std::io::Read::read_to_string(reader, &mut text)?;
                format!("{path} {size} {text}")
            }
            Found::Symlink(target) => format!("{path} -> {target}"),
        });
        Ok(())
    });
    let contents = contents.unwrap();
    assert_eq!(
        (contents.control.name.as_str(), contents.members["shlibs"].as_slice()),
        ("small", &b"libx 1 small\n"[..])
    );
    assert_eq!(found, ["usr/a 3 abc", "usr/b -> a", "usr/c 0 "]);
    let failed = read_contents(&path, &Limits::default(), &mut |_, _| Err(std::io::Error::other("no")));
    assert!(failed.is_err());
    fs::write(&path, b"!<arch>\n").unwrap();
    assert!(read_contents(&path, &Limits::default(), &mut |_, _| Ok(())).is_err());
}
