//! `aleph audit update`: what is known of weaknesses, learnt from files and addresses.

use std::{path::PathBuf, process::ExitCode};

use aleph_audit::{Heard, Known, Learning, gather};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        audit::journal::{self, Deed},
        sources::{Fresh, Original, Originals, Place},
    },
    output::{Printer, count},
};

/// Makes what is known anew: from `from`, and, unless this is to be the `only` place, from where it came before.
pub(super) fn update(host: &Host, printer: &Printer, from: &[String], only: bool) -> Outcome {
    let store = host.store()?;
    let root = store.layout().root();
    let before = match Known::open(root) {
        Ok(Some(known)) if !only => known.heard()?,
        // A damaged one is made anew.
        Ok(_) | Err(_) => Vec::new(),
    };
    let mut names: Vec<String> = before.into_iter().map(|heard| heard.name).collect();
    for name in from.iter().map(|name| absolute(host, name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Failure::new("no advisories were ever learnt here")
            .with_code(2)
            .hint("name a file, directory or archive of OSV records, or the address of one"));
    }
    if host.global.dry_run {
        let text = format!("would learn from {}", names.join(", "));
        printer.answer("audit-update-plan", &json!({ "from": names }), |_| text);
        return Ok(ExitCode::SUCCESS);
    }
    // Others may write to the store while something is fetched.
    let places: Vec<PathBuf> = names.iter().map(|name| fetched(host, printer, name)).collect::<Outcome<_>>()?;
    let lock = host.lock(&store, "learning advisories", printer)?;
    let learning = Learning::begin(root)?;
    let mut all = Vec::new();
    for (name, place) in names.into_iter().zip(places) {
        let bar = printer.progress().busy(&format!("learning from {name}"));
        let gathered = gather::<Failure>(&place, &mut |advisory| {
            bar.tick();
            Ok(learning.add(advisory)?)
        });
        let gathered = gathered.map_err(|failure| {
            failure.hint("what was learnt before stays; `aleph audit update --only PATH` learns from there alone")
        })?;
        if let Some(first) = &gathered.first_unread {
            let what = number(gathered.unread, "file");
            printer.warning(&format!("{what} of {name} cannot be read as OSV records, such as {first}"));
        }
        let heard = Heard { name, read_at: Host::now(), advisories: gathered.advisories };
        learning.heard(&heard)?;
        all.push(heard);
    }
    let told = |heard: &Heard| format!("{} of {}", number(heard.advisories, "advisory"), heard.name);
    let what = all.iter().map(told).collect::<Vec<_>>();
    journal::record(host, &store, &lock, Deed { did: "advisories", view: None, what: what.join(", ") })?;
    learning.finish()?;
    printer.progress().clear();
    printer.answer("audit-update", &all, |_| what.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn number(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn is_address(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

fn absolute(host: &Host, name: &str) -> String {
    if is_address(name) { name.to_owned() } else { host.cwd.join(name).display().to_string() }
}

/// The file behind a name: itself, or what is at the address, which a digest vouches for, or else the server's certificate.
fn fetched(host: &Host, printer: &Printer, name: &str) -> Outcome<PathBuf> {
    if !is_address(name) {
        return Ok(PathBuf::from(name));
    }
    let (address, digest) = name.split_once("#sha256=").map_or((name, None), |(name, digest)| (name, Some(digest)));
    let file = address.rsplit('/').next().filter(|file| !file.is_empty()).unwrap_or("advisories").to_owned();
    let originals = Originals::open(host, printer)?;
    if let Some(digest) = digest {
        let original = Original { place: Place::Url(address.to_owned()), file, sha256: digest.parse()? };
        let path = originals.fetch(&[original])?.pop();
        return path.ok_or_else(|| Failure::new("nothing was fetched"));
    }
    if !address.starts_with("https://") {
        return Err(Failure::new(format!("nobody vouches for what is at {address}"))
            .with_code(2)
            .hint("take an https address, or put #sha256=… after this one"));
    }
    originals.fetch_fresh(&Fresh::Url(address.parse()?), &file)
}
