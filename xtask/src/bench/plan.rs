//! What an update means, before anything is done: for a whole distribution, and for a view.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

use super::{
    Bench,
    measure::{Contender, Sample, Series, in_turn, process},
    report::{Section, Target},
};
use crate::tool::{Outcome, cargo, output, run as run_command};

/// The library that moves.
const LIBRARY: &str = "libc6";
/// How many packages a graph has; the last has all.
const SIZES: [usize; 3] = [1_000, 8_000, usize::MAX];
/// Whose facts packages have that nobody downloaded.
const PROGRAMS: [&str; 5] = ["usr/bin/git", "usr/bin/curl", "usr/bin/openssl", "usr/bin/vim.nox", "usr/bin/ffmpeg"];

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    run_command(cargo().args(["build", "--release", "--package", "aleph-link", "--example", "plan"]))?;
    let program = bench.aleph.with_file_name("examples").join("plan");
    let (tree, other) = (bench.merged_tree()?, other_version()?);
    let archive = bench.made("libc6-other", |directory| {
        let what = format!("{LIBRARY}={other}");
        let mut download = Command::new("apt-get");
        download.args(["-qq", "-o", "APT::Sandbox::User=root", "download", &what]).current_dir(directory);
        run_command(&mut download)?;
        let archive = fs::read_dir(directory)?.next().ok_or("apt-get downloaded nothing")??.path();
        run_command(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(directory.join("tree")))
    })?;
    let libc = |tree: PathBuf| {
        let inside = ["usr/lib", "lib"].map(|lib| tree.join(lib).join("x86_64-linux-gnu/libc.so.6"));
        inside.into_iter().find(|path| path.exists()).ok_or("a libc6 has no libc.so.6")
    };
    let (old, new) = (libc(tree.clone())?, libc(archive.join("tree"))?);
    let all = graph()?;
    let (mut series, mut notes, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
    for size in SIZES {
        let packages = part(&all, size);
        let path = bench.work.join("graph");
        fs::write(&path, packages.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        let mut said = Value::Null;
        let (mut samples, mut peak) = (Vec::new(), 0);
        for _ in 0..bench.rounds.unwrap_or(5) {
            let mut command = Command::new(&program);
            command.arg(&path).arg(LIBRARY).args([&old, &new]).args(PROGRAMS.map(|program| tree.join(program)));
            let finished = process(&bench.work, &mut command)?;
            let answer: Value = serde_json::from_str(&finished.stdout)?;
            let seconds = answer["milliseconds"].as_f64().ok_or("plan says no time")? / 1e3;
            samples.push(Sample { seconds, ..finished.sample });
            peak = peak.max(finished.sample.peak_kib);
            said = answer;
        }
        bindings.push(said["bindings"].as_f64().ok_or("plan counts no bindings")?);
        let what = format!("plan of {LIBRARY} over {} packages", packages.len());
        let verdicts = &said["verdicts"];
        notes.push(format!("{what}: {} bindings, {verdicts}, at most {} MiB.", said["bindings"], peak >> 10));
        series.push(Series::of(what, samples));
    }
    // In a view of Debian packages, with what comes in the store.
    let store = bench.store()?;
    let debs = fs::read_dir(&archive)?.filter_map(Result::ok).map(|entry| entry.path());
    let debs: Vec<PathBuf> = debs.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    process(&bench.work, bench.aleph(store).args(["--quiet", "import"]).args(&debs))?;
    let request = format!("{LIBRARY}={other}");
    let view = Contender::new("aleph add --dry-run of another libc6, 370 packages", |_| {
        let arguments = ["--quiet", "--dry-run", "add", "--accept-breaks", &request];
        Ok(process(&bench.work, bench.aleph(store).args(arguments))?.sample)
    });
    series.extend(in_turn(bench.rounds.unwrap_or(10), vec![view])?);
    let [small, medium, whole, view] = &series[..] else { return Err("four were measured".into()) };
    let each: Vec<f64> =
        [small, medium, whole].iter().zip(&bindings).map(|(series, count)| series.median() * 1e6 / count).collect();
    notes.push(format!("Microseconds for each binding: {:.1}, {:.1}, {:.1}.", each[0], each[1], each[2]));
    let targets = vec![
        Target::milliseconds(whole, 1000.0),
        Target::memory(whole),
        Target::growth("plan: time for each binding, among all by that among 8,000", each[2] / each[1], 1.5),
        Target::milliseconds(view, 200.0),
    ];
    let about = format!(
        "The choice of what every package is bound to, and a verdict for each that is bound to {LIBRARY}, by symbols and what is\n\
         declared. The graph is that of all packages that apt knows, each taken for a native one; what was not downloaded has\n\
         the facts of {}, in turn. Then a view of the closure: the whole process of a plan for {LIBRARY} {other}.",
        PROGRAMS.map(|program| program.rsplit('/').next().unwrap_or(program)).join(", "),
    );
    Ok(Section { about, series, targets, notes })
}

/// Another version of the library than the newest.
fn other_version() -> Outcome<String> {
    let text = output(Command::new("apt-cache").args(["madison", LIBRARY]))?;
    let versions: BTreeSet<&str> = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    let newest = text.lines().next().and_then(|line| line.split('|').nth(1)).map(str::trim).unwrap_or_default();
    let other = versions.into_iter().find(|version| *version != newest);
    Ok(other.ok_or("the sources offer one libc6 only")?.to_owned())
}

/// A line for each package on offer: its name and what it depends on, the first of alternatives.
fn graph() -> Outcome<Vec<String>> {
    let text = output(Command::new("apt-cache").arg("dumpavail"))?;
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let Some(name) = field("Package: ") else { continue };
        let needs = [field("Pre-Depends: "), field("Depends: ")];
        let first = |relation: &str| {
            let end = |c: char| c.is_whitespace() || "(:|[".contains(c);
            relation.trim().split(end).next().unwrap_or_default().to_owned()
        };
        let needs: BTreeSet<String> = needs.into_iter().flatten().flat_map(|list| list.split(',')).map(first).collect();
        let needs: Vec<String> = needs.into_iter().collect();
        lines.entry(name.to_owned()).or_insert_with(|| format!("{name} {}", needs.join(" ")));
    }
    Ok(lines.into_values().collect())
}

/// So many packages, spread over all, the library among them.
fn part(all: &[String], size: usize) -> Vec<&String> {
    let step = (all.len() / size.min(all.len())).max(1);
    let is_library = |line: &&String| line.split(' ').next() == Some(LIBRARY);
    let others = all.iter().step_by(step).filter(|line| !is_library(line));
    all.iter().find(is_library).into_iter().chain(others).take(size).collect()
}
