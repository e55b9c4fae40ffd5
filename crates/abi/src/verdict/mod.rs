//! The verdict: what may be done with a consumer when its provider changes, and on what evidence.
//!
//! A false `relink` is the worst that this crate can say. So a difference that breaks, found by any evidence, is
//! `rebuild`; evidence that should be there and is not, or says that it cannot tell, is `unknown`; and `relink` is only
//! said when nothing that could contradict it is left to look at:
//!
//! | seen | evidence that `relink` rests on |
//! |---|---|
//! | both providers load the same bytes | symbols, types |
//! | the types of both providers | symbols, types, and static for a consumer |
//! | no types, but its maintainer declared that it is compatible | symbols, declared, and static for a consumer |
//! | no types, and the caller says that symbols are enough | symbols, and static for a consumer |
//! | neither | `unknown`, resting on symbols |

mod copies;
mod headers;
mod seen;
mod suppress;

use foldhash::HashSet;

use crate::{
    Change, Effect,
    elf::{Facts, FileKind},
    headers::Headers,
    symbols::{Around, Finding, Known, Pair},
};
pub use seen::{Seen, exported};
pub use suppress::Suppression;

/// What may be done with a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It works with the new provider as it is.
    Relink,
    /// It cannot be told.
    Unknown,
    /// It has to be built again.
    Rebuild,
}

impl Verdict {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relink => "relink",
            Self::Unknown => "unknown",
            Self::Rebuild => "rebuild",
        }
    }
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// What a dynamic linker finds.
    Symbols,
    /// The types that are reached from those symbols.
    Types,
    /// The text of public headers.
    Headers,
    /// That no code of the provider is inside the consumer.
    Static,
    /// A promise of the provider's maintainer.
    Declared,
}

impl Evidence {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Symbols => "symbols",
            Self::Types => "types",
            Self::Headers => "headers",
            Self::Static => "static",
            Self::Declared => "declared",
        }
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What may be done.
    pub verdict: Verdict,
    /// What says so: for `rebuild`, what found the difference.
    pub evidence: Vec<Evidence>,
    /// All differences that count, the worst first.
    pub reasons: Vec<Change>,
    /// Whether the consumer was seen to use the provider, or to hold its code; true where no consumer was named.
    pub is_used: bool,
}

/// Compares the types of the two providers.
pub trait Types {
    /// The differences that somebody meets who uses the exports of the old provider of which `wanted` is true, by name
    /// and version node. Where the types of such an export are not known on both sides, that is a difference which is
    /// [`Effect::Unclear`].
    ///
    /// `copied` is true of variables that the consumer has a copy of.
    fn compare(&self, wanted: &Wanted<'_>, copied: &Wanted<'_>) -> Vec<Change>;

    /// Whether something of this name, with its scopes or without, is described completely on both sides: a class, an
    /// enumeration, a `typedef`, a function or a variable.
    fn describes(&self, name: &str) -> bool;
}

/// Whether an export of the old provider, with this name and version node, is used.
pub type Wanted<'a> = dyn Fn(&[u8], Option<&[u8]>) -> bool + 'a;

/// What is known besides the files' facts, and what is enough.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The types of both providers, if both have any.
    pub types: Option<&'a dyn Types>,
    /// The public headers of both providers, if both are there.
    pub headers: Option<(&'a Headers, &'a Headers)>,
    /// The other libraries of the process, as they were with the old provider.
    pub before: &'a dyn Around,
    /// The other libraries of the process, as they are with the new provider.
    pub around: &'a dyn Around,
    /// Names that the consumer looks up at run time, where that was declared.
    pub opened: &'a [&'a [u8]],
    /// Differences that somebody knows to be harmless.
    pub suppress: &'a [Suppression],
    /// Whether both providers load the same bytes ([`loads_the_same`](crate::elf::loads_the_same)).
    pub is_same: bool,
    /// Whether the maintainer of the new provider declared it compatible with the old one.
    pub is_declared: bool,
    /// Whether symbols are enough where there are no types.
    pub accept_symbols: bool,
}

impl Options<'_> {
    /// Nothing is known and nothing is enough.
    pub const NONE: Options<'static> = Options {
        types: None,
        headers: None,
        before: &crate::symbols::Nothing,
        around: &crate::symbols::Nothing,
        opened: &[],
        suppress: &[],
        is_same: false,
        is_declared: false,
        accept_symbols: false,
    };
}

/// Judges one consumer of the old provider; without one, whoever may use any of it.
pub fn judge(consumer: Option<&Facts>, pair: &Pair<'_>, options: &Options<'_>) -> Judgement {
    let judgement = judge_whole(consumer, pair, options);
    if consumer.into_iter().chain([pair.old, pair.new]).all(Facts::is_whole) {
        return judgement;
    }
    let reason = reason(Effect::Unclear, "the facts that were kept of it are damaged");
    Judgement::new(Verdict::Unknown, [Evidence::Symbols], vec![reason])
}

/// Judges from facts that are whole.
fn judge_whole(consumer: Option<&Facts>, pair: &Pair<'_>, options: &Options<'_>) -> Judgement {
    if options.is_same {
        let reason = reason(Effect::Compatible, "both versions load the same bytes");
        return Judgement::new(Verdict::Relink, [Evidence::Symbols, Evidence::Types], vec![reason]);
    }
    let copies = copies::find(consumer, pair.old);
    let opens = |consumer| !options.opened.is_empty() || pair.is_opened_by(consumer);
    let is_used = consumer.is_none_or(|consumer| pair.is_linked_to(consumer) || opens(consumer));
    if let Some(consumer) = consumer.filter(|_| !is_used && copies.is_empty()) {
        return unrelated(consumer);
    }
    if !is_used {
        return weigh(true, Found { copies, ..Found::default() }, options);
    }
    let known = Known { before: options.before, around: options.around, opened: options.opened };
    let findings = pair.compare(consumer, &known);
    let types = options.types.map(|types| compare_types(consumer, pair, types, options.opened));
    let headers = options.headers.map(|headers| {
        let used = consumer.map(|consumer| pair.used(consumer, options.opened).into_iter().map(|(name, _)| name));
        headers::find(headers, options.types, used)
    });
    weigh(consumer.is_some(), Found { findings, types, headers, copies }, options)
}

impl Judgement {
    fn new(verdict: Verdict, evidence: impl IntoIterator<Item = Evidence>, mut reasons: Vec<Change>) -> Self {
        reasons.sort_by(|a, b| (b.effect, a).cmp(&(a.effect, b)));
        reasons.dedup();
        Self { verdict, evidence: evidence.into_iter().collect(), reasons, is_used: true }
    }
}

fn reason(effect: Effect, text: &str) -> Change {
    Change { effect, symbol: String::new(), text: text.to_owned() }
}

/// A consumer that neither asks for the provider nor has anything of it.
fn unrelated(consumer: &Facts) -> Judgement {
    if consumer.imports_any(&[b"dlopen", b"dlmopen"]) {
        let reason = reason(Effect::Unclear, "the consumer opens libraries by names that it does not tell (dlopen)");
        let judgement = Judgement::new(Verdict::Unknown, [Evidence::Symbols, Evidence::Static], vec![reason]);
        return Judgement { is_used: false, ..judgement };
    }
    let reason = reason(Effect::Compatible, "the consumer does not use it");
    let judgement = Judgement::new(Verdict::Relink, [Evidence::Symbols, Evidence::Static], vec![reason]);
    Judgement { is_used: false, ..judgement }
}

fn compare_types(consumer: Option<&Facts>, pair: &Pair<'_>, types: &dyn Types, opened: &[&[u8]]) -> Vec<Change> {
    match consumer {
        None => types.compare(&|_, _| true, &|_, _| true),
        Some(consumer) => {
            let used = pair.used(consumer, opened);
            let copied: HashSet<&[u8]> = consumer
                .imports()
                .iter()
                .filter(|import| import.is_copied())
                .map(|import| consumer.name(import))
                .collect();
            types.compare(&|name, version| used.contains(&(name, version)), &|name, _| copied.contains(name))
        }
    }
}

/// All differences, by the evidence that shows them.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    types: Option<Vec<Change>>,
    headers: Option<Vec<Change>>,
    copies: Vec<Change>,
}

fn weigh(has_consumer: bool, found: Found, options: &Options<'_>) -> Judgement {
    let Found { findings, types, headers, copies } = found;
    // Where the types were seen, what symbols only hint at is settled.
    let settled = types.is_some();
    let settle = |mut finding: Finding| {
        if settled && finding.is_elsewhere && finding.change.effect == Effect::Compatible {
            finding.change.effect = Effect::Unclear;
            finding.change.text.push_str(", where its type was not compared");
        }
        finding.change
    };
    let findings = findings.into_iter().filter(|finding| !(finding.is_hint && settled));
    let forgive = |change| suppress::apply(options.suppress, change);
    let symbols: Vec<Change> = findings.map(settle).map(forgive).collect();
    let forgiven = |changes: Option<Vec<Change>>| changes.map(|all| all.into_iter().map(forgive).collect::<Vec<_>>());
    let (types, headers) = (forgiven(types), forgiven(headers));
    let worst = |changes: &[Change]| changes.iter().map(|change| change.effect).max().unwrap_or(Effect::Compatible);
    let found = [
        (Evidence::Symbols, worst(&symbols)),
        (Evidence::Types, types.as_deref().map_or(Effect::Compatible, worst)),
        (Evidence::Headers, headers.as_deref().map_or(Effect::Compatible, worst)),
        (Evidence::Static, worst(&copies)),
    ];
    let of_headers = headers.is_some().then_some(Evidence::Headers);
    let seen = types.into_iter().chain(headers).flatten();
    let mut reasons: Vec<Change> = symbols.into_iter().chain(seen).chain(copies).collect();
    let that_say = |effect| found.iter().filter(move |(_, worst)| *worst == effect).map(|(evidence, _)| *evidence);
    if that_say(Effect::Breaks).next().is_some() {
        return Judgement::new(Verdict::Rebuild, that_say(Effect::Breaks), reasons);
    }
    let rest = || of_headers.into_iter().chain(has_consumer.then_some(Evidence::Static));
    if that_say(Effect::Unclear).next().is_some() {
        let seen = [Evidence::Symbols].into_iter().chain(settled.then_some(Evidence::Types)).chain(rest());
        return Judgement::new(Verdict::Unknown, seen, reasons);
    }
    let symbols_and = |more: Option<Evidence>| [Evidence::Symbols].into_iter().chain(more).chain(rest());
    if settled {
        return Judgement::new(Verdict::Relink, symbols_and(Some(Evidence::Types)), reasons);
    }
    if options.is_declared {
        let evidence = symbols_and(None).chain([Evidence::Declared]);
        return Judgement::new(Verdict::Relink, evidence, reasons);
    }
    if options.accept_symbols {
        return Judgement::new(Verdict::Relink, symbols_and(None), reasons);
    }
    reasons.push(reason(Effect::Unclear, "it rests on symbols alone: the types cannot be seen on both sides"));
    Judgement::new(Verdict::Unknown, [Evidence::Symbols], reasons)
}

/// Whether the provider's code is copied into whoever uses it.
fn is_copied_in(provider: &Facts) -> bool {
    matches!(provider.kind(), FileKind::Archive | FileKind::Relocatable)
}
