//! The tour's chapters: the words, in the order in which things happen.

use std::time::Instant;

use super::{
    cast::{Cast, From, Program, Versions},
    facts::{Facts, Milliseconds, Totals, Updated},
    homemade, opening,
    page::{Page, grouped, quoted, solid},
    place::Place,
    story::{ALICE, BOB, CAROL, Step, Story},
};
use crate::{
    failure::{DAMAGED, Failure, Outcome},
    host::Host,
    output::{Printer, bold, bytes, count, dim, green, yellow},
};

/// How many relinked packages are named.
const NAMED: usize = 6;

/// The tour while it is told.
pub(super) struct Tour<'a> {
    pub(super) story: &'a Story<'a>,
    pub(super) page: &'a Page<'a>,
    pub(super) cast: Cast,
    pub(super) facts: Facts,
}

/// Tells the whole tour.
pub(super) fn tell(host: &Host, printer: &Printer, place: &Place, start: Instant) -> Outcome<Facts> {
    let mut story = Story::new(host, printer, place);
    let mut page = Page::new(host, printer);
    page.title("One store, two views, an update that compiles nothing, and the way back");
    page.say(&format!(
        "Everything below happens now, in a store that is the tour's own. The commands shown do the same for you \
         after `export ALEPH_STORE={}`.",
        quoted(&place.store.display().to_string()),
    ));
    page.chapter("What is on offer");
    let cast = opening::choose(&mut story, &page, printer)?;
    cast.versions.iter().for_each(|versions| page.tell_apart(&versions.older, &versions.newer));
    let facts = Facts::new(&place.store, &cast);
    let mut tour = Tour { story: &story, page: &page, cast, facts };
    tour.offer();
    let first = tour.alice()?;
    tour.bob(&host.login)?;
    tour.first_runs()?;
    let update = tour.update()?;
    tour.second_runs()?;
    tour.back()?;
    tour.refusal(host, printer, place)?;
    if tour.cast.from == From::Apt {
        tour.native(&first, &update)?;
    }
    tour.verify()?;
    tour.totals()?;
    tour.facts.took = Milliseconds(start.elapsed());
    tour.end();
    Ok(tour.facts)
}

impl Tour<'_> {
    fn offer(&self) {
        let width = self.cast.versions.iter().map(|versions| versions.name.len()).max().unwrap_or_default();
        let older =
            self.cast.versions.iter().map(|versions| versions.older.len()).max().unwrap_or_default().max("older".len());
        self.page.row(&dim(&format!("{:<width$}   {:<older$}   newest", "", "older")));
        for versions in &self.cast.versions {
            let (pad, gap) = (width - versions.name.len(), older - versions.older.len());
            let (older, newer) = (yellow(&versions.older), green(&versions.newer));
            self.page.row(&format!("{}{}   {older}{}   {newer}", versions.name, " ".repeat(pad), " ".repeat(gap)));
        }
        self.page.say("Both views begin with the older ones, as a machine has them on the day before an update.");
    }

    fn alice(&mut self) -> Outcome<Step> {
        self.page.chapter("Alice makes a view");
        self.command(ALICE, &["add"], &self.cast.alice.clone());
        let step = self.story.add(ALICE, &self.cast.alice).map_err(|failure| self.without_network(failure))?;
        let made = self.story.made(ALICE, &step)?;
        let (files, length) = self.story.files(&step.generation)?;
        self.page.say(&format!(
            "{}: these and everything they need. {} files with {} came out of {} of archives. {}",
            bold(&solid(count(made.packages, "package"))),
            grouped(files as u64),
            size(length),
            size(made.archive_bytes),
            self.cast.vouched,
        ));
        self.page.say(&format!("It took {}{}.", bold(&solid(made.took)), phases(&step)));
        self.warn(&made.warnings);
        self.facts.views.push(made);
        if self.cast.from == From::Apt {
            self.cast.both.extend(super::offer::libc_that_speaks(&self.story.roots(&step.generation)?));
        }
        Ok(step)
    }

    fn bob(&mut self, login: &str) -> Outcome<()> {
        self.page.chapter("Bob makes one too, in the same store");
        self.command(BOB, &["add"], &self.cast.bob.clone());
        let step = self.story.add(BOB, &self.cast.bob)?;
        let made = self.story.made(BOB, &step)?;
        let (_, length) = self.story.files(&step.generation)?;
        let there = made.packages - made.imported;
        self.page.say(&format!(
            "{}, {} in the store already. His {} of files cost {} more.",
            bold(&solid(count(made.packages, "package"))),
            if there == made.packages { "all of them".to_owned() } else { format!("{there} of them") },
            size(length),
            bold(&size(made.new_bytes)),
        ));
        self.page.say(&format!("It took {}{}.", bold(&solid(made.took)), phases(&step)));
        self.warn(&made.warnings);
        self.page.aside(&format!(
            "The views' records name two owners, {} and {}. On this disk {login} plays both parts.",
            self.facts.views.first().map_or(ALICE, |alice| &alice.owner),
            made.owner,
        ));
        self.facts.views.push(made);
        Ok(())
    }

    /// A tour of the tour's own packages needs nobody else.
    fn without_network(&self, failure: Failure) -> Failure {
        match self.cast.from {
            From::Apt => {
                failure.hint("`aleph --sources /dev/null tour` shows the same with packages made on this host")
            }
            From::Own => failure,
        }
    }

    fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.page.say(&format!("{}: {warning}", yellow("warning")));
        }
    }

    fn first_runs(&mut self) -> Outcome<()> {
        self.page.chapter("Their programs run");
        let both = self.cast.both.clone();
        self.run_all("before", ALICE, &[both.as_slice(), &self.cast.of_alice.clone()].concat())?;
        self.run_all("before", BOB, &[&both[..1], &self.cast.of_bob.clone()].concat())
    }

    fn update(&mut self) -> Outcome<Step> {
        self.page.chapter(&format!("Alice takes the update of {}", self.cast.replaced.join(" and ")));
        self.command(ALICE, &["add"], &self.cast.update.clone());
        let bob = self.story.view(BOB)?.current_number()?.unwrap_or_default();
        let step = self.story.add(ALICE, &self.cast.update)?;
        let (updated, relinked) = self.story.updated(&self.cast, &step, bob)?;
        self.changed(&updated, &relinked);
        self.page.say(&format!(
            "It took {}{}. {} are new, and {} names: links, mostly. {}",
            bold(&solid(updated.took)),
            phases(&step),
            size(updated.new_bytes),
            grouped(updated.new_names),
            self.witness(&updated, &step),
        ));
        self.verdicts(&updated);
        let names = self.cast.replaced.join(" or ");
        self.page.say(&format!(
            "Where a package's name is a hash of all that it was built with, {} would have to be built again: so many \
             are bound to {names}, directly or through others. {}.",
            bold(&format!("{} of {} packages", updated.rebuilds_avoided, step.generation.packages.len())),
            bold("Here no compiler ran"),
        ));
        self.warn(&step.generation.warnings);
        self.facts.update = Some(updated);
        Ok(step)
    }

    /// The lines that say what an update did to each package.
    fn changed(&self, updated: &Updated, relinked: &[String]) {
        self.replaced(&updated.replaced);
        let mut named = relinked.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if relinked.len() > NAMED {
            named.push_str(", …");
        }
        let width =
            [updated.relinked, updated.renamed, updated.untouched].iter().max().map_or(1, |n| n.to_string().len());
        let row = |number: usize, what: &str| {
            if number > 0 {
                self.page.row(&format!("= {number:>width$} {what}"));
            }
        };
        let them = if updated.replaced.len() == 1 { "it" } else { "them" };
        row(updated.relinked, &format!("relinked to {them}: {named}"));
        row(updated.renamed, &format!("bound to {them} through others: the same files under a new id"));
        row(updated.untouched, "untouched");
    }

    /// A line for each package that another version takes the place of.
    pub(super) fn replaced(&self, replaced: &[Versions]) {
        let width = replaced.iter().map(|versions| versions.name.len()).max().unwrap_or_default();
        for versions in replaced {
            let (older, newer) = (yellow(&versions.older), green(&versions.newer));
            let name = format!("{:<width$}", versions.name);
            self.page.row(&format!("{} {name}   {older} -> {newer}", bold("~")));
        }
    }

    /// What was known before the update was taken.
    fn verdicts(&self, updated: &Updated) {
        let judged = &updated.judged;
        let others = [(judged.unknown, "cannot be told"), (judged.rebuild, "would break")];
        let others: String = others
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!(", {}", solid(format!("{n} {what}"))))
            .collect();
        self.page.say(&format!(
            "Whether the programs and libraries that stay still fit was judged first, in {}: {}{others}, by {}.",
            solid(judged.took),
            bold(&solid(format!("{} relink", judged.relink))),
            judged.evidence.join(", "),
        ));
    }

    /// What happens where a library loses what programs need. Shown with the tour's own packages, if there is a compiler.
    fn refusal(&mut self, host: &Host, printer: &Printer, place: &Place) -> Outcome<()> {
        if self.cast.from == From::Apt && !homemade::can_compile() {
            return Ok(());
        }
        self.page.chapter("An update that would break a program is refused");
        let mut apart = Story::new(host, printer, place);
        let made = match self.cast.from {
            From::Apt => {
                self.page
                    .say("A library that breaks its promise is nowhere on offer, so this machine's `cc` makes one.");
                Some(opening::own(&mut apart, self.page)?)
            }
            From::Own => None,
        };
        let (story, cast) = made.as_ref().map_or((self.story, &self.cast), |cast| (&apart, cast));
        let (packages, broken, program) = (cast.bob.clone(), cast.broken.clone(), cast.both[..1].to_vec());
        // The host's sources would bring in what every Debian system has, this machine's C library once more.
        let sources = if made.is_some() { &["--sources", opening::NO_SOURCES][..] } else { &[] };
        let show = |packages: &[String]| {
            let mut line = words(&[&["aleph"], sources, &["--view", CAROL, "add"]].concat());
            line.extend(packages.iter().map(|package| quoted(package)));
            self.page.command(&line);
        };
        show(&packages);
        story.add(CAROL, &packages)?;
        self.page.say("Version 2.0 of the library has the soname of 1.0, and a function less.");
        show(&broken);
        let refused = story.refused(CAROL, &broken)?;
        self.page.output(&format!("error: {}", refused.said));
        self.page.say(&format!(
            "It was judged in {}, and nothing was changed: Carol's view is at generation {}.",
            bold(&solid(refused.took)),
            refused.generation,
        ));
        self.run_all("refused", CAROL, &program)?;
        self.facts.refused = Some(refused);
        Ok(())
    }

    fn witness(&self, updated: &Updated, step: &Step) -> String {
        let path = self.cast.witness;
        if !updated.same_file {
            return format!("/{path} had to be copied.");
        }
        let before = step.before.as_ref().map_or(0, |before| before.number);
        format!("/{path} is one file, the same inode in generations {before} and {}.", updated.generation)
    }

    fn second_runs(&mut self) -> Outcome<()> {
        self.page.chapter("Alice's programs run with the new, Bob's with the old");
        let both = self.cast.both.clone();
        self.run_all("updated", ALICE, &both)?;
        self.run_all("updated", BOB, &both)?;
        self.page.say(&match self.cast.from {
            From::Apt => {
                "The same openssl in both views: the program is the old file and says so, its library is what \
                          its view binds."
                    .to_owned()
            }
            From::Own => {
                "The same greet in both views: it was built with 1.0, and runs with what its view binds.".to_owned()
            }
        });
        Ok(())
    }

    fn back(&mut self) -> Outcome<()> {
        self.page.chapter("And back");
        self.command(ALICE, &["rollback"], &[]);
        let back = self.story.roll_back()?;
        self.page.say(&format!(
            "From generation {} to {} in {}: one rename. Generation {} is still there.",
            back.from,
            back.to,
            bold(&solid(back.took)),
            back.from
        ));
        self.facts.rollback = Some(back);
        let first = self.cast.both[..1].to_vec();
        self.run_all("rolled-back", ALICE, &first)
    }

    fn verify(&mut self) -> Outcome<()> {
        self.page.chapter("Is the store whole?");
        self.page.command(&words(&["aleph", "store", "verify"]));
        let verified = self.story.verify()?;
        if verified.damage > 0 {
            let what = format!("the tour's store is damaged in {}", count(verified.damage, "place"));
            let store = quoted(&self.facts.store.display().to_string());
            return Err(Failure::new(what)
                .with_code(DAMAGED)
                .hint(format!("`aleph --store {store} store verify` lists them; the disk or the memory may be bad")));
        }
        self.page.say(&format!(
            "{}: every byte of {}, {} and their trees was read and hashed: {} in {}.",
            bold(&green("Whole")),
            solid(count(verified.components, "component")),
            solid(count(verified.packages, "package")),
            size(verified.bytes),
            solid(verified.took),
        ));
        self.facts.verify = Some(verified);
        Ok(())
    }

    fn totals(&mut self) -> Outcome<()> {
        let mut totals = Totals { packages_in_views: 0, bytes_in_views: 0, stored_bytes: self.story.stored_bytes()? };
        for who in [ALICE, BOB] {
            if let Some(generation) = self.story.view(who)?.current()? {
                totals.packages_in_views += generation.packages.len();
                totals.bytes_in_views += self.story.files(&generation)?.1;
            }
        }
        self.facts.store_totals = Some(totals);
        Ok(())
    }

    fn end(&self) {
        self.page.epilogue("In numbers");
        numbers(&self.facts).iter().for_each(|line| self.page.row(line));
        self.page.epilogue("Look around");
        let store = format!("ALEPH_STORE={}", quoted(&self.facts.store.display().to_string()));
        self.page.command(&[quoted("export"), store]);
        self.page.command(&words(&["aleph", "--view", ALICE, "history"]));
        self.page.command(&words(&["aleph", "--view", ALICE, "view", "diff", "1", "2"]));
        if self.cast.from == From::Apt {
            self.page.command(&words(&["aleph", "--view", BOB, "shell"]));
        }
        self.page.aside(&format!(
            "The next tour begins by emptying this store. Yours is elsewhere: {}, then {}.",
            solid("`unset ALEPH_STORE`"),
            solid("`aleph add PACKAGE`"),
        ));
    }

    /// Shows a command on somebody's view.
    pub(super) fn command(&self, who: &str, verb: &[&str], arguments: &[String]) {
        let mut line = words(&["aleph", "--view", who]);
        line.extend(words(verb));
        line.extend(arguments.iter().map(|argument| quoted(argument)));
        self.page.command(&line);
    }

    pub(super) fn run_all(&mut self, when: &'static str, who: &str, programs: &[Program]) -> Outcome<()> {
        for program in programs {
            let mut arguments = program.argv.clone();
            arguments.insert(0, "--".to_owned());
            let mut line = words(&["aleph", "--view", who, "run"]);
            line.extend(arguments.iter().map(|argument| quoted(argument)));
            if program.first_line {
                line.extend(words(&["|", "head", "-1"]).into_iter().map(|word| word.trim_matches('\'').to_owned()));
            }
            self.page.command(&line);
            let ran = self.story.run(when, who, program)?;
            self.page.output(&ran.output);
            self.facts.programs.push(ran);
        }
        Ok(())
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| quoted(word)).collect()
}

/// A length in bytes that stays on one line.
pub(super) fn size(length: u64) -> String {
    solid(bytes(length))
}

/// ` (import 12 s, scripts 8.4 s)`: the phases that took a while.
fn phases(step: &Step) -> String {
    let long = |took: &Milliseconds| took.0 * 50 >= step.took.0;
    let phases = step.phases();
    let parts: Vec<String> =
        phases.iter().filter(|(_, took)| long(took)).map(|(what, took)| solid(format!("{what} {took}"))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// What the tour did, a line each.
pub(super) fn numbers(facts: &Facts) -> Vec<String> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(totals) = &facts.store_totals {
        let (packages, length, stored) = (totals.packages_in_views, totals.bytes_in_views, totals.stored_bytes);
        rows.push(("two views", format!("{packages} packages, {} of files", bytes(length))));
        rows.push(("one store", format!("{} on disk, with both generations of Alice's view", bytes(stored))));
    }
    if let Some(bob) = facts.views.get(1) {
        rows.push(("Bob's view", format!("cost {}, made in {}", bytes(bob.new_bytes), bob.took)));
    }
    if let Some(updated) = &facts.update {
        let (replaced, relinked) = (updated.replaced.len(), updated.relinked + updated.renamed);
        let text = format!("{}: {replaced} replaced, {relinked} relinked, 0 compiled", updated.took);
        rows.push(("the update", text));
    }
    if let Some(relinked) = &facts.relinked {
        let text =
            format!("{}: {} relinked, {} written", relinked.took, relinked.relinked, bytes(relinked.written_bytes));
        rows.push(("in the store", text));
    }
    if let Some(quickest) = facts.programs.iter().min_by_key(|ran| ran.took.0) {
        let number = facts.programs.len();
        rows.push(("programs", format!("{number} runs in views, the quickest in {}", quickest.took)));
    }
    if let Some(back) = &facts.rollback {
        rows.push(("the way back", back.took.to_string()));
    }
    if let Some(verified) = &facts.verify {
        rows.push(("verified", format!("{} in {}", bytes(verified.bytes), verified.took)));
    }
    rows.push(("the tour", facts.took.to_string()));
    rows.into_iter().map(|(what, value)| format!("{:<14}{value}", what)).collect()
}
