//! The arguments. The doc comments are the help. What a subcommand takes is only made up when it is the one: `run` is to
//! start quickly.

mod audit;
mod build;

use std::path::PathBuf;

pub(crate) use self::{
    audit::{AuditArguments, AuditCommand, BillFormat, QuarantineArguments},
    build::{BuildArguments, BuildCommand},
};
use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, builder::Resettable};

/// One store for every package, views into it for every user and project, and updates that relink instead of rebuild.
#[derive(Parser)]
#[command(name = "aleph", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// This process' arguments. A variable that is set to nothing counts as one that is not set.
    pub(crate) fn from_environment() -> Self {
        let mut command = Self::command();
        let is_empty = |argument: &&Arg| argument.get_env().is_some_and(crate::host::is_set_to_nothing);
        let empty: Vec<_> =
            command.get_arguments().filter(is_empty).map(|argument| argument.get_id().clone()).collect();
        for id in empty {
            command = command.mut_arg(id, |argument| argument.env(Resettable::Reset));
        }
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 the request cannot be satisfied, \
4 the store is damaged. `run`, `shell` and launchers pass on the program's own code; 126 and 127 mean that it could \
not be run or was not found.";

/// Options that every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The store's directory [default: /var/lib/aleph for root, ~/.local/share/aleph for others]
    #[arg(long, global = true, value_name = "DIR", env = "ALEPH_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The view to act on [default: the project's if there is one, else yours]
    #[arg(long, global = true, value_name = "NAME", env = "ALEPH_TARGET_VIEW")]
    pub(crate) view: Option<String>,
    /// How answers are printed
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub(crate) format: Format,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Color,
    /// Print answers and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say what would be done and do nothing
    #[arg(long, short = 'n', global = true)]
    pub(crate) dry_run: bool,
    /// Use no network: what is cached must do
    #[arg(long, global = true, env = "ALEPH_OFFLINE")]
    pub(crate) offline: bool,
    /// Read sources from this file (one-line or deb822) instead of the host's apt configuration
    #[arg(long, global = true, value_name = "FILE", env = "ALEPH_SOURCES")]
    pub(crate) sources: Option<PathBuf>,
}

// What `import` takes. No doc comment: it would be the help.
#[derive(Args)]
pub(crate) struct ImportArguments {
    /// Archives; with --prefix directories as well
    #[arg(required_unless_present = "prefix", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Take the trees as native components: they were made to run below this directory [default PATH: the prefix itself]
    #[arg(long, value_name = "DIR")]
    pub(crate) prefix: Option<PathBuf>,
    /// What the component is called [default: what the directory is called]
    #[arg(long, requires = "prefix")]
    pub(crate) name: Option<String>,
    /// Its version [default: what follows the name in the directory's]
    #[arg(long, requires = "prefix")]
    pub(crate) version: Option<String>,
    /// A library that the host brings, such as libGL.so.1
    #[arg(long, value_name = "SONAME", requires = "prefix")]
    pub(crate) host: Vec<String>,
    /// Link to this native component where several offer a library
    #[arg(long, value_name = "NAME[=VERSION]", requires = "prefix")]
    pub(crate) with: Vec<String>,
    /// A library that its programs open when they run, such as libcuda.so.1, by a name that is not written in them
    #[arg(long, value_name = "SONAME", requires = "prefix")]
    pub(crate) dlopen: Vec<String>,
    /// A command that must succeed wherever it is linked, before a view moves to that
    #[arg(long, value_name = "COMMAND", requires = "prefix")]
    pub(crate) check: Vec<String>,
}

// What `update` takes.
#[derive(Args)]
pub(crate) struct UpdateArguments {
    /// NAME or NAME=VERSION [default: everything]
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// Go on although packages that stay would not work any more
    #[arg(long)]
    pub(crate) accept_breaks: bool,
    /// In every view of the store that holds what is named, instead of one
    #[arg(long)]
    pub(crate) all_views: bool,
    /// Build again what would not work with what is newer, where there is a recipe for it
    #[arg(long, conflicts_with = "all_views")]
    pub(crate) rebuild: bool,
    /// The directory of recipes [default: the nearest upwards that is one, or has one called `recipes`]
    #[arg(long, value_name = "DIR", requires = "rebuild")]
    pub(crate) recipes: Option<PathBuf>,
    /// Draw the plan into this file, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "all_views")]
    pub(crate) graph: Option<PathBuf>,
}

// What `view policy` takes.
#[derive(Args)]
pub(crate) struct PolicyArguments {
    /// A command for the view's shell that must succeed in a new generation before the view moves to it
    #[arg(long, value_name = "COMMAND")]
    pub(crate) check: Vec<String>,
    /// Demand that no longer
    #[arg(long, value_name = "COMMAND")]
    pub(crate) no_check: Vec<String>,
    /// What a verdict must rest on for a package to be relinked
    #[arg(long, value_enum)]
    pub(crate) evidence: Option<Evidence>,
    /// Whether all stay where they are when one package cannot move; else it keeps what it has for itself alone
    #[arg(long, value_name = "yes|no")]
    pub(crate) together: Option<YesNo>,
    /// Forget that what NAME is bound to failed a check, so that it is tried again
    #[arg(long, value_name = "NAME")]
    pub(crate) unpin: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

/// Evidence that is demanded.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Evidence {
    /// Symbols are enough
    Symbols,
    /// What the maintainer promises; the types where nobody promises anything
    Declared,
    /// The types, always
    Types,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Add packages to the view: NAME, NAME=VERSION, NAME:ARCH, NAME/SUITE, store:NAME or ./FILE.deb
    Add {
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<String>,
        /// Bring in what packages recommend, too
        #[arg(long)]
        recommends: bool,
        /// Go on although packages that stay would not work any more
        #[arg(long)]
        accept_breaks: bool,
    },
    /// Remove packages that were asked for, and what only they needed
    Remove {
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<String>,
    },
    /// Take newer versions: of everything, or of the packages named
    Update(UpdateArguments),
    /// Run a command in the view, or a package's command that no view has
    Run {
        /// Cut off from home, network, environment and the host's processes
        #[arg(long)]
        pure: bool,
        /// Run with these packages instead of the view's
        #[arg(long, value_name = "PACKAGE")]
        with: Vec<String>,
        /// Run in this generation of the view instead of the current one
        #[arg(long, value_name = "N", conflicts_with = "with")]
        generation: Option<u32>,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<std::ffi::OsString>,
    },
    /// Start a shell in the view
    Shell {
        /// Cut off from home, network, environment and the host's processes
        #[arg(long)]
        pure: bool,
    },
    /// List what the view holds
    List {
        /// Everything, not only what was asked for
        #[arg(long, short)]
        all: bool,
    },
    /// Search names and summaries of what the sources offer
    Search {
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Show what the sources offer under a name, and what the store has of it
    Show {
        #[arg(value_name = "PACKAGE")]
        package: String,
    },
    /// Say why a package is in the view
    Why {
        #[arg(value_name = "PACKAGE")]
        package: String,
    },
    /// List the view's generations
    History,
    /// Go back to the generation before, or to generation N
    Rollback {
        #[arg(value_name = "N")]
        generation: Option<u32>,
    },
    /// Make this directory a project, with a view of its own
    Init,
    /// Put archives from files into the store, or trees that were made for a prefix
    Import(ImportArguments),
    /// Build packages from recipes, and what they need
    Build(BuildArguments),
    /// Look at views
    #[command(subcommand)]
    View(ViewCommand),
    /// Look after the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Look after sources
    #[command(subcommand)]
    Source(SourceCommand),
    /// Look at what binaries promise, and judge what their consumers need when they change
    #[command(subcommand, after_help = ABI_RULES)]
    Abi(AbiCommand),
    /// Ask the store what is affected by known weaknesses, who uses it, and what mends it
    Audit(AuditArguments),
    /// The main job, told in a terminal, in a store of its own
    Tour {
        /// Build real libraries from recipes instead, and change one beneath the others; takes minutes
        #[arg(long)]
        from_source: bool,
        /// The directory of recipes [default: the nearest upwards that is one, or has one called `recipes`]
        #[arg(long, value_name = "DIR", requires = "from_source")]
        recipes: Option<PathBuf>,
    },
    /// Print a script that completes arguments in a shell
    Completions { shell: clap_complete::Shell },
    /// Run the command that a launcher names
    #[command(hide = true)]
    Launch {
        /// The launcher, then the command's arguments: one list, so that none of them is taken for an option of ours.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Run scripts for a composition that another process makes
    #[command(hide = true, name = WORKER)]
    Worker,
    /// Carry out a build that another machine prepared
    #[command(hide = true, name = WORK)]
    Work,
}

/// The name of the hidden command that a sandbox's worker is started with.
pub(crate) const WORKER: &str = "_worker";
/// The name of the hidden command that is a build on a cluster's worker.
pub(crate) const WORK: &str = "_work";

#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum ViewCommand {
    /// List all views of the store
    List,
    /// Show the current generation: packages, trees, what scripts wrote, warnings
    Show,
    /// Show what changed between two generations [default: the current one and the one before]
    Diff { from: Option<u32>, to: Option<u32> },
    /// List what scripts wrote, with owners and modes as they set them
    Captured,
    /// Forget old generations, so that `store gc` can remove what only they need
    Prune {
        /// How many of the newest to keep besides the current one
        #[arg(long, default_value_t = 0)]
        keep: usize,
    },
    /// Print the directory of the view's commands, for PATH
    Path,
    /// Show or change what is demanded of the view before it moves to a new generation
    Policy(PolicyArguments),
    /// Remove the view named with --view, with all its generations
    Delete,
}

#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum StoreCommand {
    /// Count what is there and what sharing saves
    Info,
    /// Read and prove every byte
    Verify,
    /// Remove what no generation of any view needs
    Gc,
    /// Make the database anew and fetch damaged files again
    Repair,
    /// Keep a component out of new generations and builds
    Quarantine(QuarantineArguments),
    /// List the native packages that are not linked to what they were made with
    Relinked,
}

#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum SourceCommand {
    /// List sources and what was last heard of them
    List,
    /// Ask the sources what they offer now
    Update,
}

#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum AbiCommand {
    /// Show the facts of ELF files: what they offer, what they need, what is inside
    ///
    /// Exits with 11 if a file cannot be read.
    Show {
        /// A file, a .deb file, a directory, or a package in the store (NAME or NAME=VERSION)
        #[arg(value_name = "FILE|PACKAGE")]
        what: PathBuf,
    },
    /// Check that all programs and libraries of a view find what they need, and find it where they did before
    ///
    /// Every program is put together with its libraries as the view's dynamic linker would: all libraries, version nodes
    /// and symbols that it needs must be there. Against the generation before, no symbol may come from another library
    /// while the one that it came from is still there.
    #[command(after_help = ABI_CHECK_CODES)]
    Check {
        /// The view [default: the one that commands here act on]
        #[arg(value_name = "VIEW")]
        named: Option<String>,
        /// Another generation than the current one, such as one to go back to
        #[arg(long, value_name = "NUMBER")]
        generation: Option<u32>,
    },
    /// Judge whether consumers of OLD can run with NEW as they are
    ///
    /// OLD and NEW are shared objects, .deb files, directories of them, or packages in the store (NAME or NAME=VERSION);
    /// libraries are paired by soname. Nothing is run and nothing needs a store. Without a consumer, everything that OLD exports counts.
    #[command(after_help = ABI_CODES)]
    Diff {
        /// The provider that consumers were built against
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The provider that they would run with
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// A program or library that was built against OLD, or a .deb file, directory or package of them: only what it uses counts
        #[arg(long = "consumer", value_name = "FILE")]
        consumers: Vec<PathBuf>,
        /// Every program and library in the store that needs a library of OLD is a consumer, too
        #[arg(long)]
        stored_consumers: bool,
        /// Other libraries of the same process [also looked at: what lies beside NEW and FILE, and this host's libraries]
        #[arg(long, value_name = "FILE")]
        with: Vec<PathBuf>,
        /// A directory with debug information (like /usr/lib/debug, which is looked into, too), by build id or debug link
        #[arg(long = "debug-dir", value_name = "DIR")]
        debug: Vec<PathBuf>,
        /// The directory of OLD's public headers: what is compiled into consumers counts, and types that stand elsewhere do not
        #[arg(long, value_name = "DIR", requires = "new_headers")]
        old_headers: Option<PathBuf>,
        /// The directory of NEW's public headers
        #[arg(long, value_name = "DIR", requires = "old_headers")]
        new_headers: Option<PathBuf>,
        /// Evidence that is enough where there is no other
        #[arg(long, value_enum, value_name = "EVIDENCE")]
        accept: Option<Accept>,
        /// A file of differences that are known to be harmless, each with its reason
        #[arg(long, value_name = "FILE")]
        suppress: Option<PathBuf>,
    },
}

const ABI_RULES: &str = "The rules, with an example of each, are in docs/abi-rules.md of aleph's source.";

const ABI_CHECK_CODES: &str = "Exit codes: 0 relink (everything is there), 10 rebuild (a program lacks something), 11 unknown \
(something lacks what only who opens it would notice, comes from elsewhere now, or cannot be read); others as of every command.";

const ABI_CODES: &str = "Exit codes: 0 relink (the consumer runs with NEW as it is), 10 rebuild, 11 unknown (evidence is \
missing); others as of every command.

A verdict names what it rests on: symbols (names, versions, kinds and sizes), types (layouts and signatures), headers (macros, inline code, constants), static (no \
code of OLD is inside the consumer), declared (both are versions of one package that promises compatibility).

A file of harmless differences has entries like
  [[harmless]]
  symbol = \"foo_internal\"
  reason = \"it was never declared in a header\"
with `symbol`, a part of the reason as `text`, or both.";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accept {
    /// Symbols: where types cannot be seen, that all symbols agree will do.
    Symbols,
}

impl Global {
    /// The options of a launcher: its store and view, everything else as usual.
    pub(crate) fn for_launcher(store: &std::path::Path, view: &str) -> Self {
        Self {
            store: Some(store.to_owned()),
            view: Some(view.to_owned()),
            format: Format::Human,
            color: Color::Auto,
            quiet: false,
            dry_run: false,
            offline: false,
            sources: None,
        }
    }
}
