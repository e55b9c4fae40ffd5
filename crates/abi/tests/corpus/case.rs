//! The text of a case: keys, then sections. `README.md` beside this file describes it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::debug::Place;

/// One library in an old and a new version, one consumer, and what is true of them.
#[derive(Debug)]
pub(crate) struct Case {
    /// `topic/case`.
    pub(crate) name: String,
    /// The verdict for this consumer, with full debug information.
    pub(crate) expect: Answer,
    /// The verdict from symbols alone, where there is only one right one.
    pub(crate) stripped: Option<Answer>,
    /// What the crate says today, where it knows less than it could.
    pub(crate) today: Option<Answer>,
    /// Whether the old consumer runs with the new library.
    pub(crate) works: bool,
    /// Words that the reason must contain.
    pub(crate) because: Option<String>,
    /// Whether the headers of both sides are shown to the judge.
    pub(crate) headers: bool,
    /// Names that the consumer looks up at run time.
    pub(crate) opens: Vec<String>,
    /// Where the debug information of the libraries is.
    pub(crate) debug: Place,
    /// Whether the new library needs a processor with AVX.
    pub(crate) avx: bool,
    keys: BTreeMap<String, String>,
    sections: BTreeMap<String, String>,
}

/// What is said of a consumer and a new library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Relink,
    Rebuild,
    Unknown,
}

/// Which of the two libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "relink" => Ok(Self::Relink),
            "rebuild" => Ok(Self::Rebuild),
            "unknown" => Ok(Self::Unknown),
            _ => Err(format!("{text:?} is no verdict")),
        }
    }
}

const KEYS: &[&str] = &[
    "expect",
    "stripped",
    "today",
    "run",
    "because",
    "headers",
    "opens",
    "debug",
    "extra",
    "old-soname",
    "new-soname",
    "cflags",
    "old-cflags",
    "new-cflags",
    "consumer-cflags",
    "ldflags",
    "old-ldflags",
    "new-ldflags",
    "consumer-ldflags",
];

impl Case {
    /// Takes the text of a case apart.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        if !text.starts_with("# ") {
            return Err("a case begins with a comment that says what happens".to_owned());
        }
        let mut keys = BTreeMap::new();
        let mut sections: BTreeMap<String, String> = BTreeMap::new();
        let mut current: Option<&mut String> = None;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
                if !is_section(title) {
                    return Err(format!("unknown section {title:?}"));
                }
                current = Some(sections.entry(title.to_owned()).or_default());
            } else if let Some(section) = &mut current {
                section.push_str(line);
                section.push('\n');
            } else if !line.starts_with('#') && !line.trim().is_empty() {
                let (key, value) = line.split_once(':').ok_or_else(|| format!("no key and no section: {line:?}"))?;
                if !KEYS.contains(&key) {
                    return Err(format!("unknown key {key:?}"));
                }
                if keys.insert(key.to_owned(), value.trim().to_owned()).is_some() {
                    return Err(format!("{key:?} twice"));
                }
            }
        }
        let stripped = keys.get("stripped").map(|text| text.parse()).transpose()?;
        let today = keys.get("today").map(|text| text.parse()).transpose()?;
        if today.is_some_and(|today| today != Answer::Unknown) {
            return Err("a wrong verdict is no state to stay in".into());
        }
        Ok(Self {
            name: name.to_owned(),
            expect: keys.get("expect").ok_or("no expectation")?.parse()?,
            stripped,
            today,
            works: match keys.get("run").map(String::as_str) {
                Some("works") => true,
                Some("fails") => false,
                other => return Err(format!("run: works or fails, not {other:?}")),
            },
            because: keys.get("because").cloned(),
            headers: keys.contains_key("headers"),
            opens: words(keys.get("opens")),
            debug: keys.get("debug").map_or(Ok(Place::Inside), |text| text.parse())?,
            avx: words(keys.get("new-cflags")).iter().any(|flag| flag == "-mavx"),
            keys,
            sections,
        })
    }

    /// What is really so: where nobody can know the verdict, how the run ends decides.
    pub(crate) fn truth(&self) -> Answer {
        match (self.expect, self.works) {
            (Answer::Unknown, true) => Answer::Relink,
            (Answer::Unknown, false) => Answer::Rebuild,
            (expect, _) => expect,
        }
    }

    /// The words of a key; none where it is missing.
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        words(self.keys.get(key))
    }

    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// A section of one side: its own, else the other's.
    pub(crate) fn section(&self, side: Side, kind: &str) -> Option<&str> {
        [side, Side::Old]
            .into_iter()
            .find_map(|side| self.sections.get(&format!("{}{kind}", side.name())))
            .map(String::as_str)
    }

    /// The source with this stem: the text, and whether it is C++.
    pub(crate) fn source(&self, stem: &str) -> Option<(&str, bool)> {
        let text = |extension| self.sections.get(&format!("{stem}{extension}")).map(String::as_str);
        text(".c").map(|text| (text, false)).or_else(|| text(".cc").map(|text| (text, true)))
    }

    /// The source of one side with this ending of its stem (`-extra`): its own, else the one for both, else the old one.
    pub(crate) fn source_of(&self, side: Side, ending: &str) -> Option<(&str, bool)> {
        self.source(&format!("{}{ending}", side.name()))
            .or_else(|| self.source(ending.strip_prefix('-')?))
            .or_else(|| self.source(&format!("old{ending}")).filter(|_| ending.is_empty()))
    }
}

/// Whether a section has a meaning.
fn is_section(title: &str) -> bool {
    let of_a_side = title.strip_prefix("old").or_else(|| title.strip_prefix("new"));
    let shared = ["consumer.c", "consumer.cc", "extra.c", "extra.cc"].contains(&title);
    let endings = [".h", "-private.h", ".c", ".cc", ".map", "-extra.c", "-extra.cc", "-extra.map"];
    shared || of_a_side.is_some_and(|ending| endings.contains(&ending))
}

fn words(value: Option<&String>) -> Vec<String> {
    value.map(|value| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// All cases, by name.
pub(crate) fn all() -> Result<Vec<Case>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases = Vec::new();
    for topic in entries(&root)?.iter().filter(|path| path.is_dir()) {
        for file in entries(topic)?.iter().filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        {
            let name = format!("{}/{}", stem(topic), stem(file));
            let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
            cases.push(Case::parse(&name, &text).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    Ok(cases)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.sort();
        Ok(paths)
    };
    read().map_err(|error| format!("{}: {error}", directory.display()))
}
