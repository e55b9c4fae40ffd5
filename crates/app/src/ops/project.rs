//! Keeping a project's manifest, lock file and view in step.

use aleph_component::Digest;
use aleph_view::{Generation, Lock, RunLayers, View};

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

/// What the current view runs on. A project's view is first brought to what its lock file says, or, without one, to what
/// its manifest asks for.
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
    if layers.as_ref().is_some_and(|layers| layers.lock.is_some() && layers.lock == digest) {
        return Ok(layers);
    }
    if text.is_none() && project.packages.is_empty() {
        return Err(Failure::new(format!("{} asks for no packages yet", project.manifest().display()))
            .hint("`aleph add PACKAGE` adds to it"));
    }
    printer.note(&format!("bringing the view of {} up to date", project.directory().display()));
    ops::change::sync(host, printer)?;
    crate::commands::current(host, &target.record.name)
}
