//! Diversions, as far as they can be seen in maintainer scripts before these run, and who may overwrite whom.
//!
//! Scripts are read loosely: the usual form of the call, with simple variables, loops over words and functions that are
//! called with words. What is not understood is no diversion, and then two owners of one path are a conflict.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::TreePath;

use super::{Package, usr_merged};
use crate::apt::relation::{Version, parse_relations};

/// The most calls that one script line is expanded to.
const MOST_CALLS: usize = 256;
/// The most replacements of variables in one script.
const MOST_STEPS: usize = 4096;
/// The most words of one call, and the most bytes of all of them.
const MOST_WORDS: usize = 64;
const LONGEST_CALL: usize = 4096;
/// The longest script that is searched, in bytes.
const LONGEST_SCRIPT: usize = 1 << 20;

/// A package moves another's file out of its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diversion {
    /// Who does it: the only package whose file stays at `from`.
    pub package: String,
    /// The path that is moved, in the merged tree.
    pub from: TreePath,
    /// Where to.
    pub to: TreePath,
    /// Both paths as the script spells them, which is how dpkg keeps them.
    pub spelled: (String, String),
}

/// What becomes of two packages' different things at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The first one's stays; the other's is not there.
    First,
    /// The second one's stays.
    Second,
    /// Both are there.
    Diverted {
        /// Whether the first one's stays where it is.
        first_stays: bool,
        /// Where the other's goes.
        to: TreePath,
    },
    /// They cannot be together.
    Conflict,
}

/// Who has `path` (in the merged tree) when both packages bring something there.
pub fn resolve_conflict(
    path: &TreePath,
    first: &Package<'_>,
    second: &Package<'_>,
    diversions: &[Diversion],
) -> Resolution {
    let diverts = |package: &Package<'_>| {
        diversions.iter().find(|diversion| diversion.from == *path && diversion.package == package.manifest.name)
    };
    match (diverts(first), diverts(second)) {
        (Some(diversion), None) => return Resolution::Diverted { first_stays: true, to: diversion.to.clone() },
        (None, Some(diversion)) => return Resolution::Diverted { first_stays: false, to: diversion.to.clone() },
        _ => {}
    }
    match (replaces(first, second), replaces(second, first)) {
        (true, _) => Resolution::First,
        (false, true) => Resolution::Second,
        (false, false) => Resolution::Conflict,
    }
}

/// Whether `Replaces` lets one package overwrite the other's files.
fn replaces(one: &Package<'_>, other: &Package<'_>) -> bool {
    let Ok(version) = Version::new(&other.manifest.version) else { return false };
    let groups = parse_relations(one.manifest.field("Replaces")).unwrap_or_default();
    groups.iter().flatten().any(|relation| {
        relation.name.as_str() == other.manifest.name
            && relation.constraint.as_ref().is_none_or(|constraint| constraint.admits(version))
    })
}

/// The diversions that the packages' `preinst` and `postinst` make, sorted.
pub fn diversions(packages: &[Package<'_>]) -> Vec<Diversion> {
    let mut found: Vec<Diversion> = packages.iter().flat_map(|package| &package.diversions).cloned().collect();
    found.sort();
    found.dedup();
    found
}

/// The diversions that a script of `package` makes.
pub(super) fn made(package: &str, script: &[u8]) -> Vec<Diversion> {
    let mentions = || memchr::memmem::find(script, b"dpkg-divert").is_some();
    if script.len() <= LONGEST_SCRIPT && mentions() {
        parse_diversions(package, &String::from_utf8_lossy(script))
    } else {
        Vec::new()
    }
}

/// The diversions that keep two packages' different things apart, as `/var/lib/dpkg/diversions` has them: three lines
/// each. They are in force before any script runs, since the files are where they lead.
pub(super) fn in_force(packages: &[Package<'_>]) -> String {
    let mut text = String::new();
    for Diversion { package, from, spelled, .. } in diversions(packages) {
        let (own, others): (Vec<_>, Vec<_>) = packages
            .iter()
            .filter_map(|owner| Some((owner, &owner.in_view(from.as_str())?.node)))
            .partition(|(owner, _)| owner.manifest.name == package);
        if own.iter().any(|(_, own)| others.iter().any(|(_, other)| own != other)) {
            text.push_str(&format!("{}\n{}\n{package}\n", spelled.0, spelled.1));
        }
    }
    text
}

/// The calls of `dpkg-divert --add` in a script of `package`.
fn parse_diversions(package: &str, script: &str) -> Vec<Diversion> {
    let script = script.replace("\\\n", " ");
    let lines: Vec<Vec<String>> = script.split(['\n', ';']).map(words).collect();
    let values = values(&lines);
    let calls = lines.iter().filter_map(|words| {
        let at = words.iter().position(|word| word == "dpkg-divert" || word.ends_with("/dpkg-divert"))?;
        Some(&words[at + 1..]).filter(|words| is_sane(words))
    });
    let mut steps = MOST_STEPS;
    let expanded = calls.flat_map(|words| expand(words, &values, &mut steps));
    expanded.filter_map(|words| parse_call(package, &words)).collect()
}

/// A line's words without quotes; what follows `#` at the beginning of a word is left out.
fn words(line: &str) -> Vec<String> {
    let words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    words.map(|word| word.replace(['"', '\''], "")).filter(|word| !word.is_empty()).collect()
}

/// Variables with the values that they take somewhere: from assignments, loops, and calls of the script's functions.
fn values(lines: &[Vec<String>]) -> BTreeMap<String, Vec<String>> {
    let mut values = BTreeMap::<String, Vec<String>>::new();
    let mut set = |name: &str, value: &str| {
        let known = values.entry(name.to_owned()).or_default();
        if known.len() < MOST_CALLS && value.len() <= LONGEST_CALL && !known.iter().any(|known| known == value) {
            known.push(value.to_owned());
        }
    };
    let functions: BTreeSet<&str> = lines
        .iter()
        .filter_map(|words| {
            let first = words.first()?;
            let name = first.split_once("()").map(|(name, _)| name);
            name.or_else(|| words.get(1).filter(|word| word.starts_with("()")).map(|_| first.as_str()))
        })
        .collect();
    for words in lines {
        let body = words.iter().position(|word| !["do", "then", "else", "local", "{"].contains(&word.as_str()));
        let words = &words[body.unwrap_or(words.len())..];
        match words {
            [first, name, word_in, rest @ ..] if first == "for" && word_in == "in" => {
                rest.iter().for_each(|value| set(name, value));
            }
            [first, arguments @ ..] if functions.contains(first.as_str()) && !arguments.is_empty() => {
                // Only the first argument: others would have to be taken together with it.
                set("1", &arguments[0]);
            }
            [first, ..] => {
                if let Some((name, value)) = first.split_once('=').filter(|(name, _)| is_variable(name)) {
                    set(name, value);
                }
            }
            [] => {}
        }
    }
    values
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether words may be those of a call, and not something that grows without end.
fn is_sane(words: &[String]) -> bool {
    words.len() <= MOST_WORDS && words.iter().map(String::len).sum::<usize>() <= LONGEST_CALL
}

/// The words with variables replaced, once for each combination of their values; variables in values included. Takes at
/// most `steps`, which are used up.
fn expand(words: &[String], values: &BTreeMap<String, Vec<String>>, steps: &mut usize) -> Vec<Vec<String>> {
    let (mut done, mut todo) = (Vec::new(), vec![words.to_vec()]);
    while let Some(words) = todo.pop() {
        if *steps == 0 || done.len() >= MOST_CALLS {
            break;
        }
        *steps -= 1;
        let Some((name, spelling)) = words.iter().find_map(|word| variable(word)) else {
            done.push(words);
            continue;
        };
        for value in values.get(&name).into_iter().flatten().filter(|value| !value.contains(&spelling)) {
            let replaced: Vec<String> = words.iter().map(|word| word.replace(&spelling, value)).collect();
            if todo.len() < MOST_CALLS * 4 && is_sane(&replaced) {
                todo.push(replaced);
            }
        }
    }
    done
}

/// The first variable in a word: its name and how it is written.
fn variable(word: &str) -> Option<(String, String)> {
    let (_, rest) = word.split_once('$')?;
    if let Some(rest) = rest.strip_prefix('{') {
        let (name, _) = rest.split_once('}')?;
        return Some((name.to_owned(), format!("${{{name}}}")));
    }
    let length = match rest.bytes().next() {
        Some(byte) if byte.is_ascii_digit() => 1,
        _ => rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count(),
    };
    Some((rest[..length].to_owned(), format!("${}", &rest[..length])))
}

/// The words after `dpkg-divert`, if they add a diversion for a package.
fn parse_call(package: &str, words: &[String]) -> Option<Diversion> {
    let (mut owner, mut to, mut from) = (package.to_owned(), None, None);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("--remove" | "--list" | "--listpackage" | "--truename" | "--local" | "--help" | "--version", _) => {
                return None;
            }
            ("--package", "") => owner = words.next()?.to_owned(),
            ("--package", value) => owner = value.to_owned(),
            ("--divert", "") => to = words.next().map(str::to_owned),
            ("--divert", value) => to = Some(value.to_owned()),
            ("--admindir" | "--instdir" | "--root", "") => drop(words.next()),
            _ if word.starts_with('/') && from.is_none() => from = Some(word.to_owned()),
            _ if word.starts_with('-') => {}
            // The command ends here: `|| true`, `>/dev/null`, `&&`.
            _ => break,
        }
    }
    let from = from?;
    let to = to.unwrap_or_else(|| format!("{from}.distrib"));
    let path = |text: &str| TreePath::new(text.strip_prefix('/')?).ok().map(|path| usr_merged(&path).into_owned());
    Some(Diversion { package: owner, from: path(&from)?, to: path(&to)?, spelled: (from, to) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each as `from > to by package`.
    fn check(script: &str, expected: &[&str]) {
        let mut found: Vec<String> = parse_diversions("own", script)
            .iter()
            .map(|diversion| format!("{} > {} by {}", diversion.from, diversion.to, diversion.package))
            .collect();
        found.sort();
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn the_usual_forms_are_understood() {
        check(
            "dpkg-divert --package p --add --rename --divert /usr/bin/a.real /usr/bin/a",
            &["usr/bin/a > usr/bin/a.real by p"],
        );
        check("if x; then dpkg-divert --add /bin/a || true; fi", &["usr/bin/a > usr/bin/a.distrib by own"]);
        check("dpkg-divert --package=p --divert='/a.b' \\\n  --rename \"/a\" >/dev/null", &["a > a.b by p"]);
        check("for f in x y; do dpkg-divert --divert /$f.old /$f; done", &["x > x.old by own", "y > y.old by own"]);
        check(
            "v=\"vim90\"\nd=/usr/$v\nadd() {\n  dpkg-divert --package vim --add --divert \"$1.tiny\" \"$1\"\n}\nadd $d/a\nadd ${d}/b",
            &["usr/vim90/a > usr/vim90/a.tiny by vim", "usr/vim90/b > usr/vim90/b.tiny by vim"],
        );
    }

    #[test]
    fn what_adds_nothing_is_no_diversion() {
        check("dpkg-divert --remove --rename /a", &[]);
        check("# dpkg-divert --add /a", &[]);
        check("x=$(dpkg-divert --truename /a)", &[]);
        check("dpkg-divert --add $unknown", &[]);
        check("a=$a; dpkg-divert --add /x$a", &[]);
        check("dpkg-divert --add /../x", &[]);
    }

    #[test]
    fn what_grows_without_end_is_left_out() {
        let values: String = (0..300).map(|n| format!("a=/{n}{}\n", "x".repeat(4000))).collect();
        check(&format!("{values}dpkg-divert --add {}\n", "$a ".repeat(20_000)), &[]);
        check(&format!("{values}dpkg-divert --add {}\n", "$a".repeat(2000)), &[]);
        check(&format!("a=$b$b\nb=$c$c\nc=$a$a\ndpkg-divert --add /$a\n{}", "f()\n".repeat(10_000)), &[]);
        let many = format!("for i in {}; do\n{}", "1 2 3 ".repeat(90), "dpkg-divert --add /$i$i\n".repeat(10_000));
        assert!(parse_diversions("own", &many).len() <= MOST_STEPS);
    }

    proptest! {
        #[test]
        fn any_script_is_read(text in "(dpkg-divert|--add|--divert|for|in|do|f\\(\\)|[a-z]=|[$]\\{?[a-z1]\\}?|/|[ ;\n\"\\\\]|.){0,60}") {
            let _ = parse_diversions("own", &text);
        }
    }
}
