//! Facts and verdicts of real libraries, against libabigail and binutils.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Bench,
    compose::phase,
    inputs::unpack,
    machine,
    measure::{Contender, Finished, Sample, Series, in_turn, process},
    report::{Section, Target},
};
use crate::tool::{Outcome, output};

/// Packages of libraries of which Debian often has several versions; those that it has now are compared.
const LIBRARIES: &[&str] = &[
    "libc6",
    "libssl3",
    "libexpat1",
    "libxml2",
    "libsqlite3-0",
    "libpng16-16",
    "zlib1g",
    "libcurl4",
    "libcurl3-gnutls",
    "libgnutls30",
    "libpq5",
    "libavcodec59",
    "libavformat59",
    "libavutil57",
    "libswscale6",
    "libperl5.36",
    "libpython3.11",
];
/// Where Debian has glibc.
const LIBC: &str = "lib/x86_64-linux-gnu/libc.so.6";
/// Consumers for which the time of verdicts is wanted.
const CONSUMERS: f64 = 3000.0;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let sides = Sides::get(bench)?;
    let mut series = sides.one_call(bench)?;
    series.extend(sides.with_types(bench)?);
    let (many, pairs) = sides.many(bench)?;
    series.extend(many);
    let files = elf_files(&bench.merged_tree()?)?;
    series.extend(facts(bench, &files)?);
    let (of_store, consumers) = sides.of_store(bench)?;
    series.extend(of_store);
    let [one, abidiff, typed, abidiff_typed, many, abidiff_many, facts, nm, stored, verdicts] = &series[..] else {
        return Err("ten were measured".into());
    };
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let share = consumers as f64 / CONSUMERS;
    let targets = vec![
        Target::ratio(one, abidiff, 1.0 / 20.0),
        Target::ratio(typed, abidiff_typed, 1.0 / 10.0),
        Target::ratio(many, abidiff_many, 1.0 / 20.0),
        Target::ratio(facts, nm, 1.0),
        Target::milliseconds(verdicts, (50.0 * share).round()),
        Target::memory(typed),
        Target::memory(stored),
    ];
    let about = format!(
        "Old and new versions that the host's sources offer. Compared are `libc.so.6` of libc6 in one call, without its debug information\n\
         and with libc6-dbg; all {pairs} libraries of {} in one call, against as many calls of abidiff ({}); the facts of\n\
         the {} ELF files of the closure, against `nm -D` ({}); and verdicts for everything in the store that needs\n\
         `libc.so.6`, {consumers} programs and libraries: 50 ms are wanted for {CONSUMERS}.",
        sides.packages.join(", "),
        machine::version("abigail-tools"),
        files.len(),
        machine::version("binutils"),
    );
    Ok(Section { about, series, targets, notes: Vec::new() })
}

/// Old and new packages, unpacked.
struct Sides {
    old: PathBuf,
    new: PathBuf,
    old_debug: PathBuf,
    new_debug: PathBuf,
    packages: Vec<String>,
}

impl Sides {
    fn get(bench: &Bench) -> Outcome<Self> {
        let mut packages = Vec::new();
        let [mut old, mut new, mut old_debug, mut new_debug] = [const { Vec::new() }; 4];
        for name in LIBRARIES {
            let Some((before, now)) = versions(name)? else { continue };
            if *name == "libc6" {
                old_debug.push(format!("libc6-dbg={before}"));
                new_debug.push(format!("libc6-dbg={now}"));
            }
            old.push(format!("{name}={before}"));
            new.push(format!("{name}={now}"));
            packages.push((*name).to_owned());
        }
        let tree = |name: &str, packages: &[String]| {
            let archives = bench.download(packages)?;
            bench.made(name, |tree| archives.iter().try_for_each(|archive| unpack(archive, tree)))
        };
        Ok(Self {
            old: tree("abi-old", &old)?,
            new: tree("abi-new", &new)?,
            old_debug: tree("abi-old-debug", &old_debug)?.join("usr/lib/debug"),
            new_debug: tree("abi-new-debug", &new_debug)?.join("usr/lib/debug"),
            packages,
        })
    }

    /// `aleph abi diff`, whatever it answers.
    fn aleph(&self, bench: &Bench, arguments: &[&Path]) -> Outcome<Finished> {
        let mut command = bench.aleph(&bench.work.join("store"));
        // Who may use symbols alone is not what is measured; a verdict is a success.
        command.args(["--format", "json", "abi", "diff", "--accept", "symbols"]).args(arguments);
        judged(bench, &command, &[0, 10, 11])
    }

    fn one_call(&self, bench: &Bench) -> Outcome<Vec<Series>> {
        let [old, new] = [&self.old, &self.new].map(|side| side.join(LIBC));
        let contenders = vec![
            Contender::new("aleph abi diff libc.so.6", |_| Ok(self.aleph(bench, &[&old, &new])?.sample)),
            Contender::new("abidiff libc.so.6", |_| abidiff(bench, Command::new("abidiff").args([&old, &new]))),
        ];
        in_turn(bench.rounds.unwrap_or(5), contenders)
    }

    fn with_types(&self, bench: &Bench) -> Outcome<Vec<Series>> {
        let [old, new] = [&self.old, &self.new].map(|side| side.join(LIBC));
        let option = Path::new("--debug-dir");
        let arguments = [&old, &new, option, &self.old_debug, option, &self.new_debug];
        let contenders = vec![
            Contender::new("aleph abi diff libc.so.6 with debug information", |_| {
                Ok(self.aleph(bench, &arguments.map(|argument: &Path| argument))?.sample)
            }),
            Contender::new("abidiff libc.so.6 with debug information", |_| {
                let mut command = Command::new("abidiff");
                command.arg("--debug-info-dir1").arg(&self.old_debug).arg("--debug-info-dir2").arg(&self.new_debug);
                abidiff(bench, command.args([&old, &new]))
            }),
        ];
        in_turn(bench.rounds.unwrap_or(3), contenders)
    }

    /// All libraries that both sides have, in one call and in one call each.
    fn many(&self, bench: &Bench) -> Outcome<(Vec<Series>, usize)> {
        let pairs = self.pairs()?;
        let contenders = vec![
            Contender::new("aleph abi diff of all libraries", |_| {
                Ok(self.aleph(bench, &[&self.old, &self.new])?.sample)
            }),
            Contender::new("abidiff of each library", |_| {
                let calls = pairs.iter().map(|(old, new)| abidiff(bench, Command::new("abidiff").args([old, new])));
                let mut all = Sample { seconds: 0.0, cpu: 0.0, peak_kib: 0 };
                for sample in calls {
                    let Sample { seconds, cpu, peak_kib } = sample?;
                    all = Sample {
                        seconds: all.seconds + seconds,
                        cpu: all.cpu + cpu,
                        peak_kib: all.peak_kib.max(peak_kib),
                    };
                }
                Ok(all)
            }),
        ];
        Ok((in_turn(bench.rounds.unwrap_or(2), contenders)?, pairs.len()))
    }

    /// Shared libraries by their path's last part up to `.so`.
    fn pairs(&self) -> Outcome<Vec<(PathBuf, PathBuf)>> {
        let stem = |path: &Path| Some(path.file_name()?.to_str()?.split_once(".so")?.0.to_owned());
        let new = elf_files(&self.new)?;
        let mut pairs = Vec::new();
        for old in elf_files(&self.old)? {
            let Some(name) = stem(&old) else { continue };
            pairs
                .extend(new.iter().find(|new| stem(new).as_ref() == Some(&name)).map(|new| (old.clone(), new.clone())));
        }
        Ok(pairs)
    }

    /// Verdicts for all of a store: the whole process, and what it says of the verdicts.
    fn of_store(&self, bench: &Bench) -> Outcome<(Vec<Series>, usize)> {
        let store = bench.store()?;
        let [old, new] = [&self.old, &self.new].map(|side| side.join(LIBC));
        let (verdicts, consumers) = (RefCell::new(Vec::new()), RefCell::new(0));
        let contender = Contender::new("aleph abi diff libc.so.6 --stored-consumers, whole process", |round| {
            let mut command = bench.aleph(store);
            command.args(["--format", "json", "abi", "diff", "--accept", "symbols", "--stored-consumers"]);
            let finished = judged(bench, command.args([&old, &new]), &[0, 10, 11])?;
            let answer: serde_json::Value = serde_json::from_str(&finished.stdout)?;
            *consumers.borrow_mut() = answer["data"]["verdicts"].as_array().map_or(0, Vec::len);
            if round > 0 {
                verdicts.borrow_mut().push(Sample::phase(phase(&finished.stdout, "verdicts")?));
            }
            Ok(finished.sample)
        });
        let mut series = in_turn(bench.rounds.unwrap_or(5), vec![contender])?;
        series.push(Series::of("aleph: verdicts for all consumers of libc.so.6", verdicts.into_inner()));
        Ok((series, consumers.into_inner()))
    }
}

fn facts(bench: &Bench, files: &[PathBuf]) -> Outcome<Vec<Series>> {
    let (list, tree) = (bench.work.join("elf-files"), bench.merged_tree()?);
    let names: Vec<&str> = files.iter().filter_map(|path| path.to_str()).collect();
    fs::write(&list, names.join("\0"))?;
    let contenders = vec![
        Contender::new("aleph abi show of all files", |_| {
            let mut command = bench.aleph(&bench.work.join("store"));
            Ok(judged(bench, command.args(["abi", "show"]).arg(&tree), &[0, 11])?.sample)
        }),
        Contender::new("nm -D of all files", |_| {
            // What has no symbols makes nm fail.
            let mut command = Command::new("sh");
            command.args(["-c", "xargs -0 nm -D < \"$0\" 2> /dev/null; true"]).arg(&list);
            Ok(process(&bench.work, &mut command)?.sample)
        }),
    ];
    in_turn(bench.rounds.unwrap_or(5), contenders)
}

/// Runs a command of which several exit codes are answers.
fn judged(bench: &Bench, command: &Command, answers: &[i32]) -> Outcome<Finished> {
    let codes: Vec<String> = answers.iter().map(i32::to_string).collect();
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", &format!("\"$0\" \"$@\"; case $? in {}) exit 0;; *) exit 1;; esac", codes.join("|"))]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    process(&bench.work, &mut wrapped)
}

/// Its exit code is a set of bits: 1 and 2 are errors, 4 and 8 are differences.
fn abidiff(bench: &Bench, command: &Command) -> Outcome<Sample> {
    Ok(judged(bench, command, &[0, 4, 8, 12])?.sample)
}

/// The oldest and the newest version of a package that apt knows, if they differ.
fn versions(name: &str) -> Outcome<Option<(String, String)>> {
    let text = output(Command::new("apt-cache").args(["madison", name]))?;
    let mut versions: Vec<&str> = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    versions.dedup();
    let pair = versions.last().zip(versions.first()).filter(|(old, new)| old != new);
    Ok(pair.map(|(old, new)| ((*old).to_owned(), (*new).to_owned())))
}

/// All ELF files below a directory, links not followed, sorted.
fn elf_files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut open, mut files) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_type()?.is_file() && is_elf(&entry.path())? {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_elf(path: &Path) -> Outcome<bool> {
    let mut magic = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(path)?, 4), &mut magic)?;
    Ok(magic == *b"\x7fELF")
}
