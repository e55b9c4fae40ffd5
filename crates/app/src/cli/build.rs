//! What `build` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

// No doc comment on the struct: it would be the help.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BuildArguments {
    #[command(subcommand)]
    pub(crate) command: Option<BuildCommand>,
    /// Recipes; `world` means all of them
    #[arg(required = true, value_name = "RECIPE")]
    pub(crate) names: Vec<String>,
    /// Choose of the recipe's options; it stays chosen until something else is
    #[arg(long, value_name = "OPTION[=VALUE]")]
    pub(crate) with: Vec<String>,
    /// Choose to be without; the same as --with OPTION=no
    #[arg(long, value_name = "OPTION")]
    pub(crate) without: Vec<String>,
    /// The directory of recipes [default: the nearest upwards that is one, or has one called `recipes`]
    #[arg(long, value_name = "DIR")]
    pub(crate) recipes: Option<PathBuf>,
    /// How many recipes are built at once
    #[arg(long, value_name = "N")]
    pub(crate) builds: Option<usize>,
    /// How many things each of them does at once [default: as many as there are processors]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Run the tests that come with the sources
    #[arg(long)]
    pub(crate) test: bool,
    /// Show what builds say while they do
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Keep the directory of a build that fails
    #[arg(long)]
    pub(crate) keep: bool,
    /// Build on a cluster: one that `executors.toml` names, or grpc://HOST:PORT[/INSTANCE]. What it cannot build is built
    /// here; with --builds this machine takes its share
    #[arg(long, value_name = "NAME|ADDRESS")]
    pub(crate) executor: Option<String>,
    /// Build what is named once more, and compare: the same should come of it
    #[arg(long)]
    pub(crate) check: bool,
    /// The same for another prefix: it should differ only where it is known to name its prefix
    #[arg(long, conflicts_with = "check")]
    pub(crate) check_prefix: bool,
    /// Build what is linked to something else than it was built with, with that: it should offer the same
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Take nothing from the host: everything is linked to a C library that is built, too
    #[arg(long)]
    pub(crate) closed: bool,
    /// Begin nothing more once a build has failed
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Build with the newest tools that the sources offer from now on; what is built stays
    #[arg(long)]
    pub(crate) update_tools: bool,
    /// Build again what was built with other tools
    #[arg(long)]
    pub(crate) same_tools: bool,
}

#[derive(Subcommand)]
pub(crate) enum BuildCommand {
    /// Begin a recipe from a source: crate:NAME, pypi:NAME, npm:NAME or debian:NAME (with @VERSION, or the newest),
    /// git:REPOSITORY (with @COMMIT), an address, or a directory
    New {
        /// What it is called
        name: String,
        /// Where its source is
        #[arg(value_name = "KIND:NAME|URL|FILE|DIR")]
        source: String,
        /// Its version [default: the source's]
        #[arg(long)]
        version: Option<String>,
        /// The Debian source package that FILE is of
        #[arg(long, value_name = "PACKAGE")]
        debian: Option<String>,
        /// The directory of recipes [default: the nearest upwards that is one, or has one called `recipes`]
        #[arg(long, value_name = "DIR")]
        recipes: Option<PathBuf>,
    },
    /// Start a shell where a recipe is built, with its phases as functions
    Shell {
        #[arg(value_name = "RECIPE")]
        name: String,
        /// Choose of the recipe's options; it stays chosen until something else is
        #[arg(long, value_name = "OPTION[=VALUE]")]
        with: Vec<String>,
        /// Choose to be without; the same as --with OPTION=no
        #[arg(long, value_name = "OPTION")]
        without: Vec<String>,
        /// The directory of recipes [default: the nearest upwards that is one, or has one called `recipes`]
        #[arg(long, value_name = "DIR")]
        recipes: Option<PathBuf>,
    },
    /// Print the JSON Schema of recipes, for editors
    Schema,
}
