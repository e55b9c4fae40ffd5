//! The corpus's headers, old and new, without compiling anything: what is told of them alone.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use aleph_abi::{
    Change, Effect,
    headers::{Headers, Known, compare},
};

/// A case of the corpus, as far as headers are concerned.
struct Case {
    name: String,
    keys: BTreeMap<String, String>,
    sections: BTreeMap<String, String>,
}

fn cases(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let topics = fs::read_dir(root).expect("the corpus is there").map(|entry| entry.expect("an entry").path());
    let mut cases = Vec::new();
    for topic in topics.filter(|path| path.is_dir()) {
        let name = topic.file_name().expect("a name").to_string_lossy().into_owned();
        for file in fs::read_dir(&topic).expect("a topic").map(|entry| entry.expect("an entry").path()) {
            let case = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).expect("text");
            cases.extend(wanted(&name).then(|| parse(format!("{name}/{case}"), &text)));
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn parse(name: String, text: &str) -> Case {
    let mut case = Case { name, keys: BTreeMap::new(), sections: BTreeMap::new() };
    let mut section: Option<String> = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            section = Some(title.to_owned());
        } else if let Some(section) = &section {
            let text = case.sections.entry(section.clone()).or_default();
            text.push_str(line);
            text.push('\n');
        } else if let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
            case.keys.insert(key.to_owned(), value.trim().to_owned());
        }
    }
    case
}

impl Case {
    fn section(&self, name: &str) -> &str {
        self.sections.get(name).map_or("", String::as_str)
    }

    fn compare(&self, is_compared: bool) -> Vec<Change> {
        let new = self.sections.get("new.h").map_or_else(|| self.section("old.h"), String::as_str);
        let consumer = format!("{}{}", self.section("consumer.c"), self.section("consumer.cc"));
        let words =
            consumer.split(|letter: char| !letter.is_alphanumeric() && letter != '_').map(str::to_owned).collect();
        let headers = |text| Headers::parse([("lib.h", text)]);
        compare(&headers(self.section("old.h")), &headers(new), &Mentioned { is_compared, words })
    }
}

/// A consumer whose source is known.
struct Mentioned {
    is_compared: bool,
    words: BTreeSet<String>,
}

impl Known for Mentioned {
    fn is_compared(&self, _: &str) -> bool {
        self.is_compared
    }

    fn uses(&self, function: &str) -> Option<bool> {
        Some(self.words.contains(function.rsplit("::").next().unwrap_or(function)))
    }
}

fn listed(changes: &[Change]) -> String {
    changes.iter().fold(String::new(), |mut text, change| {
        let _ = writeln!(text, "    {:?} {}: {}", change.effect, change.symbol, change.text);
        text
    })
}

#[test]
fn cases_about_headers_are_told_by_headers() {
    let mut wrong = String::new();
    for case in cases(|topic| topic == "headers") {
        // Where only headers tell, nothing was compared by types.
        let reached = ["struct-behind-void-pointer", "inline-reads-private-field"];
        let changes = case.compare(!reached.iter().any(|name| case.name.ends_with(name)));
        let because = case.keys.get("because").map_or("", String::as_str);
        let is_right = match case.keys["expect"].as_str() {
            "rebuild" => changes.iter().any(|change| change.effect == Effect::Breaks && change.text.contains(because)),
            _ => changes.iter().all(|change| change.effect == Effect::Compatible),
        };
        if !is_right {
            let _ = write!(wrong, "{} ({because})\n{}", case.name, listed(&changes));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where a header cannot tell: the code that was shown is in the library now, and may be another one.
const UNCLEAR: &[&str] = &["classes/inline-becomes-library-function"];

#[test]
fn headers_refuse_no_consumer_that_surely_works() {
    let mut wrong = String::new();
    for case in cases(|_| true).iter().filter(|case| case.keys["expect"] == "relink") {
        let changes = case.compare(true);
        let most = if UNCLEAR.contains(&case.name.as_str()) { Effect::Unclear } else { Effect::Compatible };
        if changes.iter().any(|change| change.effect > most) {
            let _ = write!(wrong, "{}\n{}", case.name, listed(&changes));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
