//! A view's tree, for the first time and after one package changed.

use std::{cell::RefCell, fs, path::Path, process::Command};

use super::{
    Bench,
    inputs::{SEEDS, discard},
    machine,
    measure::{Contender, Sample, Series, in_turn, process, settle},
    report::{Section, Target},
};
use crate::tool::{Outcome, output};

/// What `aleph` does besides, measured in the same runs.
#[derive(Default)]
struct Besides {
    whole: Vec<Sample>,
    changed: Vec<Sample>,
}

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let packages = bench.closure()?.packages.len();
    let (tree, repository) = (bench.merged_tree()?, repository(bench)?);
    let change = other_version(bench)?;
    let besides = RefCell::new(Besides::default());
    let contenders = vec![
        Contender::new("aleph: compose", |round| aleph(bench, round, &change, &mut besides.borrow_mut())),
        Contender::new("cp -al", |_| {
            let copy = bench.fresh();
            let finished = process(&bench.work, Command::new("cp").arg("-al").arg(&tree).arg(&copy))?;
            discard(bench, &copy)?;
            Ok(finished.sample)
        }),
        Contender::new("ostree checkout -H --union", |_| checkout(bench, &repository)),
    ];
    let mut series = in_turn(bench.rounds.unwrap_or(3), contenders)?;
    let besides = besides.into_inner();
    series.push(Series::of("aleph: compose after one package changed", besides.changed));
    series.push(Series::of("aleph add, whole process", besides.whole));
    let [first, copy, ostree, changed, whole] = &series[..] else { return Err("five were measured".into()) };
    let targets = vec![
        Target::ratio(first, copy, 1.0),
        Target::ratio(first, ostree, 1.0),
        Target::ratio(changed, copy, 0.1),
        Target::ratio(changed, ostree, 0.1),
        Target::memory(whole),
    ];
    let about = format!(
        "The tree of {packages} packages that the store has already, in a fresh store each time; `aleph add` tells how long \
         gathering\nand composing took. The peers: hard links to the same packages in one tree, and `ostree checkout -H --fsync=no --union` of one commit\n\
         for each package (ostree {}). Then one package changes ({change}), and the next generation is composed. The whole\n\
         process also solves, links, runs maintainer scripts and switches.",
        machine::version("ostree"),
    );
    Ok(Section { about, series, targets, notes: Vec::new() })
}

fn aleph(bench: &Bench, round: usize, change: &str, besides: &mut Besides) -> Outcome<Sample> {
    let store = bench.fresh();
    process(&bench.work, bench.aleph(&store).arg("--quiet").arg("import").args(&bench.closure()?.archives))?;
    settle();
    let first = process(&bench.work, bench.aleph(&store).args(["--format", "json", "add"]).args(SEEDS))?;
    let next = process(&bench.work, bench.aleph(&store).args(["--format", "json", "add", change]))?;
    if round > 0 {
        besides.whole.push(first.sample);
        besides.changed.push(Sample::phase(composing(&next.stdout)?));
    }
    discard(bench, &store)?;
    Ok(Sample::phase(composing(&first.stdout)?))
}

/// Seconds from packages that the store has to a tree: reading what they consist of, and deciding what goes where, count.
fn composing(answer: &str) -> Outcome<f64> {
    Ok(phase(answer, "gather")? + phase(answer, "compose")?)
}

/// Seconds that a phase took, from a JSON answer.
pub(super) fn phase(answer: &str, phase: &str) -> Outcome<f64> {
    let answer: serde_json::Value = serde_json::from_str(answer)?;
    let time = answer["data"]["timings_ms"][phase].as_f64();
    Ok(time.ok_or_else(|| format!("aleph does not say how long `{phase}` took"))? / 1e3)
}

/// `NAME=VERSION` of a library in the closure of which the sources offer another version, too.
fn other_version(bench: &Bench) -> Outcome<String> {
    let packages = &bench.closure()?.packages;
    for name in ["libexpat1", "libxml2", "libssl3", "libsqlite3-0", "libpng16-16", "zlib1g"] {
        let Some(held) = packages.iter().find_map(|package| package.strip_prefix(name)?.strip_prefix('=')) else {
            continue;
        };
        let text = output(Command::new("apt-cache").args(["madison", name]))?;
        let mut versions = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
        if let Some(other) = versions.rfind(|version| *version != held) {
            return Ok(format!("{name}={other}"));
        }
    }
    Err("the sources offer one version only of each library that could change".into())
}

/// An ostree repository with one commit for each package, and the list of all of them.
fn repository(bench: &Bench) -> Outcome<std::path::PathBuf> {
    let packages = bench.package_trees()?;
    bench.made("ostree", |repository| {
        let ostree = |arguments: &[&str]| {
            let mut command = Command::new("ostree");
            command.arg(arguments[0]).arg(format!("--repo={}", repository.display())).args(&arguments[1..]);
            output(&mut command).map(drop)
        };
        ostree(&["init", "--mode=bare"])?;
        let mut list = Vec::new();
        for entry in fs::read_dir(&packages)? {
            let entry = entry?;
            let branch = format!("p/{}", entry.file_name().to_string_lossy().replace('+', "_"));
            let tree = format!("--tree=dir={}", entry.path().display());
            ostree(&["commit", "--fsync=false", "-b", &branch, &tree])?;
            list.extend_from_slice(branch.as_bytes());
            list.extend_from_slice(b"\0/\0");
        }
        Ok(fs::write(repository.join("all"), list)?)
    })
}

fn checkout(bench: &Bench, repository: &Path) -> Outcome<Sample> {
    let tree = bench.fresh();
    let mut command = Command::new("ostree");
    command.args(["checkout", "-H", "--fsync=no", "--union"]).arg(format!("--repo={}", repository.display()));
    command.arg(format!("--from-file={}", repository.join("all").display())).arg(&tree);
    let finished = process(&bench.work, &mut command)?;
    discard(bench, &tree)?;
    Ok(finished.sample)
}
