//! How the tour finds its cast: from the host's apt sources if they will do, else from its own.

use super::{
    cast::Cast,
    homemade,
    offer::{self, Lacking},
    page::{Page, grouped, quoted},
    story::{ALICE, Story},
};
use crate::{failure::Outcome, ops::sources, output::Printer};

/// A list of no sources, beside the packages that the tour makes.
pub(super) const NO_SOURCES: &str = "no-sources.list";

/// Chooses, and says what was chosen from.
pub(super) fn choose(story: &mut Story<'_>, page: &Page<'_>, printer: &Printer) -> Outcome<Cast> {
    match of_sources(story, page, printer)? {
        Ok(cast) => Ok(cast),
        Err(why) => {
            page.say(&format!(
                "{why} So the tour takes a few packages of its own: a library in two versions and two programs, \
                 compiled now by this machine's `cc`, and this machine's C library. Version 1.0 of the library loses the last \
                 letter of a name; 1.1 does not."
            ));
            own(story, page)
        }
    }
}

/// The cast from apt's sources, or why there is none.
fn of_sources(story: &Story<'_>, page: &Page<'_>, printer: &Printer) -> Outcome<Result<Cast, String>> {
    let host = story.host_of(ALICE);
    match sources::is_empty(&host, printer) {
        Ok(true) => {
            return Ok(Err(match &host.global.sources {
                Some(file) => format!("There are no sources in {}.", file.display()),
                None => "There are no apt sources on this host.".to_owned(),
            }));
        }
        Ok(false) => {}
        Err(failure) => return Ok(Err(format!("The apt sources cannot be read: {}.", failure.chain().join(": ")))),
    }
    let index = match sources::offers(&host, printer) {
        Ok(offers) => offers.index,
        Err(failure) => return Ok(Err(format!("The apt sources cannot be used: {}.", failure.chain().join(": ")))),
    };
    let native = sources::architectures(&host)?.native;
    for pinned in (0..=offer::MOVING).rev() {
        match offer::cast(&index, &native, pinned) {
            // These older versions may not fit the rest of what is on offer; then fewer of them do.
            Ok(cast) if pinned > 0 && !story.fits(ALICE, &cast.alice)? => {}
            Ok(cast) => {
                let packages = index.names().count();
                page.say(&format!(
                    "This host's apt sources offer {} packages, some of them in several versions:",
                    grouped(packages as u64)
                ));
                return Ok(Ok(cast));
            }
            Err(Lacking::Everything) => return Ok(Err("The apt sources of this host offer nothing.".to_owned())),
            Err(Lacking::Package(name)) => {
                return Ok(Err(format!("The apt sources of this host do not offer {name}.")));
            }
            Err(Lacking::Choice) => {
                let what = "openssl, libc6 and expat";
                return Ok(Err(format!("The apt sources of this host offer only one version of {what}.")));
            }
        }
    }
    Ok(Err("The older versions on offer do not fit together.".to_owned()))
}

/// Makes the cast that needs no sources, and goes where its packages are.
pub(super) fn own(story: &mut Story<'_>, page: &Page<'_>) -> Outcome<Cast> {
    let workshop = &story.place.workshop;
    let at = |source| aleph_store::FsError { action: "create", path: workshop.clone(), source };
    std::fs::create_dir_all(workshop).map_err(at)?;
    let none = workshop.join(NO_SOURCES);
    std::fs::write(&none, "").map_err(at)?;
    let native = sources::architectures(&story.host_of(ALICE))?.native;
    let cast = homemade::cast(workshop, &native)?;
    page.command(&["cd".to_owned(), quoted(&workshop.display().to_string())]);
    story.sources = Some(none);
    Ok(cast)
}
