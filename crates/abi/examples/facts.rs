//! Reads the facts of all ELF files below some directories, and says how long that took.
//!
//! `cargo run --release -p aleph-abi --example facts -- /usr/lib /usr/bin`

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a tool for measuring")]

use std::{fs, path::Path, time::Instant};

use aleph_abi::elf;

fn walk(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            walk(&entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
}

fn main() {
    let mut files = Vec::new();
    for directory in std::env::args().skip(1) {
        walk(Path::new(&directory), &mut files);
    }
    let started = Instant::now();
    let (mut read, mut failed, mut bytes, mut symbols) = (0, 0, 0, 0);
    let mut parsing = std::time::Duration::ZERO;
    for path in &files {
        let mut magic = [0; 4];
        let Ok(mut file) = fs::File::open(path) else { continue };
        if std::io::Read::read_exact(&mut file, &mut magic).is_err() || magic != *b"\x7fELF" {
            continue;
        }
        let Ok(data) = fs::read(path) else { continue };
        let begun = Instant::now();
        match elf::read(&data) {
            Ok(facts) => {
                read += 1;
                symbols += facts.exports().len() + facts.imports().len();
            }
            Err(error) => {
                failed += 1;
                println!("{}: {error}", path.display());
            }
        }
        parsing += begun.elapsed();
        bytes += data.len();
    }
    println!("{read} files with {symbols} symbols in {} MB, {failed} failed", bytes >> 20);
    println!("{:?} in all, of which {parsing:?} for the facts", started.elapsed());
}
