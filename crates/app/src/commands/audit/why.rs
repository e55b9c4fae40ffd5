//! `aleph audit why`: one weakness, from what is said of it to what mends it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use aleph_audit::{Advisory, Certainty, Finding, Scheme, judge};
use aleph_component::ComponentId;
use serde_json::{Value, json};

use super::{AFFECTED, POSSIBLE, fixed, outlook, rating, short, some, told, value};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::audit::{Running, Stock, Use, Uses, fix, running},
    output::{Printer, bold, count, cyan, green, red, table, yellow},
};

/// What is found about one weakness.
struct Told<'a> {
    stock: &'a Stock,
    uses: &'a Uses,
    findings: Vec<&'a Finding>,
    /// Components of the same source packages that are not affected.
    mended: Vec<ComponentId>,
    processes: Vec<Running>,
}

pub(super) fn why(host: &Host, printer: &Printer, id: &str) -> Outcome {
    // Ids of CVEs are often typed in small letters.
    let upper = id.to_ascii_uppercase();
    let id = if upper.starts_with("CVE-") { upper.as_str() } else { id };
    let stock = Stock::read(host)?;
    let known = stock.known()?;
    let advisories = known.as_ref().map(|known| known.called(id)).transpose()?.unwrap_or_default();
    let all = judge(&stock.subjects(), known.as_ref())?;
    let is_it = |finding: &&Finding| {
        finding.id == id || advisories.iter().any(|advisory| advisory.known_as().contains(&finding.id.as_str()))
    };
    let findings: Vec<&Finding> = all.iter().filter(is_it).collect();
    let mentioned = stock.store().components_mentioning(id)?;
    if advisories.is_empty() && findings.is_empty() && mentioned.is_empty() {
        return Err(Failure::new(format!("nothing here speaks of {id}")).hint(
            "`aleph audit update PATH` learns advisories; changelogs of what is in the store are read by themselves",
        ));
    }
    let uses = Uses::read(stock.store())?;
    let affected: BTreeSet<ComponentId> = findings.iter().map(|finding| finding.component).collect();
    let mended = mentioned.iter().map(|row| row.id).filter(|id| !affected.contains(id)).collect();
    let (processes, _) = running(&stock, &uses)?;
    let processes = processes.into_iter().filter(|process| !process.maps.is_disjoint(&affected)).collect();
    let told = Told { stock: &stock, uses: &uses, findings, mended, processes };
    let used: Vec<&Use> = uses.current().filter(|one| one.of(&affected).next().is_some()).collect();
    let plans: Vec<_> = used
        .iter()
        .map(|one| fix(host, printer, one, &one.of(&affected).map(|package| package.name.clone()).collect()))
        .collect();

    let data = json!({
        "id": id, "advisories": advisories, "affected": told.findings.iter().map(|finding| told.value(finding)).collect::<Vec<_>>(),
        "mended": told.mended.iter().filter_map(|id| told.named(id)).collect::<Vec<_>>(), "fixes": plans,
        "processes": told.processes.iter().map(|process| json!({ "pid": process.pid, "name": process.name })).collect::<Vec<_>>(),
    });
    printer.answer("audit-why", &data, |_| {
        let mut text = head(id, &advisories);
        text.push_str(&told.describe(&affected));
        for plan in &plans {
            text.push_str(&format!("try {}\n  {}\n", cyan(&plan.command), outlook(plan)));
        }
        text
    });
    let in_use = |finding: &&&Finding| used.iter().any(|one| one.of(&[finding.component].into()).next().is_some());
    let worst = told.findings.iter().filter(in_use).map(|finding| finding.certainty).min();
    Ok(match worst {
        Some(Certainty::Affected) => ExitCode::from(AFFECTED),
        Some(Certainty::Possible) => ExitCode::from(POSSIBLE),
        None => ExitCode::SUCCESS,
    })
}

/// What advisories say.
fn head(id: &str, advisories: &[Advisory]) -> String {
    let mut text = bold(id);
    if let Some(score) = advisories.iter().find_map(|advisory| advisory.severity) {
        text.push_str(&format!("  {} ({score:.1})", rating(score)));
    }
    if let Some(advisory) = advisories.iter().find(|advisory| !advisory.summary.is_empty()) {
        text.push_str(&format!("  {}", short(&advisory.summary)));
    }
    let ids: BTreeSet<&str> =
        advisories.iter().map(|advisory| advisory.id.as_str()).filter(|other| *other != id).collect();
    if !ids.is_empty() {
        text.push_str(&format!("\n  also known as {}", ids.into_iter().collect::<Vec<_>>().join(", ")));
    }
    text + "\n"
}

impl Told<'_> {
    /// Name and version of a component.
    fn named(&self, id: &ComponentId) -> Option<String> {
        let row = &self.stock.rows[self.stock.position(id)?];
        Some(format!("{} {}", row.name, row.version))
    }

    fn value(&self, finding: &Finding) -> Value {
        let components = [finding.component].into();
        let used = self.uses.0.iter().flat_map(|one| one.of(&components).map(move |package| (one, package)));
        let used: Vec<Value> = used
            .map(|(one, package)| {
                json!({
                    "view": one.name(), "generation": one.generation.number, "current": one.is_current, "package": package.key(),
                    "chain": one.generation.way_to(&package.key()), "reached": one.reached_from(&[package.key()].into()),
                })
            })
            .collect();
        json!({ "component": self.named(&finding.component), "id": finding.component, "weakness": value(finding), "used": used })
    }

    fn describe(&self, affected: &BTreeSet<ComponentId>) -> String {
        let mut text = String::new();
        if self.findings.is_empty() {
            text.push_str(&green("nothing in the store is affected\n"));
        }
        for finding in &self.findings {
            let named = self.named(&finding.component).unwrap_or_default();
            let how = match &finding.inside {
                Some(inside) => {
                    format!(", by {} {} in /{} ({})", finding.what.0, finding.what.1, inside.path, inside.edge.word())
                }
                None => String::new(),
            };
            let verb =
                if finding.certainty == Certainty::Affected { red("is affected") } else { yellow("may be affected") };
            let by: Vec<String> = finding.evidence.iter().map(told).collect();
            text.push_str(&format!("{} {verb}{how}: {} (by {})\n", bold(&named), fixed(finding), by.join(", ")));
            let components = [finding.component].into();
            let (mut old, mut shown) = (BTreeMap::<&str, usize>::new(), false);
            for one in &self.uses.0 {
                for package in one.of(&components) {
                    shown = true;
                    if !one.is_current {
                        *old.entry(one.name()).or_default() += 1;
                        continue;
                    }
                    let reached = one.reached_from(&[package.key()].into());
                    let way = match one.generation.way_to(&package.key()).as_slice() {
                        [] => "which every view has".to_owned(),
                        [_] => "asked for".to_owned(),
                        way => format!("for {}", way.join(" -> ")),
                    };
                    let number = reached.directly.len() + reached.through.len();
                    let reach = if number == 0 {
                        String::new()
                    } else {
                        format!("; reached from {}", count(number, "package"))
                    };
                    text.push_str(&format!("  {} has it, {way}{reach}\n", bold(one.name())));
                }
            }
            for (view, number) in old {
                text.push_str(&format!(
                    "  {} of {view} {} it\n",
                    count(number, "older generation"),
                    if number == 1 { "has" } else { "have" }
                ));
            }
            if !shown {
                text.push_str("  no view has it\n");
            }
        }
        let running: Vec<String> =
            self.processes.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
        if !running.is_empty() {
            text.push_str(&format!("{} with it now: {}\n", yellow("runs"), some(&running)));
        }
        if !self.mended.is_empty() {
            let mut names: Vec<String> = self.mended.iter().filter_map(|id| self.named(id)).collect();
            names.sort();
            text.push_str(&format!("{} {}\n", green("fixed in"), some(&names)));
        }
        let unknown = self.untold(affected);
        if !unknown.is_empty() {
            text.push_str(&format!(
                "{} of these, which hold copies whose version is not told:\n",
                yellow("nothing can be said")
            ));
            text.push_str(&table(&unknown).lines().map(|line| format!("  {line}\n")).collect::<String>());
        }
        text
    }

    /// Components with a copy of what is affected, whose version nobody knows.
    fn untold(&self, affected: &BTreeSet<ComponentId>) -> Vec<Vec<String>> {
        let names: BTreeSet<&str> = self.findings.iter().map(|finding| finding.what.0.as_str()).collect();
        let all = self.stock.rows.iter().zip(&self.stock.contents).filter(|(row, _)| !affected.contains(&row.id));
        let copies = all.flat_map(|(row, contents)| contents.copies.iter().map(move |copy| (row, copy)));
        copies
            .filter(|(row, copy)| {
                let is_own = row.source.name == copy.name;
                copy.version.is_none()
                    && Scheme::of(&copy.ecosystem).is_none()
                    && names.contains(copy.name.as_str())
                    && !is_own
            })
            .map(|(row, copy)| {
                vec![format!("{} {}", row.name, row.version), format!("{} in /{}", copy.name, copy.path)]
            })
            .collect()
    }
}
