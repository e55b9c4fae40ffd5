//! Archives broken by chance: refused, or what they were.

use std::sync::LazyLock;

use aleph_component::{ComponentId, Digest};
use proptest::prelude::*;

use super::{
    BENCH, Bench,
    build::{CONTROL, Tar, ar, control, xz},
};
use crate::deb::{Expected, Limits};

/// A package of the usual make, and the id of its component.
static SMALL: LazyLock<(Vec<u8>, ComponentId)> = LazyLock::new(|| {
    let data = Tar::default()
        .directory("./usr/")
        .file("./usr/abc", "abc")
        .symlink("./usr/link", "abc")
        .hard_link("./usr/hard", "./usr/abc")
        .end();
    let sums = [("md5sums", "900150983cd24fb0d6963f7d28e17f72  usr/abc\n"), ("postinst", "#!/bin/sh\n")];
    let (control, data) = (xz(&control(CONTROL, &sums)), xz(&data));
    let archive = ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &control), ("data.tar.xz", &data)]);
    let id = Bench::new().import(&archive, None, &Limits::default()).unwrap().id();
    (archive, id)
});

/// A change to the bytes of an archive.
#[derive(Clone, Debug)]
enum Damage {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut { at: prop::sample::Index },
    Remove { at: prop::sample::Index, length: usize },
    Double { at: prop::sample::Index, length: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        1 => at().prop_map(|at| Damage::Cut { at }),
        1 => (at(), 1..70usize).prop_map(|(at, length)| Damage::Remove { at, length }),
        1 => (at(), 1..70usize).prop_map(|(at, length)| Damage::Double { at, length }),
    ]
}

fn broken(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        let length = bytes.len().max(1);
        let range = |at: &prop::sample::Index, wanted: usize| {
            let start = at.index(length).min(bytes.len());
            start..(start + wanted).min(bytes.len())
        };
        match damage {
            Damage::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(at.index(length)) {
                    *byte ^= 1 << bit;
                }
            }
            Damage::Cut { at } => bytes.truncate(at.index(length)),
            Damage::Remove { at, length } => drop(bytes.drain(range(at, *length))),
            Damage::Double { at, length } => {
                let range = range(at, *length);
                let copy = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, copy);
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn a_broken_archive_is_refused_or_gives_the_same(damages in prop::collection::vec(damage(), 1..4)) {
        let (archive, id) = &*SMALL;
        let broken = broken(archive, &damages);
        let bench = BENCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Ok(manifest) = bench.import(&broken, None, &Limits::default()) {
            prop_assert_eq!(manifest.id(), *id);
        }
        let expect = Expected { sha256: Digest::of(archive), size: archive.len() as u64 };
        let result = bench.import(&broken, Some(&expect), &Limits::default());
        prop_assert_eq!(result.is_ok(), broken == *archive);
    }

    #[test]
    fn a_broken_tar_archive_never_panics(damages in prop::collection::vec(damage(), 1..4)) {
        let data = Tar::default()
            .directory("./usr/")
            .long(b'L', b"./usr/abc-with-a-long-name")
            .file("./usr/abc", "abc")
            .symlink("./usr/link", "abc")
            .hard_link("./usr/hard", "./usr/abc-with-a-long-name")
            .end();
        let archive = super::build::deb(&broken(&control(CONTROL, &[]), &damages[1..]), &broken(&data, &damages));
        let bench = BENCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = bench.import(&archive, None, &Limits::default());
    }
}
