//! Reads the facts of all ELF files below some directories, and says how long that took.
//!
//! `cargo run --release -p aleph-abi --example facts -- /usr/lib /usr/bin`

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a tool for measuring")]

use std::{
    fs,
    io::Read as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

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
    files.retain(|path| {
        let mut magic = [0; 4];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && magic == *b"\x7fELF"
    });
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut read, mut symbols, mut bytes, mut data) = (0, 0, 0, Vec::new());
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            data.clear();
            let length = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut data)).expect("it can be read");
            match elf::read(&data) {
                Ok(facts) => {
                    read += 1;
                    symbols += facts.exports().len() + facts.imports().len();
                }
                Err(error) => println!("{}: {error}", path.display()),
            }
            bytes += length;
        }
        [read, symbols, bytes]
    };
    let threads = std::env::var("THREADS").map_or(2, |text| text.parse().expect("a number"));
    let [read, symbols, bytes] = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no worker panics"))
            .fold([0; 3], |sum, one| [0, 1, 2].map(|at| sum[at] + one[at]))
    });
    println!("{read} of {} files with {symbols} symbols in {} MB", files.len(), bytes >> 20);
    println!("{:?} on {threads} threads", started.elapsed());
}
