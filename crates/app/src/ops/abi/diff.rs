//! Two versions of a provider compared, for consumers that are named or in the store.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use aleph_abi::{Change, Effect, Judgement, Verdict};

use super::{
    around::library_directories,
    judging::{TypesFrom, Work, combine},
    pairs::matched,
    side::{Binary, Finder, Keep, Side},
    suppress,
    types::PublicHeaders,
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
    pub(crate) overall: Judgement,
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
    let mut judged: Vec<Judged> = [&old, &new].into_iter().chain(&consumers).flat_map(unread).collect();
    let libraries = matched(&old, &new).len();
    if libraries == 0 && judged.is_empty() {
        let message = format!("`{}` holds no library to be compared", request.old.display());
        return Err(Failure::new(message).hint("name a shared object, an archive, a .deb file or a directory"));
    }
    let headers = request.headers.map(|(old, new)| PublicHeaders::read(old, new)).transpose()?;
    let consumers: Vec<(&Side, &Binary)> = consumers.iter().flat_map(Side::consumers).collect();
    let with: Vec<&Side> = with.iter().collect();
    let places: Vec<PathBuf> = finder.libraries().into_iter().chain(library_directories(Path::new("/"))).collect();
    let work = Work {
        old: &old,
        new: &new,
        consumers: &consumers,
        others: [&with, &with],
        places: &places,
        types: TypesFrom::DebugInformation(request.debug),
        headers: headers.as_ref(),
        known: &known,
        accept_symbols: request.accept_symbols,
    };
    // Where nobody is concerned there is nothing to say.
    if !request.everybody || !consumers.is_empty() {
        let named = |index: usize| consumers[index].1.label.clone();
        judged.extend(timings.measure("verdicts", || work.judge()).into_iter().map(|one| Judged {
            library: one.library,
            consumer: one.consumer.map(named),
            judgement: one.judgement,
        }));
    }
    if libraries > 1 {
        drop_unused(&mut judged);
    }
    let overall = combine(judged.iter().map(|judged| &judged.judgement));
    Ok(Report { overall, judged, timings })
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

/// Of several libraries, those that a consumer does not use are not worth a word; unless it uses none.
fn drop_unused(judged: &mut Vec<Judged>) {
    let used = judged.iter().filter(|judged| judged.judgement.is_used);
    let users: HashSet<Option<String>> = used.map(|judged| judged.consumer.clone()).collect();
    let mut kept = HashSet::new();
    judged.retain(|judged| {
        judged.judgement.is_used || !users.contains(&judged.consumer) && kept.insert(judged.consumer.clone())
    });
}
