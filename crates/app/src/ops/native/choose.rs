//! Which native components a view has: the newest that works for each, and what does not is kept by who needs it.

use std::collections::BTreeMap;

use aleph_abi::{Change, Effect, Judgement, Verdict};
use aleph_component::{ComponentId, Digest, Manifest};
use aleph_exchange::apt::solve::Upgrade;
use aleph_link::{Asked, Candidate, ChooseError, Hold, Member, Moves, Offers as _, choose};
use aleph_view::{Generation, Pinned, Policy, Request};
use serde::Serialize;

use super::{
    Natives,
    bindings::{Before, Moved, moved},
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    ops::plan::Chosen,
};

/// What a choice is made for.
pub(crate) struct Around<'a> {
    pub(crate) before: Option<&'a Generation>,
    pub(crate) policy: &'a Policy,
    /// Bindings that stay, whatever is newer.
    pub(crate) holds: &'a [Hold],
    /// The versions that some move to.
    pub(crate) at: &'a [(String, String)],
    /// Whether bindings are taken that would not work.
    pub(crate) accept_breaks: bool,
}

/// A choice.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) members: Vec<Member>,
    /// The bindings that move and are used, with what may be done.
    pub(crate) judged: Vec<(Moved, Judgement)>,
    pub(crate) kept: Vec<Kept>,
}

/// A binding that stays although there is something newer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    /// Whose; nobody's if it is the whole view that keeps something.
    pub(crate) consumer: Option<String>,
    pub(crate) provider: String,
    pub(crate) keeps: String,
    pub(crate) instead_of: String,
    /// Whether a verdict forbids it, rather than a check that failed.
    pub(crate) is_forbidden: bool,
    pub(crate) why: String,
}

/// Judges bindings that move, in their order. `None`: the consumer does not use it.
pub(crate) type Judge<'a> = dyn Fn(&mut Natives<'_>, &[Member], &[Moved]) -> Outcome<Vec<Option<Judgement>>> + 'a;

/// Chooses the native components of a view. Where a verdict forbids a binding, its consumer keeps what it has, or was made
/// with, for itself alone, unless the policy says that all stay together.
pub(crate) fn settle(
    natives: &mut Natives<'_>,
    requested: &[Request],
    held: &[&Pinned],
    upgrade: &Upgrade,
    around: &Around<'_>,
    judge: &Judge<'_>,
) -> Outcome<Settled> {
    let wanted: Vec<(String, Option<String>)> = requested
        .iter()
        .filter_map(Request::native)
        .map(|(name, version)| (name.to_owned(), version.map(str::to_owned)))
        .collect();
    let plain = held.iter().filter(|pinned| pinned.kept_for.is_none());
    let held: BTreeMap<String, ComponentId> = plain.map(|pinned| (pinned.name.clone(), pinned.component)).collect();
    let moves = moves_of(upgrade);
    let before = Before::new(around.before);
    let mut holds = around.holds.to_vec();
    let mut kept = held_by_request(natives, &wanted, &moves);
    loop {
        let asked = Asked { wanted: &wanted, held: &held, moves: &moves, at: around.at, holds: &holds };
        let members = match choose(natives, &asked) {
            Ok(members) => members,
            Err(ChooseError::Blocked(blocked)) if !around.accept_breaks && !around.policy.together => {
                let member = Member {
                    candidate: blocked.consumer.clone(),
                    requested: false,
                    kept_for: None,
                    slots: BTreeMap::new(),
                };
                let moved = Moved {
                    consumer: 0,
                    slot: blocked.provider.name.clone(),
                    old: None,
                    new: blocked.provider,
                    libraries: Vec::new(),
                };
                let keeps = keeps(natives, &member, &moved, &before)?;
                let why = format!("it cannot be linked to {} {}: {}", moved.slot, moved.new.version, blocked.why);
                let refused = || rebuild(&blocked.consumer, &moved.new, &blocked.why.to_string());
                let one = keep(&mut holds, &member, &moved, keeps, (true, why)).ok_or_else(refused)?;
                kept.push(one);
                continue;
            }
            Err(error) => return Err(failure(natives, error, &kept)),
        };
        if pin(natives, &members, around.policy, &mut holds, &mut kept) {
            continue;
        }
        let moved = moved(natives, &members, &before)?;
        let judged = judge(natives, &members, &moved)?;
        let judged: Vec<(Moved, Judgement)> =
            moved.into_iter().zip(judged).filter_map(|(moved, judgement)| Some((moved, judgement?))).collect();
        let forbidden = |(_, judgement): &&(Moved, Judgement)| judgement.verdict != Verdict::Relink;
        let blocked: Vec<(Moved, Judgement)> =
            judged.iter().filter(|_| !around.accept_breaks).filter(forbidden).cloned().collect();
        if blocked.is_empty() {
            return Ok(Settled { members, judged, kept });
        }
        if around.policy.together {
            return Err(refusal(&members, &blocked, &[]));
        }
        for (moved, judgement) in &blocked {
            let member = &members[moved.consumer];
            let keeps = keeps(natives, member, moved, &before)?;
            let why = (true, reason(judgement));
            let one = keep(&mut holds, member, moved, keeps, why);
            kept.push(one.ok_or_else(|| refusal(&members, &blocked, &kept))?);
        }
    }
}

/// What moves on in an update.
pub(crate) fn moves_of(upgrade: &Upgrade) -> Moves {
    match upgrade {
        Upgrade::None => Moves::None,
        Upgrade::All => Moves::All,
        Upgrade::Names(names) => Moves::Names(names.clone()),
    }
}

/// What stays at a version because that is asked for, although the store has a newer one.
fn held_by_request(natives: &Natives<'_>, wanted: &[(String, Option<String>)], moves: &Moves) -> Vec<Kept> {
    let one = |(name, version): &(String, Option<String>)| {
        let version = version.as_ref().filter(|_| moves.moves(name))?;
        let newest = natives.newest(name).filter(|newest| newest.version != *version)?;
        Some(Kept {
            consumer: None,
            provider: name.clone(),
            keeps: version.clone(),
            instead_of: newest.version,
            is_forbidden: false,
            why: format!("you asked for {}{name}={version}", Request::STORE),
        })
    };
    wanted.iter().filter_map(one).collect()
}

/// What a consumer keeps instead: what the view has there, or else what it was made with.
fn keeps(natives: &mut Natives<'_>, member: &Member, moved: &Moved, before: &Before<'_>) -> Outcome<Option<Candidate>> {
    let made_with = natives.native(&member.candidate)?.slots.get(&moved.slot).and_then(|slot| slot.built_with);
    let other = |id: &ComponentId| *id != moved.new.id;
    let offered = |id: Option<ComponentId>| id.filter(other).and_then(|id| natives.with_id(&moved.slot, &id));
    Ok(offered(before.bound(member, &moved.slot)).or_else(|| offered(made_with)))
}

/// Holds a binding. Nothing if there is nothing to keep, or it was held already and to no avail.
fn keep(
    holds: &mut Vec<Hold>,
    member: &Member,
    moved: &Moved,
    keeps: Option<Candidate>,
    (is_forbidden, why): (bool, String),
) -> Option<Kept> {
    let keeps = keeps?;
    let consumer = member.candidate.name.clone();
    let hold = Hold { consumer: consumer.clone(), slot: moved.slot.clone(), provider: keeps.id };
    if holds.iter().any(|known| (&known.consumer, &known.slot) == (&hold.consumer, &hold.slot)) {
        return None;
    }
    holds.push(hold);
    let (provider, mut instead_of) = (keeps.name, moved.new.version.clone());
    // Of two builds of one version that says nothing.
    if keeps.version == instead_of {
        instead_of = format!("another build of it, {}", &moved.new.id.to_string()[..8]);
    }
    Some(Kept { consumer: Some(consumer), provider, keeps: keeps.version, instead_of, is_forbidden, why })
}

/// Holds what failed a check before, as long as there is nothing else to try. Says whether that changed anything.
fn pin(
    natives: &Natives<'_>,
    members: &[Member],
    policy: &Policy,
    holds: &mut Vec<Hold>,
    kept: &mut Vec<Kept>,
) -> bool {
    let before = holds.len();
    for pin in &policy.pins {
        let Some(keeps) = natives.with_id(&pin.provider, &pin.keeps.component) else { continue };
        let is_bound = |member: &&Member| {
            let provider = member.slots.get(&pin.provider).map(|&provider| members[provider].candidate.id);
            Some(&member.candidate.name) == pin.consumer.as_ref() && provider == Some(pin.instead_of.component)
        };
        let Some(member) = members.iter().find(is_bound) else { continue };
        let new = members[member.slots[&pin.provider]].candidate.clone();
        let moved = Moved { consumer: 0, slot: pin.provider.clone(), old: None, new, libraries: Vec::new() };
        let why = format!("with it the check `{}` failed", pin.check);
        kept.extend(keep(holds, member, &moved, Some(keeps), (false, why)));
    }
    holds.len() > before
}

/// The worst that was found.
fn reason(judgement: &Judgement) -> String {
    let worst = judgement.reasons.iter().find(|change| change.effect != Effect::Compatible);
    let unseen = || "what it uses cannot be seen in both".to_owned();
    worst.map_or_else(unseen, |Change { text, .. }| text.clone())
}

/// Says that packages would not work, of which none can keep what it has.
fn refusal(members: &[Member], blocked: &[(Moved, Judgement)], kept: &[Kept]) -> Failure {
    let worst = blocked.iter().max_by_key(|(_, judgement)| judgement.verdict).expect("something is blocked");
    let (moved, judgement) = worst;
    let consumer = &members[moved.consumer].candidate;
    let what = if judgement.verdict == Verdict::Rebuild { "would not work" } else { "may not work" };
    let others = blocked.len() + kept.len() - 1;
    let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    let Candidate { name, version, .. } = &moved.new;
    let message =
        format!("{} {}{others} {what} with {name} {version}: {}", consumer.name, consumer.version, reason(judgement));
    Failure::new(message)
        .with_code(UNSATISFIABLE)
        .hint("`--accept-breaks` changes the view all the same; -n shows what each package would meet")
}

fn rebuild(consumer: &Candidate, provider: &Candidate, why: &str) -> Failure {
    let (name, version) = (&provider.name, &provider.version);
    let message = format!("{} {} cannot be linked to {name} {version}: {why}", consumer.name, consumer.version);
    Failure::new(message).with_code(UNSATISFIABLE).hint(format!(
        "it has to be rebuilt against {name} {version}: `aleph update --rebuild` does that with its recipe"
    ))
}

fn failure(natives: &Natives<'_>, error: ChooseError<Failure>, kept: &[Kept]) -> Failure {
    match error {
        ChooseError::Offers(failure) => failure,
        ChooseError::Unknown { name, version } => unknown(natives, &name, version.as_deref()),
        ChooseError::Unfilled { consumer, slot } => {
            let message =
                format!("nothing in the store fills the slot `{slot}` of {} {}", consumer.name, consumer.version);
            Failure::new(message).with_code(UNSATISFIABLE).hint(format!("import a native {slot} first"))
        }
        ChooseError::Blocked(blocked) => rebuild(&blocked.consumer, &blocked.provider, &blocked.why.to_string()),
        ChooseError::Apart { root, slot, versions: [one, other] } => {
            let message = format!("{root} needs packages of which one keeps {slot} {one} and another {slot} {other}");
            let failure = Failure::new(message).with_code(UNSATISFIABLE);
            kept.iter().fold(failure, |failure, kept| {
                let Kept { consumer, provider, keeps, why, .. } = kept;
                failure.hint(format!("{} keeps {provider} {keeps}: {why}", consumer.as_deref().unwrap_or("the view")))
            })
        }
    }
}

fn unknown(natives: &Natives<'_>, name: &str, version: Option<&str>) -> Failure {
    let there: Vec<&str> = natives.named(name).iter().map(|known| known.version.as_str()).collect();
    let failure = match version {
        Some(version) if !there.is_empty() => {
            let message = format!("the store has no native {name} {version}");
            return Failure::new(message).with_code(UNSATISFIABLE).hint(format!("it has {}", there.join(", ")));
        }
        _ => Failure::new(format!("the store has no native component `{name}`")).with_code(UNSATISFIABLE),
    };
    let known: Vec<&str> = natives.names().take(12).collect();
    match known.as_slice() {
        [] => failure.hint("`aleph import --prefix PREFIX DIR` takes a tree in"),
        known => failure.hint(format!("it has {}", known.join(", "))),
    }
}

impl Settled {
    /// As a plan has them; `first` is the index of the first of them there.
    pub(crate) fn chosen(&self, natives: &mut Natives<'_>, first: usize) -> Outcome<Vec<Chosen>> {
        let mut chosen = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let Candidate { name, version, id } = &member.candidate;
            let unknown = || Failure::new(format!("the store does not know {name} {version}"));
            let row = natives.row(id).cloned().ok_or_else(unknown)?;
            let (manifest, native) = natives.manifest(&member.candidate)?;
            let manifest = Manifest { native: Some(Box::new(native.as_ref().clone())), ..manifest.clone() };
            chosen.push(Chosen {
                name: name.clone(),
                version: version.clone(),
                architecture: row.architecture,
                archive: Digest::of(&manifest.to_bytes()),
                size: row.size,
                file: format!("{}{name}={version}", Request::STORE),
                uri: None,
                named: false,
                source: "this store".to_owned(),
                vouched_by: None,
                requested: member.requested,
                kept_for: member.kept_for.clone(),
                slots: member.slots.iter().map(|(slot, provider)| (slot.clone(), first + provider)).collect(),
            });
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests;
