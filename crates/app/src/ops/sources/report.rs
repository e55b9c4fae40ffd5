//! `aleph source`: asking the sources, and what they said.

use std::process::ExitCode;

use aleph_exchange::apt::sources::AptSource;
use aleph_exchange::apt::update::{SourceOutcome, SourceReport, Suite, Trust};
use serde_json::json;

use super::{Apt, monitor::Line};
use crate::{
    failure::{Failure, Outcome},
    hints,
    host::Host,
    output::{Printer, bytes, green, red, table},
};

/// Asks all sources; fails if none of them answered.
pub(super) fn ask(host: &Host, printer: &Printer, apt: &Apt) -> Outcome<Vec<SourceReport>> {
    apt.config.warnings.iter().for_each(|warning| printer.warning(&warning.to_string()));
    let reports = {
        let line = Line::new(printer, "updating");
        apt.lists().update(&apt.sources, &apt.config, &apt.fetcher(host), Host::clock(), &line)?
    };
    for report in &reports {
        report
            .warnings
            .iter()
            .for_each(|warning| printer.warning(&format!("{} {}: {warning}", report.uri, report.suite)));
        if let SourceOutcome::Failed { reason, .. } = &report.outcome {
            printer.warning(&format!("{} {}: {}", report.uri, report.suite, chain(reason)));
            hints::all(reason).iter().for_each(|hint| printer.note(&format!("  try: {hint}")));
        }
    }
    let usable = |report: &SourceReport| !matches!(report.outcome, SourceOutcome::Failed { kept: false, .. });
    if !reports.is_empty() && !reports.iter().any(usable) {
        return Err(Failure::new("no source could be asked").hint("see the warnings above"));
    }
    Ok(reports)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Asks all sources and says how that went.
pub(crate) fn update(host: &Host, printer: &Printer) -> Outcome {
    let apt = Apt::read(host, printer)?;
    if apt.sources.is_empty() {
        return Err(none());
    }
    if host.global.dry_run {
        printer.note(&format!("would ask {} sources", apt.sources.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let reports = ask(host, printer, &apt)?;
    let failed = reports.iter().filter(|report| matches!(report.outcome, SourceOutcome::Failed { .. })).count();
    let index = super::offers(host, printer)?.index;
    let rows: Vec<_> = reports.iter().map(row).collect();
    let data = json!({ "sources": rows, "packages": index.names().count() });
    printer.answer("source-update", &data, |_| {
        let lines: Vec<Vec<String>> = reports.iter().map(line).collect();
        format!("{}\n{} packages on offer", table(&lines), index.names().count())
    });
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row(report: &SourceReport) -> serde_json::Value {
    let (outcome, bytes) = match &report.outcome {
        SourceOutcome::Unchanged => ("unchanged", 0),
        SourceOutcome::Updated { transferred } => ("updated", *transferred),
        SourceOutcome::Failed { .. } => ("failed", 0),
    };
    json!({ "uri": report.uri, "suite": report.suite, "outcome": outcome, "bytes": bytes })
}

fn line(report: &SourceReport) -> Vec<String> {
    let outcome = match &report.outcome {
        SourceOutcome::Unchanged => "unchanged".to_owned(),
        SourceOutcome::Updated { transferred } => format!("{} with {}", green("updated"), bytes(*transferred)),
        SourceOutcome::Failed { kept: true, .. } => format!("{}; what was heard before stays", red("failed")),
        SourceOutcome::Failed { kept: false, .. } => red("failed"),
    };
    vec![report.uri.clone(), report.suite.clone(), outcome]
}

/// Lists the sources with what was last heard of them.
pub(crate) fn list(host: &Host, printer: &Printer) -> Outcome {
    let apt = Apt::read(host, printer)?;
    if apt.sources.is_empty() {
        return Err(none());
    }
    let suites = apt.known()?.suites;
    let sources: Vec<_> = apt
        .sources
        .iter()
        .map(|source| json!({ "uri": source.uri, "suite": source.suite, "components": source.components, "place": place(source) }))
        .collect();
    let heard: Vec<_> = suites
        .iter()
        .map(|suite| json!({ "id": suite.id, "suite": suite.suite, "codename": suite.codename, "component": suite.component, "architecture": suite.architecture, "priority": suite.priority, "date": suite.date, "vouched_by": vouched(suite) }))
        .collect();
    let data = json!({ "sources": sources, "suites": heard });
    printer.answer("sources", &data, |_| {
        let configured = apt
            .sources
            .iter()
            .map(|source| vec![source.uri.clone(), source.suite.clone(), source.components.join(" "), place(source)]);
        let configured = table(&configured.collect::<Vec<_>>());
        if suites.is_empty() {
            return format!("{configured}\nnot asked yet: `aleph source update`");
        }
        let heard = suites.iter().map(|suite| {
            let date = suite.date.map_or_else(String::new, |date| crate::commands::date(date.0));
            let name = format!("{}/{}", suite.codename, suite.component);
            vec![name, suite.architecture.clone(), suite.priority.to_string(), date, vouched(suite)]
        });
        format!(
            "{configured}\n\nheard of (suite, architecture, priority, date, signed by):\n{}",
            table(&heard.collect::<Vec<_>>())
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn vouched(suite: &Suite) -> String {
    match &suite.trust {
        Trust::Signed(fingerprint) => fingerprint.clone(),
        Trust::Unverified => "nobody (trusted=yes)".to_owned(),
    }
}

fn place(source: &AptSource) -> String {
    format!("{}:{}", source.place.file.display(), source.place.line)
}

fn none() -> Failure {
    Failure::new("this host has no apt sources").hint("--sources FILE names a file with some, one-line or deb822")
}
