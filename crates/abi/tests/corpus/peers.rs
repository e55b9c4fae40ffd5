//! What libabigail says of the same files.
//!
//! `abidiff` compares libraries and knows no consumer. It is shown the public headers of both sides, with which it
//! leaves out private types, and told that additions are welcome. Its exit code is a set of bits: 1 and 2 for errors, 4 for a change, 8 for a change that it is
//! sure is incompatible. It leaves changes with 4 alone to a person, so it is scored twice: strictly (any change is
//! `rebuild`) and leniently (8 is `rebuild`, all else `relink`). `abicompat` is told the consumer; any difference that it
//! reports is `rebuild`. Errors are `unknown`. Neither is asked about breaks that only headers show.

use std::process::Command;

use crate::{
    build::{Built, Variant},
    case::{Answer, Case, Side},
};

/// The names under which `ask` answers.
pub(crate) const NAMES: [&str; 3] = ["abidiff, strictly", "abidiff, leniently", "abicompat"];

const ERROR: i32 = 1 | 2;
const INCOMPATIBLE: i32 = 8;

/// Whether the tools are on this machine.
pub(crate) fn are_here() -> bool {
    ["abidiff", "abicompat"].iter().all(|tool| Command::new(tool).arg("--version").output().is_ok())
}

/// Whether a case is one that they are made for.
pub(crate) fn can_tell(case: &Case) -> bool {
    !(case.headers && case.expect == Answer::Rebuild)
}

/// The answers in the order of `NAMES`.
pub(crate) fn ask(built: &Built, variant: Variant) -> [Answer; 3] {
    let [old, new] = [Side::Old, Side::New].map(|side| built.library(variant, side));
    let mut diff = Command::new("abidiff");
    diff.arg("--no-added-syms");
    diff.arg("--headers-dir1").arg(built.headers(Side::Old)).arg("--headers-dir2").arg(built.headers(Side::New));
    let mut compat = Command::new("abicompat");
    let debug = built.debug_directory();
    if variant == Variant::Full && debug.is_dir() {
        diff.arg("--debug-info-dir1").arg(&debug).arg("--debug-info-dir2").arg(&debug);
        compat.arg("--lib-debug-info-dir1").arg(&debug).arg("--lib-debug-info-dir2").arg(&debug);
    }
    let diff = code(diff.arg(&old).arg(&new));
    let compat = code(compat.arg(built.consumer(variant)).arg(&old).arg(&new));
    [answer(diff, !0), answer(diff, INCOMPATIBLE), answer(compat, !0)]
}

fn code(command: &mut Command) -> i32 {
    command.output().ok().and_then(|output| output.status.code()).unwrap_or(ERROR)
}

fn answer(code: i32, breaking: i32) -> Answer {
    match code {
        code if code & ERROR != 0 => Answer::Unknown,
        code if code & breaking != 0 => Answer::Rebuild,
        _ => Answer::Relink,
    }
}
