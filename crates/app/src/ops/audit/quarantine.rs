//! Keeping components out of new generations and builds.

use std::collections::BTreeSet;

use aleph_audit::{Lifted, Quarantine, Quarantined};
use aleph_component::ComponentId;
use aleph_store::{ComponentRow, Store};

use super::journal::{self, Deed};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    output::Printer,
};

/// Fails if one of the components, each with the name of its package, is in quarantine.
pub(crate) fn refuse<'a>(store: &Store, components: impl Iterator<Item = (&'a str, &'a ComponentId)>) -> Outcome<()> {
    let quarantine = Quarantine::read(store.layout().root())?;
    if quarantine.held().next().is_none() {
        return Ok(());
    }
    for (name, component) in components {
        if let Some(held) = quarantine.holds(component) {
            return Err(refusal(name, held));
        }
    }
    Ok(())
}

/// What of these components is in quarantine, in words.
pub(crate) fn held(store: &Store, components: &BTreeSet<ComponentId>) -> Outcome<Vec<String>> {
    let quarantine = Quarantine::read(store.layout().root())?;
    let held = quarantine.held().filter(|held| components.contains(&held.component));
    Ok(held
        .map(|held| format!("{} {} is in quarantine: {} (says {})", held.name, held.version, held.because, held.by))
        .collect())
}

fn refusal(name: &str, held: &Quarantined) -> Failure {
    let Quarantined { version, because, by, .. } = held;
    Failure::new(format!("{name} {version} is in quarantine: {because} (says {by})"))
        .with_code(UNSATISFIABLE)
        .hint(format!(
            "another version may be taken: `aleph show {name}` lists them, `aleph add {name}=VERSION` asks for one"
        ))
        .hint(format!("`aleph store quarantine {name}={version} --lift --because …` ends it"))
}

/// Puts components into quarantine.
pub(crate) fn begin(
    host: &Host,
    printer: &Printer,
    store: &Store,
    rows: &[ComponentRow],
    because: &str,
) -> Outcome<()> {
    change(host, printer, store, deed("quarantine", rows, because), |quarantine| {
        for row in rows.iter().filter(|row| quarantine.holds(&row.id).is_none()).collect::<Vec<_>>() {
            quarantine.records.push(Quarantined {
                component: row.id,
                name: row.name.clone(),
                version: row.version.clone(),
                because: because.to_owned(),
                by: host.login.clone(),
                at: Host::now(),
                lifted: None,
            });
        }
        Ok(())
    })
}

/// Ends the quarantine of components.
pub(crate) fn end(host: &Host, printer: &Printer, store: &Store, rows: &[ComponentRow], because: &str) -> Outcome<()> {
    let lifted = Lifted { because: because.to_owned(), by: host.login.clone(), at: Host::now() };
    change(host, printer, store, deed("lift", rows, because), |quarantine| {
        for row in rows {
            if !quarantine.lift(&row.id, &lifted) {
                return Err(Failure::new(format!("{} {} is not in quarantine", row.name, row.version)));
            }
        }
        Ok(())
    })
}

fn deed<'a>(did: &'a str, rows: &[ComponentRow], because: &str) -> Deed<'a> {
    let named: Vec<String> = rows.iter().map(|row| format!("{} {} ({})", row.name, row.version, row.id)).collect();
    Deed { did, view: None, what: format!("{}: {because}", named.join(", ")) }
}

fn change(
    host: &Host,
    printer: &Printer,
    store: &Store,
    deed: Deed<'_>,
    change: impl FnOnce(&mut Quarantine) -> Outcome<()>,
) -> Outcome<()> {
    let lock = host.lock(store, "quarantining", printer)?;
    let root = store.layout().root();
    let mut quarantine = Quarantine::read(root)?;
    change(&mut quarantine)?;
    journal::record(host, store, &lock, deed)?;
    Ok(quarantine.write(root)?)
}
