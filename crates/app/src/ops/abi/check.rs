//! Whether all that a view holds can run: every program with its libraries, as the view's dynamic linker finds them.

mod tree;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::{
    Change, Effect, Evidence, Verdict,
    closure::{Member, Problem, Space, is_program},
    elf::{self, Facts, FileKind},
};
use aleph_component::Node;
use aleph_view::Generation;

use self::tree::Tree;
use super::{
    around::library_directories,
    stored::{Found, Stored},
};
use crate::failure::{Failure, Outcome, UNSATISFIABLE};

/// What was found.
pub(crate) struct Checked {
    pub(crate) programs: usize,
    pub(crate) libraries: usize,
    pub(crate) verdict: Verdict,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) reasons: Vec<Change>,
    /// What programs lack that were there before and lacked nothing of it.
    lost: Vec<String>,
    /// What programs lack that were not there before.
    lacking: Vec<String>,
}

impl Checked {
    fn nothing() -> Self {
        Self {
            programs: 0,
            libraries: 0,
            verdict: Verdict::Relink,
            evidence: vec![Evidence::Symbols],
            reasons: Vec::new(),
            lost: Vec::new(),
            lacking: Vec::new(),
        }
    }
}

/// Fails if programs that run from the store lack anything with what they are bound to.
pub(crate) fn gate_of_natives(stored: &Stored, generation: &Generation) -> Outcome<()> {
    let mut checked = Checked::nothing();
    State::read(stored, generation, true)?.check(None, &mut checked);
    match checked.lacking.as_slice() {
        [] => Ok(()),
        [first, others @ ..] => Err(lacking(first, others.len())),
    }
}

fn lacking(first: &str, others: usize) -> Failure {
    let more = if others == 0 { String::new() } else { format!(" (and {others} like that)") };
    Failure::new(format!("{first}{more}"))
        .with_code(UNSATISFIABLE)
        .hint("`--accept-breaks` changes the view all the same")
}

/// Fails if programs that stay in a view's tree would lack what they had. Says what new ones lack, in words.
pub(crate) fn gate(stored: &Stored, generation: &Generation, before: Option<&Generation>) -> Outcome<Vec<String>> {
    let mut checked = Checked::nothing();
    let before = before.map(|before| State::read(stored, before, false)).transpose()?;
    State::read(stored, generation, false)?.check(before.as_ref(), &mut checked);
    if let [first, others @ ..] = checked.lost.as_slice() {
        return Err(lacking(&format!("{first}, which it did not lack before"), others.len()));
    }
    Ok(checked.lacking)
}

/// Checks a generation, and against another, that was before it, what is bound otherwise now: what runs in its tree, and
/// what runs from the store.
pub(crate) fn check(stored: &Stored, generation: &Generation, before: Option<&Generation>) -> Outcome<Checked> {
    let mut checked = Checked::nothing();
    for is_native in [false, true] {
        let state = |generation: &Generation| State::read(stored, generation, is_native);
        let before = before.map(state).transpose()?;
        state(generation)?.check(before.as_ref(), &mut checked);
    }
    checked.reasons.sort_by(|a, b| (b.effect, a).cmp(&(a.effect, b)));
    checked.verdict = match checked.reasons.first().map(|worst| worst.effect) {
        Some(Effect::Breaks) => Verdict::Rebuild,
        Some(Effect::Unclear) => Verdict::Unknown,
        Some(Effect::Compatible) | None => Verdict::Relink,
    };
    Ok(checked)
}

fn change(effect: Effect, text: String) -> Change {
    Change { effect, symbol: String::new(), text }
}

/// What is wrong with a library that no program needs, in one line.
fn told(path: &str, problems: &[Problem]) -> Option<String> {
    let missing: Vec<&str> = problems.iter().filter_map(Problem::soname).collect();
    match problems {
        [] => None,
        _ if !missing.is_empty() => Some(format!("{path} cannot be opened without {}", missing.join(" and "))),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} like that)", rest.len()) };
            Some(format!("{first}{more}; only who opens {path} would meet it"))
        }
    }
}

/// The libraries that the host is to bring, as far as it does and they need nothing else of it: what a process with another
/// library in it has cannot be told.
fn hosts_libraries(names: &BTreeSet<String>) -> Vec<(PathBuf, Facts)> {
    if names.is_empty() {
        return Vec::new();
    }
    let directories = library_directories(Path::new("/"));
    let read = |name: &String| {
        let path = directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())?;
        Some((path.clone(), elf::read(&std::fs::read(path).ok()?).ok()?))
    };
    let mut found: Vec<(PathBuf, Facts)> = names.iter().filter_map(read).collect();
    loop {
        let before = found.len();
        let has: BTreeSet<Vec<u8>> = found.iter().filter_map(|(_, facts)| facts.soname().map(<[u8]>::to_vec)).collect();
        found.retain(|(_, facts)| facts.needed().all(|needed| has.contains(needed)));
        if found.len() == before {
            return found;
        }
    }
}

/// A generation's files.
struct State {
    tree: Tree,
    /// Path and facts, sorted by path.
    files: Vec<(String, Arc<Facts>)>,
    /// What cannot be read: path and why.
    unread: Vec<(String, String)>,
}

impl State {
    /// What runs in a generation's tree, or what runs from the store.
    fn read(stored: &Stored, generation: &Generation, is_native: bool) -> Outcome<Self> {
        let mut tree = if is_native {
            Tree::of_natives(stored.store(), generation)?
        } else {
            Tree::read(stored.store(), generation)?
        };
        let components = generation.packages.iter().filter(|package| package.is_native() == is_native);
        let components = components.map(|package| package.component);
        let components = components.chain(generation.capture.filter(|_| !is_native).map(|capture| capture.component));
        let components: Vec<_> = components.collect();
        let mut binaries = HashSet::new();
        for entry in stored.binaries(&components)?.iter().flatten() {
            binaries.extend(if let Node::File { digest, .. } = entry.node { Some(digest) } else { None });
        }
        let files: BTreeMap<&String, _> = tree.files().filter(|(_, (digest, _))| binaries.contains(digest)).collect();
        let contents: Vec<_> = files.values().copied().collect();
        let (mut known, mut unread) = (Vec::new(), Vec::new());
        for (path, found) in files.into_keys().zip(stored.facts(&contents)) {
            let path = format!("/{path}");
            match found {
                Found::Ok(facts) => known.push((path, facts)),
                Err(why) => unread.push((path, why.to_string())),
            }
        }
        for (path, facts) in hosts_libraries(&tree.host) {
            tree.add_hosts(&path);
            known.push((path.to_string_lossy().into_owned(), Arc::new(facts)));
        }
        known.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self { tree, files: known, unread })
    }

    /// Adds what is found in each program and library.
    fn check(&self, before: Option<&Self>, checked: &mut Checked) {
        let at = |path: &str| self.at(path);
        let space = Space::new(self.members(), &at, &self.tree.directories);
        let then_at = |path: &str| before?.at(path);
        let then = before.map(|then| Space::new(then.members(), &then_at, &then.tree.directories));
        // The same file before, and what it made then.
        let earlier = |file: usize| Some((then.as_ref()?, then.as_ref()?.process(then_at(&self.files[file].0)?)));
        let (programs, libraries) = self.roots();
        let (mut used, mut known) = (HashSet::new(), HashSet::new());
        let unread = self.unread.iter().map(|(path, why)| format!("{path} cannot be read: {why}"));
        checked.reasons.extend(unread.map(|text| change(Effect::Unclear, text)));
        for &program in &programs {
            let mut process = space.process(program);
            process.problems.retain(|problem| !self.is_hosts(problem));
            used.extend(space.members(&process).map(|member| member.path.to_owned()));
            let new: Vec<&Problem> =
                process.problems.iter().filter(|problem| known.insert((*problem).clone())).collect();
            checked.reasons.extend(new.iter().map(|problem| change(Effect::Breaks, problem.to_string())));
            let Some((then, was)) = earlier(program) else {
                checked.lacking.extend(new.iter().map(|problem| problem.to_string()));
                continue;
            };
            // Of what cannot be read nobody knows what it has.
            let is_blind = process.problems.iter().any(|problem| self.is_unread(problem));
            let lost = new.iter().filter(|problem| !is_blind && !was.problems.contains(problem));
            checked.lost.extend(lost.map(|problem| problem.to_string()));
            let diverted = space.diverted(&process, &was, then);
            checked.reasons.extend(diverted.iter().map(|problem| change(Effect::Unclear, problem.to_string())));
        }
        for &library in libraries.iter().filter(|&&library| !used.contains(&self.files[library].0)) {
            let mut problems = space.process(library).problems;
            problems.retain(|problem| !self.is_hosts(problem));
            let Some(text) = told(&self.files[library].0, &problems) else { continue };
            // What could be opened before is missed; what never could comes with what its package recommends or suggests.
            let could = earlier(library).is_some_and(|(_, was)| was.problems.is_empty());
            checked.reasons.push(change(if could { Effect::Unclear } else { Effect::Compatible }, text));
        }
        checked.programs += programs.len();
        checked.libraries += libraries.len();
    }

    /// Whether it says that something is missing which is there and cannot be read.
    fn is_unread(&self, problem: &Problem) -> bool {
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let missing = problem.soname().map(name);
        missing.is_some_and(|missing| self.unread.iter().any(|(path, _)| name(path) == missing))
    }

    /// Whether it says that something is missing which the host brings.
    fn is_hosts(&self, problem: &Problem) -> bool {
        problem.soname().is_some_and(|soname| self.tree.host.contains(soname.rsplit('/').next().unwrap_or(soname)))
    }

    fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.files.iter().map(|(path, facts)| Member { path, facts })
    }

    /// The file that a path leads to.
    fn at(&self, path: &str) -> Option<usize> {
        let path = format!("/{}", self.tree.resolve(path)?);
        self.files.binary_search_by(|(known, _)| known.as_str().cmp(&path)).ok()
    }

    /// Programs, and libraries.
    fn roots(&self) -> (Vec<usize>, Vec<usize>) {
        let dynamic = (0..self.files.len()).filter(|&file| self.files[file].1.is_dynamic());
        let (programs, rest): (Vec<usize>, Vec<usize>) = dynamic.partition(|&file| is_program(&self.files[file].1));
        let is_library = |file: &usize| self.files[*file].1.kind() == FileKind::Shared;
        (programs, rest.into_iter().filter(is_library).collect())
    }
}
