//! `cargo xtask fuzz`: builds the fuzzers in `fuzz/` and runs them one after the other.

mod seeds;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::tool::{Outcome, cargo, has_program, output, project, run};

/// What cargo-fuzz compiles with, less the address sanitizer, which needs a nightly compiler and sees little in safe code.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

/// The fuzzers' own workspace.
const MANIFEST: &str = "fuzz/Cargo.toml";

/// Seconds that each fuzzer runs if nothing else is said.
const SECONDS: u64 = 60;

/// Megabytes of memory, seconds for one input, and bytes of one input; above these an input counts as a finding.
const LIMITS: [&str; 3] = ["-rss_limit_mb=1024", "-timeout=10", "-max_len=65536"];

/// Runs the fuzzers that the arguments name, or all.
pub(crate) fn fuzz(arguments: &[String]) -> Outcome {
    let all = targets()?;
    let (mut chosen, mut seconds) = (Vec::new(), SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = arguments.next().ok_or("--seconds needs a number")?.parse()?,
            name if all.iter().any(|known| known == name) => chosen.push(name.to_owned()),
            name => return Err(format!("there is no fuzzer `{name}`; there are: {}", all.join(", ")).into()),
        }
    }
    let chosen = if chosen.is_empty() { all } else { chosen };
    let programs = build(&chosen)?;
    let scratch = Scratch::new()?;
    let failed: Vec<&str> = chosen
        .iter()
        .filter(|target| {
            let outcome = run_one(target, &programs.join(target), seconds, &scratch.0);
            outcome.inspect_err(|error| eprintln!("{target}: {error}")).is_err()
        })
        .map(String::as_str)
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("findings or failures, kept in target/fuzz/artifacts: {}", failed.join(", ")).into()),
    }
}

/// Whether the fuzzers are in form and would compile.
pub(crate) fn check() -> Outcome {
    run(cargo().args(["fmt", "--manifest-path", MANIFEST, "--", "--check"]))?;
    if let Err(error) = need_compiler() {
        eprintln!("fuzzers: not compiled: {error}");
        return Ok(());
    }
    // The workspace's own directory has nearly all that they depend on.
    let place = ["--manifest-path", MANIFEST, "--target-dir", "target"];
    run(cargo().arg("clippy").args(place).args(["--", "-D", "warnings"]))
}

fn need_compiler() -> Outcome {
    match ["c++", "g++", "clang++"].iter().any(|name| has_program(name)) {
        true => Ok(()),
        false => Err("libFuzzer is built with a C++ compiler, and there is none (Debian's package g++ has one)".into()),
    }
}

fn targets() -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(project().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Builds fuzzers, and gives the directory that they are in.
fn build(targets: &[String]) -> Outcome<PathBuf> {
    need_compiler()?;
    // With a target named, the flags do not reach build scripts, which could not be linked with them.
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]))?.trim().to_owned();
    let mut command = cargo();
    command.env("RUSTFLAGS", FLAGS.join(" ")).args(["build", "--release", "--target", &host]);
    command.args(["--manifest-path", MANIFEST, "--target-dir", "target/fuzz"]);
    for target in targets {
        command.args(["--bin", target]);
    }
    run(&mut command)?;
    Ok(project().join("target/fuzz").join(host).join("release"))
}

fn run_one(target: &str, program: &Path, seconds: u64, scratch: &Path) -> Outcome {
    let work = project().join("target/fuzz");
    let place = |kind: &str| -> Outcome<PathBuf> {
        let path = work.join(kind).join(target);
        fs::create_dir_all(&path)?;
        Ok(path)
    };
    // What a run finds interesting goes to the first; the others are read.
    let (corpus, made, artifacts) = (place("corpus")?, place("seeds")?, place("artifacts")?);
    for (number, seed) in seeds::of_host(target, scratch).into_iter().enumerate() {
        fs::write(made.join(number.to_string()), seed)?;
    }
    let mut command = Command::new(program);
    command.env("TMPDIR", scratch).args(LIMITS).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg("-print_final_stats=1");
    let dictionary = project().join(format!("fuzz/dictionaries/{target}"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.args([corpus, made]);
    let committed = project().join("fuzz/seeds").join(target);
    if committed.exists() {
        command.arg(committed);
    }
    run(&mut command)
}

/// A directory in memory, where there is one, that goes with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = base.join(format!("aleph-fuzz-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A store's directories are read-only, also for their owner.
        let _ = crate::tool::succeeds(Command::new("chmod").args(["--recursive", "u+w"]).arg(&self.0));
        let _ = fs::remove_dir_all(&self.0);
    }
}
