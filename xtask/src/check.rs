//! `cargo xtask check`: formatting, lints, fuzzers, documentation, dependencies.

use crate::{
    fuzz,
    tool::{Outcome, cargo, run, succeeds},
};

/// Runs every check, and fails if one of them did.
pub(crate) fn check() -> Outcome {
    let outcomes = [
        ("formatting", run(cargo().args(["fmt", "--all", "--", "--check"]))),
        ("clippy", run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
        ("fuzzers", fuzz::check()),
        ("documentation", documentation()),
        ("dependencies", dependencies()),
    ];
    let mut failed = Vec::new();
    for (name, outcome) in &outcomes {
        if let Err(error) = outcome {
            eprintln!("{name}: {error}");
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

fn documentation() -> Outcome {
    let mut command = cargo();
    command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run(&mut command)
}

/// Licences, bans and sources by `deny.toml`, and advisories if their database can be had.
fn dependencies() -> Outcome {
    if !succeeds(cargo().args(["deny", "--version"])) {
        eprintln!("dependencies: not checked, cargo-deny is not installed (`cargo install cargo-deny`)");
        return Ok(());
    }
    run(cargo().args(["deny", "--workspace", "check", "bans", "licenses", "sources"]))?;
    if !succeeds(cargo().args(["deny", "fetch", "db"])) {
        eprintln!("advisories: not checked, their database cannot be reached");
        return Ok(());
    }
    run(cargo().args(["deny", "--workspace", "check", "--disable-fetch", "advisories"]))
}
