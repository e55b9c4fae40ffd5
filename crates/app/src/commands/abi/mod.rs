//! `aleph abi`: what binaries promise, and what happens to their consumers when they change.

mod check;
mod diff;
pub(super) mod impact;
mod show;

use std::process::ExitCode;

use aleph_abi::{Change, Effect, Evidence, Judgement, Verdict};
use serde_json::{Value, json};

use crate::{
    cli::AbiCommand,
    failure::Outcome,
    host::Host,
    ops::abi::diff::Request,
    output::{Printer, green, red, yellow},
};

/// Exit code: a consumer has to be built again.
const REBUILD: u8 = 10;
/// Exit code: it cannot be told.
const UNKNOWN: u8 = 11;

pub(crate) fn run(host: &Host, printer: &Printer, command: &AbiCommand) -> Outcome {
    match command {
        AbiCommand::Show { what } => show::show(host, printer, what),
        AbiCommand::Check { named, generation } => {
            let named = named.as_ref().map(|view| host.with_view(view));
            check::check(named.as_ref().unwrap_or(host), printer, *generation)
        }
        AbiCommand::Diff {
            old,
            new,
            consumers,
            stored_consumers,
            with,
            debug,
            old_headers,
            new_headers,
            accept,
            suppress,
        } => {
            let headers = old_headers.as_deref().zip(new_headers.as_deref());
            let accept_symbols = accept.is_some();
            let suppress = suppress.as_deref();
            let everybody = *stored_consumers;
            diff::diff(
                host,
                printer,
                &Request { old, new, consumers, everybody, with, debug, headers, accept_symbols, suppress },
            )
        }
    }
}

fn code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Relink => ExitCode::SUCCESS,
        Verdict::Rebuild => ExitCode::from(REBUILD),
        Verdict::Unknown => ExitCode::from(UNKNOWN),
    }
}

fn coloured(verdict: Verdict) -> String {
    match verdict {
        Verdict::Relink => green("relink"),
        Verdict::Rebuild => red("rebuild"),
        Verdict::Unknown => yellow("unknown"),
    }
}

pub(in crate::commands) fn evidence_names(evidence: &[Evidence]) -> Vec<&'static str> {
    evidence.iter().map(|evidence| evidence.as_str()).collect()
}

/// ` (by symbols, types)`, or nothing.
fn by(judgement: &Judgement) -> String {
    let names = evidence_names(&judgement.evidence).join(", ");
    if names.is_empty() { names } else { format!(" (by {names})") }
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Breaks => "breaks",
        Effect::Unclear => "unclear",
        Effect::Compatible => "compatible",
    }
}

fn reason(change: &Change) -> Value {
    json!({ "effect": effect_name(change.effect), "symbol": change.symbol, "text": change.text })
}
