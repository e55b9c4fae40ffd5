//! One file for each command.

mod abi;
mod add;
mod audit;
mod build;
mod changed;
mod history;
mod import;
mod init;
mod list;
mod picture;
mod policy;
mod quarantine;
mod run;
mod search;
mod show;
mod source;
mod store;
mod tour;
mod update_all;
mod view;
mod why;

pub(crate) use history::date;
pub(crate) use run::{current, has_shell};

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Command},
    failure::Outcome,
    host::Host,
    ops::change::Wish,
    output::Printer,
};

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, host: &Host, printer: &Printer) -> Outcome {
    match cli.command {
        Command::Add { packages, recommends, accept_breaks } => {
            add::add(host, printer, &Wish { add: packages, recommends, accept_breaks, ..Wish::default() })
        }
        Command::Remove { packages } => add::remove(host, printer, packages),
        Command::Update(arguments) if arguments.all_views => {
            update_all::update_all(host, printer, &arguments.packages, arguments.accept_breaks)
        }
        Command::Update(arguments) => add::update(host, printer, arguments),
        Command::Run { pure, with, generation, command } => {
            run::run(host, printer, &run::Place { pure, with, generation }, command)
        }
        Command::Shell { pure } => run::shell(host, printer, pure),
        Command::List { all } => list::list(host, printer, all),
        Command::Search { words } => search::search(host, printer, &words),
        Command::Show { package } => show::show(host, printer, &package),
        Command::Why { package } => why::why(host, printer, &package),
        Command::History => history::history(host, printer),
        Command::Rollback { generation } => history::rollback(host, printer, generation),
        Command::Init => init::init(host, printer),
        Command::Build(arguments) => build::run(host, printer, arguments),
        Command::Import(arguments) => import::run(host, printer, arguments),
        Command::View(command) => view::run(host, printer, &command),
        Command::Store(command) => store::run(host, printer, &command),
        Command::Source(command) => source::run(host, printer, &command),
        Command::Abi(command) => abi::run(host, printer, &command),
        Command::Audit(arguments) => audit::run(host, printer, &arguments),
        Command::Tour { from_source: true, recipes } => tour::from_source(host, printer, recipes),
        Command::Tour { .. } => tour::tour(host, printer),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "aleph", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Launch { words } => run::launch(words),
        Command::Worker => run::worker(),
        Command::Work => crate::ops::build::work(host),
    }
}
