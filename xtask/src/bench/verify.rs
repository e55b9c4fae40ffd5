//! Reading and proving every byte of the store.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Bench, machine,
    measure::{Contender, in_turn, process},
    report::{Section, Target},
};
use crate::tool::Outcome;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let store = bench.store()?;
    let files = distinct_files(store)?;
    let list = bench.work.join("files");
    fs::write(&list, files.names)?;
    let mut read = 0;
    let contenders = vec![
        Contender::new("aleph store verify", |_| {
            let finished = process(&bench.work, bench.aleph(store).args(["--format", "json", "store", "verify"]))?;
            let answer: serde_json::Value = serde_json::from_str(&finished.stdout)?;
            read = answer["data"]["bytes"].as_u64().ok_or("verify does not say how much it read")?;
            Ok(finished.sample)
        }),
        Contender::new("openssl dgst -sha256, two processes", |_| {
            let mut command = Command::new("xargs");
            command.arg("-0").arg("-a").arg(&list).args(["-n", "400", "-P", "2", "openssl", "dgst", "-sha256"]);
            Ok(process(&bench.work, &mut command)?.sample)
        }),
    ];
    let series = in_turn(bench.rounds.unwrap_or(5), contenders)?;
    let [aleph, peer] = &series[..] else { return Err("two were measured".into()) };
    #[expect(clippy::cast_precision_loss, reason = "for a ratio with two decimals")]
    let speeds = (read as f64 / aleph.median(), files.bytes as f64 / peer.median());
    let targets = vec![
        Target::throughput("aleph store verify / openssl: bytes a second", speeds.0 / speeds.1, 0.8),
        Target::memory(aleph),
    ];
    let about = format!(
        "Everything in a store whose view has the closure, in the page cache; openssl {} over every distinct file of it.",
        machine::version("openssl")
    );
    let notes = vec![format!(
        "Aleph read {} MiB at {:.0} MiB/s; openssl {} MiB in {} files at {:.0} MiB/s.",
        read >> 20,
        speeds.0 / f64::from(1 << 20),
        files.bytes >> 20,
        files.number,
        speeds.1 / f64::from(1 << 20),
    )];
    Ok(Section { about, series, targets, notes })
}

/// Files, each inode once, with names that end in a null byte each.
#[derive(Default)]
struct Files {
    names: Vec<u8>,
    number: usize,
    bytes: u64,
}

fn distinct_files(store: &Path) -> Outcome<Files> {
    let (mut files, mut seen) = (Files::default(), HashSet::new());
    let mut directories: Vec<PathBuf> = vec![store.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.is_file() && !is_database(&entry.path()) && seen.insert(metadata.ino()) {
                files.names.extend_from_slice(entry.path().as_os_str().as_encoded_bytes());
                files.names.push(0);
                files.number += 1;
                files.bytes += metadata.len();
            }
        }
    }
    Ok(files)
}

fn is_database(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("db.sqlite"))
}
