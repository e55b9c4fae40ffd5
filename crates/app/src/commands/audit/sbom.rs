//! `aleph audit sbom`: a bill of materials.

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    process::ExitCode,
};

use aleph_audit::{
    Identity,
    sbom::{Bill, Format, Part},
};
use aleph_component::{Digest, StoreName};
use aleph_view::{Generation, Pinned};

use crate::{
    cli::BillFormat,
    failure::{Failure, Outcome},
    host::Host,
    ops::{audit::Stock, relinked::Relinked},
    output::{Printer, count},
};

pub(super) fn sbom(
    host: &Host,
    printer: &Printer,
    package: Option<&str>,
    format: BillFormat,
    output: Option<&Path>,
) -> Outcome {
    let stock = Stock::read(host)?;
    let view = host.view(stock.store())?;
    let generation = view.current()?.ok_or_else(|| Failure::new("this view has no generation yet"))?;
    let (name, version, packages) = match package {
        None => (view.record.name.to_string(), generation.number.to_string(), generation.packages.iter().collect()),
        Some(name) => {
            let top = generation.packages.iter().find(|package| package.name == name || package.key() == name);
            let top = top.ok_or_else(|| {
                Failure::new(format!("`{name}` is not in view {}", view.record.name))
                    .hint("`aleph list --all` lists what is")
            })?;
            (top.name.clone(), top.version.clone(), closure(&generation, top))
        }
    };
    let relinked = Relinked::read(stock.store())?;
    let parts: Vec<Part> =
        packages.iter().map(|package| part(&stock, &relinked, &generation, package)).collect::<Outcome<_>>()?;
    let ids: Vec<&str> = parts.iter().map(|part| part.id.as_str()).collect();
    let serial = Digest::of(format!("{name}\n{version}\n{}", ids.join("\n")).as_bytes()).to_string();
    let created =
        jiff::Timestamp::from_second(Host::now()).map_err(|error| Failure::new(error.to_string()))?.to_string();
    let bill = Bill { name, version, created, serial, parts };
    let text = bill.write(match format {
        BillFormat::Cyclonedx => Format::CycloneDx,
        BillFormat::Spdx => Format::Spdx,
    });
    let text = serde_json::to_string_pretty(&text).unwrap_or_default();
    match output {
        None => printer.line(&text),
        Some(path) => {
            std::fs::write(host.cwd.join(path), text + "\n")?;
            printer.note(&format!("wrote {} with {}", path.display(), count(bill.parts.len(), "package")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A package with all that it is bound to, directly and through others, sorted by key.
fn closure<'a>(generation: &'a Generation, top: &'a Pinned) -> Vec<&'a Pinned> {
    let mut keys: BTreeSet<String> = [top.key()].into();
    let mut todo: VecDeque<&Pinned> = [top].into();
    while let Some(package) = todo.pop_front() {
        for provider in package.slots.values() {
            if let Some(next) = generation.packages.iter().find(|other| other.key() == *provider)
                && keys.insert(provider.clone())
            {
                todo.push_back(next);
            }
        }
    }
    generation.packages.iter().filter(|package| keys.contains(&package.key())).collect()
}

fn part(stock: &Stock, relinked: &Relinked<'_>, generation: &Generation, package: &Pinned) -> Outcome<Part> {
    let store = stock.store();
    let at = stock.position(&package.component);
    let origin = store.origins(&package.component)?.into_iter().next();
    let manifest = store.manifest_named(&StoreName::new(package.component, &package.name))?;
    let debian = at.and_then(|at| match &stock.identities[at] {
        Identity::Debian { release, .. } => Some(release.clone()),
        Identity::Upstream { .. } => None,
    });
    let bound = |key: &String| generation.packages.iter().find(|other| other.key() == *key);
    let mut linked: Vec<String> = package.slots.values().filter_map(bound).map(|other| other.id.to_string()).collect();
    linked.sort();
    linked.dedup();
    let made = relinked.made_with(&package.component)?;
    let built_with = made.iter().filter_map(|(slot, id)| Some((slot.clone(), relinked.version(id)?)));
    Ok(Part {
        id: package.id.to_string(),
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        summary: manifest.summary,
        debian,
        // What somebody built here has no archive that others could compare.
        archive: origin.as_ref().filter(|_| !package.is_native()).map(|origin| origin.archive.to_string()),
        origin: origin.map(|origin| origin.source),
        linked,
        built_with: built_with.collect(),
        inside: at.map(|at| stock.contents[at].copies.clone()).unwrap_or_default(),
    })
}
