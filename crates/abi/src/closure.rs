//! The whole of one process: a program and all libraries that it loads, as a dynamic linker would put them together.
//!
//! What works today and would not with other files is found by looking at both states; either direction is looked at by
//! exchanging them.
//!
//! Source: glibc, `elf/dl-load.c` (`_dl_map_object`) for where libraries are looked for, `elf/dl-version.c` and
//! `elf/dl-lookup.c` for what is then wanted of them.

mod problem;

use std::{
    cell::{OnceCell, RefCell},
    collections::{HashSet, VecDeque},
};

use foldhash::{HashMap, HashMapExt as _};

pub use problem::Problem;

use crate::{
    elf::{Binding, Facts, FileKind, Platform, Symbol},
    symbols::find,
    text::{demangle, lossy},
};

/// One file.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// Where it is, as messages call it and as `$ORIGIN` means it: `/usr/bin/env`.
    pub path: &'a str,
    /// Its facts.
    pub facts: &'a Facts,
}

/// All files that processes may be made of. They are indexed once, for any number of processes.
pub struct Space<'a> {
    files: Vec<Member<'a>>,
    /// Which of the files has a path, links followed.
    at: &'a dyn Fn(&str) -> Option<usize>,
    directories: &'a [String],
    /// Which files define a name.
    definers: OnceCell<HashMap<&'a [u8], Vec<usize>>>,
    /// What names lead to for files that have no directories of their own.
    found: RefCell<Searches<'a>>,
}

/// What a needed name led to, for files of a platform.
type Searches<'a> = HashMap<(Platform, &'a [u8]), Option<usize>>;

/// A name, and the version node that was asked for.
type Wanted<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a dynamic linker makes of one file and what it needs.
pub struct Process<'a> {
    /// What is wrong, sorted.
    pub problems: Vec<Problem>,
    /// All files, in the order in which they are searched.
    loaded: Vec<usize>,
    /// Which of the files defines what is imported.
    bound: HashMap<Wanted<'a>, usize>,
}

impl<'a> Space<'a> {
    /// `at` says which of `members` a path leads to; `directories` are where libraries are looked for, in this order.
    pub fn new(
        members: impl IntoIterator<Item = Member<'a>>,
        at: &'a dyn Fn(&str) -> Option<usize>,
        directories: &'a [String],
    ) -> Self {
        let found = RefCell::new(HashMap::new());
        Self { files: members.into_iter().collect(), at, directories, definers: OnceCell::new(), found }
    }

    /// The process that begins with one of the members: a program, or a library that some program opens. Where a library
    /// is missing, the symbols that it might define are not told.
    pub fn process(&self, first: usize) -> Process<'a> {
        let mut process = Process { problems: Vec::new(), loaded: vec![first], bound: HashMap::new() };
        self.load(&mut process);
        let is_missing = |problem: &Problem| matches!(problem, Problem::Missing { .. });
        let is_complete = !process.problems.iter().any(is_missing);
        let ranks: HashMap<usize, usize> =
            process.loaded.iter().enumerate().map(|(rank, &file)| (file, rank)).collect();
        for &file in &process.loaded.clone() {
            self.check_nodes(file, &mut process);
            self.bind(file, &ranks, is_complete, &mut process);
        }
        process.problems.sort();
        process.problems.dedup();
        process
    }

    /// What a process that worked before gets from another library now, though the one that it had is still there:
    /// `before` is the same process in the space `then`.
    pub fn diverted(&self, now: &Process<'a>, before: &Process<'_>, then: &Space<'_>) -> Vec<Problem> {
        let name = |space: &Space<'_>, file: usize| {
            let member = space.files[file];
            member.facts.soname().map_or_else(|| member.path.to_owned(), |soname| lossy(soname).into_owned())
        };
        let still_there: HashMap<String, usize> = now.loaded.iter().map(|&file| (name(self, file), file)).collect();
        let mut diverted = Vec::new();
        for (wanted, &was) in &before.bound {
            let Some(&is) = now.bound.get(wanted) else { continue };
            let (from, to) = (name(then, was), name(self, is));
            let has_still =
                still_there.get(&from).is_some_and(|&file| find(self.files[file].facts, wanted.0, wanted.1).is_some());
            if from != to && has_still {
                let first = self.files[now.loaded[0]].path.to_owned();
                diverted.push(Problem::Diverted { by: first, symbol: spelled(*wanted), from, to });
            }
        }
        diverted.sort();
        diverted
    }

    /// The files of a process, in the order in which they are searched.
    pub fn members(&self, process: &Process<'_>) -> impl Iterator<Item = Member<'a>> {
        process.loaded.iter().map(|&file| self.files[file])
    }

    /// The files that define a name.
    fn definers(&self, name: &[u8]) -> &[usize] {
        let index = || {
            let mut definers: HashMap<&[u8], Vec<usize>> = HashMap::new();
            for (file, member) in self.files.iter().enumerate().filter(|(_, member)| is_linked(member.facts)) {
                for symbol in member.facts.exports() {
                    let files = definers.entry(member.facts.name(symbol)).or_default();
                    // One name may have several versions, one after the other.
                    if files.last() != Some(&file) {
                        files.push(file);
                    }
                }
            }
            definers
        };
        self.definers.get_or_init(index).get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Finds all that is needed, breadth first.
    fn load(&self, process: &mut Process<'a>) {
        let first = process.loaded[0];
        let program = self.files[first];
        let interpreter = program.facts.interpreter().filter(|_| is_program(program.facts)).map(lossy);
        if let Some(soname) = interpreter.filter(|path| (self.at)(path).is_none()) {
            let soname = soname.into_owned();
            process.problems.push(Problem::Missing { by: program.path.to_owned(), soname });
        }
        let mut known: HashMap<&[u8], usize> =
            program.facts.soname().map(|soname| (soname, first)).into_iter().collect();
        let mut missing: HashSet<&[u8]> = HashSet::new();
        let mut open: VecDeque<(Member<'a>, &[u8])> = program.facts.needed().map(|name| (program, name)).collect();
        while let Some((by, name)) = open.pop_front() {
            let found = self.find(name, by, program);
            if let Some(&loaded) = known.get(name) {
                // Whoever asked first decided; this one would have taken another.
                let other = found.filter(|&found| self.differ(found, loaded));
                if let Some(other) = other {
                    let files = [loaded, other].map(|file| self.files[file].path.to_owned()).to_vec();
                    process.problems.push(Problem::Twice { soname: lossy(name).into_owned(), files });
                }
                continue;
            }
            let Some(found) = found else {
                if missing.insert(name) {
                    process
                        .problems
                        .push(Problem::Missing { by: by.path.to_owned(), soname: lossy(name).into_owned() });
                }
                continue;
            };
            known.insert(name, found);
            if process.loaded.contains(&found) {
                continue;
            }
            let member = self.files[found];
            if let Some(soname) = member.facts.soname() {
                known.entry(soname).or_insert(found);
            }
            process.loaded.push(found);
            open.extend(member.facts.needed().map(|name| (member, name)));
        }
    }

    /// Whether two files are not the same one under two names, or copies of it.
    fn differ(&self, one: usize, other: usize) -> bool {
        one != other && self.files[one].facts != self.files[other].facts
    }

    /// The file that a needed name leads to, for this file of this program.
    fn find(&self, name: &'a [u8], by: Member<'a>, program: Member<'a>) -> Option<usize> {
        let has_own = [by, program].iter().any(|member| member.facts.rpath().or(member.facts.runpath()).is_some());
        if has_own {
            return self.search(name, by, program);
        }
        let key = (program.facts.platform(), name);
        if let Some(found) = self.found.borrow().get(&key) {
            return *found;
        }
        let found = self.search(name, by, program);
        self.found.borrow_mut().insert(key, found);
        found
    }

    fn search(&self, name: &[u8], by: Member<'_>, program: Member<'_>) -> Option<usize> {
        let name = std::str::from_utf8(name).ok()?;
        let platform = program.facts.platform();
        let fits = |path: &str| (self.at)(path).filter(|&file| self.files[file].facts.platform() == platform);
        if name.contains('/') {
            return fits(&expanded(by.path, name));
        }
        let own = |member: Member<'_>, list: Option<&[u8]>| search_path(member.path, list);
        // A file with DT_RUNPATH looks at no DT_RPATH.
        let inherited = [by, program].into_iter().filter(|_| by.facts.runpath().is_none());
        let of_files = inherited.flat_map(|member| own(member, member.facts.rpath()));
        let mut of_files = of_files.chain(own(by, by.facts.runpath()));
        of_files
            .find_map(|directory| fits(&format!("{directory}/{name}")))
            .or_else(|| self.directories.iter().find_map(|directory| fits(&format!("{directory}/{name}"))))
    }

    fn check_nodes(&self, file: usize, process: &mut Process<'a>) {
        let member = self.files[file];
        for (of, node, is_weak) in member.facts.needed_versions() {
            let library = process.loaded.iter().map(|&loaded| self.files[loaded].facts);
            let Some(library) = library.filter(|_| !is_weak).find(|facts| facts.soname() == Some(of)) else { continue };
            // A library without any version nodes is accepted, with a warning.
            let has_nodes = library.defined_versions().next().is_some();
            if has_nodes && !library.defines_version(node) {
                let (of, node) = (lossy(of).into_owned(), lossy(node).into_owned());
                process.problems.push(Problem::Node { by: member.path.to_owned(), of, node });
            }
        }
    }

    /// Finds what defines the imports of one file, among files by their place in the search.
    fn bind(&self, file: usize, ranks: &HashMap<usize, usize>, is_complete: bool, process: &mut Process<'a>) {
        let member = self.files[file];
        if !is_linked(member.facts) {
            return;
        }
        let first = process.loaded[0];
        for import in member.facts.imports() {
            let version = member.facts.import_version(import).map(|(version, _)| version);
            let wanted = (member.facts.name(import), version);
            if process.bound.contains_key(&wanted) {
                continue;
            }
            // A program's own copy of a variable is filled from a library.
            let skipped = usize::from(import.is_copied());
            let loaded = self.definers(wanted.0).iter().filter_map(|file| Some((*ranks.get(file)?, *file)));
            let fitting = loaded
                .filter(|&(rank, file)| rank >= skipped && find(self.files[file].facts, wanted.0, wanted.1).is_some());
            match fitting.min() {
                Some((_, found)) => {
                    process.bound.insert(wanted, found);
                }
                None if import.binding == Binding::Weak || !is_complete => {}
                None if self.may_be_elsewhere(first, import, wanted) => {}
                None => {
                    let problem = Problem::Symbol { by: member.path.to_owned(), symbol: spelled(wanted) };
                    process.problems.push(problem);
                }
            }
        }
    }

    /// Whether whoever opens a library may define what it needs: where anybody does.
    fn may_be_elsewhere(&self, first: usize, import: &Symbol, (name, _): Wanted<'_>) -> bool {
        !is_program(self.files[first].facts) && !import.is_copied() && !self.definers(name).is_empty()
    }
}

/// Whether it is started, and not opened by others.
pub fn is_program(facts: &Facts) -> bool {
    matches!(facts.kind(), FileKind::Executable | FileKind::Pie)
}

fn is_linked(facts: &Facts) -> bool {
    is_program(facts) || facts.kind() == FileKind::Shared
}

/// The directories of `DT_RPATH` or `DT_RUNPATH`.
fn search_path(path: &str, list: Option<&[u8]>) -> Vec<String> {
    let list = list.and_then(|list| std::str::from_utf8(list).ok()).unwrap_or_default();
    list.split(':').filter(|entry| !entry.is_empty()).map(|entry| expanded(path, entry)).collect()
}

/// A path in which `$ORIGIN` is the directory of the file at `path`.
fn expanded(path: &str, text: &str) -> String {
    let origin = path.rsplit_once('/').map_or(".", |(directory, _)| directory);
    text.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
}

fn spelled((name, version): Wanted<'_>) -> String {
    let at = version.map(|version| format!("@{}", lossy(version))).unwrap_or_default();
    format!("{}{at}", demangle(name))
}
