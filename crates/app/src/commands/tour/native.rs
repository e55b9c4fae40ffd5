//! The chapter about programs that run from the store: no view's tree, the same packages, and an update that links them
//! anew.

use super::{
    cast::{Program, Versions},
    chapters::{Tour, size, words},
    facts::{Judged, Relinked},
    story::Step,
};
use crate::{
    failure::Outcome,
    output::{bold, count},
};

/// The one whose programs run from the store.
const DORA: &str = "dora";
/// What she asks for, and what she runs.
const WANTED: [&str; 3] = ["curl", "git", "openssl"];
const PROGRAMS: [&[&str]; 3] = [&["openssl", "version"], &["curl", "--version"], &["git", "--version"]];

impl Tour<'_> {
    /// Told with packages of a distribution only: the tour's own have nothing in them that depends on its place.
    pub(super) fn native(&mut self, first: &Step, update: &Step) -> Outcome<()> {
        self.page.chapter("Dora's programs run from the store, without a tree around them");
        self.page.say(
            "A view's tree runs as `/`. A package can also run from where it lies: what in it depends on its place is \
             found once, when it is taken in, and each package gets links to what it is bound to.",
        );
        let taken = self.story.take_in(&first.generation.packages)?;
        self.shown_import("./*.deb");
        self.page.say(&format!(
            "{}, the very archives of Alice's first view, in {}.",
            bold(&solid_count(taken.0, "package")),
            taken.1,
        ));
        let wanted = WANTED.map(|name| format!("store:{name}"));
        self.command(DORA, &["add"], &wanted);
        let step = self.story.add(DORA, &wanted)?;
        self.page.say(&format!(
            "{} linked to each other in {}. Nothing was unpacked and no script ran.",
            bold(&solid_count(step.generation.packages.len(), "package")),
            bold(&step.took.to_string()),
        ));
        self.run_native("before")?;
        let newer: Vec<_> =
            update.imported.iter().filter(|one| self.cast.replaced.contains(&one.name)).cloned().collect();
        self.story.take_in(&newer)?;
        self.shown_import(&newer.iter().map(|one| format!("./{}_*.deb", one.name)).collect::<Vec<_>>().join(" "));
        let names = self.cast.replaced.clone();
        self.command(DORA, &["update"], &names);
        let step = self.story.update(DORA, &names)?;
        self.relinked(&step);
        self.run_native("updated")
    }

    fn shown_import(&self, archives: &str) {
        let mut line = words(&["aleph", "import", "--prefix", "/"]);
        // The shell's to complete, so not quoted.
        line.push(archives.to_owned());
        self.page.command(&line);
    }

    /// What an update of Dora's did.
    fn relinked(&mut self, step: &Step) {
        let before = step.before.as_ref().map(|before| before.packages.as_slice()).unwrap_or_default();
        let replaced: Vec<Versions> =
            self.cast.replaced.iter().filter_map(|name| self.cast.versions_of(name).cloned()).collect();
        self.replaced(&replaced);
        let is_same = |id| before.iter().any(|old| old.id == id);
        let linked = step.generation.packages.iter().filter(|package| !is_same(package.id)).count();
        let relinked = linked.saturating_sub(replaced.len());
        let judged = Judged::of(step);
        let link = step.phases().into_iter().find(|(phase, _)| *phase == "link").map(|(_, took)| took);
        let link = link.unwrap_or_default();
        self.page.say(&format!(
            "{} in {}, {} written: the programs, in which the path of their dynamic linker is written down. {} \
             that use what moved were judged first, by {}: {}.",
            bold(&format!("{relinked} packages relinked")),
            bold(&link.to_string()),
            bold(&size(step.grown.bytes)),
            judged.relink,
            judged.evidence.join(", "),
            bold("relink"),
        ));
        self.facts.relinked = Some(Relinked {
            view: DORA.to_owned(),
            relinked,
            judged,
            written_bytes: step.grown.bytes,
            link,
            took: step.took,
        });
    }

    fn run_native(&mut self, when: &'static str) -> Outcome<()> {
        let programs = PROGRAMS.map(Program::head);
        self.run_all(when, DORA, &programs)
    }
}

fn solid_count(number: usize, noun: &str) -> String {
    super::page::solid(count(number, noun))
}
