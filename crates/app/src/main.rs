//! `aleph`: the command line.
//!
//! Invariant: this crate decides nothing that a room below could decide; a command turns arguments into one call and
//! prints what came back.

mod cli;
mod commands;
mod failure;
mod hints;
mod host;
mod ops;
mod output;
mod progress;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A reader that goes away (`aleph list | head`) ends us quietly, as it does other tools.
    host::default_broken_pipe();
    let cli = cli::Cli::from_environment();
    let printer = output::Printer::new(&cli.global);
    let code = match host::Host::from_environment(&cli.global).and_then(|host| commands::run(cli, &host, &printer)) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            failure.code()
        }
    };
    printer.finish(code)
}
