//! An ELF file or an archive of them; its facts, stored and read again; and verdicts of it against a whole library.
#![no_main]

use std::sync::LazyLock;

use aleph_abi::{
    Options, Pair,
    elf::{self, Facts},
    judge,
};

/// This program, which is an ELF file itself.
static WHOLE: LazyLock<Facts> = LazyLock::new(|| {
    let bytes = std::fs::read("/proc/self/exe").expect("a program can read itself");
    elf::read(&bytes).expect("it is running")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(facts) = elf::read(data) else { return };
    let stored = facts.to_record();
    // What is documented: a few times the length of the file.
    let length = stored.head.len() + stored.rest.len();
    assert!(length <= 4 * data.len() + 4096, "{length} bytes of {}", data.len());
    assert_eq!(Facts::from_record(stored).expect("they were just made"), facts);
    for (old, new) in [(&facts, &*WHOLE), (&*WHOLE, &facts), (&facts, &facts)] {
        let pair = Pair::new(old, new);
        judge(Some(&facts), &pair, &Options::NONE);
        judge(None, &pair, &Options::NONE);
    }
});
