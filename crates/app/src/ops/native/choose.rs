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
    let moves = match upgrade {
        Upgrade::None => Moves::None,
        Upgrade::All => Moves::All,
        Upgrade::Names(names) => Moves::Names(names.clone()),
    };
    let before = Before::new(around.before);
    let mut holds = around.holds.to_vec();
    let mut kept: Vec<Kept> = Vec::new();
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
                let moved =
                    Moved { consumer: 0, slot: blocked.provider.name.clone(), old: None, new: blocked.provider };
                let keeps = keeps(natives, &member, &moved, &before)?;
                let why = format!("it cannot be linked to {} {}: {}", moved.slot, moved.new.version, blocked.why);
                let refused = || rebuild(&blocked.consumer, &moved.new, &blocked.why.to_string());
                let one = keep(&mut holds, &member, &moved, keeps, (true, why)).ok_or_else(refused)?;
                kept.push(one);
                continue;
            }
            Err(error) => return Err(failure(natives, error, &kept)),
        };
        if kept.is_empty() {
            kept.extend(held_by_request(natives, &wanted, &moves));
        }
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
    let (provider, instead_of) = (keeps.name, moved.new.version.clone());
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
        let moved = Moved { consumer: 0, slot: pin.provider.clone(), old: None, new };
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
    Failure::new(message)
        .with_code(UNSATISFIABLE)
        .hint(format!("it has to be rebuilt against {name} {version} and imported again"))
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
mod tests {
    use std::collections::BTreeSet;

    use aleph_component::{Kind, NATIVE_FORMAT, Native, PackageId, Source, TreePath, Unlinked, link, native::Slot};

    use aleph_store::Store;

    use super::*;

    /// A random number below a limit, from a state that it moves on.
    fn below(state: &mut u64, limit: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % limit
    }

    /// A store with components `n0` to `n5` in three versions each; one is made with some version of some of those before
    /// it.
    fn world(directory: &std::path::Path, state: &mut u64) -> Store {
        let store = Store::open(directory).unwrap();
        let mut lock = store.lock("test", |_| ()).unwrap();
        let library = |name: u64| (format!("lib{name}.so.1"), TreePath::new(&format!("lib/lib{name}.so.1")).unwrap());
        let mut made: Vec<Vec<ComponentId>> = Vec::new();
        for name in 0..6_u64 {
            let mut versions = Vec::new();
            for version in 1..4_u64 {
                let mut native = Native { offers: [library(name)].into(), ..Native::default() };
                for (other, components) in (0..name).zip(&made) {
                    if below(state, 2) == 0 {
                        let built_with = Some(components[below(state, 3) as usize]);
                        let slot = Slot { built_with, libraries: [library(other)].into() };
                        native.slots.insert(format!("n{other}"), slot);
                    }
                }
                let staging = store.stage(&lock).unwrap();
                let staged = staging.tree().unwrap().finish(None, |tree, control| Manifest {
                    format: NATIVE_FORMAT,
                    kind: Kind::Native,
                    name: format!("n{name}"),
                    version: version.to_string(),
                    architecture: "any".to_owned(),
                    source: Source { name: format!("n{name}"), version: version.to_string() },
                    summary: String::new(),
                    fields: BTreeMap::new(),
                    conffiles: Vec::new(),
                    cves: Vec::new(),
                    native: Some(Box::new(native)),
                    tree,
                    control,
                });
                versions.push(store.commit(&mut lock, vec![staged.unwrap()]).unwrap()[0]);
            }
            made.push(versions);
        }
        store
    }

    /// What was chosen, as a view holds it.
    fn pinned(store: &Store, chosen: &[Chosen]) -> Vec<Pinned> {
        let component = |chosen: &Chosen| {
            let rows = store.component_rows(Some(&chosen.name)).unwrap();
            rows.into_iter().find(|row| row.version == chosen.version).expect("it was chosen from there").id
        };
        let unlinked = |chosen: &Chosen| Unlinked { component: component(chosen), slots: chosen.slots.clone() };
        let linked = link(&chosen.iter().map(unlinked).collect::<Vec<_>>()).unwrap();
        let one = |(chosen_one, linked): (&Chosen, aleph_component::Linked)| Pinned {
            name: chosen_one.name.clone(),
            version: chosen_one.version.clone(),
            architecture: chosen_one.architecture.clone(),
            id: linked.id,
            component: linked.component,
            archive: chosen_one.archive,
            size: chosen_one.size,
            file: chosen_one.file.clone(),
            requested: chosen_one.requested,
            kept_for: chosen_one.kept_for.clone(),
            slots: chosen_one.slots.iter().map(|(slot, &at)| (slot.clone(), chosen[at].key())).collect(),
        };
        chosen.iter().zip(linked).map(one).collect()
    }

    fn ids(pinned: &[Pinned]) -> BTreeSet<PackageId> {
        pinned.iter().map(|pinned| pinned.id).collect()
    }

    /// Chooses with everything allowed but what `forbids` says of a consumer and what it would be bound to.
    fn choice(
        store: &Store,
        requested: &[Request],
        before: Option<&[Pinned]>,
        upgrade: &Upgrade,
        forbids: &dyn Fn(&Candidate, &Candidate) -> bool,
    ) -> Outcome<(Vec<Pinned>, Vec<Kept>)> {
        let mut natives = Natives::read(store)?;
        let held: Vec<&Pinned> = before.unwrap_or_default().iter().collect();
        let generation = before.map(|packages| Generation {
            format: 0,
            number: 1,
            parent: None,
            created: 0,
            by: String::new(),
            reason: String::new(),
            requested: requested.to_vec(),
            packages: packages.to_vec(),
            bindings: Vec::new(),
            layers: aleph_view::Layers { base: aleph_component::TreeId::from_digest(Digest::of(b"")), delta: None },
            capture: None,
            warnings: Vec::new(),
        });
        let policy = Policy::default();
        let around = Around { before: generation.as_ref(), policy: &policy, holds: &[], at: &[], accept_breaks: false };
        let judge = |_: &mut Natives<'_>, members: &[Member], moved: &[Moved]| {
            let one = |moved: &Moved| {
                let is_bad = forbids(&members[moved.consumer].candidate, &moved.new);
                let verdict = if is_bad { Verdict::Rebuild } else { Verdict::Relink };
                Some(Judgement { verdict, evidence: Vec::new(), reasons: Vec::new(), is_used: true })
            };
            Ok(moved.iter().map(one).collect())
        };
        let settled = settle(&mut natives, requested, &held, upgrade, &around, &judge)?;
        let chosen = settled.chosen(&mut natives, 0)?;
        Ok((pinned(store, &chosen), settled.kept))
    }

    fn requests(state: &mut u64) -> Vec<Request> {
        (2..6).filter(|_| below(state, 2) == 0).map(|name| Request(format!("store:n{name}"))).collect()
    }

    #[test]
    fn an_update_of_any_world_is_what_is_linked_from_nothing() {
        for seed in 0..40 {
            let mut state = seed;
            let directory = tempfile::tempdir().unwrap();
            let store = world(directory.path(), &mut state);
            let requested = requests(&mut state);
            let choose = |held: &[Pinned], upgrade: &Upgrade| {
                let chosen = choice(&store, &requested, Some(held), upgrade, &|_, _| false);
                let (chosen, kept) = chosen.unwrap_or_else(|failure| panic!("seed {seed}: {:?}", failure.chain()));
                assert!(kept.is_empty(), "seed {seed}");
                let keys: BTreeSet<String> = chosen.iter().map(Pinned::key).collect();
                assert_eq!(keys.len(), chosen.len(), "seed {seed}: a key twice");
                for one in &chosen {
                    assert!(one.slots.iter().all(|(slot, key)| *key == format!("{slot}:any")), "seed {seed}");
                }
                chosen
            };
            let first = choose(&[], &Upgrade::None);
            assert_eq!(ids(&choose(&first, &Upgrade::None)), ids(&first), "seed {seed}: what is held stays");
            let updated = choose(&first, &Upgrade::All);
            assert_eq!(ids(&updated), ids(&choose(&[], &Upgrade::All)), "seed {seed}: from nothing");
            assert!(updated.iter().all(|pinned| pinned.version == "3"), "seed {seed}");
        }
    }

    #[test]
    fn what_a_verdict_forbids_is_never_bound_and_the_rest_moves() {
        let (mut moved, mut refused, mut held) = (0, 0, 0);
        for seed in 0..120_u64 {
            let mut state = seed;
            let directory = tempfile::tempdir().unwrap();
            let store = world(directory.path(), &mut state);
            let requested = requests(&mut state);
            let salt = below(&mut state, 1 << 30);
            let forbids = |consumer: &Candidate, provider: &Candidate| {
                let text =
                    format!("{salt} {} {} {} {}", consumer.name, consumer.version, provider.name, provider.version);
                Digest::of(text.as_bytes()).as_bytes()[0] < 60
            };
            let Ok((first, _)) = choice(&store, &requested, None, &Upgrade::None, &forbids) else {
                refused += 1;
                continue;
            };
            let bindings = |packages: &[Pinned]| -> BTreeSet<(ComponentId, String, ComponentId)> {
                let of = |key: &String| packages.iter().find(|one| one.key() == *key).unwrap().component;
                let slots = |one: &Pinned| {
                    let component = one.component;
                    one.slots.iter().map(|(slot, key)| (component, slot.clone(), of(key))).collect::<Vec<_>>()
                };
                packages.iter().flat_map(slots).collect()
            };
            let Ok((updated, kept)) = choice(&store, &requested, Some(&first), &Upgrade::All, &forbids) else {
                refused += 1;
                continue;
            };
            let mut natives = Natives::read(&store).ok().unwrap();
            let before = bindings(&first);
            for (consumer, slot, provider) in bindings(&updated) {
                let find = |natives: &Natives<'_>, id: &ComponentId| {
                    let row = natives.row(id).unwrap();
                    natives.with_id(&row.name, id).unwrap()
                };
                let (consumer, provider) = (find(&natives, &consumer), find(&natives, &provider));
                let made_with = natives.native(&consumer).ok().unwrap().slots[&slot].built_with;
                let is_old = made_with == Some(provider.id) || before.contains(&(consumer.id, slot, provider.id));
                assert!(is_old || !forbids(&consumer, &provider), "seed {seed}: {consumer:?} with {provider:?}");
            }
            let keys: BTreeSet<String> = updated.iter().map(Pinned::key).collect();
            assert_eq!(keys.len(), updated.len(), "seed {seed}: a key twice");
            match kept.is_empty() {
                true => assert!(updated.iter().all(|one| one.version == "3"), "seed {seed}"),
                false => held += 1,
            }
            moved += 1;
        }
        assert!(moved > 30 && refused > 5 && held > 10, "{moved} {refused} {held}");
    }
}
