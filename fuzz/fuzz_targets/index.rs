//! A prepared index that was changed: four bytes of input say where (two), how (one) and to what (one).
#![no_main]

use std::{fs, path::PathBuf};

use aleph_component::Digest;
use aleph_exchange::apt::index::PreparedIndex;
use aleph_fuzz::{exercise, index_input};

const TEXT: &str = "Package: a\nVersion: 1\nArchitecture: amd64\nProvides: shell (= 1), b\nDescription: s x\n\n\
    Package: a\nVersion: 2\nArchitecture: all\nDescription: s\nSize: 1\nFilename: a\n\n\
    Package: bash\nVersion: 1\nArchitecture: amd64\nProvides: shell\n\n";

struct Base {
    _directory: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

thread_local! {
    static BASE: Base = {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("index");
        let inputs = [index_input(directory.path(), "s0", TEXT.as_bytes(), 500)];
        PreparedIndex::build(&inputs, &path).expect("it is small");
        let bytes = fs::read(&path).expect("it was just built");
        Base { _directory: directory, path, bytes }
    };
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    BASE.with(|base| {
        let mut bytes = base.bytes.clone();
        for change in data.chunks_exact(4) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
            bytes[at] = match change[2] % 4 {
                0 => change[3],
                1 => bytes[at].wrapping_add(change[3]),
                2 => bytes[at] ^ change[3],
                _ => 0xff,
            };
        }
        // The header's own digest would hide everything else.
        let digest = Digest::of(&bytes[..224]);
        bytes[224..256].copy_from_slice(digest.as_bytes());
        // The file that was mapped before must not change under its map.
        fs::remove_file(&base.path).expect("it is there");
        fs::write(&base.path, &bytes).expect("room");
        if let Ok(index) = PreparedIndex::open(&base.path) {
            exercise(&index);
        }
    });
});
