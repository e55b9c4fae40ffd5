//! Two `Packages` files and the index that is made of them.
#![no_main]

use aleph_exchange::apt::index::PreparedIndex;
use aleph_fuzz::{exercise, index_input, parts};

thread_local! {
    static DIRECTORY: tempfile::TempDir = tempfile::tempdir().expect("a directory");
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    DIRECTORY.with(|directory| {
        let [first, second] = parts(data);
        let directory = directory.path();
        let out = directory.join("index");
        let inputs = [index_input(directory, "s0", first, 500), index_input(directory, "s1", second, 990)];
        let report = PreparedIndex::build(&inputs, &out).expect("inputs are small");
        let index = PreparedIndex::open(&out).expect("it was just built");
        index.verify().expect("it was just built");
        exercise(&index);
        assert_eq!(index.all().count() as u64, report.candidates);
        assert!(report.candidates + report.skipped <= report.stanzas);
        assert!(index.names().collect::<Vec<_>>().is_sorted_by(|a, b| a < b));
        for candidate in index.all() {
            assert!(index.candidates(candidate.name()).any(|found| found == candidate), "{candidate:?}");
            assert!(candidate.debian_version().is_some(), "{candidate:?}");
            assert!(candidate.suites().count() > 0, "{candidate:?}");
            assert_eq!(candidate.field("Package"), Some(candidate.name()));
            let found = index.search(candidate.name());
            assert!(found.iter().any(|found| found.candidate.name() == candidate.name()), "{candidate:?}");
        }
        for name in index.names() {
            let versions: Vec<_> = index.candidates(name).filter_map(|found| found.debian_version()).collect();
            assert!(versions.is_sorted_by(|a, b| a >= b), "{versions:?}");
        }
    });
});
