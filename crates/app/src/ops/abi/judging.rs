//! Verdicts for the consumers of an old provider when a new one takes its place.

use std::{convert::Infallible, path::PathBuf};

use aleph_abi::{
    Change, Effect, Evidence, Judgement, Options, Pair, Seen, Suppression, Types, Verdict,
    elf::{Facts, loads_the_same},
    judge,
    types::{Comparison, Interface},
};
use aleph_store::parallel;

use super::{
    around::Libraries,
    pairs::{Matched, matched},
    side::{Binary, Package, Side},
    types::{Debug, PublicHeaders},
};

/// The verdict for one library and one consumer.
pub(crate) struct Judged {
    /// The library's soname, or where it is.
    pub(crate) library: String,
    /// The index of the consumer, if there are any.
    pub(crate) consumer: Option<usize>,
    pub(crate) judgement: Judgement,
}

/// An old provider and a new one, who needs the old one, and what else counts.
pub(crate) struct Work<'a> {
    pub(crate) old: &'a Side,
    pub(crate) new: &'a Side,
    /// If there are none, the libraries are compared as such.
    pub(crate) consumers: &'a [(&'a Side, &'a Binary)],
    /// Other libraries of the process, with the old provider and with the new one.
    pub(crate) others: [&'a [&'a Side]; 2],
    /// Where else libraries are.
    pub(crate) places: &'a [PathBuf],
    pub(crate) types: TypesFrom<'a>,
    pub(crate) headers: Option<&'a PublicHeaders>,
    pub(crate) known: &'a [Suppression],
    pub(crate) accept_symbols: bool,
}

/// Where types are taken from.
#[derive(Clone, Copy)]
pub(crate) enum TypesFrom<'a> {
    /// The debug information of both providers: inside, beside, where a side says, and in these directories.
    DebugInformation(&'a [PathBuf]),
    /// They are not compared.
    Nowhere,
}

impl Work<'_> {
    /// All verdicts.
    pub(crate) fn judge(&self) -> Vec<Judged> {
        matched(self.old, self.new).iter().flat_map(|pair| self.judge_library(pair)).collect()
    }

    fn judge_library(&self, matched: &Matched<'_>) -> Vec<Judged> {
        let library = match matched.old.facts.soname() {
            Some(soname) => String::from_utf8_lossy(soname).into_owned(),
            None => matched.old.label.clone(),
        };
        let nobody = self.consumers.is_empty().then_some(None);
        let consumers: Vec<Option<usize>> = (0..self.consumers.len()).map(Some).chain(nobody).collect();
        let same_soname = matched.new.filter(|new| new.facts.soname() == matched.old.facts.soname());
        let new = same_soname.or_else(|| self.moved(matched.old)).or(matched.new);
        let is_same = new.is_some_and(|new| load_the_same(matched.old, new));
        let types = new.filter(|_| !is_same).and_then(|new| self.types(matched.old, new));
        let comparison = types.as_ref().map(|(old, new)| Comparison::new(old, new));
        let pair = new.map(|new| self.prepare((matched.old, new, is_same), comparison.as_ref()));
        let judge = |(): &mut (), at: &Option<usize>| {
            let consumer = at.map(|at| self.consumers[at]);
            let judgement = match &pair {
                Some(prepared) => prepared.judge(consumer, self),
                None => {
                    let consumer = consumer.map(|(_, binary)| &*binary.facts);
                    gone(&library, &matched.old.facts, consumer, self.unread(matched.old))
                }
            };
            Ok::<_, Infallible>(Judged { library: library.clone(), consumer: *at, judgement })
        };
        match parallel::map(&consumers, || (), judge) {
            Ok(judged) => judged,
            Err(never) => match never {},
        }
    }

    /// A library of that soname which the new provider does not have and the process has all the same.
    fn moved(&self, old: &Binary) -> Option<&Binary> {
        let soname = old.facts.soname()?;
        let [_, others] = self.others;
        let same =
            |binary: &&Binary| binary.facts.soname() == Some(soname) && binary.facts.platform() == old.facts.platform();
        others.iter().flat_map(|side| &side.binaries).find(same)
    }

    /// What may be the library and cannot be read: a file that was named, or one of that name before `.so`.
    fn unread(&self, old: &Binary) -> Option<&(String, String)> {
        let stem = |label: &str| {
            let name = label.rsplit('/').next().unwrap_or(label);
            name.split(".so").next().unwrap_or(name).to_owned()
        };
        self.new.unread.iter().find(|(label, _)| self.new.is_file || stem(label) == stem(&old.label))
    }

    /// The types of both sides, where both have any.
    fn types(&self, old: &Binary, new: &Binary) -> Option<(Interface, Interface)> {
        let debug = self.debug()?;
        if !debug.may_have(self.old, old) || !debug.may_have(self.new, new) {
            return None;
        }
        std::thread::scope(|scope| {
            let new = scope.spawn(|| debug.interface(self.new, new));
            let old = debug.interface(self.old, old);
            Some((old?, new.join().ok()??))
        })
    }

    fn debug(&self) -> Option<Debug<'_>> {
        match self.types {
            TypesFrom::DebugInformation(directories) => Some(Debug::in_directories(directories)),
            TypesFrom::Nowhere => None,
        }
    }

    /// What is the same for all consumers of a library.
    fn prepare<'a>(
        &self,
        (old, new, is_same): (&'a Binary, &'a Binary, bool),
        comparison: Option<&'a Comparison<'a>>,
    ) -> Prepared<'a> {
        let [before, after] = self.others;
        let libraries = |others: &[&Side], side: &Side| {
            let sides: Vec<&Side> = others.iter().copied().chain([side]).collect();
            Libraries::new(new.facts.platform(), &sides, self.places)
        };
        Prepared {
            pair: Pair::new(&old.facts, &new.facts),
            before: libraries(before, self.old),
            around: libraries(after, self.new),
            comparison,
            is_same,
            is_declared: self.is_declared(&new.facts),
        }
    }

    /// Whether both sides are versions of one package that promises this soname to others (`shlibs`).
    fn is_declared(&self, library: &Facts) -> bool {
        let (Some(old), Some(new)) = (&self.old.package, &self.new.package) else { return false };
        let promises = |package: &Package| {
            library.soname().is_some_and(|soname| promised(&package.shlibs, &String::from_utf8_lossy(soname)))
        };
        old.name == new.name && promises(old) && promises(new)
    }
}

/// One library in two versions, and what is around it.
struct Prepared<'a> {
    pair: Pair<'a>,
    before: Libraries,
    around: Libraries,
    comparison: Option<&'a Comparison<'a>>,
    is_same: bool,
    is_declared: bool,
}

impl Prepared<'_> {
    fn judge(&self, consumer: Option<(&Side, &Binary)>, work: &Work<'_>) -> Judgement {
        let seen = consumer.map(|(side, binary)| (side, &*binary.facts));
        let (before, around) = (self.before.seen_by(seen), self.around.seen_by(seen));
        let seen_types = consumer.filter(|_| self.comparison.is_some());
        let view = seen_types.and_then(|(side, binary)| work.debug()?.view(side, binary));
        let is_public = |name: &str| work.headers.is_some_and(|headers| headers.names.contains(name));
        let public = work.headers.is_some().then_some(&is_public as &dyn Fn(&str) -> bool);
        let types = self.comparison.map(|comparison| Seen { comparison, view: view.as_ref(), public });
        let options = Options {
            types: types.as_ref().map(|seen| seen as &dyn Types),
            headers: work.headers.map(|headers| (&headers.old, &headers.new)),
            before: &before,
            around: &around,
            suppress: work.known,
            is_same: self.is_same,
            is_declared: self.is_declared,
            accept_symbols: work.accept_symbols,
            ..Options::NONE
        };
        judge(consumer.map(|(_, binary)| &*binary.facts), &self.pair, &options)
    }
}

fn load_the_same(old: &Binary, new: &Binary) -> bool {
    old.bytes().zip(new.bytes()).is_some_and(|(old, new)| loads_the_same(&old, &new))
}

/// Whether a `shlibs` file has a line for the soname: `[type:] NAME VERSION DEPENDENCY…`, for `NAME.so.VERSION` or
/// `NAME-VERSION.so`. Source: deb-shlibs(5).
fn promised(shlibs: &str, soname: &str) -> bool {
    shlibs.lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| word.ends_with(':'));
        let (Some(name), Some(version)) = (words.next(), words.next()) else { return false };
        soname == format!("{name}.so.{version}") || soname == format!("{name}-{version}.so")
    })
}

/// The new side has nothing in the place of a library, unless it is what cannot be read.
fn gone(library: &str, old: &Facts, consumer: Option<&Facts>, unread: Option<&(String, String)>) -> Judgement {
    let needs = consumer.is_none_or(|facts| facts.needed().any(|needed| Some(needed) == old.soname()));
    let evidence = vec![Evidence::Symbols];
    let (verdict, evidence, effect, text) = match unread {
        _ if !needs => {
            (Verdict::Relink, evidence, Effect::Compatible, format!("{library} is gone, which it does not use"))
        }
        Some((label, why)) => {
            let text = format!("{library} is not found, and `{label}` cannot be read: {why}");
            (Verdict::Unknown, Vec::new(), Effect::Unclear, text)
        }
        None => (Verdict::Rebuild, evidence, Effect::Breaks, format!("{library} is gone")),
    };
    let reasons = vec![Change { effect, symbol: String::new(), text }];
    Judgement { verdict, evidence, reasons, is_used: needs }
}

/// What follows from several verdicts: the worst, with the evidence of those that say so, and all reasons, the worst first.
pub(crate) fn combine<'a>(judgements: impl Iterator<Item = &'a Judgement> + Clone) -> Judgement {
    let verdict = judgements.clone().map(|judgement| judgement.verdict).max().unwrap_or(Verdict::Unknown);
    let mut deciding = judgements.clone().filter(|judgement| judgement.verdict == verdict);
    let mut evidence = deciding.next().map(|judgement| judgement.evidence.clone()).unwrap_or_default();
    for judgement in deciding {
        // A `relink` rests on what all of them have; anything else on what any of them found.
        if verdict == Verdict::Relink {
            evidence.retain(|evidence| judgement.evidence.contains(evidence));
        } else {
            evidence.extend(&judgement.evidence);
        }
    }
    evidence.sort();
    evidence.dedup();
    let is_used = judgements.clone().any(|judgement| judgement.is_used);
    let mut reasons: Vec<Change> = judgements.flat_map(|judgement| judgement.reasons.iter().cloned()).collect();
    reasons.sort_by(|a, b| (b.effect, a).cmp(&(a.effect, b)));
    reasons.dedup();
    Judgement { verdict, evidence, reasons, is_used }
}

#[cfg(test)]
mod tests {
    use super::promised;

    #[test]
    fn promises_are_found_by_soname() {
        let shlibs = "libc 6 libc6 (>= 2.36)\nudeb: libz 1 zlib1g-udeb\nlibdb 5.3 libdb5.3\n";
        assert!(promised(shlibs, "libc.so.6") && promised(shlibs, "libdb-5.3.so") && promised(shlibs, "libz.so.1"));
        assert!(!promised(shlibs, "libc.so.7") && !promised(shlibs, "libdb.so") && !promised("", "libc.so.6"));
    }
}
