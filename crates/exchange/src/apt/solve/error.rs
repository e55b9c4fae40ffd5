//! Why there is no solution, in words.

use std::fmt;

/// There is no set of packages that meets the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Unsolvable {
    /// Every reason that was found; at least one.
    pub reasons: Vec<Reason>,
}

/// A version on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The version.
    pub version: String,
    /// The architecture.
    pub architecture: String,
    /// The suites that offer it; none for a package that only the view still has.
    pub suites: Vec<String>,
    /// The negative priority that rules it out, if there is one.
    pub pinned: Option<i32>,
}

/// One link of the way from the request to a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The package, by its name, and its architecture where that is a foreign one.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The relation of the package before it, or of the request, that led here.
    pub needed_as: String,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No source knows the name.
    NotFound {
        /// The name.
        name: String,
        /// Names that resemble it, the most similar first.
        similar: Vec<String>,
    },
    /// The name is known, but not for an architecture that the request allows.
    OtherArchitecture {
        /// The name.
        name: String,
        /// The architectures that it is there for.
        architectures: Vec<String>,
    },
    /// The name is known, the wanted version, suite or architecture is not.
    NoSuchVersion {
        /// The name.
        name: String,
        /// What was wanted, as people write it.
        wanted: String,
        /// What there is.
        offers: Vec<Offer>,
    },
    /// The name is a virtual one that several packages provide.
    Virtual {
        /// The name.
        name: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// A wanted package is also forbidden.
    Forbidden {
        /// Its name.
        name: String,
    },
    /// Nothing on offer meets a relation.
    Unmet {
        /// The way to the package that has the relation.
        path: Vec<Step>,
        /// The relation.
        needs: String,
        /// What is on offer under the names in it.
        offers: Vec<(String, Offer)>,
        /// Which of these names the request forbids.
        forbidden: Vec<String>,
    },
    /// A package's relations cannot be read.
    Unusable {
        /// The way to the package.
        path: Vec<Step>,
        /// What is wrong with it.
        problem: String,
    },
    /// Two packages exclude each other.
    Conflict {
        /// The way to the package whose relation excludes the other.
        left: Vec<Step>,
        /// The way to the other.
        right: Vec<Step>,
        /// Others that could stand in the place of the last step of `right`, and are excluded as well.
        alternatives: Vec<String>,
        /// The relation, as the end of a sentence (`breaks b (<< 3)`).
        relation: String,
    },
    /// One package is needed in versions that exclude each other.
    Versions {
        /// The package.
        name: String,
        /// The ways to it, each ending in a version.
        paths: Vec<Vec<Step>>,
    },
    /// The solver gave no reason that could be put into a sentence.
    Other {
        /// What it said.
        text: String,
    },
}

/// `you asked for a; a needs b (>= 2)`, without the last package's name.
fn way(path: &[Step]) -> String {
    let mut text = String::new();
    for (index, step) in path.iter().enumerate() {
        match index.checked_sub(1).map(|before| &path[before]) {
            None => text += &format!("you asked for {}", step.needed_as),
            Some(before) => text += &format!(", and {before} needs {}", step.needed_as),
        }
    }
    text
}

/// A list with `and` before its end.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.version)
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        let place = match &*self.suites {
            [] => "in this view only".to_owned(),
            suites => suites.join(", "),
        };
        match self.pinned {
            Some(priority) => write!(f, " ({place}; ruled out by its priority {priority})"),
            None => write!(f, " ({place})"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name, similar } => {
                write!(f, "no source offers a package called `{name}`")?;
                match &**similar {
                    [] => Ok(()),
                    similar => write!(f, "; did you mean {}?", similar.join(" or ")),
                }
            }
            Self::OtherArchitecture { name, architectures } => {
                write!(
                    f,
                    "{name} is on offer for {} only, which is none of this system's architectures",
                    list(architectures)
                )
            }
            Self::NoSuchVersion { name, wanted, offers } => {
                let offers: Vec<_> = offers.iter().map(ToString::to_string).collect();
                write!(f, "`{wanted}` is not on offer; {name} is there as {}", list(&offers))
            }
            Self::Virtual { name, providers } => {
                write!(f, "`{name}` is a virtual package; choose one that provides it: {}", providers.join(", "))
            }
            Self::Forbidden { name } => write!(f, "{name} is asked for and excluded at once"),
            Self::Unmet { path, needs, offers, forbidden } => fmt_unmet(f, path, needs, offers, forbidden),
            Self::Unusable { path, problem } => match path.last() {
                Some(last) if path.len() > 1 => write!(f, "{}, and {last} cannot be used: {problem}", way(path)),
                Some(last) => write!(f, "{last} cannot be used: {problem}"),
                None => write!(f, "the request cannot be used: {problem}"),
            },
            Self::Conflict { left, right, alternatives, relation } => {
                let (Some(one), Some(other)) = (left.last(), right.last()) else { return Ok(()) };
                let others: Vec<_> = std::iter::once(other.to_string()).chain(alternatives.iter().cloned()).collect();
                write!(f, "{one} {relation}, which excludes {}: {}; {}", list(&others), way(left), way(right))
            }
            Self::Versions { name, paths } => {
                let ways: Vec<_> = paths.iter().map(|path| way(path)).collect();
                write!(f, "{name} can be there in one version only: {}", ways.join("; "))
            }
            Self::Other { text } => write!(f, "the packages do not fit together: {text}"),
        }
    }
}

fn fmt_unmet(
    f: &mut fmt::Formatter<'_>,
    path: &[Step],
    needs: &str,
    offers: &[(String, Offer)],
    forbidden: &[String],
) -> fmt::Result {
    match path.last() {
        None => write!(f, "nothing meets `{needs}`, which you asked for")?,
        Some(last) if path.len() == 1 => write!(f, "{last} needs {needs}")?,
        Some(last) => write!(f, "{}, and {last} needs {needs}", way(path))?,
    }
    if !forbidden.is_empty() {
        return write!(f, ", but you exclude {}", list(forbidden));
    }
    match offers {
        [] => f.write_str(", which no source offers"),
        offers => {
            let offers: Vec<_> = offers.iter().map(|(name, offer)| format!("{name} {offer}")).collect();
            write!(f, ", but on offer is {}", list(&offers))
        }
    }
}
