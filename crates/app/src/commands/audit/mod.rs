//! `aleph audit`: one question to the store answers for everybody.

mod log;
mod reach;
mod running;
mod sbom;
mod summary;
mod update;
mod why;

use aleph_audit::{Certainty, Evidence, Finding};
use serde_json::{Value, json};

use crate::{
    cli::{AuditArguments, AuditCommand},
    failure::Outcome,
    host::Host,
    ops::audit::{Fix, Outlook},
    output::{Printer, red, yellow},
};

/// Exit code: something that a view uses now is affected.
const AFFECTED: u8 = 10;
/// Exit code: something may be.
const POSSIBLE: u8 = 11;

pub(super) fn run(host: &Host, printer: &Printer, arguments: &AuditArguments) -> Outcome {
    match &arguments.command {
        None => summary::summary(host, printer, arguments.all),
        Some(AuditCommand::Update { from, only }) => update::update(host, printer, from, *only),
        Some(AuditCommand::Why { id }) => why::why(host, printer, id),
        Some(AuditCommand::Reach { what }) => reach::reach(host, printer, what),
        Some(AuditCommand::Sbom { package, bill, output }) => {
            sbom::sbom(host, printer, package.as_deref(), *bill, output.as_deref())
        }
        Some(AuditCommand::Log { last }) => log::log(host, printer, *last),
        Some(AuditCommand::Running) => running::running(host, printer),
    }
}

/// How a component is affected that is what is affected.
const ITSELF: &str = "itself";

/// Some of many names.
fn some(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

/// What an update of a view would do, in words.
fn outlook(fix: &Fix) -> String {
    match &fix.outlook {
        Outlook::Moves { replaced, relinked, rebuilt, refused, seconds } => {
            let to: Vec<String> = replaced.iter().map(|(name, _, to)| format!("{name} {to}")).collect();
            let mut text = format!("{}; {relinked} relinked, in about {seconds:.1} s", some(&to));
            if !rebuilt.is_empty() {
                text.push_str(&yellow(&format!("; to be rebuilt first (`--rebuild`): {}", some(rebuilt))));
            }
            if let Some(why) = refused {
                text.push_str(&red(&format!("; refused: {why}")));
            }
            text
        }
        Outlook::Nothing { held } if !held.is_empty() => {
            format!("it asks for {}; after this, `update` takes newer ones", held.join(", "))
        }
        Outlook::Nothing { .. } => "nothing newer is offered or in the store".to_owned(),
        Outlook::Unknown { why } => yellow(why),
    }
}

/// A weakness for programs.
fn value(finding: &Finding) -> Value {
    json!({
        "id": finding.id, "summary": finding.summary, "severity": finding.severity, "certainty": finding.certainty,
        "fixed": finding.fixed, "evidence": finding.evidence.iter().map(told).collect::<Vec<_>>(),
        "edge": finding.inside.as_ref().map_or(ITSELF, |inside| inside.edge.word()),
        "file": finding.inside.as_ref().map(|inside| &inside.path),
    })
}

/// What a finding rests on, in words.
fn told(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Advisory(id) => id.clone(),
        Evidence::Changelog(source, version) => format!("the changelog of {source} {version}"),
    }
}

/// How bad a base score is: the words of CVSS.
fn rating(score: f64) -> &'static str {
    match score {
        ..0.1 => "none",
        ..4.0 => "low",
        ..7.0 => "medium",
        ..9.0 => "high",
        _ => "critical",
    }
}

/// A weakness in one line.
fn line(finding: &Finding) -> String {
    let mut text = match (finding.severity, finding.certainty) {
        (Some(score), Certainty::Affected) if score >= 7.0 => red(&finding.id),
        _ => yellow(&finding.id),
    };
    if let Some(score) = finding.severity {
        text.push_str(&format!(" {} ({score:.1})", rating(score)));
    }
    if !finding.summary.is_empty() {
        text.push_str(&format!("  {}", short(&finding.summary)));
    }
    text
}

/// The first sentence of a text, as far as it fits beside other things.
fn short(text: &str) -> String {
    const FITS: usize = 100;
    let sentence = text.split_once(". ").map_or(text, |(sentence, _)| sentence).trim_end_matches(['.', '…']);
    match sentence.char_indices().nth(FITS) {
        Some((end, _)) => format!("{}…", sentence[..end].trim_end()),
        None => sentence.to_owned(),
    }
}

/// The later ones of fixed versions, in words.
fn fixed(finding: &Finding) -> String {
    match finding.fixed.as_slice() {
        [] => "no fixed version is known".to_owned(),
        fixed => format!("fixed in {}", fixed.join(" or ")),
    }
}
