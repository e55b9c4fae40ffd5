//! Real files, damaged: whatever the bytes are, reading ends with facts or an error, and stored facts are read or
//! refused.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use aleph_abi::{
    Options, Pair, Verdict,
    dwarf::{self, Exported, ExportedKind},
    elf::{self, Facts, Record},
    judge,
    types::{Query, compare},
};
use proptest::prelude::*;
use support::Workshop;

/// A library, a program, an object and an archive, all small, with as many kinds of tables as there are.
fn samples() -> Vec<Vec<u8>> {
    let workshop = Workshop::new();
    workshop
        .write("x.c", "int v[4] = {1}; __thread int t; int f(void) { return v[0] + t; } int g(void) { return f(); }");
    workshop.write("map", "V1 { global: f; v; t; }; V2 { global: g; } V1;");
    workshop.write("main.c", "#include <stdio.h>\nextern int v[]; int f(void); int main(void) { puts(\" deflate 1.2.3 \"); return v[1] + f(); }");
    workshop.run(
        "gcc -shared -fPIC -Wl,-soname,libx.so.1 -Wl,--version-script,map -o libx.so x.c; gcc -no-pie -fno-pic -o main main.c -L. -lx; \
         gcc -c x.c; ar rcs libx.a x.o; strip -o stripped.so libx.so; objcopy -O elf32-x86-64 x.o x32.o",
    );
    let names = ["libx.so", "main", "x.o", "libx.a", "stripped.so", "x32.o"];
    names.iter().map(|name| std::fs::read(workshop.path(name)).expect("it was made")).collect()
}

/// Reads, and if there are facts, does with them what can be done.
fn try_all(bytes: &[u8], whole: &Facts) {
    let Ok(facts) = elf::read(bytes) else { return };
    assert_eq!(Facts::from_record(facts.to_record()).expect("they were just made"), facts);
    for (old, new) in [(&facts, whole), (whole, &facts)] {
        let pair = Pair::new(old, new);
        judge(Some(&facts), &pair, &Options::NONE);
        judge(Some(whole), &pair, &Options::NONE);
        judge(None, &pair, &Options::NONE);
    }
}

#[test]
fn facts_survive_being_stored() {
    for path in support::host_files().iter().step_by(40) {
        let facts = support::facts(path);
        let stored = facts.to_record();
        let rest = stored.rest.clone();
        let read = Facts::from_head(stored.head.clone(), move || Some(rest.clone())).expect("they were just made");
        assert_eq!(read.to_record(), stored, "{}", path.display());
        assert_eq!(read.exports().len(), facts.exports().len());
        let names =
            |facts: &Facts| -> Vec<Vec<u8>> { facts.imports().iter().map(|s| facts.name(s).to_vec()).collect() };
        assert_eq!(names(&read), names(&facts), "{}", path.display());
    }
}

#[test]
fn stored_facts_that_are_damaged_are_refused_or_differ() {
    for sample in samples() {
        let whole = elf::read(&sample).expect("it is whole");
        let Record { head, rest } = whole.to_record();
        for end in 0..head.len() {
            let cut = Record { head: head[..end].to_vec(), rest: rest.clone() };
            assert!(Facts::from_record(cut).is_err(), "cut at {end}");
        }
        for end in 0..rest.len() {
            let cut = rest[..end].to_vec();
            assert!(Facts::from_record(Record { head: head.clone(), rest: cut.clone() }).is_err(), "cut at {end}");
            let facts = Facts::from_head(head.clone(), move || Some(cut.clone())).expect("its head is whole");
            assert!(facts.exports().is_empty() && !facts.is_whole());
        }
        for at in 0_usize..head.len() + rest.len() {
            let mut damaged = Record { head: head.clone(), rest: rest.clone() };
            let byte = damaged.head.get_mut(at).or(damaged.rest.get_mut(at.wrapping_sub(head.len())));
            *byte.expect("it is in one of them") ^= 0x55;
            if let Ok(facts) = Facts::from_record(damaged.clone()) {
                assert_eq!(facts.to_record(), damaged, "one form only, changed at {at}");
            }
        }
    }
}

#[test]
fn no_verdict_rests_on_facts_that_are_lost() {
    let facts = elf::read(&samples()[0]).expect("it is whole");
    let lost = || Facts::from_head(facts.to_record().head, || None).expect("its head is whole");
    let options = Options { accept_symbols: true, ..Options::NONE };
    for (old, new) in [(lost(), facts.clone()), (facts.clone(), lost())] {
        assert_eq!(judge(None, &Pair::new(&old, &new), &options).verdict, Verdict::Unknown);
    }
    assert_eq!(judge(None, &Pair::new(&facts, &facts), &options).verdict, Verdict::Relink);
}

#[test]
fn files_that_are_cut_or_changed_are_read_or_refused() {
    for sample in samples() {
        let whole = elf::read(&sample).expect("it is whole");
        for end in (0..sample.len()).step_by(97) {
            try_all(&sample[..end], &whole);
        }
        // All bytes of all headers and tables, each with the values that are most likely to be wrong.
        for at in (0..sample.len()).filter(|at| *at < 4096 || at % 13 == 0) {
            for value in [0, 0xff, sample[at].wrapping_add(1)] {
                let mut changed = sample.clone();
                changed[at] = value;
                if let Ok(facts) = elf::read(&changed) {
                    let Record { head, rest } = facts.to_record();
                    assert!(head.len() + rest.len() <= 4 * changed.len() + 4096);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn files_with_several_changes_are_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        static SAMPLES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(samples);
        for sample in SAMPLES.iter() {
            let whole = elf::read(sample).expect("it is whole");
            let mut changed = sample.clone();
            for (at, value) in &changes {
                let at = at.index(changed.len());
                changed[at] = *value;
            }
            try_all(&changed, &whole);
        }
    }

    #[test]
    fn any_bytes_are_no_facts_or_facts(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let stored = Record { head: [&b"ABI\x02"[..], &bytes].concat(), rest: bytes.clone() };
        if let Ok(facts) = Facts::from_record(stored.clone()) {
            prop_assert_eq!(facts.to_record(), stored);
        }
        let _ = elf::read(&[&b"\x7fELF\x02\x01\x01"[..], &bytes].concat());
        let _ = elf::read(&[&b"!<arch>\n"[..], &bytes].concat());
    }
}

/// A function with a child whose first attribute claims to be as long as a length can be, and has another behind it.
const ENDLESS_BLOCK: &str = r#"
    .section .debug_abbrev
    .uleb128 1, 0x11, 1, 0x13, 0x0b, 0, 0
    .uleb128 2, 0x2e, 1, 0x3f, 0x19, 0x03, 0x08, 0, 0
    .uleb128 3, 0x05, 0, 0x02, 0x18, 0x3b, 0x07, 0, 0
    .uleb128 0
    .section .debug_info
    .long 2f - 1f
1:  .short 4
    .long 0
    .byte 8
    .uleb128 1
    .byte 12
    .uleb128 2
    .asciz "f"
    .uleb128 3
    .uleb128 0xffffffffffffffff
    .quad BEHIND
    .byte 0, 0
2:
"#;

#[test]
fn lengths_of_blocks_are_not_added_up() {
    let workshop = Workshop::new();
    let interface = |behind: &str| {
        workshop.write("x.s", &ENDLESS_BLOCK.replace("BEHIND", behind));
        workshop.run("gcc -shared -nostdlib -o x.so x.s");
        let file = std::fs::read(workshop.path("x.so")).expect("it was made");
        let kind = ExportedKind::Function;
        let symbol = Exported { name: b"f", version: None, default: true, address: 0, kind, weak: false };
        let input = dwarf::Input { main: &file, ..dwarf::Input::default() };
        dwarf::read(&input, &[symbol]).expect("a unit is there")
    };
    let query = Query { wanted: &|_| true, copied: &|_| true, view: None, public: None };
    let changes = compare(&interface("0"), &interface("1"), &query);
    assert_ne!(changes, [], "what it takes cannot be known");
}
