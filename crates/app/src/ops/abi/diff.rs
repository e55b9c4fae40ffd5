//! Verdicts for the consumers of an old provider when a new one takes its place.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

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
    side::{Binary, Finder, Keep, Package, Side},
    suppress,
    types::{Debug, PublicHeaders},
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::timings::Timings,
};

/// What is to be compared.
pub(crate) struct Request<'a> {
    pub(crate) old: &'a Path,
    pub(crate) new: &'a Path,
    pub(crate) consumers: &'a [PathBuf],
    /// Whether everything in the store that needs the old provider is a consumer, too.
    pub(crate) everybody: bool,
    /// Other libraries of the process.
    pub(crate) with: &'a [PathBuf],
    /// Where debug information is.
    pub(crate) debug: &'a [PathBuf],
    /// The directories of the public headers of both sides.
    pub(crate) headers: Option<(&'a Path, &'a Path)>,
    pub(crate) accept_symbols: bool,
    pub(crate) suppress: Option<&'a Path>,
}

/// The verdict for one library and one consumer.
pub(crate) struct Judged {
    /// The library's soname, or where it is.
    pub(crate) library: String,
    /// The consumer, if one was named.
    pub(crate) consumer: Option<String>,
    pub(crate) judgement: Judgement,
}

/// All verdicts, and what follows from them.
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) evidence: Vec<Evidence>,
    /// All that counts, the worst first.
    pub(crate) reasons: Vec<Change>,
    pub(crate) judged: Vec<Judged>,
    pub(crate) timings: Timings,
}

/// Compares and judges.
pub(crate) fn diff(host: &Host, request: &Request<'_>) -> Outcome<Report> {
    let known = request.suppress.map(suppress::read).transpose()?.unwrap_or_default();
    let finder = Finder::new(host);
    let (old, new) = (finder.side(request.old, Keep::Bytes)?, finder.side(request.new, Keep::Bytes)?);
    let read_all = |names: &[PathBuf]| names.iter().map(|name| finder.side(name, Keep::Facts)).collect::<Outcome<_>>();
    let (mut consumers, with): (Vec<Side>, Vec<Side>) = (read_all(request.consumers)?, read_all(request.with)?);
    let mut timings = Timings::default();
    if request.everybody {
        consumers.extend(timings.measure("facts", || finder.consumers_of(&old))?);
    }
    let places = finder.libraries();
    let mut judged: Vec<Judged> = [&old, &new].into_iter().chain(&consumers).flat_map(unread).collect();
    let pairs = matched(&old, &new);
    if pairs.is_empty() && judged.is_empty() {
        let message = format!("`{}` holds no library to be compared", request.old.display());
        return Err(Failure::new(message).hint("name a shared object, an archive, a .deb file or a directory"));
    }
    let headers = request.headers.map(|(old, new)| PublicHeaders::read(old, new)).transpose()?;
    let headers = headers.as_ref();
    let (consumers, with) = (&consumers, &with);
    let work = Work { request, old: &old, new: &new, consumers, with, places: &places, headers, known: &known };
    for pair in &pairs {
        timings.measure("verdicts", || work.judge(pair, &mut judged))?;
    }
    if pairs.len() > 1 {
        drop_unused(&mut judged);
    }
    Ok(sum_up(judged, timings))
}

/// Files that cannot be read are no argument for anything.
fn unread(side: &Side) -> impl Iterator<Item = Judged> + '_ {
    side.unread.iter().map(|(label, why)| {
        let change =
            Change { effect: Effect::Unclear, symbol: String::new(), text: format!("`{label}` cannot be read: {why}") };
        let judgement =
            Judgement { verdict: Verdict::Unknown, evidence: Vec::new(), reasons: vec![change], is_used: true };
        Judged { library: label.clone(), consumer: None, judgement }
    })
}

struct Work<'a> {
    request: &'a Request<'a>,
    old: &'a Side,
    new: &'a Side,
    consumers: &'a [Side],
    with: &'a [Side],
    /// Where else libraries are, before those of this host.
    places: &'a [PathBuf],
    headers: Option<&'a PublicHeaders>,
    known: &'a [Suppression],
}

impl Work<'_> {
    fn judge(&self, matched: &Matched<'_>, judged: &mut Vec<Judged>) -> Outcome<()> {
        let library = match matched.old.facts.soname() {
            Some(soname) => String::from_utf8_lossy(soname).into_owned(),
            None => matched.old.label.clone(),
        };
        let of_side = |side| side_consumers(side).map(Some);
        let nobody = (self.consumers.is_empty() && !self.request.everybody).then_some(None);
        let consumers = self.consumers.iter().flat_map(of_side).chain(nobody);
        let is_same = matched.new.is_some_and(|new| load_the_same(matched.old, new));
        let types = matched.new.filter(|_| !is_same).and_then(|new| self.types(matched.old, new));
        let comparison = types.as_ref().map(|(old, new)| Comparison::new(old, new));
        let pair = matched.new.map(|new| self.prepare((matched.old, new, is_same), comparison.as_ref()));
        let judge = |(): &mut (), consumer: &Option<(&Side, &Binary)>| {
            let facts = consumer.map(|(_, binary)| &*binary.facts);
            let judgement = match &pair {
                Some(prepared) => prepared.judge(*consumer, self),
                None => gone(&library, &matched.old.facts, facts),
            };
            let consumer = consumer.map(|(_, binary)| binary.label.clone());
            Ok::<_, Failure>(Judged { library: library.clone(), consumer, judgement })
        };
        judged.extend(parallel::map(&consumers.collect::<Vec<_>>(), || (), judge)?);
        Ok(())
    }

    /// The types of both sides, where both have any.
    fn types(&self, old: &Binary, new: &Binary) -> Option<(Interface, Interface)> {
        let debug = Debug::in_directories(self.request.debug);
        if !debug.may_have(self.old, old) || !debug.may_have(self.new, new) {
            return None;
        }
        std::thread::scope(|scope| {
            let new = scope.spawn(|| debug.interface(self.new, new));
            let old = debug.interface(self.old, old);
            Some((old?, new.join().ok()??))
        })
    }

    /// What is the same for all consumers of a library.
    fn prepare<'a>(
        &self,
        (old, new, is_same): (&'a Binary, &'a Binary, bool),
        comparison: Option<&'a Comparison<'a>>,
    ) -> Prepared<'a> {
        let others = |side| {
            let sides: Vec<&Side> = self.with.iter().chain([side]).collect();
            Libraries::new(new.facts.platform(), &sides, self.places)
        };
        Prepared {
            pair: Pair::new(&old.facts, &new.facts),
            before: others(self.old),
            around: others(self.new),
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
        let debug = Debug::in_directories(work.request.debug);
        let view = consumer.filter(|_| self.comparison.is_some()).and_then(|(side, binary)| debug.view(side, binary));
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
            accept_symbols: work.request.accept_symbols,
            ..Options::NONE
        };
        judge(consumer.map(|(_, binary)| &*binary.facts), &self.pair, &options)
    }
}

fn side_consumers(side: &Side) -> impl Iterator<Item = (&Side, &Binary)> {
    side.binaries.iter().map(move |binary| (side, binary))
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

/// The new side has nothing in the place of a library.
fn gone(library: &str, old: &Facts, consumer: Option<&Facts>) -> Judgement {
    let needs = consumer.is_none_or(|facts| facts.needed().any(|needed| Some(needed) == old.soname()));
    let (verdict, effect) =
        if needs { (Verdict::Rebuild, Effect::Breaks) } else { (Verdict::Relink, Effect::Compatible) };
    let text = if needs { format!("{library} is gone") } else { format!("{library} is gone, which it does not use") };
    let reasons = vec![Change { effect, symbol: String::new(), text }];
    Judgement { verdict, evidence: vec![Evidence::Symbols], reasons, is_used: needs }
}

/// Of several libraries, those that a consumer does not use are not worth a word; unless it uses none.
fn drop_unused(judged: &mut Vec<Judged>) {
    let used = judged.iter().filter(|judged| judged.judgement.is_used);
    let users: HashSet<Option<String>> = used.map(|judged| judged.consumer.clone()).collect();
    let mut kept = HashSet::new();
    judged.retain(|judged| {
        judged.judgement.is_used || !users.contains(&judged.consumer) && kept.insert(judged.consumer.clone())
    });
}

fn sum_up(judged: Vec<Judged>, timings: Timings) -> Report {
    let verdict = judged.iter().map(|judged| judged.judgement.verdict).max().unwrap_or(Verdict::Unknown);
    let mut deciding = judged.iter().map(|judged| &judged.judgement).filter(|judgement| judgement.verdict == verdict);
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
    let mut reasons: Vec<Change> = judged.iter().flat_map(|judged| judged.judgement.reasons.iter().cloned()).collect();
    reasons.sort_by(|a, b| (b.effect, a).cmp(&(a.effect, b)));
    reasons.dedup();
    Report { verdict, evidence, reasons, judged, timings }
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
