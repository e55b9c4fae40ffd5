//! What an update of a view would do about what is wrong in it. It is planned as any update, from what was last heard of the
//! sources, and nothing is fetched.

use std::collections::BTreeSet;

use aleph_exchange::apt::solve::Upgrade;
use aleph_view::Change;
use serde::Serialize;

use super::Use;
use crate::{
    host::Host,
    ops::change::{self, Changed, Wish},
    output::Printer,
};

/// What would be done about a view.
#[derive(Serialize)]
pub(crate) struct Fix {
    pub(crate) view: String,
    /// The command that does it.
    pub(crate) command: String,
    #[serde(flatten)]
    pub(crate) outlook: Outlook,
}

/// What a plan says.
#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "outlook")]
pub(crate) enum Outlook {
    /// Packages move.
    Moves {
        /// Name, version before, version after.
        replaced: Vec<(String, String, String)>,
        /// How many go on as they are, linked to these.
        relinked: usize,
        /// Who has to be rebuilt first, or keeps what it has.
        rebuilt: Vec<String>,
        /// Why it would be refused.
        refused: Option<String>,
        /// How long it would take, in seconds.
        seconds: f64,
    },
    /// There is nothing newer to move to.
    Nothing {
        /// Requests that hold a package where it is.
        held: Vec<String>,
    },
    /// It cannot be said.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Plans an update of these packages (names) of a view.
pub(crate) fn fix(host: &Host, printer: &Printer, of: &Use, packages: &BTreeSet<String>) -> Fix {
    let names: Vec<String> = packages.iter().cloned().collect();
    let command = of.command(&format!("update {}", names.join(" ")));
    let mut host = host.with_view(of.name());
    host.global.dry_run = true;
    host.global.offline = true;
    let wish = Wish { upgrade: Upgrade::Names(names), ..Wish::default() };
    let planned = host.target().and_then(|target| change::change(&host, printer, &target, &wish, ""));
    let outlook = match planned {
        Err(failure) => Outlook::Unknown { why: failure.chain().join(": ") },
        Ok(Changed::Planned(plan, impact, _)) => {
            let mut replaced = Vec::new();
            let mut relinked = 0;
            for difference in plan.changes() {
                match difference.change {
                    Change::Replaced { from, to } => {
                        let name = difference.package.split(':').next().unwrap_or_default().to_owned();
                        replaced.push((name, from, to));
                    }
                    Change::Relinked { .. } => relinked += 1,
                    Change::Added { .. } | Change::Removed { .. } => {}
                }
            }
            let refused = impact.refuse_breaks(plan.policy.evidence).err();
            Outlook::Moves {
                replaced,
                relinked,
                rebuilt: plan.to_rebuild(),
                refused: refused.map(|failure| failure.chain().join(": ")),
                seconds: plan.cost.estimate(&plan).as_secs_f64(),
            }
        }
        Ok(_) => {
            let is_held =
                |request: &&aleph_view::Request| request.0.contains(['=', '/']) && packages.contains(request.name());
            let held = of.generation.requested.iter().filter(is_held).map(|request| request.0.clone()).collect();
            Outlook::Nothing { held }
        }
    };
    let command = match &outlook {
        Outlook::Nothing { held } if !held.is_empty() => {
            let free = held.iter().filter_map(|text| text.split(['=', '/']).next()).collect::<Vec<_>>().join(" ");
            of.command(&format!("add {free}"))
        }
        _ => command,
    };
    Fix { view: of.name().to_owned(), command, outlook }
}

impl Fix {
    /// The version that a package of this name comes to, if it moves.
    pub(crate) fn version_of(&self, package: &str) -> Option<&str> {
        let Outlook::Moves { replaced, refused: None, .. } = &self.outlook else { return None };
        replaced.iter().find(|(name, ..)| name == package).map(|(_, _, to)| to.as_str())
    }
}
