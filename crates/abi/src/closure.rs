//! The whole of one process: its program and all libraries that it loads, as a dynamic linker would put them together.
//!
//! What works today and would not with other files is found by checking both states; either direction is checked by
//! exchanging them.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    elf::{Binding, Facts, FileKind, Symbol},
    symbols::Index,
    text::{demangle, lossy},
};

/// Something that keeps a process from starting, or makes it do something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// A library that is needed is not there.
    Missing {
        /// Who needs it.
        by: String,
        /// Its soname.
        soname: String,
    },
    /// Two different files have one soname.
    Twice {
        /// The soname.
        soname: String,
        /// The files.
        files: Vec<String>,
    },
    /// A version node is not there.
    Node {
        /// Who needs it.
        by: String,
        /// Of which library.
        of: String,
        /// The node.
        node: String,
    },
    /// A symbol is not there.
    Symbol {
        /// Who needs it.
        by: String,
        /// The symbol, demangled, with its version.
        symbol: String,
    },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { by, soname } => write!(f, "{by} needs {soname}, which is not there"),
            Self::Twice { soname, files } => write!(f, "{soname} is there more than once: {}", files.join(", ")),
            Self::Node { by, of, node } => write!(f, "{by} needs {node} of {of}, which does not have it"),
            Self::Symbol { by, symbol } => write!(f, "{by} needs `{symbol}`, which nothing defines"),
        }
    }
}

/// One file of a process.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// What it is called in messages.
    pub label: &'a str,
    /// Its facts.
    pub facts: &'a Facts,
}

/// Files among which libraries are found, by soname. They are indexed once, for any number of processes.
pub struct Libraries<'a> {
    members: Vec<(Member<'a>, Index<'a>)>,
    by_soname: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Libraries<'a> {
    /// Indexes files. What has no soname is found by its label's last part, as a dynamic linker finds it.
    pub fn new(members: impl IntoIterator<Item = Member<'a>>) -> Self {
        let members: Vec<_> = members.into_iter().map(|member| (member, Index::new(member.facts))).collect();
        let mut by_soname: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, (member, _)) in members.iter().enumerate() {
            let file = member.label.rsplit('/').next().unwrap_or_default().as_bytes();
            by_soname.entry(member.facts.soname().unwrap_or(file)).or_default().push(index);
        }
        Self { members, by_soname }
    }

    /// Checks the process that begins with `program`.
    pub fn check(&self, program: Member<'a>) -> Vec<Problem> {
        let own = Index::new(program.facts);
        let mut problems = Vec::new();
        let loaded = self.load(program, &mut problems);
        let scope: Vec<&Index<'a>> =
            std::iter::once(&own).chain(loaded.iter().map(|&at| &self.members[at].1)).collect();
        let files = std::iter::once(program).chain(loaded.iter().map(|&at| self.members[at].0));
        let by_soname: HashMap<&[u8], &Facts> = loaded
            .iter()
            .filter_map(|&at| Some((self.members[at].0.facts.soname()?, self.members[at].0.facts)))
            .collect();
        let mut resolved: HashSet<(&[u8], Option<&[u8]>)> = HashSet::new();
        for member in files {
            check_nodes(member, &by_soname, &mut problems);
            check_imports(member, &scope, &mut resolved, &mut problems);
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// All that is loaded, in the order in which it is searched.
    fn load(&self, program: Member<'a>, problems: &mut Vec<Problem>) -> Vec<usize> {
        let mut loaded = Vec::new();
        let mut seen: HashSet<&[u8]> = program.facts.soname().into_iter().collect();
        let mut open: VecDeque<(Member<'a>, &[u8])> = program.facts.needed().map(|soname| (program, soname)).collect();
        while let Some((by, soname)) = open.pop_front() {
            // A needed path is found where it is, by its soname once it is loaded.
            let name = soname.rsplit(|byte| *byte == b'/').next().unwrap_or(soname);
            if !seen.insert(name) {
                continue;
            }
            let platform = program.facts.platform();
            let candidates: Vec<usize> = self.by_soname.get(name).into_iter().flatten().copied().collect();
            let fitting: Vec<usize> =
                candidates.into_iter().filter(|&at| self.members[at].0.facts.platform() == platform).collect();
            let Some(&first) = fitting.first() else {
                problems.push(Problem::Missing { by: by.label.to_owned(), soname: lossy(soname).into_owned() });
                continue;
            };
            if fitting.iter().skip(1).any(|&at| self.members[at].0.facts != self.members[first].0.facts) {
                let files = fitting.iter().map(|&at| self.members[at].0.label.to_owned()).collect();
                problems.push(Problem::Twice { soname: lossy(name).into_owned(), files });
            }
            let member = self.members[first].0;
            open.extend(member.facts.needed().map(|soname| (member, soname)));
            loaded.push(first);
        }
        loaded
    }
}

fn check_nodes(member: Member<'_>, by_soname: &HashMap<&[u8], &Facts>, problems: &mut Vec<Problem>) {
    for (file, node, is_weak) in member.facts.needed_versions() {
        let Some(library) = by_soname.get(file).filter(|_| !is_weak) else { continue };
        // A library without any version nodes is accepted, with a warning.
        let has_nodes = library.defined_versions().next().is_some();
        if has_nodes && !library.defines_version(node) {
            let (of, node) = (lossy(file).into_owned(), lossy(node).into_owned());
            problems.push(Problem::Node { by: member.label.to_owned(), of, node });
        }
    }
}

fn check_imports<'a>(
    member: Member<'a>,
    scope: &[&Index<'a>],
    resolved: &mut HashSet<(&'a [u8], Option<&'a [u8]>)>,
    problems: &mut Vec<Problem>,
) {
    let is_linked = matches!(member.facts.kind(), FileKind::Executable | FileKind::Pie | FileKind::Shared);
    let strong = |import: &&Symbol| import.binding != Binding::Weak;
    for import in member.facts.imports().iter().filter(strong).filter(|_| is_linked) {
        let name = member.facts.name(import);
        let version = member.facts.import_version(import).map(|(version, _)| version);
        if resolved.contains(&(name, version)) {
            continue;
        }
        // A program's own copy of a variable is filled from a library.
        let scope = if import.is_copied() { &scope[1..] } else { scope };
        if scope.iter().any(|index| index.find(name, version).is_some()) {
            resolved.insert((name, version));
            continue;
        }
        let at = version.map(|version| format!("@{}", lossy(version))).unwrap_or_default();
        problems.push(Problem::Symbol { by: member.label.to_owned(), symbol: format!("{}{at}", demangle(name)) });
    }
}
