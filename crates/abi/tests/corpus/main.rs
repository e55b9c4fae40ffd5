//! The corpus: small libraries in an old and a new version, each with a consumer, and what is true of them.
//!
//! Every case is compiled; its consumer is run with both libraries, which proves the case honest; then the crate judges
//! it, with debug information and without. At the end a table says who was right how often, libabigail beside us.
//! `cargo test -p aleph-abi --test corpus` prints it; a runner that starts a process per test (nextest) only tests.

#![expect(clippy::disallowed_macros, reason = "a program, not a library")]

mod build;
mod case;
mod debug;
mod judge;
mod peers;
mod score;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use build::{Built, Ended, Variant};
use case::{Answer, Case, Side};
use libtest_mimic::{Arguments, Failed, Trial};
use score::{Mark, Score};

/// The name of the crate's row in the table.
const SELF: &str = "aleph";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = match case::all() {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("the corpus cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let score = Arc::new(Mutex::new(Score::default()));
    let scores = !arguments.exact && !arguments.list;
    let compares = scores && peers::are_here();
    let trials = cases.into_iter().map(|case| {
        let score = Arc::clone(&score);
        let runs = runs_here(&case);
        let trial = Trial::test(case.name.clone(), move || check(&case, compares, &score).map_err(Failed::from));
        trial.with_ignored_flag(!runs)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if scores && let Ok(score) = score.lock() {
        println!("{score}");
    }
    conclusion.exit_code()
}

/// Whether this machine can run what the case compiles. Calling conventions, and with them what breaks, are those of one
/// processor.
#[cfg(target_arch = "x86_64")]
fn runs_here(case: &Case) -> bool {
    !case.avx || std::arch::is_x86_feature_detected!("avx")
}

#[cfg(not(target_arch = "x86_64"))]
fn runs_here(_: &Case) -> bool {
    false
}

/// Tests one case.
fn check(case: &Case, compares: bool, score: &Mutex<Score>) -> Result<(), String> {
    let root = tempfile::tempdir().map_err(|error| error.to_string())?;
    let built = Built::make(case, root.path())?;
    for variant in Variant::ALL {
        prove(case, &built, variant)?;
    }
    let mut wrong = Vec::new();
    for variant in Variant::ALL {
        let mut marks = Vec::new();
        if let Some(judgement) = judge::judge(case, &built, variant) {
            marks.push((SELF, judgement.answer));
            let error = objection(case, variant, judgement.answer, &judgement.reasons);
            wrong.extend(error.map(|error| format!("{} files: {error}\n{}", variant.name(), judgement.reasons)));
        }
        if compares && peers::can_tell(case) {
            marks.extend(peers::NAMES.into_iter().zip(peers::ask(&built, variant)));
        }
        let mut score = score.lock().map_err(|error| error.to_string())?;
        for (who, answer) in marks {
            score.add(Mark { who, variant, case: case.name.clone(), expect: case.expect, truth: case.truth(), answer });
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Proves that what the case says of the run is true.
fn prove(case: &Case, built: &Built, variant: Variant) -> Result<(), String> {
    let files = variant.name();
    if let Ended::Badly(how) = built.run(variant, Side::Old)? {
        return Err(format!("{files} files: the consumer fails with the old library: {how}"));
    }
    match (built.run(variant, Side::New)?, case.works) {
        (Ended::Badly(how), true) => Err(format!("{files} files: the consumer fails with the new library: {how}")),
        (Ended::Well, false) => Err(format!("{files} files: the consumer works with the new library")),
        _ => Ok(()),
    }
}

/// What is wrong with an answer.
fn objection(case: &Case, variant: Variant, answer: Answer, reasons: &str) -> Option<String> {
    let expect = match variant {
        Variant::Full => case.today.or(Some(case.expect)),
        Variant::Stripped => case.stripped.filter(|_| case.today.is_none()),
    };
    // Without debug information it is right not to know, unless the case says that the symbols tell.
    let is_right = expect.map_or(answer == case.expect || answer == Answer::Unknown, |expect| answer == expect);
    if !is_right {
        return Some(format!("{answer:?} instead of {:?}", expect.unwrap_or(case.expect)));
    }
    let words = case.because.as_deref().filter(|_| variant == Variant::Full && case.today.is_none())?;
    (!reasons.contains(words)).then(|| format!("the reasons do not say {words:?}"))
}
