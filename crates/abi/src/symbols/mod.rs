//! Comparison by symbols: what a dynamic linker would find for a consumer in the new provider that it found in the old.
//!
//! It sees names, versions, kinds and sizes, not types: that all of them agree is necessary, never sufficient.

mod around;
mod fate;
mod file;
mod finding;
mod index;
mod interpose;
mod needs;

use std::{cell::OnceCell, rc::Rc};

use foldhash::HashSet;

pub(crate) use around::Loaded;
pub use around::{Around, Nothing};
pub(crate) use finding::Finding;
pub(crate) use index::find;

use crate::{
    elf::{Binding, Facts, Symbol},
    text::{described, lossy, versioned},
};
use fate::{By, Reference};
use index::Index;
use needs::Needs;

/// What is known besides the files that are compared.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The other libraries, before and after.
    pub(crate) before: &'a dyn Around,
    pub(crate) around: &'a dyn Around,
    /// Names that the consumer looks up at run time, where that was declared.
    pub(crate) opened: &'a [&'a [u8]],
}

/// An old provider and a new one, prepared to be judged for many consumers.
pub struct Pair<'f> {
    pub(crate) old: &'f Facts,
    pub(crate) new: &'f Facts,
    old_index: Index<'f>,
    new_index: Index<'f>,
    /// Exports of the new one whose names the old one does not export.
    added: Vec<&'f Symbol>,
    /// Exports that both have, and that the old one let others replace for its own use.
    closed: Vec<(&'f Symbol, &'f Symbol)>,
    /// For each export of the old one, whether the new one has the same in the same version.
    same: Vec<bool>,
    /// What the new one needs and the old one did not.
    needs: Needs<'f>,
    /// What any consumer meets.
    whole: Vec<Finding>,
}

impl<'f> Pair<'f> {
    /// Prepares a pair: the exports of both are indexed once.
    pub fn new(old: &'f Facts, new: &'f Facts) -> Self {
        let (old_index, new_index) = (Index::new(old), Index::new(new));
        let is_added = |symbol: &&Symbol| old_index.named(new.name(symbol)).is_empty();
        let added = new.exports().iter().filter(is_added).collect();
        let (mut closed, mut same) = (Vec::new(), Vec::with_capacity(old.exports().len()));
        for symbol in old.exports() {
            let (name, version) = (old.name(symbol), old.export_version(symbol));
            let found = new_index.named(name).iter().find(|found| new.export_version(found) == version);
            same.push(found.is_some_and(|found| {
                symbol.is_hidden() == found.is_hidden() && fate::is_same((old, symbol), (new, found))
            }));
            let replaced = new_index.find(name, None).filter(|found| !interpose::is_open(new, found));
            closed.extend(replaced.filter(|_| interpose::is_open(old, symbol)).map(|found| (symbol, found)));
        }
        let mut whole = Vec::new();
        file::compare(old, new, &mut whole);
        let needs = Needs::new(old, new);
        Self { old, new, old_index, new_index, added, closed, same, needs, whole }
    }

    /// Whether the new provider reaches what it has of this name through the dynamic linker.
    fn is_open_now(&self, old: &Symbol) -> bool {
        let new = self.new_index.find(self.old.name(old), None);
        new.is_some_and(|new| interpose::is_open(self.new, new))
    }

    /// Whether the new provider has the same as this export of the old one, so that there is nothing to compare.
    fn is_same(&self, old: &Symbol) -> bool {
        let at = self.old.exports().element_offset(old);
        at.and_then(|at| self.same.get(at)).copied().unwrap_or(false)
    }

    /// The old provider's exports that an import of the consumer's is bound to.
    pub(crate) fn bound(&self, consumer: &Facts, import: &Symbol) -> Option<&'f Symbol> {
        let version = consumer.import_version(import).map(|(version, _)| version);
        let found = self.old_index.find(consumer.name(import), version)?;
        // An import that names another library's version node is that library's, unless this one is asked for, too, and
        // has the same node: it may have come from there.
        let needs = || consumer.needed().any(|needed| Some(needed) == self.old.soname());
        let is_ours = |(version, file): (&[u8], &[u8])| {
            Some(file) == self.old.soname() || self.old.export_version(found) == Some(version) && needs()
        };
        consumer.import_version(import).is_none_or(is_ours).then_some(found)
    }

    /// Whether the consumer is linked to the old provider.
    pub(crate) fn is_linked_to(&self, consumer: &Facts) -> bool {
        consumer.needed().any(|needed| Some(needed) == self.old.soname())
            || consumer.imports().iter().any(|import| self.bound(consumer, import).is_some())
    }

    /// Whether the consumer seems to open the old provider at run time: it has its soname, or the beginning of it.
    pub(crate) fn is_opened_by(&self, consumer: &Facts) -> bool {
        let Some(soname) = self.old.soname() else { return false };
        let stem = memchr::memmem::find(soname, b".so").map_or(soname, |at| &soname[..at + 3]);
        consumer.openable().any(|string| {
            let file = memchr::memrchr(b'/', string).map_or(string, |slash| &string[slash + 1..]);
            file == soname || file == stem
        })
    }

    /// The old provider's exports that count and that the consumer looks up by name, as far as that can be seen, or was
    /// declared.
    fn lookups(&self, consumer: &Facts, declared: &[&[u8]], counts: &dyn Fn(&Symbol) -> bool) -> Vec<&'f Symbol> {
        let imported = |symbol: &Symbol| {
            let name = self.old.name(symbol);
            consumer.imports().binary_search_by(|import| consumer.name(import).cmp(name)).is_ok()
        };
        let is_named = |name: &[u8]| consumer.has_string(name) || declared.contains(&name);
        let mut defaults = self.old.exports().iter().filter(|symbol| !symbol.is_hidden() && counts(symbol)).peekable();
        // What a consumer may look up is long, and seldom needed.
        if defaults.peek().is_none() || declared.is_empty() && consumer.looks_nothing_up() {
            return Vec::new();
        }
        defaults.filter(|symbol| is_named(self.old.name(symbol)) && !imported(symbol)).collect()
    }

    /// Names and version nodes of the old exports through which this consumer meets both providers: those that it
    /// imports, looks up, or exports itself, as it does with inline functions and the type information of C++.
    pub(crate) fn used(&self, consumer: &Facts, declared: &[&[u8]]) -> HashSet<(&'f [u8], Option<&'f [u8]>)> {
        let bound = consumer.imports().iter().filter_map(|import| self.bound(consumer, import));
        let own = consumer.exports().iter().filter_map(|own| {
            let old = self.old_index.find(consumer.name(own), None)?;
            // What a consumer defines for all is met by a provider that asks the dynamic linker for it.
            let is_met = own.binding != Binding::Global || interpose::is_open(self.old, old) || self.is_open_now(old);
            is_met.then_some(old)
        });
        let used = bound.chain(self.lookups(consumer, declared, &|_| true)).chain(own);
        used.map(|symbol| (self.old.name(symbol), self.old.export_version(symbol))).collect()
    }

    /// The differences that this consumer meets; without one, those that any could meet.
    pub(crate) fn compare(&self, consumer: Option<&Facts>, known: &Known<'_>) -> Vec<Finding> {
        let mut findings = self.whole.clone();
        let loaded = OnceCell::new();
        let loaded = || Rc::clone(loaded.get_or_init(|| Rc::new(self.loaded(consumer, known.around))));
        file::compare_tls(self.old, self.new, consumer, &mut findings);
        file::compare_opening(self.old, self.new, consumer, &mut findings);
        match consumer {
            Some(consumer) => {
                self.compare_nodes(consumer, &mut findings);
                self.compare_imports(consumer, known, &loaded, &mut findings);
                self.compare_reliance(consumer, &loaded, &mut findings);
                interpose::compare(self, consumer, &mut findings);
            }
            None => self.compare_all(known, &loaded, &mut findings),
        }
        self.needs.compare(consumer, known.around, &loaded, &mut findings);
        findings.sort_by(|a, b| (b.change.effect, &a.change).cmp(&(a.change.effect, &b.change)));
        findings.dedup();
        findings
    }

    fn loaded(&self, consumer: Option<&Facts>, around: &dyn Around) -> Loaded {
        let own: Vec<&[u8]> = self.old.soname().into_iter().chain(self.new.soname()).collect();
        let files: Vec<&Facts> = consumer.into_iter().chain([self.new]).collect();
        Loaded::new(&files, &own, around)
    }

    /// A dynamic linker looks for version nodes before it looks for symbols.
    fn compare_nodes(&self, consumer: &Facts, findings: &mut Vec<Finding>) {
        for (file, node, is_weak) in consumer.needed_versions() {
            if Some(file) != self.old.soname() || !self.old.defines_version(node) || self.new.defines_version(node) {
                continue;
            }
            let text = format!("version node {} of {} is gone", lossy(node), lossy(file));
            let label = versioned(b"", Some(node));
            findings.push(if is_weak { Finding::unclear(label, text) } else { Finding::breaks(label, text) });
        }
    }

    fn compare_imports(
        &self,
        consumer: &Facts,
        known: &Known<'_>,
        loaded: &dyn Fn() -> Rc<Loaded>,
        findings: &mut Vec<Finding>,
    ) {
        for import in consumer.imports() {
            let name = consumer.name(import);
            let version = consumer.import_version(import).map(|(version, _)| version);
            let reference = Reference { name, version, by: By::Import(import) };
            match self.bound(consumer, import) {
                // The usual case, in which nothing is said.
                Some(old)
                    if self.is_same(old)
                        && version == self.old.export_version(old)
                        && (!import.is_copied() || import.size == old.size) => {}
                Some(old) => self.compare_one(reference, old, known, loaded, findings),
                None => self.compare_new(consumer, reference, loaded, findings),
            }
        }
        for old in self.lookups(consumer, known.opened, &|old| !self.is_same(old)) {
            let reference = Reference { name: self.old.name(old), version: None, by: By::Lookup };
            self.compare_one(reference, old, known, loaded, findings);
        }
    }

    /// All that the old one exports, as an import of somebody's.
    fn compare_all(&self, known: &Known<'_>, loaded: &dyn Fn() -> Rc<Loaded>, findings: &mut Vec<Finding>) {
        for old in self.old.exports() {
            let version = self.old.export_version(old).filter(|_| !self.is_base(old));
            let reference = Reference { name: self.old.name(old), version, by: By::Anyone };
            self.compare_one(reference, old, known, loaded, findings);
        }
        for new in &self.added {
            let label = versioned(self.new.name(new), self.new.export_version(new));
            findings.push(Finding::compatible(label, format!("{} is new", described(self.new, new))));
        }
    }

    fn is_base(&self, symbol: &Symbol) -> bool {
        symbol.version.and_then(|index| self.old.definitions.get(usize::from(index))).is_some_and(|node| node.is_base)
    }

    fn compare_one(
        &self,
        reference: Reference<'_>,
        old: &Symbol,
        known: &Known<'_>,
        loaded: &dyn Fn() -> Rc<Loaded>,
        findings: &mut Vec<Finding>,
    ) {
        let found = match reference.by {
            // Who looks a name up at run time gets its default version, not the oldest.
            By::Lookup => self.new_index.named(reference.name).iter().find(|symbol| !symbol.is_hidden()),
            By::Anyone | By::Import(_) => self.new_index.find(reference.name, reference.version),
        };
        // What had a version node must have the same one: a linker would take any without a node, and warn.
        let had_node = reference.version.is_some() && self.old.export_version(old) == reference.version;
        let found = found.filter(|new| !had_node || self.new.export_version(new) == reference.version);
        if let Some(new) = found {
            fate::compare(reference, (self.old, old), (self.new, new), findings);
            return;
        }
        let what = described(self.old, old);
        let of = reference.version.map(|version| format!(" of version {}", lossy(version))).unwrap_or_default();
        let loaded = loaded();
        if let Some(library) = loaded.resolve(reference.name, reference.version) {
            let to = library.soname().map_or_else(|| "another library".into(), lossy);
            let moved = index::find(library, reference.name, reference.version);
            if let Some(moved) = moved.filter(|_| self.is_moved(reference, library, known)) {
                fate::compare(reference, (self.old, old), (library, moved), findings);
                findings.push(Finding::compatible(reference.label(), format!("{what}{of} moved to {to}")).elsewhere());
            } else {
                let text = format!("{what}{of} is gone; the consumer would get that of {to}, which may be another one");
                findings.push(Finding::unclear(reference.label(), text));
            }
            return;
        }
        let others = self.new_index.named(reference.name);
        let text = match others.iter().find_map(|symbol| self.new.export_version(symbol)) {
            Some(version) => format!("{what}{of} is gone; there is one of version {}", lossy(version)),
            None if !others.is_empty() => format!("{what}{of} is gone; there is one without a version"),
            None => format!("{what}{of} is gone"),
        };
        if reference.import().is_some_and(Symbol::is_weak) {
            let text = format!("{text}; the consumer can do without, and would do something else");
            findings.push(Finding::unclear(reference.label(), text));
        } else {
            findings.push(Finding::breaks(reference.label(), text));
        }
    }

    /// Whether what `library` has under this name is what the old provider had, and nothing that was there before: it
    /// has the same version node, or came with the change.
    fn is_moved(&self, reference: Reference<'_>, library: &Facts, known: &Known<'_>) -> bool {
        let is_asked = |facts: &Facts| facts.needed().any(|needed| Some(needed) == library.soname());
        let before = library.soname().and_then(|soname| known.before.library(soname));
        let had_none = before.is_some_and(|before| index::find(&before, reference.name, None).is_none());
        reference.version.is_some() || had_none || is_asked(self.new) && !is_asked(self.old)
    }

    /// An import that the old provider did not satisfy, and the new one would.
    fn compare_new(
        &self,
        consumer: &Facts,
        reference: Reference<'_>,
        loaded: &dyn Fn() -> Rc<Loaded>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(new) = self.new_index.find(reference.name, reference.version) else { return };
        let import = reference.import().and_then(|import| consumer.import_version(import));
        if import.is_some_and(|(version, _)| self.new.export_version(new) != Some(version)) {
            return;
        }
        let known = loaded();
        let what = described(self.new, new);
        let elsewhere = known.resolve(reference.name, reference.version);
        let is_weak = reference.import().is_some_and(Symbol::is_weak);
        if elsewhere.is_none() && is_weak && known.unseen.is_empty() {
            let text = format!("{what}, which the consumer did without, is defined now: it would do something else");
            findings.push(Finding::unclear(reference.label(), text));
            return;
        }
        if elsewhere.is_none()
            && (known.unseen.is_empty() || import.is_some_and(|(_, file)| known.library(file).is_some()))
        {
            // Whoever defined it does not any more.
            findings.push(Finding::compatible(reference.label(), format!("{what} is defined by it now")));
            return;
        }
        let position = |soname: Option<&[u8]>| consumer.needed().position(|needed| Some(needed) == soname);
        let (own, others) = (position(self.old.soname()), elsewhere.and_then(|facts| position(facts.soname())));
        let text = format!("{what}, which the consumer has from elsewhere, is defined by it now");
        findings.extend(match (own, others) {
            (Some(own), Some(others)) if others < own => None,
            (Some(_), Some(_)) => Some(Finding::breaks(reference.label(), format!("{text} and takes its place"))),
            _ => Some(Finding::unclear(reference.label(), format!("{text} and may take its place"))),
        });
    }

    /// Libraries that the consumer never asked for, and had because the old provider did.
    fn compare_reliance(&self, consumer: &Facts, loaded: &dyn Fn() -> Rc<Loaded>, findings: &mut Vec<Finding>) {
        let asked: HashSet<&[u8]> = consumer.needed().chain(self.new.needed()).collect();
        let gone: Vec<&[u8]> = self.old.needed().filter(|soname| !asked.contains(soname)).collect();
        if gone.is_empty() {
            return;
        }
        for import in consumer.imports().iter().filter(|import| !import.is_weak()) {
            let name = consumer.name(import);
            let origin = consumer.import_version(import);
            let version = origin.map(|(version, _)| version);
            let is_from_gone = origin.is_none_or(|(_, file)| gone.contains(&file));
            let is_own = index::find(consumer, name, version).is_some();
            if !is_from_gone || is_own || self.bound(consumer, import).is_some() {
                continue;
            }
            let known = loaded();
            if self.new_index.find(name, version).is_some() || known.resolve(name, version).is_some() {
                continue;
            }
            let names: Vec<_> = gone.iter().map(|soname| lossy(soname)).collect();
            let text = format!(
                "it no longer needs {}, from which the consumer may have {}",
                names.join(", "),
                described(consumer, import)
            );
            let label = versioned(name, version);
            let is_sure = origin.is_some() || known.unseen.is_empty();
            findings.push(if is_sure { Finding::breaks(label, text) } else { Finding::unclear(label, text) });
        }
    }
}
