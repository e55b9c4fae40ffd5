//! Who and what the tour is about: packages, versions and programs. The same story is told with any cast.

/// A package in two versions.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Versions {
    pub(super) name: String,
    pub(super) older: String,
    pub(super) newer: String,
}

/// A command to run in a view.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) argv: Vec<String>,
    /// Whether only the first line of what it prints is wanted.
    pub(super) first_line: bool,
}

impl Program {
    /// A command whose whole output is shown.
    pub(super) fn new(argv: &[&str]) -> Self {
        Self { argv: argv.iter().map(|&argument| argument.to_owned()).collect(), first_line: false }
    }

    /// A command that has more to say than its first line.
    pub(super) fn head(argv: &[&str]) -> Self {
        Self { first_line: true, ..Self::new(argv) }
    }
}

/// Where the packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum From {
    /// The host's apt sources.
    Apt,
    /// C sources that are part of aleph.
    Own,
}

/// All that differs between a tour of a distribution's packages and one of the tour's own.
pub(super) struct Cast {
    pub(super) from: From,
    /// Packages that are on offer in an older and a newer version; the view starts with the older ones.
    pub(super) versions: Vec<Versions>,
    /// What Alice asks for.
    pub(super) alice: Vec<String>,
    /// What Bob asks for.
    pub(super) bob: Vec<String>,
    /// What Alice asks for later.
    pub(super) update: Vec<String>,
    /// Names of the packages that this replaces.
    pub(super) replaced: Vec<String>,
    /// An update that would break what Bob's view holds, if this cast has one.
    pub(super) broken: Vec<String>,
    /// Programs that both run; what they print tells versions apart.
    pub(super) both: Vec<Program>,
    /// Programs that Alice runs once.
    pub(super) of_alice: Vec<Program>,
    /// Programs that Bob runs once.
    pub(super) of_bob: Vec<Program>,
    /// A program that is replaced by nothing and uses what is, by its path in a view.
    pub(super) witness: &'static str,
    /// What vouches for the archives, as a sentence.
    pub(super) vouched: &'static str,
}

impl Cast {
    /// The versions of one package.
    pub(super) fn versions_of(&self, name: &str) -> Option<&Versions> {
        self.versions.iter().find(|versions| versions.name == name)
    }
}
