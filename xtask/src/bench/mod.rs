//! `cargo xtask bench`: Aleph and other tools side by side, in the same run, in turn: A B A B.

mod abi;
mod compose;
mod enter;
mod graft;
mod import;
mod inputs;
mod machine;
mod measure;
mod no_op;
mod plan;
mod relink;
mod report;
mod solve;
mod verify;

use std::{cell::OnceCell, path::PathBuf, process::Command};

use crate::{
    setup,
    tool::{Outcome, cargo, output, project, run},
};
use inputs::Closure;
use report::Section;

/// A comparison, by name.
struct Comparison {
    name: &'static str,
    about: &'static str,
    run: fn(&Bench) -> Outcome<Section>,
}

/// All comparisons, in the order of BENCHMARKS.md.
const COMPARISONS: &[Comparison] = &[
    Comparison { name: "import", about: "archives into the store, against dpkg-deb and mmdebstrap", run: import::run },
    Comparison { name: "compose", about: "a view's tree, against cp -al and ostree", run: compose::run },
    Comparison { name: "enter", about: "a program in a view, against bwrap", run: enter::run },
    Comparison { name: "solve", about: "which packages are needed, against apt-get", run: solve::run },
    Comparison { name: "no-op", about: "adding what is there", run: no_op::run },
    Comparison { name: "abi", about: "facts and verdicts, against libabigail and nm", run: abi::run },
    Comparison { name: "plan", about: "what an update means, for 63,000 packages", run: plan::run },
    Comparison {
        name: "relink",
        about: "everything to another libc6, against copying and rewriting",
        run: relink::run,
    },
    Comparison { name: "verify", about: "reading and proving the store, against openssl", run: verify::run },
];

/// What every comparison works with.
struct Bench {
    /// Where inputs are kept and outputs are made; they must be on one file system.
    work: PathBuf,
    /// The program that is measured.
    aleph: PathBuf,
    /// Counted rounds, if the user wants other than each comparison's own number.
    rounds: Option<usize>,
    closure: OnceCell<Closure>,
    store: OnceCell<PathBuf>,
}

/// Reads the arguments, prepares, compares, and rewrites BENCHMARKS.md.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    let mut names = Vec::new();
    let (mut work, mut rounds, mut aleph) = (project().join("target/bench"), None, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--list" => return list(),
            "--work" => work = std::path::absolute(value()?)?,
            "--rounds" => rounds = Some(value()?.parse()?),
            "--aleph" => aleph = Some(std::path::absolute(value()?)?),
            name if COMPARISONS.iter().any(|comparison| comparison.name == name) => names.push(name.to_owned()),
            other => {
                return Err(format!("no comparison is called {other}; `cargo xtask bench --list` names them").into());
            }
        }
    }
    setup::for_comparisons()?;
    std::fs::create_dir_all(work.join("results"))?;
    let aleph = match aleph {
        Some(aleph) => aleph,
        None => build()?,
    };
    let bench = Bench { work, aleph, rounds, closure: OnceCell::new(), store: OnceCell::new() };
    // Lists of today, as apt's are: what both find is compared.
    run(bench.aleph(&bench.work.join("store")).args(["source", "update"]))?;
    let outcome = compare(&bench, &names);
    inputs::clear(&bench)?;
    outcome
}

fn list() -> Outcome {
    for comparison in COMPARISONS {
        println!("{:10} {}", comparison.name, comparison.about);
    }
    Ok(())
}

/// Runs the comparisons named, or all, and goes on when one fails.
fn compare(bench: &Bench, names: &[String]) -> Outcome {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let mut failed = Vec::new();
    for comparison in COMPARISONS.iter().filter(|comparison| wanted(comparison.name)) {
        eprintln!("== {}: {}", comparison.name, comparison.about);
        match (comparison.run)(bench) {
            Ok(section) => {
                println!("{}", section.to_markdown(comparison.name));
                report::keep(bench, comparison.name, &section)?;
            }
            Err(error) => {
                eprintln!("xtask: {}: {error}", comparison.name);
                failed.push(comparison.name);
            }
        }
    }
    report::write(bench, COMPARISONS.iter().map(|comparison| comparison.name))?;
    if failed.is_empty() { Ok(()) } else { Err(format!("could not compare: {}", failed.join(", ")).into()) }
}

/// Builds the program in release and says where it is.
fn build() -> Outcome<PathBuf> {
    run(cargo().args(["build", "--release", "--package", "aleph"]))?;
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(target).join("release/aleph"))
}

impl Bench {
    /// The program, with this store, our own cache and home, and nothing of the user's settings.
    fn aleph(&self, store: &std::path::Path) -> Command {
        let mut command = Command::new(&self.aleph);
        for name in ["ALEPH_STORE", "ALEPH_TARGET_VIEW", "ALEPH_OFFLINE", "ALEPH_SOURCES", "ALEPH_VIEW"] {
            command.env_remove(name);
        }
        // A directory without a project, so that the user's view is meant.
        command.current_dir(&self.work).env("HOME", self.work.join("home")).env("ALEPH_CACHE", self.work.join("cache"));
        command.arg("--store").arg(store);
        command
    }
}
