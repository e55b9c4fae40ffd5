//! What is told while things are built, and after one failed.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use super::session::Session;

/// How many lines of a log are shown of a build that failed.
const TAIL: usize = 20;

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> Vec<String> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("== ")).collect();
    lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| (*line).to_owned()).collect()
}

/// What is being built, in one line.
pub(super) struct Display {
    names: Vec<String>,
    running: BTreeMap<usize, String>,
    /// How many recipes are not done, and how long that takes, all of them counted.
    left: (usize, Duration),
    bar: indicatif::ProgressBar,
}

impl Display {
    pub(super) fn new(session: &Session<'_>) -> Self {
        let bar = session.around.printer.progress().busy("building");
        let names = session.around.graph.names.clone();
        Self { names, running: BTreeMap::new(), left: (0, Duration::ZERO), bar }
    }

    pub(super) fn phase(&mut self, at: usize, phase: String) {
        self.running.insert(at, phase);
        self.show();
    }

    pub(super) fn end(&mut self, at: usize) {
        self.running.remove(&at);
        self.show();
    }

    pub(super) fn left(&mut self, recipes: usize, time: Duration) {
        self.left = (recipes, time);
        self.show();
    }

    fn show(&self) {
        let one = |(at, phase): (&usize, &String)| format!("{} ({phase})", self.names[*at]);
        let running: Vec<String> = self.running.iter().map(one).collect();
        let (recipes, time) = self.left;
        let minutes = time.as_secs().div_ceil(60);
        let waiting = recipes.saturating_sub(running.len());
        self.bar.set_message(format!("building {}; {waiting} wait, at most {minutes} min", running.join(", ")));
    }
}
