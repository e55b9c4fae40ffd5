//! Archives into the store.

use std::{path::Path, process::Command};

use super::{
    Bench,
    inputs::{discard, package_name},
    machine,
    measure::{Contender, Sample, in_turn, process},
    report::{Section, Target},
};
use crate::tool::{Outcome, is_root, output};

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let archives = &bench.closure()?.archives;
    let bytes: u64 = archives.iter().filter_map(|archive| archive.metadata().ok()).map(|metadata| metadata.len()).sum();
    index(&bench.work.join("debs"))?;
    let contenders = vec![
        Contender::new("aleph import", |_| {
            made(bench, |store| {
                let mut command = bench.aleph(store);
                command.arg("--quiet").arg("import").args(archives);
                command
            })
        }),
        Contender::new("two dpkg-deb -x loops", |_| made(bench, |tree| two_loops(archives, tree))),
        Contender::new("mmdebstrap --variant=extract", |_| made(bench, |tree| mmdebstrap(bench, archives, tree))),
    ];
    let series = in_turn(bench.rounds.unwrap_or(3), contenders)?;
    let [aleph, loops, mmdebstrap] = &series[..] else { return Err("three were measured".into()) };
    let targets = vec![Target::ratio(aleph, loops, 1.0), Target::ratio(aleph, mmdebstrap, 0.5), Target::memory(aleph)];
    let about = format!(
        "{} archives with {} MiB, in the page cache, into a fresh store. The peers unpack the same files: `xargs -P 2 -n 8` \
         with\n`dpkg-deb -x` for each (dpkg {}), and mmdebstrap {} with a local mirror. Neither hashes what it writes.",
        archives.len(),
        bytes >> 20,
        machine::version("dpkg"),
        machine::version("mmdebstrap"),
    );
    Ok(Section { about, series, targets, notes: Vec::new() })
}

/// Measures a command that makes the path that it is given, and puts aside what was made.
fn made(bench: &Bench, command: impl FnOnce(&Path) -> Command) -> Outcome<Sample> {
    let path = bench.fresh();
    let finished = process(&bench.work, &mut command(&path))?;
    discard(bench, &path)?;
    Ok(finished.sample)
}

fn two_loops(archives: &[std::path::PathBuf], tree: &Path) -> Command {
    const LOOPS: &str = "tree=$1; shift; mkdir \"$tree\"; printf '%s\\0' \"$@\" | \
                         xargs -0 -P 2 -n 8 sh -c 'tree=$0; for deb; do dpkg-deb -x \"$deb\" \"$tree\" || exit 255; done' \"$tree\"";
    let mut command = Command::new("sh");
    command.args(["-c", LOOPS, "sh"]).arg(tree).args(archives);
    command
}

fn mmdebstrap(bench: &Bench, archives: &[std::path::PathBuf], tree: &Path) -> Command {
    let names: Vec<String> = archives.iter().filter_map(|archive| package_name(archive).ok()).collect();
    let mut command = Command::new("mmdebstrap");
    command.arg("--quiet").arg(if is_root() { "--mode=root" } else { "--mode=unshare" }).arg("--variant=extract");
    command.arg(format!("--include={}", names.join(","))).arg("").arg(tree);
    command.arg(format!("deb [trusted=yes] copy:{} ./", bench.work.join("debs").display()));
    command
}

/// Writes the index that mmdebstrap's apt reads.
fn index(debs: &Path) -> Outcome {
    let packages = debs.join("Packages");
    if !packages.exists() {
        let text = output(Command::new("dpkg-scanpackages").current_dir(debs).args(["--multiversion", "."]))?;
        std::fs::write(packages, text)?;
    }
    Ok(())
}
