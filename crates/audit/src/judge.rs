//! Which components are affected by what is known.
//!
//! Two sources speak of Debian's packages: advisories, and the changelogs of newer versions that the store has. Where both
//! speak of one weakness, the advisory counts. Of copies inside a component only an advisory for the registry that they
//! come from is proof; where whoever built the component may have mended a copy without renaming it, or a version does not
//! read, the finding is a possible one.

mod changelogs;
mod findings;

use std::{collections::BTreeMap, rc::Rc};

use aleph_component::ComponentId;
use serde::Serialize;

use self::{
    changelogs::{Changelogs, source_of},
    findings::Findings,
};
use crate::{Advisory, Contents, Edge, Inside, Known, KnownError};

/// A component that is judged.
pub struct Subject<'a> {
    /// Its id.
    pub id: ComponentId,
    /// Who made it, as advisories name that.
    pub identity: Identity,
    /// What it has in it.
    pub contents: &'a Contents,
}

/// How advisories name a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It is of a Debian source package.
    Debian {
        /// The source package.
        source: String,
        /// Its version.
        version: String,
        /// The number of the release that it was made for, if that is known.
        release: Option<String>,
    },
    /// It was made of what upstream published.
    Upstream {
        /// What it is called.
        name: String,
        /// Upstream's version.
        version: String,
    },
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The very version is said to be affected.
    Affected,
    /// Its upstream's version is, and who built it may have mended it.
    Possible,
}

/// What a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// An advisory with this id.
    Advisory(String),
    /// The changelog of this version of this source package.
    Changelog(String, String),
}

/// A component that is affected by something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The id that people know the weakness by.
    pub id: String,
    /// One line about it.
    pub summary: String,
    /// A CVSS base score, where one is known.
    pub severity: Option<f64>,
    /// The component.
    pub component: ComponentId,
    /// What in it is affected: name and version.
    pub what: (String, String),
    /// The copy that is affected, if it is not the component itself.
    pub inside: Option<Inside>,
    /// How sure it is.
    pub certainty: Certainty,
    /// The first versions that are not affected any more.
    pub fixed: Vec<String>,
    /// What says so.
    pub evidence: Vec<Evidence>,
}

/// What is asked about: a component itself, or a copy in it.
#[derive(Clone, Copy)]
struct Thing<'a> {
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
    /// The number of the distribution's release, if that is known.
    release: Option<&'a str>,
    inside: Option<&'a Inside>,
    certainty: Certainty,
}

/// All that is known to be wrong with `subjects`, in their order and sorted by id.
///
/// # Errors
/// If what is known cannot be read.
pub fn judge(subjects: &[Subject<'_>], known: Option<&Known>) -> Result<Vec<Finding>, KnownError> {
    let changelogs = Changelogs::of(subjects.iter().filter_map(|subject| subject.contents.changelog.as_ref()));
    let mut asked = Asked { known, answers: BTreeMap::new() };
    let mut all = Vec::new();
    for subject in subjects {
        let mut findings = Findings::of(subject.id);
        for thing in subject.things() {
            match (thing.ecosystem, thing.inside) {
                ("Debian", None) => findings.add(&thing, changelogs.fixed_after(thing.name, thing.version)),
                ("", _) => findings.add(&thing, changelogs.fixed_upstream(thing.name, thing.version)),
                _ => {}
            }
            if !thing.ecosystem.is_empty() {
                for advisory in asked.about(thing.ecosystem, thing.name)?.iter() {
                    findings.hear(&thing, advisory);
                }
            }
        }
        all.extend(findings.finish());
    }
    Ok(all)
}

impl Subject<'_> {
    /// Itself, and the copies in it that something can be known of.
    fn things(&self) -> impl Iterator<Item = Thing<'_>> {
        let own = match &self.identity {
            Identity::Debian { source, version, release } => Thing {
                ecosystem: "Debian",
                name: source,
                version,
                release: release.as_deref(),
                inside: None,
                certainty: Certainty::Affected,
            },
            Identity::Upstream { name, version } => {
                Thing { ecosystem: "", name, version, release: None, inside: None, certainty: Certainty::Possible }
            }
        };
        let is_debian = matches!(self.identity, Identity::Debian { .. });
        let copies = self.contents.copies.iter().filter_map(move |copy| {
            // Debian mends what it distributes and says so in its own advisories; what was compiled in is another matter.
            if is_debian && copy.edge == Edge::Bundled {
                return None;
            }
            // A library's own words are in itself.
            if copy.ecosystem.is_empty() && source_of(&copy.name) == source_of(own.name) {
                return None;
            }
            let is_certain = !is_debian && !copy.ecosystem.is_empty();
            Some(Thing {
                ecosystem: &copy.ecosystem,
                name: &copy.name,
                version: copy.version.as_deref()?,
                release: None,
                inside: Some(copy),
                certainty: if is_certain { Certainty::Affected } else { Certainty::Possible },
            })
        });
        std::iter::once(own).chain(copies)
    }
}

/// What was asked once is not looked up again: a thousand programs have the same crates in them.
struct Asked<'a> {
    known: Option<&'a Known>,
    answers: BTreeMap<(String, String), Rc<Vec<Advisory>>>,
}

impl Asked<'_> {
    fn about(&mut self, ecosystem: &str, name: &str) -> Result<Rc<Vec<Advisory>>, KnownError> {
        let key = (ecosystem.to_owned(), name.to_owned());
        if let Some(answer) = self.answers.get(&key) {
            return Ok(Rc::clone(answer));
        }
        let answer = Rc::new(self.known.map(|known| known.about(ecosystem, name)).transpose()?.unwrap_or_default());
        self.answers.insert(key, Rc::clone(&answer));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
