//! Views for one `aleph run`: kept until the next collection, so that the second time is fast.

use aleph_component::Digest;
use aleph_view::{Kind, RunLayers, ViewName, ViewRecord};

use super::{
    change::{self, Wish},
    local,
};
use crate::{
    failure::{Failure, Outcome},
    host::{Host, Target},
    output::Printer,
};

const PREFIX: &str = "once-";

/// Whether a view was made for one run.
pub(crate) fn is_once(name: &ViewName) -> bool {
    name.as_str().starts_with(PREFIX)
}

/// What a view with just these packages runs on, made if it is not there.
pub(crate) fn layers(host: &Host, printer: &Printer, packages: &[String]) -> Outcome<RunLayers> {
    let mut sorted = packages.iter().map(|package| identity(host, package)).collect::<Outcome<Vec<_>>>()?;
    sorted.sort();
    let digest = Digest::of(sorted.join(" ").as_bytes()).to_string();
    let name: ViewName = format!("{PREFIX}{}", &digest[..16]).parse()?;
    if let Some(layers) = crate::commands::current(host, &name)? {
        return Ok(layers);
    }
    if host.global.dry_run {
        return Err(Failure::new(format!(
            "{} is not prepared yet, and a dry run prepares nothing",
            packages.join(" ")
        ))
        .hint("`aleph add --dry-run PACKAGE` says what would be added"));
    }
    let record = ViewRecord { name: name.clone(), kind: Kind::User, owner: host.login.clone(), project: None };
    printer.note(&format!("preparing {} for this run", packages.join(" ")));
    let wish = Wish { add: packages.to_vec(), ..Wish::default() };
    let reason = format!("run --with {}", packages.join(" "));
    change::change(host, printer, &Target { record, project: None }, &wish, &reason)?;
    crate::commands::current(host, &name)?.ok_or_else(|| crate::host::no_view(&name))
}

/// What tells one wish from another: of a file, its content.
fn identity(host: &Host, package: &str) -> Outcome<String> {
    Ok(if local::is_file(package) { local::digest(host, package)?.1.0.to_string() } else { package.to_owned() })
}

/// Whether a source offers a package of this name.
pub(crate) fn is_offered(host: &Host, printer: &Printer, name: &str) -> Outcome<bool> {
    let offers = super::sources::offers(host, printer)?;
    Ok(offers.index.candidates(name).next().is_some())
}
