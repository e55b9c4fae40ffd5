//! A distribution's packages in a view: which the solver chooses.

use aleph_component::Digest;
use aleph_exchange::apt::{
    index::{Candidate, PreparedIndex},
    solve::{self, Kept, Solution, Upgrade, VersionChoice, Want},
};
use aleph_link::Moves;
use aleph_store::Store;
use aleph_view::{Pin, Pinned, Request};

use super::{
    change::Wish,
    local,
    native::{self, moves_of},
    plan::{Chosen, Plan},
    sources,
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::Printer,
};

/// Says that `/bin` and its kin are links into `/usr`.
const USR_IS_MERGED: &str = "usr-is-merged";

/// What the solver finds around it.
pub(super) struct Around<'a> {
    pub(super) host: &'a Host,
    pub(super) printer: &'a Printer,
    pub(super) store: Option<&'a Store>,
    pub(super) architectures: sources::Architectures,
    pub(super) offers: &'a sources::Offers,
}

/// Chooses the packages that are not native, and says what of them stays although there is something newer. `held` and
/// `locals` are what the view has and what was named as files.
pub(super) fn choose(
    around: &Around<'_>,
    plan: &Plan,
    wish: &Wish,
    from: (&[&Pinned], &[local::Local]),
) -> Outcome<(Vec<Chosen>, Vec<native::Kept>)> {
    let (chosen, mut kept) = unpinned(around, plan, wish, from)?;
    kept.extend(held_by_request(&around.offers.index, &plan.requested, &moves_of(&wish.upgrade)));
    Ok((chosen, kept))
}

/// What the solver chooses, without what failed a check in this view before.
fn unpinned(
    around: &Around<'_>,
    plan: &Plan,
    wish: &Wish,
    (held, locals): (&[&Pinned], &[local::Local]),
) -> Outcome<(Vec<Chosen>, Vec<native::Kept>)> {
    let mut upgrade = wish.upgrade.clone();
    let mut kept: Vec<native::Kept> = Vec::new();
    loop {
        let chosen = solved(around, plan, (wish, &upgrade), (held, locals))?;
        let shared = plan.policy.pins.iter().filter(|pin| pin.consumer.is_none());
        let is_taken = |pin: &&Pin| {
            chosen.iter().any(|one| (&one.name, &one.version) == (&pin.provider, &pin.instead_of.version))
                && held.iter().any(|one| (&one.name, &one.version) == (&pin.provider, &pin.keeps.version))
                && !kept.iter().any(|known| known.provider == pin.provider)
        };
        let taken: Vec<&Pin> = shared.filter(is_taken).collect();
        if taken.is_empty() || upgrade == Upgrade::None {
            return Ok((chosen, kept));
        }
        let is_pinned = |name: &String| taken.iter().any(|pin| pin.provider == *name);
        let mut names: Vec<String> = match upgrade {
            Upgrade::Names(names) => names,
            _ => held.iter().map(|pinned| pinned.name.clone()).collect(),
        };
        names.retain(|name| !is_pinned(name) && !kept.iter().any(|kept| kept.provider == *name));
        upgrade = Upgrade::Names(names);
        kept.extend(taken.into_iter().map(|pin| native::Kept {
            consumer: None,
            provider: pin.provider.clone(),
            keeps: pin.keeps.version.clone(),
            instead_of: pin.instead_of.version.clone(),
            is_forbidden: false,
            why: format!("with it the check `{}` failed", pin.check),
        }));
    }
}

fn solved(
    around: &Around<'_>,
    plan: &Plan,
    (wish, upgrade): (&Wish, &Upgrade),
    (held, locals): (&[&Pinned], &[local::Local]),
) -> Outcome<Vec<Chosen>> {
    let &Around { host, printer, store, ref architectures, offers } = around;
    let index = &offers.index;
    // A file takes the place of what has the same name and version: it may have been built again.
    let held: Vec<&Pinned> =
        held.iter().copied().filter(|pinned| !locals.iter().any(|local| local.is(pinned))).collect();
    let mut keep = held.iter().map(|pinned| kept(store, index, pinned)).collect::<Outcome<Vec<Kept>>>()?;
    keep.extend(locals.iter().map(local::Local::kept));
    let mut request = solve::Request::new(architectures.native.clone());
    request.foreign = architectures.foreign.clone();
    let foreign = plan.requested.iter().filter(|request| request.native().is_none());
    request.wanted = foreign.map(want).collect::<Outcome<_>>()?;
    let is_held = |name: &String| held.iter().any(|pinned| pinned.name == *name);
    for (name, version) in wish.at.iter().filter(|(name, _)| is_held(name)) {
        request.wanted.retain(|want| want.name != *name);
        let version = VersionChoice::Exact(version.clone());
        request.wanted.push(Want { version, ..Want::named(name) });
    }
    // A view's tree is composed with a merged /usr, so nothing has to merge it: of the two packages that say so, the
    // one without programs will do.
    if index.candidates(USR_IS_MERGED).next().is_some() {
        request.wanted.push(Want::named(USR_IS_MERGED));
    }
    request.keep = keep;
    request.upgrade = upgrade.clone();
    request.recommends = wish.recommends || plan.project.as_ref().is_some_and(|project| project.recommends);
    request.essential = true;
    let pins = offers.pins(printer);
    request.pins = Some(&pins);
    let solution = solve::solve(index, &request).map_err(|error| unsolvable(host, printer, error))?;
    let mut chosen = chosen(&solution, &held, locals, offers)?;
    // What the solver was asked for besides is not what somebody asked for.
    let besides = wish.at.iter().map(|(name, _)| name.as_str()).chain([USR_IS_MERGED]);
    for name in besides.filter(|name| !plan.requested.iter().any(|request| request.name() == *name)) {
        chosen.iter_mut().filter(|chosen| chosen.name == name).for_each(|chosen| chosen.requested = false);
    }
    Ok(chosen)
}

/// What the view holds, as the solver wants to know it.
fn kept(store: Option<&Store>, index: &PreparedIndex, pinned: &Pinned) -> Outcome<Kept> {
    let Pinned { name, version, architecture, archive, .. } = pinned.clone();
    // What a source offers, the index knows; a lock file may hold what this store does not.
    let offered = index.candidates(&name).any(|candidate| candidate.sha256() == Some(archive));
    let stanza = match store.filter(|_| !offered) {
        Some(store) => match store.component_of_archive(&archive)? {
            Some(id) => local::control_text(store, &id)?,
            None => None,
        },
        None => None,
    };
    let slots = pinned.slots.keys().cloned().collect();
    Ok(Kept { name, version, architecture, stanza, archive: Some(archive), slots })
}

/// The solution as a plan has it. `held` and `locals` are what the solver was told to keep, in this order.
fn chosen(
    solution: &Solution<'_>,
    held: &[&Pinned],
    locals: &[local::Local],
    offers: &sources::Offers,
) -> Outcome<Vec<Chosen>> {
    let one = |package: &solve::Chosen<'_>| {
        let pinned = package.kept.and_then(|at| held.get(at));
        let local = package.kept.and_then(|at| locals.get(at.checked_sub(held.len())?));
        let candidate = package.candidate.as_ref();
        let (archive, size, file) = match (pinned, local, candidate) {
            (Some(pinned), ..) => (pinned.archive, pinned.size, pinned.file.clone()),
            (_, Some(local), _) => local.archive(),
            (_, _, Some(candidate)) => offer(candidate)?,
            _ => return Err(Failure::new(format!("nobody has {} {}", package.name, package.version))),
        };
        Ok(Chosen {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            architecture: package.architecture.to_owned(),
            archive,
            size,
            file,
            uri: candidate.and_then(|candidate| candidate.uri()),
            named: local.is_some(),
            source: match (local, candidate) {
                (Some(local), _) => local.source(),
                (_, candidate) => candidate.map(sources::describe).unwrap_or_default(),
            },
            vouched_by: candidate.filter(|_| local.is_none()).and_then(|candidate| offers.vouched_by(candidate)),
            requested: package.requested,
            kept_for: None,
            slots: package.slots.clone(),
        })
    };
    solution.packages.iter().map(one).collect()
}

/// Digest, length and path of the archive that a source offers.
fn offer(candidate: &Candidate<'_>) -> Outcome<(Digest, u64, String)> {
    let missing = |field: &str| {
        let (name, version) = (candidate.name(), candidate.version());
        Failure::new(format!("{} says of {name} {version} no valid {field}", sources::describe(candidate)))
            .hint("an archive is only taken if its source's index has its Filename, Size and SHA256")
    };
    let archive = candidate.sha256().ok_or_else(|| missing("SHA256"))?;
    let size = candidate.size().ok_or_else(|| missing("Size"))?;
    let file = candidate.filename().ok_or_else(|| missing("Filename"))?;
    Ok((archive, size, file.to_owned()))
}

/// Reads `NAME[:ARCHITECTURE][=VERSION][/SUITE]`.
fn want(request: &Request) -> Outcome<Want> {
    let (rest, suite) = match request.0.rsplit_once('/') {
        Some((rest, suite)) => (rest, Some(suite.to_owned())),
        None => (request.0.as_str(), None),
    };
    let (rest, version) = match rest.split_once('=') {
        Some((rest, version)) => (rest, VersionChoice::Exact(version.to_owned())),
        None => (rest, VersionChoice::Any),
    };
    let (name, architecture) = match rest.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture.to_owned())),
        None => (rest, None),
    };
    if !aleph_exchange::deb::is_package_name(name) {
        return Err(Failure::new(format!("`{}` is not a package's name", request.0)).with_code(2));
    }
    Ok(Want { name: name.to_owned(), architecture, version, suite })
}

fn unsolvable(host: &Host, printer: &Printer, error: solve::Unsolvable) -> Failure {
    let failure = Failure::from(error);
    match sources::is_empty(host, printer) {
        Ok(true) => failure.hint("this host has no apt sources; --sources FILE names a file with some"),
        _ => failure,
    }
}

/// What stays at a version because that is asked for, although the sources offer a newer one.
fn held_by_request(index: &PreparedIndex, requested: &[Request], moves: &Moves) -> Vec<native::Kept> {
    let newest = |name: &str| {
        let versions = index.candidates(name).map(|candidate| candidate.version().to_owned());
        versions.reduce(|a, b| if native::newer(&a, &b).is_le() { a } else { b })
    };
    let one = |request: &Request| {
        let (name, (_, version)) = (request.name(), request.0.split_once('=')?);
        let newest = newest(name).filter(|newest| moves.moves(name) && native::newer(newest, version).is_lt())?;
        Some(native::Kept {
            consumer: None,
            provider: name.to_owned(),
            keeps: version.to_owned(),
            instead_of: newest,
            is_forbidden: false,
            why: format!("you asked for {}", request.0),
        })
    };
    requested.iter().filter(|request| request.native().is_none()).filter_map(one).collect()
}
