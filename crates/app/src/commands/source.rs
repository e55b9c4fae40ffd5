//! `aleph source`.

use crate::{cli::SourceCommand, failure::Outcome, host::Host, ops::sources, output::Printer};

pub(crate) fn run(host: &Host, printer: &Printer, command: &SourceCommand) -> Outcome {
    match command {
        SourceCommand::List => sources::list(host, printer),
        SourceCommand::Update => sources::update(host, printer),
    }
}
