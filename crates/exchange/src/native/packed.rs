//! Prefixes in what is compressed: nobody can fill a hole there.

use std::io::Read;

use aleph_component::TreePath;
use memchr::memmem;

use crate::deb::{Limits, Packing};

/// How much of a compressed file is searched, in bytes.
const LONGEST: u64 = 64 << 20;

/// Where compressed files are for readers, not for programs.
const FOR_READERS: [&str; 4] = ["share/man/", "share/doc/", "share/info/", "share/help/"];

/// Whether a compressed file holds the prefix.
pub(super) fn holds(path: &TreePath, bytes: &[u8], prefix: &str) -> bool {
    let packing = match bytes {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        _ => return false,
    };
    if prefix.is_empty() || FOR_READERS.iter().any(|directory| path.as_str().contains(directory)) {
        return false;
    }
    let Ok(reader) = packing.unpack(bytes, false, &Limits::default()) else { return false };
    let mut unpacked = Vec::new();
    // What does not unpack is no compressed file, whatever it begins with; what was read by then is searched.
    let _ = reader.take(LONGEST).read_to_end(&mut unpacked);
    memmem::find(&unpacked, prefix.as_bytes()).is_some()
}
