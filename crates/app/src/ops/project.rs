//! Keeping a project's manifest, lock file and view in step.

use std::collections::BTreeSet;

use aleph_component::Digest;
use aleph_view::{Generation, Lock, Project, Request, RunLayers, View};

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops,
    output::Printer,
};

/// Writes what a generation holds into the project's lock file and manifest.
pub(crate) fn follow(host: &Host, view: &View, generation: &Generation) -> Outcome<()> {
    let Some(mut project) = host.target()?.project else { return Ok(()) };
    if view.record.project.as_deref() != Some(project.directory()) {
        return Ok(());
    }
    Lock::of(generation).write(&project.lock_file())?;
    Ok(project.set_packages(&generation.requested)?)
}

/// Whether the project's manifest asks for what this lock file was made for. Of a file that cannot be read, who reads
/// the whole of it will say so.
fn asks_for(project: &Project, lock: &[u8]) -> bool {
    let text = std::str::from_utf8(lock).ok();
    text.and_then(|text| Lock::parse_requested("", text).ok())
        .is_some_and(|requested| is_same(&requested, &project.packages))
}

/// Whether two lists ask for the same.
pub(crate) fn is_same(one: &[Request], other: &[Request]) -> bool {
    let set = |requests: &[Request]| requests.iter().cloned().collect::<BTreeSet<_>>();
    set(one) == set(other)
}

/// What the current view runs on. A project's view is first brought to what its lock file says and its manifest asks
/// for, if somebody edited one of them.
pub(crate) fn ready(host: &Host, printer: &Printer) -> Outcome<Option<RunLayers>> {
    let target = host.target()?;
    let layers = crate::commands::current(host, &target.record.name)?;
    let Some(project) = target.project else { return Ok(layers) };
    let text = match std::fs::read(project.lock_file()) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let digest = text.as_ref().map(|text| Digest::of(text));
    let is_of_lock = layers.as_ref().is_some_and(|layers| layers.lock.is_some() && layers.lock == digest);
    if is_of_lock && text.as_ref().is_some_and(|text| asks_for(&project, text)) {
        return Ok(layers);
    }
    if text.is_none() && project.packages.is_empty() {
        return Err(Failure::new(format!("{} asks for no packages yet", project.manifest().display()))
            .hint("`aleph add PACKAGE` adds to it"));
    }
    if host.global.dry_run {
        printer.note(&format!("would bring the view of {} up to date", project.directory().display()));
        return Ok(layers);
    }
    printer.note(&format!("bringing the view of {} up to date", project.directory().display()));
    ops::change::sync(host, printer)?;
    crate::commands::current(host, &target.record.name)
}
