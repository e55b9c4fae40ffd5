//! What `audit` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

// No doc comments on the structs: they would be the help.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = AUDIT_CODES)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    /// List every weakness, also of what no view uses
    #[arg(long, short)]
    pub(crate) all: bool,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Learn advisories: OSV records, directories or archives (.zip) of them; what was learnt before is read again
    Update {
        #[arg(value_name = "PATH|URL")]
        from: Vec<String>,
        /// Forget what came from elsewhere
        #[arg(long, requires = "from")]
        only: bool,
    },
    /// Say who is affected by a weakness, through what, where it is used and runs, and what mends it
    Why {
        /// Its id, such as CVE-2024-45490
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say which views, packages and processes reach a library, over dynamic, static and bundled edges
    Reach {
        /// A soname, or a package's, source package's or copied library's name
        #[arg(value_name = "LIBRARY[@VERSION][:SYMBOL]")]
        what: String,
    },
    /// Write a bill of materials of the view, or of one package of it with all that it is linked to
    Sbom {
        #[arg(value_name = "PACKAGE")]
        package: Option<String>,
        /// The format
        #[arg(long = "as", value_enum, value_name = "FORMAT", default_value = "cyclonedx")]
        bill: BillFormat,
        /// The file to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show who did what to the store and its views, and whether that record is whole
    ///
    /// Exits with 4 if it is not.
    Log {
        /// How many of the last entries [default: all]
        #[arg(long, short, value_name = "N")]
        last: Option<usize>,
    },
    /// List what runs out of the store, and what of that should be started anew
    Running,
}

// What `store quarantine` takes.
#[derive(Args)]
pub(crate) struct QuarantineArguments {
    /// NAME=VERSION, a NAME of which there is one version, or a component's id [default: list what is in quarantine]
    #[arg(value_name = "COMPONENT", requires = "because")]
    pub(crate) component: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "component")]
    pub(crate) because: Option<String>,
    /// End it
    #[arg(long, requires = "component")]
    pub(crate) lift: bool,
}

/// A format for bills of materials.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BillFormat {
    /// CycloneDX 1.5
    Cyclonedx,
    /// SPDX 2.3
    Spdx,
}

const AUDIT_CODES: &str = "Exit codes of `audit` and `audit why`: 0 nothing that a view uses now is affected, 10 something is, \
11 something may be; others as of every command.";
