//! Judges many consumers of one library from stored facts, and says how long that took.
//!
//! `cargo run --release -p aleph-abi --example verdicts -- OLD NEW NUMBER DIRECTORY...`

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a tool for measuring")]

use std::{collections::BTreeMap, fs, time::Instant};

use aleph_abi::{
    Options, Pair, elf,
    elf::{Facts, Record},
    judge,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new, number, directories @ ..] = arguments.as_slice() else { panic!("OLD NEW NUMBER DIRECTORY...") };
    let facts = |path: &str| elf::read(&fs::read(path).expect("it is there")).expect("it is an ELF file");
    let (old, new) = (facts(old), facts(new));
    let number: usize = number.parse().expect("a number");
    let mut consumers: Vec<Facts> = Vec::new();
    for entry in directories.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten()) {
        let Ok(facts) = elf::read(&fs::read(entry.path()).unwrap_or_default()) else { continue };
        if facts.needed().any(|soname| Some(soname) == old.soname()) {
            consumers.push(facts);
        }
    }
    let stored: Vec<Record> = consumers.iter().cycle().take(number).map(Facts::to_record).collect();
    let bytes: usize = stored.iter().map(|record| record.head.len()).sum();
    let started = Instant::now();
    let later = |Record { head, rest }: Record| Facts::from_head(head, move || Some(rest.clone()));
    let consumers: Vec<Facts> = stored.into_iter().map(|record| later(record).expect("they are facts")).collect();
    println!("{number} facts of {} KB read in {:?}", bytes >> 10, started.elapsed());
    let started = Instant::now();
    let pair = Pair::new(&old, &new);
    println!("the pair was made ready in {:?}", started.elapsed());
    let options = Options { accept_symbols: true, ..Options::NONE };
    let mut verdicts: BTreeMap<_, usize> = BTreeMap::new();
    for consumer in &consumers {
        let judgement = judge(Some(consumer), &pair, &options);
        let first = judgement.reasons.into_iter().next().map(|reason| reason.text);
        *verdicts.entry((judgement.verdict, first)).or_default() += 1;
    }
    println!("{number} verdicts after {:?}", started.elapsed());
    for ((verdict, first), number) in verdicts {
        println!("{number} times {verdict:?}: {}", first.unwrap_or_default());
    }
}
