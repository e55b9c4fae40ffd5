//! What several fuzzers need: archives around foreign bytes, a store to import them into, and places in a split input.

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
};

use aleph_component::{Digest, Manifest, Node};
use aleph_exchange::{
    apt::index::{IndexInput, PreparedIndex},
    deb::{Expected, Limits, OriginInput, import_with},
};
use aleph_store::Store;

#[path = "../../crates/abi/tests/types/container.rs"]
mod container;

/// What an input of several parts is split at. It occurs in no UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// A control file that is fine.
pub const CONTROL: &str = "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n";

/// The `N` parts of an input; what is missing is empty, the last one is all that is left.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut split = data.splitn(N, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| split.next().unwrap_or_default())
}

/// The parts as texts.
pub fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    parts::<N>(data).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// An `ar` archive of these members.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let size = bytes.len();
        archive.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644").bytes());
        archive.extend(*bytes);
        archive.extend((size % 2 == 1).then_some(b'\n'));
    }
    archive
}

/// A `tar` archive of these files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("names are short");
    }
    builder.into_inner().expect("memory takes everything")
}

/// A shared object of 64-bit ELF with these sections.
pub fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    container::elf(sections)
}

/// A package with these inner archives.
pub fn deb(control: (&str, &[u8]), data: (&str, &[u8])) -> Vec<u8> {
    let (control_name, data_name) = (format!("control.tar{}", control.0), format!("data.tar{}", data.0));
    ar(&[("debian-binary", b"2.0\n"), (&control_name, control.1), (&data_name, data.1)])
}

/// Makes the sums of tar headers right, so that what they say is looked at.
pub fn mend_sums(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + 512).filter(|block| block.iter().any(|byte| *byte != 0)) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = tar::Header::from_byte_slice(block).entry_size().unwrap_or(0).min(1 << 30) as usize;
        at += 512 + size.next_multiple_of(512);
    }
}

/// A store in a directory of its own.
struct Bench {
    directory: tempfile::TempDir,
    store: Store,
}

thread_local! {
    static BENCH: OnceCell<Bench> = const { OnceCell::new() };
}

/// Imports an archive, and checks that it wrote what its manifest says and nothing else. The store keeps nothing.
pub fn import(archive: &[u8]) -> Option<Manifest> {
    BENCH.with(|bench| {
        bench.get_or_init(|| {
            let directory = tempfile::tempdir().expect("a directory");
            let store = Store::open(&directory.path().join("store")).expect("a store");
            Bench { directory, store }
        });
        bench.get().expect("it was just made").import(archive)
    })
}

impl Bench {
    fn import(&self, archive: &[u8]) -> Option<Manifest> {
        let path = self.directory.path().join("x.deb");
        fs::write(&path, archive).expect("room");
        let origin = OriginInput {
            file_name: "x.deb".to_owned(),
            source: "local file".to_owned(),
            vouched_by: Some("a key".to_owned()),
            imported_by: "nobody".to_owned(),
            imported_at: 0,
        };
        let limits = Limits {
            control: 1 << 20,
            data: 8 << 20,
            ratio: 1000,
            ratio_free: 1 << 20,
            entries: 500,
            changelog: 1 << 20,
            ..Limits::default()
        };
        let lock = self.store.lock("fuzz", |_| ()).expect("nobody else");
        let staging = self.store.stage(&lock).expect("a place");
        // The sums of what somebody vouched for are not looked at: they would hide all that is behind them.
        let expected = Expected { sha256: Digest::of(archive), size: archive.len() as u64 };
        let staged = import_with(&staging, &path, Some(&expected), origin, &limits);
        let layout = self.store.layout();
        let manifest = staged.ok().map(|staged| staged.manifest);
        if let Some(manifest) = &manifest {
            let stage = only(&layout.tmp()).expect("one stage");
            check_tree(&only(&stage).expect("one component"), manifest);
            let bytes = manifest.to_bytes();
            assert_eq!(Manifest::from_bytes(&bytes).expect("it was just written"), *manifest);
        }
        drop(staging);
        assert_eq!(only(&layout.tmp()), None);
        assert_eq!(only(&layout.store()), None);
        assert_eq!(names(self.directory.path()), ["store", "x.deb"]);
        manifest
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The only thing in a directory, if there is one.
fn only(directory: &Path) -> Option<PathBuf> {
    let names = names(directory);
    assert!(names.len() <= 1, "{names:?}");
    names.first().map(|name| directory.join(name))
}

/// Checks that the tree at `root` is the one that `manifest` lists.
fn check_tree(root: &Path, manifest: &Manifest) {
    for entry in &manifest.tree {
        let path = root.join(&entry.path);
        let metadata = path.symlink_metadata().expect("what is listed is there");
        match &entry.node {
            Node::Directory { .. } => assert!(metadata.is_dir()),
            Node::Symlink { target } => {
                assert_eq!(fs::read_link(&path).expect("a link").to_str(), Some(&**target));
            }
            Node::File { digest, size, .. } => {
                assert!(metadata.is_file() && metadata.len() == *size);
                assert_eq!(Digest::of(&fs::read(&path).expect("a file")), *digest);
            }
            Node::Absent => panic!("an archive removes nothing"),
        }
    }
    // Besides the listed there is the directory with what is known of it.
    assert_eq!(count(root) - 1, manifest.tree.len());
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    let below = |entry: fs::DirEntry| {
        let inside = entry.file_type().expect("a type").is_dir() && entry.file_name() != ".aleph";
        1 + if inside { count(&entry.path()) } else { 0 }
    };
    entries.map(below).sum()
}

/// An input of an index: a file with this text in `directory`.
pub fn index_input(directory: &Path, name: &str, text: &[u8], priority: i32) -> IndexInput {
    let path = directory.join(name);
    fs::write(&path, text).expect("room");
    IndexInput {
        text: path,
        id: name.to_owned(),
        origin: "Example".to_owned(),
        suite: name.to_owned(),
        codename: "trial".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
        base_uri: format!("http://mirror.example/{name}/"),
        priority,
    }
}

/// Uses everything that an index offers; what it says may be wrong.
pub fn exercise(index: &PreparedIndex) {
    for candidate in index.all() {
        let _ = (candidate.debian_version(), candidate.architecture(), candidate.multi_arch(), candidate.importance());
        let _ = (candidate.uri(), candidate.summary(), candidate.priority(), candidate.size(), candidate.sha256());
        let _ = candidate.suites().map(|suite| suite.stanza.len()).sum::<usize>();
    }
    for name in index.names().take(50) {
        let _ = index.candidates(name).map(|candidate| candidate.version().len()).sum::<usize>();
        let _ = index.providers(name).map(|provider| provider.candidate.name().len()).sum::<usize>();
        let _ = (index.search(name), index.similar(name, 3));
    }
    let _ = (index.providers("shell").count(), index.search("s x"), index.verify().is_ok());
}
