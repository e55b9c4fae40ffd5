//! `aleph audit reach`: who reaches a library, over which edges.

use std::{collections::BTreeSet, process::ExitCode};

use aleph_component::{ComponentId, Digest, Node};
use serde::Serialize;

use super::some;
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::audit::{Stock, Uses, running},
    output::{Printer, bold, count, table, yellow},
};

/// What is asked for.
struct Asked<'a> {
    name: &'a str,
    version: Option<&'a str>,
    symbol: Option<&'a str>,
}

#[derive(Serialize)]
struct Answer {
    /// Components that are the library, or have it: name and version.
    providers: Vec<(String, String)>,
    views: Vec<InView>,
    /// Components that have a copy of it inside.
    copies: Vec<Copied>,
    /// Processes that have it in their memory: number and name.
    processes: Vec<(u32, String)>,
}

/// Who reaches it in a view.
#[derive(Serialize)]
struct InView {
    view: String,
    generation: u32,
    current: bool,
    /// Packages whose programs or libraries need it by name (and import the symbol), with one of these files.
    users: Vec<User>,
    /// Packages that reach it only through others.
    through: Vec<String>,
}

#[derive(Serialize)]
struct User {
    package: String,
    files: Vec<String>,
}

#[derive(Serialize)]
struct Copied {
    name: String,
    version: String,
    copy: String,
    copy_version: Option<String>,
    edge: &'static str,
    file: String,
}

pub(super) fn reach(host: &Host, printer: &Printer, what: &str) -> Outcome {
    let asked = Asked::parse(what);
    let stock = Stock::read(host)?;
    let (providers, sonames) = providers(&stock, &asked);
    let copies = copies(&stock, &asked);
    if providers.is_empty() && copies.is_empty() {
        return Err(Failure::new(format!("nothing in this store is or has `{what}`"))
            .hint("name a soname such as libssl.so.3, a package, a source package, or a library that others copy"));
    }
    let uses = Uses::read(stock.store())?;
    let mut views = Vec::new();
    for one in &uses.0 {
        let held: BTreeSet<ComponentId> = providers.iter().map(|&at| stock.rows[at].id).collect();
        let keys: BTreeSet<String> = one.of(&held).map(aleph_view::Pinned::key).collect();
        if keys.is_empty() {
            continue;
        }
        let mut users = Vec::new();
        for package in &one.generation.packages {
            if package.slots.values().any(|slot| keys.contains(slot)) {
                let files = files_that_need(&stock, &package.component, &sonames, asked.symbol)?;
                if !files.is_empty() {
                    users.push(User { package: package.key(), files });
                }
            }
        }
        let direct: BTreeSet<String> = users.iter().map(|user| user.package.clone()).collect();
        let reached = one.reached_from(&direct);
        let through = reached.directly.into_iter().chain(reached.through).filter(|key| !keys.contains(key)).collect();
        views.push(InView {
            view: one.name().to_owned(),
            generation: one.generation.number,
            current: one.is_current,
            users,
            through,
        });
    }
    let held: BTreeSet<ComponentId> = providers.iter().map(|&at| stock.rows[at].id).collect();
    let (processes, _) = running(&stock, &uses)?;
    let processes = processes.into_iter().filter(|process| !process.maps.is_disjoint(&held));
    let named = |&at: &usize| (stock.rows[at].name.clone(), stock.rows[at].version.clone());
    let answer = Answer {
        providers: providers.iter().map(named).collect(),
        views,
        copies,
        processes: processes.map(|process| (process.pid, process.name)).collect(),
    };
    printer.answer("audit-reach", &answer, |answer| describe(answer, &asked));
    Ok(ExitCode::SUCCESS)
}

impl<'a> Asked<'a> {
    fn parse(what: &'a str) -> Self {
        let (name, symbol) = what.split_once(':').map_or((what, None), |(name, symbol)| (name, Some(symbol)));
        let (name, version) = name.split_once('@').map_or((name, None), |(name, version)| (name, Some(version)));
        Self { name, version, symbol }
    }

    fn is_version(&self, version: &str) -> bool {
        self.version.is_none_or(|asked| asked == version)
    }
}

/// The components that are asked for, and the sonames of what they offer, or the one that was asked for.
fn providers(stock: &Stock, asked: &Asked<'_>) -> (Vec<usize>, BTreeSet<String>) {
    let mut found = Vec::new();
    let mut sonames = BTreeSet::new();
    for (at, (row, contents)) in stock.rows.iter().zip(&stock.contents).enumerate() {
        if !(asked.is_version(&row.version) || asked.is_version(&row.source.version)) {
            continue;
        }
        let own = contents.binaries.iter().filter_map(|binary| binary.soname.as_deref());
        let named: Vec<&str> = own.clone().filter(|soname| *soname == asked.name).collect();
        if row.name == asked.name || row.source.name == asked.name {
            found.push(at);
            sonames.extend(own.map(str::to_owned));
        } else if !named.is_empty() {
            found.push(at);
            sonames.extend(named.into_iter().map(str::to_owned));
        }
    }
    (found, sonames)
}

/// Copies of it inside of components.
fn copies(stock: &Stock, asked: &Asked<'_>) -> Vec<Copied> {
    let all = stock.rows.iter().zip(&stock.contents);
    let copies = all.flat_map(|(row, contents)| contents.copies.iter().map(move |copy| (row, copy)));
    // Where a symbol is asked for, nobody knows whether a copy has it.
    copies
        .filter(|(row, copy)| copy.name == asked.name && row.source.name != copy.name)
        .filter(|(_, copy)| copy.version.as_deref().is_none_or(|version| asked.is_version(version)))
        .map(|(row, copy)| Copied {
            name: row.name.clone(),
            version: row.version.clone(),
            copy: copy.name.clone(),
            copy_version: copy.version.clone(),
            edge: copy.edge.word(),
            file: format!("/{}", copy.path),
        })
        .collect()
}

/// The files of a component that need one of these libraries, and import the symbol if one is asked for.
fn files_that_need(
    stock: &Stock,
    component: &ComponentId,
    sonames: &BTreeSet<String>,
    symbol: Option<&str>,
) -> Outcome<Vec<String>> {
    let Some(at) = stock.position(component) else { return Ok(Vec::new()) };
    let binaries = stock.contents[at].binaries.iter();
    let mut files: Vec<String> = binaries
        .filter(|binary| binary.needed.iter().any(|soname| sonames.contains(soname)))
        .map(|binary| binary.path.clone())
        .collect();
    let Some(symbol) = symbol else { return Ok(files) };
    if files.is_empty() {
        return Ok(files);
    }
    let entries = stock.stored().binaries(&[*component])?.pop().unwrap_or_default();
    let contents: Vec<(Digest, u16)> = files
        .iter()
        .filter_map(|path| match entries.iter().find(|entry| entry.path.as_str() == path)?.node {
            Node::File { digest, mode, .. } => Some((digest, mode)),
            _ => None,
        })
        .collect();
    let facts = stock.stored().facts(&contents);
    let mut facts = facts.into_iter();
    files.retain(|_| {
        let imports =
            |facts: &aleph_abi::elf::Facts| facts.imports().iter().any(|one| facts.name(one) == symbol.as_bytes());
        // What cannot be read may import it.
        facts.next().is_none_or(|found| found.map_or(true, |facts| imports(&facts)))
    });
    Ok(files)
}

fn describe(answer: &Answer, asked: &Asked<'_>) -> String {
    let mut text = String::new();
    let what = asked.symbol.map_or_else(|| asked.name.to_owned(), |symbol| format!("{symbol} of {}", asked.name));
    let providers: Vec<String> = answer.providers.iter().map(|(name, version)| format!("{name} {version}")).collect();
    if providers.is_empty() {
        text.push_str(&format!("no component is {what}\n"));
    } else {
        text.push_str(&format!("{}: {}\n", bold(asked.name), some(&providers)));
    }
    for view in answer.views.iter().filter(|view| view.current) {
        let users = view.users.len();
        let verb = if asked.symbol.is_some() { "imported by" } else { "used by" };
        text.push_str(&format!(
            "{} generation {}: {verb} {}",
            bold(&view.view),
            view.generation,
            count(users, "package")
        ));
        if !view.through.is_empty() {
            text.push_str(&format!(", and reached from {} through these", view.through.len()));
        }
        text.push('\n');
        let rows: Vec<Vec<String>> =
            view.users.iter().map(|user| vec![format!("  {}", user.package), some(&user.files)]).collect();
        text.push_str(&table(&rows));
        text.push_str(if rows.is_empty() { "" } else { "\n" });
    }
    let old = answer.views.iter().filter(|view| !view.current).count();
    if old > 0 {
        text.push_str(&format!("{} that no view is at have it, too\n", count(old, "generation")));
    }
    if !answer.copies.is_empty() {
        text.push_str(&format!(
            "{} of it inside, which no update of a library changes\n",
            yellow(if answer.copies.len() == 1 { "a copy" } else { "copies" })
        ));
        let row = |copy: &Copied| {
            let version = copy.copy_version.as_deref().unwrap_or("(version not told)");
            vec![
                format!("  {} {}", copy.name, copy.version),
                format!("{} {} {version}", copy.edge, copy.copy),
                copy.file.clone(),
            ]
        };
        text.push_str(&table(&answer.copies.iter().map(row).collect::<Vec<_>>()));
        text.push('\n');
    }
    if !answer.processes.is_empty() {
        let names: Vec<String> = answer.processes.iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
        text.push_str(&format!("{} with it now: {}\n", yellow("runs"), some(&names)));
    }
    text
}
