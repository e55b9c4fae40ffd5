//! `aleph show`.

use std::process::ExitCode;

use aleph_exchange::apt::index::Candidate;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    ops::sources,
    output::{Printer, bold, bytes, table},
};

/// The fields that are shown of the best candidate.
const FIELDS: [&str; 9] =
    ["Section", "Homepage", "Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Provides"];

/// Shows what is on offer under a name.
pub(crate) fn show(host: &Host, printer: &Printer, name: &str) -> Outcome {
    let index = sources::offers(host, printer)?.index;
    let candidates: Vec<Candidate<'_>> = index.candidates(name).collect();
    let Some(best) = candidates.first() else { return Err(unknown(&index, name)) };
    let stored = match host.store_to_read() {
        Ok(store) => store.component_rows(Some(name))?,
        // What is on offer can be shown without a store.
        Err(failure) if failure.is_no_store() => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let data = json!({
        "name": name,
        "summary": best.summary(),
        "offers": candidates.iter().map(|candidate| json!({
            "version": candidate.version(), "architecture": candidate.architecture(),
            "priority": candidate.priority(), "size": candidate.size(), "source": sources::describe(candidate),
            "sha256": candidate.sha256(),
        })).collect::<Vec<_>>(),
        "stored": stored.iter().map(|row| json!({ "component": row.id, "version": row.version })).collect::<Vec<_>>(),
        "fields": FIELDS.iter().filter_map(|field| Some((*field, best.field(field)?))).collect::<std::collections::BTreeMap<_, _>>(),
    });
    printer.answer("show", &data, |_| {
        let mut text = format!("{}: {}\n", bold(name), best.summary());
        let offer = |candidate: &Candidate<'_>| {
            let size = candidate.size().map_or_else(String::new, bytes);
            let version = candidate.version().to_owned();
            vec!["  ".to_owned() + &version, candidate.architecture().to_owned(), size, sources::describe(candidate)]
        };
        text.push_str(&format!("on offer:\n{}\n", table(&candidates.iter().map(offer).collect::<Vec<_>>())));
        for row in &stored {
            text.push_str(&format!("in the store: {} as {}\n", row.version, row.id));
        }
        for field in FIELDS {
            if let Some(value) = best.field(field) {
                text.push_str(&format!("{field}: {value}\n"));
            }
        }
        if let Some(description) = best.field("Description") {
            let body: Vec<&str> = description.lines().skip(1).collect();
            text.push_str(&body.join("\n"));
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

fn unknown(index: &aleph_exchange::apt::index::PreparedIndex, name: &str) -> Failure {
    let failure = Failure::new(format!("no source offers `{name}`")).with_code(UNSATISFIABLE);
    let providers: Vec<String> =
        index.providers(name).take(6).map(|provider| provider.candidate.name().to_owned()).collect();
    if !providers.is_empty() {
        return failure.hint(format!("it is a virtual name; {} provide it", providers.join(", ")));
    }
    match index.similar(name, 3).as_slice() {
        [] => failure.hint(format!("`aleph search {name}` looks at summaries, too; `aleph source update` asks anew")),
        similar => failure.hint(format!("did you mean {}?", similar.join(", "))),
    }
}
