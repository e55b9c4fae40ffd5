//! `aleph tour`: the main job, told in a terminal.
//!
//! What it shows is real: packages of the host's apt sources, programs run as child processes, times and counts taken
//! while it happens. Where there are no apt sources it compiles a few packages of its own.

mod bound;
mod cast;
mod census;
mod chapters;
mod facts;
mod homemade;
mod native;
mod offer;
mod opening;
mod pack;
mod page;
mod place;
mod source;
mod story;

use std::{process::ExitCode, time::Instant};

use crate::{failure::Outcome, host::Host, output::Printer};

/// Tells the tour of building from source.
pub(crate) fn from_source(host: &Host, printer: &Printer, recipes: Option<std::path::PathBuf>) -> Outcome {
    let place = place::Place::new(host);
    let guard = place.clear(printer)?;
    let facts = source::tell(host, printer, &place, recipes)?;
    drop(guard);
    if printer.is_json() {
        printer.answer("tour-from-source", &facts, |_| String::new());
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the tour.
pub(crate) fn tour(host: &Host, printer: &Printer) -> Outcome {
    let place = place::Place::new(host);
    if host.global.dry_run {
        printer.line(&place.intention());
        return Ok(ExitCode::SUCCESS);
    }
    let guard = place.clear(printer)?;
    let facts = chapters::tell(host, printer, &place, Instant::now())?;
    drop(guard);
    if printer.is_json() || host.global.quiet {
        printer.answer("tour", &facts, |facts| chapters::numbers(facts).join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}
