//! What is made for dpkg of a package's control members, and of the status file of the generation before.
#![no_main]

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use aleph_component::{Digest, Entry, FORMAT, Kind, Manifest, Node, Owner, TreePath};
use aleph_exchange::deb::{
    dpkg::{self, Content, Package, Previous},
    parse_control,
};
use aleph_fuzz::{parts, texts};

const MEMBERS: [&str; 6] = ["conffiles", "control", "postinst", "postrm", "preinst", "triggers"];

fn file(path: &str, bytes: &[u8]) -> Entry {
    let node = Node::File { digest: Digest::of(bytes), size: bytes.len() as u64, mode: 0o644 };
    Entry { path: TreePath::new(path).expect("a path"), owner: Owner::default(), node }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [members @ .., _] = parts::<7>(data);
    let [.., status] = texts::<7>(data);
    let Ok(control) = parse_control(members[1]) else { return };
    let manifest = Manifest {
        format: FORMAT,
        kind: Kind::Deb,
        name: control.name,
        version: control.version,
        architecture: control.architecture,
        source: control.source,
        summary: control.summary,
        fields: control.fields,
        conffiles: vec!["/etc/x".to_owned()],
        cves: Vec::new(),
        native: None,
        tree: vec![file("bin/a", b"a"), file("etc/x", b"x")],
        control: MEMBERS.iter().zip(members).map(|(name, bytes)| file(name, bytes)).collect(),
    };
    let known: HashMap<_, _> =
        members.iter().copied().chain([&b"a"[..], b"x"]).map(|bytes| (Digest::of(bytes), bytes)).collect();
    let contents =
        |digest: &Digest, _| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(io::Cursor::new(known[digest].to_vec()))) };
    let package = Package::read(&manifest, &contents).expect("everything is there");
    let newer = Manifest { version: "9999:1".to_owned(), ..manifest.clone() };
    let newer = Package::read(&newer, &contents).expect("everything is there");
    let packages = [package];
    let _ = dpkg::diversions(&packages);
    let plan = dpkg::fresh(&packages, &contents).expect("everything is there");
    let paths: BTreeSet<_> = plan.placements.iter().map(|placement| &placement.path).collect();
    assert_eq!(paths.len(), plan.placements.len());
    let is_status = |placement: &&dpkg::Placement| placement.path.as_str() == "var/lib/dpkg/status";
    let placed = plan.placements.iter().find(is_status).expect("dpkg needs it");
    let Content::Bytes(written) = &placed.content else { panic!("it is made here") };
    let written = String::from_utf8_lossy(written);
    // A package speaks for itself only.
    assert!(dpkg::unconfigured(&written).iter().all(|found| found.name == manifest.name), "{written}");
    let changed = BTreeSet::from(["/etc/x".to_owned()]);
    for status in [&*status, &written] {
        let _ = dpkg::unconfigured(status);
        let previous = Previous { status, changed_conffiles: &changed };
        dpkg::update(&packages, std::slice::from_ref(&newer), previous, &contents).expect("everything is there");
        dpkg::update(&packages, &[], previous, &contents).expect("everything is there");
    }
});
