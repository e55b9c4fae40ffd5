//! `aleph audit`: everything that is known against what the store has.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use aleph_audit::{Certainty, Finding, Scheme, judge};
use aleph_component::ComponentId;
use serde_json::{Value, json};

use super::{AFFECTED, ITSELF, POSSIBLE, fixed, line, outlook, some, value};
use crate::{
    failure::Outcome,
    host::Host,
    ops::audit::{Fix, Outlook, Running, Stock, Uses, fix, running},
    output::{Printer, bold, count, cyan, green, red, table, yellow},
};

/// How many weaknesses of one thing are shown.
const SHOWN: usize = 3;

/// Weaknesses of one version of something, and who has it.
struct Group<'a> {
    /// What is affected: name and version.
    what: &'a (String, String),
    /// How it is in the components: itself, or as a copy.
    edge: &'static str,
    certainty: Certainty,
    /// The worst first.
    findings: Vec<&'a Finding>,
    components: BTreeSet<ComponentId>,
}

/// What the answer is made from.
struct Audit<'a> {
    stock: &'a Stock,
    uses: &'a Uses,
    processes: Vec<Running>,
    fixes: Vec<Fix>,
}

pub(super) fn summary(host: &Host, printer: &Printer, all: bool) -> Outcome {
    let bar = printer.progress().busy("looking into the store");
    let stock = Stock::read(host)?;
    let known = stock.known()?;
    let findings = judge(&stock.subjects(), known.as_ref())?;
    let mut uses = Uses::read(stock.store())?;
    if let Some(view) = &host.global.view {
        // Who names a view asks about that one.
        host.view(stock.store())?;
        uses.0.retain(|one| one.name() == view);
    }
    let (processes, hidden) = running(&stock, &uses)?;
    bar.finish_and_clear();
    let mut audit = Audit { stock: &stock, uses: &uses, processes, fixes: Vec::new() };
    let mut groups = groups(&findings);
    groups.retain(|group| host.global.view.is_none() || audit.is_used(group));
    audit.fixes = audit.plan(host, printer, &groups);
    let heard = known.as_ref().map(aleph_audit::Known::heard).transpose()?.unwrap_or_default();
    let advisories: u64 = heard.iter().map(|heard| heard.advisories).sum();
    let changelogs = stock.contents.iter().filter(|contents| contents.changelog.is_some()).count();

    let (used, unused): (Vec<&Group<'_>>, Vec<&Group<'_>>) = groups.iter().partition(|group| audit.is_used(group));
    let data = json!({
        "affected": groups.iter().map(|group| audit.value(group)).collect::<Vec<_>>(), "fixes": audit.fixes,
        "known": { "advisories": advisories, "from": heard, "changelogs": changelogs }, "hidden_processes": hidden,
    });
    printer.answer("audit", &data, |_| {
        let mut text: String = used.iter().map(|group| audit.describe(group, all)).collect();
        if all {
            text.extend(unused.iter().map(|group| audit.describe(group, all)));
        }
        text.push_str(&audit.summed(&used, &unused, all));
        let what = match advisories {
            0 => "no advisories (`aleph audit update PATH` learns some)".to_owned(),
            _ => count(usize::try_from(advisories).unwrap_or(usize::MAX), "advisory"),
        };
        text + &format!("judged by {what} and {}", count(changelogs, "changelog"))
    });
    let worst = used.iter().map(|group| group.certainty).min();
    Ok(match worst {
        Some(Certainty::Affected) => ExitCode::from(AFFECTED),
        Some(Certainty::Possible) => ExitCode::from(POSSIBLE),
        None => ExitCode::SUCCESS,
    })
}

/// Findings by what is affected, the worst first.
fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(Certainty, &'static str, &(String, String)), Group<'_>> = BTreeMap::new();
    for finding in findings {
        let edge = finding.inside.as_ref().map_or(ITSELF, |inside| inside.edge.word());
        let group = groups.entry((finding.certainty, edge, &finding.what)).or_insert_with(|| Group {
            what: &finding.what,
            edge,
            certainty: finding.certainty,
            findings: Vec::new(),
            components: BTreeSet::new(),
        });
        group.components.insert(finding.component);
        if !group.findings.iter().any(|known| known.id == finding.id) {
            group.findings.push(finding);
        }
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    for group in &mut groups {
        // Later ids last where nothing else tells; of those that nobody rated the newest first.
        group.findings.sort_by(|a, b| {
            b.severity.unwrap_or(-1.0).total_cmp(&a.severity.unwrap_or(-1.0)).then_with(|| b.id.cmp(&a.id))
        });
    }
    groups.sort_by(|a, b| {
        let worst = |group: &Group<'_>| group.findings.first().and_then(|finding| finding.severity).unwrap_or(-1.0);
        a.certainty.cmp(&b.certainty).then(worst(b).total_cmp(&worst(a))).then(b.findings.len().cmp(&a.findings.len()))
    });
    groups
}

impl Audit<'_> {
    fn is_used(&self, group: &Group<'_>) -> bool {
        self.uses.current().any(|one| one.of(&group.components).next().is_some())
    }

    /// The names of a group's packages in a generation.
    fn names(&self, group: &Group<'_>, at: &crate::ops::audit::Use) -> BTreeSet<String> {
        at.of(&group.components).map(|package| package.name.clone()).collect()
    }

    /// What an update of each view with something affected would do.
    fn plan(&self, host: &Host, printer: &Printer, groups: &[Group<'_>]) -> Vec<Fix> {
        let mut plans = Vec::new();
        for one in self.uses.current() {
            let packages: BTreeSet<String> = groups.iter().flat_map(|group| self.names(group, one)).collect();
            if !packages.is_empty() {
                plans.push(fix(host, printer, one, &packages));
            }
        }
        plans
    }

    /// The components of a group: names and versions.
    fn components(&self, group: &Group<'_>) -> Vec<(String, String)> {
        let rows = self.stock.rows.iter().filter(|row| group.components.contains(&row.id));
        rows.map(|row| (row.name.clone(), row.version.clone())).collect()
    }

    /// What runs with a component of a group.
    fn processes(&self, group: &Group<'_>) -> Vec<&Running> {
        self.processes.iter().filter(|process| !process.maps.is_disjoint(&group.components)).collect()
    }

    fn value(&self, group: &Group<'_>) -> Value {
        let used: Vec<Value> = self
            .uses
            .0
            .iter()
            .filter(|one| one.of(&group.components).next().is_some())
            .map(|one| {
                let keys: BTreeSet<String> = one.of(&group.components).map(aleph_view::Pinned::key).collect();
                json!({
                    "view": one.name(), "generation": one.generation.number, "current": one.is_current,
                    "packages": keys, "reached": one.reached_from(&keys),
                })
            })
            .collect();
        json!({
            "name": group.what.0, "version": group.what.1, "edge": group.edge, "certainty": group.certainty,
            "weaknesses": group.findings.iter().map(|finding| value(finding)).collect::<Vec<_>>(),
            "components": self.stock.rows.iter().filter(|row| group.components.contains(&row.id))
                .map(|row| json!({ "id": row.id, "name": row.name, "version": row.version })).collect::<Vec<_>>(),
            "used": used,
            "processes": self.processes(group).iter().map(|process| json!({ "pid": process.pid, "name": process.name })).collect::<Vec<_>>(),
        })
    }

    fn describe(&self, group: &Group<'_>, all: bool) -> String {
        let (name, version) = group.what;
        let many = count(group.findings.len(), "weakness");
        let many =
            if group.certainty == Certainty::Affected { red(&many) } else { yellow(&format!("possibly {many}")) };
        let mut text = format!("{} {version}: {many}\n", bold(name));
        let shown = if all { usize::MAX } else { SHOWN };
        for finding in group.findings.iter().take(shown) {
            text.push_str(&format!("  {}; {}\n", line(finding), fixed(finding)));
        }
        if let Some(more) = group.findings.len().checked_sub(shown).filter(|more| *more > 0) {
            text.push_str(&format!("  and {more} more: `aleph audit --all`\n"));
        }
        let components = self.components(group);
        let is_itself = group.edge == ITSELF;
        let mut names: Vec<String> = components
            .iter()
            .map(|(name, version)| if is_itself { name.clone() } else { format!("{name} {version}") })
            .collect();
        names.dedup();
        let how = if is_itself { "in".to_owned() } else { format!("{} in", group.edge) };
        text.push_str(&format!("  {how} {}\n", some(&names)));
        for one in self.uses.current() {
            let keys: BTreeSet<String> = one.of(&group.components).map(aleph_view::Pinned::key).collect();
            if keys.is_empty() {
                continue;
            }
            let reached = one.reached_from(&keys);
            let reach = reached.directly.len() + reached.through.len();
            let reach = if reach == 0 { String::new() } else { format!(", reached from {}", count(reach, "package")) };
            let fix = self.fixes.iter().find(|fix| fix.view == one.name());
            let mended = fix.map(|fix| self.mended(fix, group, &self.names(group, one))).unwrap_or_default();
            text.push_str(&format!("  used by {}{reach}: {mended}\n", bold(one.name())));
        }
        let processes = self.processes(group);
        if !processes.is_empty() {
            let names: Vec<String> =
                processes.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
            text.push_str(&format!("  {} with it: {}\n", yellow("runs"), some(&names)));
        }
        text
    }

    /// What the plan for a view does about a group.
    fn mended(&self, fix: &Fix, group: &Group<'_>, names: &BTreeSet<String>) -> String {
        match &fix.outlook {
            Outlook::Unknown { .. } => return yellow("what mends it cannot be told"),
            Outlook::Moves { refused: Some(_), .. } => return red("an update is refused"),
            Outlook::Nothing { held } if held.iter().any(|held| names.iter().any(|name| is_of(held, name))) => {
                return yellow("it asks for just this version");
            }
            Outlook::Moves { .. } | Outlook::Nothing { .. } => {}
        }
        let to: Option<Vec<&str>> = names.iter().map(|name| fix.version_of(name)).collect();
        let Some(to) = to else { return yellow("there is nothing newer") };
        if !self.is_comparable(group) {
            return yellow("an update takes another version; whether that mends it shows then");
        }
        let is_late = |to: &str, fixed: &String| Scheme::Debian.compare(to, fixed).is_some_and(Ordering::is_ge);
        let mends = |finding: &&&Finding| to.iter().all(|to| finding.fixed.iter().any(|fixed| is_late(to, fixed)));
        match group.findings.iter().filter(mends).count() {
            0 => yellow("an update mends none of it"),
            number if number == group.findings.len() => green("an update mends all of it"),
            number => yellow(&format!("an update mends {number} of them")),
        }
    }

    /// Whether fixed versions are versions of a group's packages: of a copy inside, or a package that counts otherwise than its
    /// source, nobody knows what the next version of the package has.
    fn is_comparable(&self, group: &Group<'_>) -> bool {
        let rows = self.stock.rows.iter().filter(|row| group.components.contains(&row.id));
        group.edge == ITSELF && rows.into_iter().all(|row| row.version == row.source.version)
    }

    /// What to do, view by view, and how much there is in all.
    fn summed(&self, used: &[&Group<'_>], unused: &[&Group<'_>], all: bool) -> String {
        let mut text = String::new();
        let rows: Vec<Vec<String>> = self.fixes.iter().map(|fix| vec![cyan(&fix.command), outlook(fix)]).collect();
        if !rows.is_empty() {
            text.push_str(&format!("what to do\n{}\n", indented(&table(&rows))));
        }
        let number = |certainty| {
            let groups = used.iter().filter(|group| group.certainty == certainty);
            groups.flat_map(|group| group.components.iter()).collect::<BTreeSet<_>>().len()
        };
        let (affected, possible) = (number(Certainty::Affected), number(Certainty::Possible));
        let total = count(self.stock.rows.len(), "component");
        let mut parts = match affected {
            0 => vec![green("nothing that a view uses is affected")],
            _ => vec![red(&format!("affected and used: {affected} of {total}"))],
        };
        if possible > 0 {
            parts.push(yellow(&format!("possibly: {possible}")));
        }
        if !unused.is_empty() {
            let components: BTreeSet<_> = unused.iter().flat_map(|group| group.components.iter()).collect();
            let what = format!("affected and in no view's current generation: {}", components.len());
            parts.push(if all { what } else { format!("{what} (`--all` lists them)") });
        }
        text + &parts.join("; ") + "\n"
    }
}

/// Whether a request is one for this package.
fn is_of(request: &str, name: &str) -> bool {
    request.split([':', '=', '/']).next() == Some(name)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
