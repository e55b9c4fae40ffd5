//! The tour of building from source: real libraries and programs, a fix that compiles one of them, a break that compiles
//! those that it breaks.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;

use aleph_build::Graph;

use super::{page::Page, place::Place, story::Story};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::{
        build::{self, Row, Wanted, What},
        change::{self, Wish},
    },
    output::{Printer, bold, count, table},
};

/// Whose view it is.
const ERIN: &str = "erin";
/// What she has, and what that needs: two libraries for images and fonts, one for XML, and a program that uses only that.
const WANTED: [&str; 4] = ["freetype", "libpng", "libxml2", "libxslt"];
/// What is said of the first round.
const EVERYTHING: &str = "everything, the first time";
/// What changes beneath.
const LIBRARY: &str = "zlib";
/// Changes of it: what they are, and shell that makes them in its source.
const FIX: (&str, &str) =
    ("a fix in code that no other sees", "sed -i 's/incorrect header check/this is no header/' inflate.c");
const BREAK: (&str, &str) = (
    "one more member in a struct that others have in their memory",
    "sed -i 's/^    uLong   reserved;/    uLong   grown, reserved;/' zlib.h",
);

/// What was measured.
#[derive(Serialize)]
pub(super) struct Facts {
    store: PathBuf,
    steps: Vec<Facet>,
}

/// One round of building.
#[derive(Serialize)]
struct Facet {
    what: &'static str,
    rows: Vec<Row>,
    seconds: f64,
    /// How many recipes a store would build that names packages by everything they are built with.
    input_addressed: usize,
}

/// Tells it.
pub(super) fn tell(host: &Host, printer: &Printer, place: &Place, recipes: Option<PathBuf>) -> Outcome<Facts> {
    let story = Story::new(host, printer, place);
    let page = Page::new(host, printer);
    let tree = build::recipes(host, recipes.as_ref())?;
    let copy = place.workshop.join("recipes");
    aleph_build::copy_directory(&tree.directory, &copy)?;
    let erin = story.host_of(ERIN);
    page.title("Built from source: a fix compiles one library, a break those that it breaks");
    page.say("Everything below happens now, with recipes of this source and Debian's compiler, in a store that is the tour's own.");
    let wanted = Wanted { recipes: Some(copy.clone()), names: WANTED.map(str::to_owned).into(), ..Wanted::default() };
    let graph = Graph::new(&tree, &wanted.names)?;
    let library = graph.names.iter().position(|name| name == LIBRARY);
    let reaches = |at: &usize| library.is_some_and(|library| library == *at || graph.closure(*at).contains(&library));
    let reaching = (0..graph.names.len()).filter(reaches).count();
    let scene = Scene { printer, page: &page, erin: &erin, wanted: &wanted, reaching };
    page.chapter("Everything is built");
    let mut steps = vec![scene.build(EVERYTHING)?];
    let asked: Vec<String> = WANTED.iter().map(|name| format!("store:{name}")).collect();
    scene.command(&["--view", ERIN, "add", &asked.join(" ")]);
    scene.change(&Wish { add: asked, ..Wish::default() }, "add")?;
    for (what, shell) in [FIX, BREAK] {
        page.chapter(&format!("{LIBRARY} gets {what}"));
        page.command(&[shell.to_owned()]);
        append(&copy.join(format!("{LIBRARY}.toml")), shell)?;
        steps.push(scene.build(what)?);
        scene.command(&["--view", ERIN, "update"]);
        let took =
            scene.change(&Wish { upgrade: aleph_exchange::apt::solve::Upgrade::All, ..Wish::default() }, "update")?;
        page.say(&format!("Erin's view has it in {}.", bold(&format!("{} ms", took.as_millis()))));
    }
    page.epilogue("What was compiled, of those that have to be where a name is a hash of all that it was built with");
    for step in &steps {
        let built = step.rows.iter().filter(|row| row.what == What::Built).count();
        page.row(&format!("{built} of {}   {}", step.input_addressed, step.what));
    }
    Ok(Facts { store: place.store.clone(), steps })
}

/// Adds one more change to the last table of a recipe, which is that of its phases.
fn append(recipe: &std::path::Path, shell: &str) -> Outcome<()> {
    let text = fs::read_to_string(recipe)?;
    let before =
        text.lines().find_map(|line| line.strip_prefix("prepare = '''")?.strip_suffix("'''").map(str::to_owned));
    match before {
        Some(before) => {
            let both = format!("{before}; {shell}");
            fs::write(recipe, text.replace(&format!("prepare = '''{before}'''"), &format!("prepare = '''{both}'''")))?;
        }
        None => writeln!(OpenOptions::new().append(true).open(recipe)?, "prepare = '''{shell}'''")?,
    }
    Ok(())
}

struct Scene<'a> {
    printer: &'a Printer,
    page: &'a Page<'a>,
    erin: &'a Host,
    wanted: &'a Wanted,
    /// How many of the recipes are the library or reach it, through others too.
    reaching: usize,
}

impl Scene<'_> {
    fn command(&self, words: &[&str]) {
        let words = std::iter::once("aleph").chain(words.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
        self.page.command(&words);
    }

    /// Builds what is out of date, and says what was.
    fn build(&self, what: &'static str) -> Outcome<Facet> {
        self.command(&["build", &WANTED.join(" ")]);
        let started = Instant::now();
        let rows = build::build(self.erin, self.printer, self.wanted)?;
        self.printer.progress().clear();
        let took = started.elapsed();
        if let Some(missing) = rows.iter().find(|row| row.what.is_missing()) {
            return Err(Failure::new(format!("{} could not be built: {}", missing.name, missing.why)));
        }
        let cells = |row: &Row| {
            let seconds = if row.wall.is_zero() { String::new() } else { format!("{:.1} s", row.wall.as_secs_f64()) };
            vec![word(row.what).to_owned(), row.name.clone(), seconds, row.why.clone()]
        };
        table(&rows.iter().map(cells).collect::<Vec<_>>()).lines().for_each(|line| self.page.row(line));
        let built = rows.iter().filter(|row| row.what == What::Built).count();
        self.page.say(&format!(
            "{} in {}.",
            bold(&format!("{} built", count(built, "recipe"))),
            bold(&format!("{:.1} s", took.as_secs_f64())),
        ));
        let input_addressed = if what == EVERYTHING { rows.len() } else { self.reaching };
        Ok(Facet { what, rows, seconds: took.as_secs_f64(), input_addressed })
    }

    /// Changes the view; gives how long that took.
    fn change(&self, wish: &Wish, reason: &str) -> Outcome<Duration> {
        let started = Instant::now();
        let changed = change::change(self.erin, self.printer, &self.erin.target()?, wish, reason)?;
        let told = super::super::changed::told(&changed);
        told.text.lines().for_each(|line| self.page.row(line));
        Ok(started.elapsed())
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Built => "built",
        What::Relinked => "relinked",
        _ => "unchanged",
    }
}
