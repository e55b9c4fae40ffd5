//! What it means for native packages that they are linked to something else than what they were made with.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aleph_abi::{Change, Effect, Judgement, Verdict};
use aleph_component::ComponentId;
use aleph_link::{Candidate, Member};
use aleph_store::ComponentRow;
use aleph_view::Demand;

use super::{
    impact::{needs, work},
    judging::combine,
    side::{Binary, Side},
    stored::Stored,
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops::native::{Moved, Natives},
};

/// Judges bindings, in their order. `None`: the consumer does not use what it is bound to in a way that could break.
pub(crate) fn judge(
    host: &Host,
    natives: &Natives<'_>,
    members: &[Member],
    moved: &[Moved],
    demand: Demand,
) -> Outcome<Vec<Option<Judgement>>> {
    let mut judgements: Vec<Vec<Judgement>> = vec![Vec::new(); moved.len()];
    let mut groups: BTreeMap<(&Candidate, &Candidate), Vec<usize>> = BTreeMap::new();
    for (at, one) in moved.iter().enumerate() {
        match &one.old {
            Some(old) => groups.entry((old, &one.new)).or_default().push(at),
            None => judgements[at].push(unseen(&one.slot)),
        }
    }
    if !groups.is_empty() {
        let sides = Sides::read(Stored::open(host)?, natives, members, moved)?;
        for ((old, new), those) in groups {
            let group = Group { old, new, members, moved, those: &those };
            group.judge(&sides, demand, &mut judgements)?;
        }
    }
    let one = |judgements: Vec<Judgement>| (!judgements.is_empty()).then(|| combine(judgements.iter()));
    Ok(judgements.into_iter().map(one).collect())
}

/// Of what is not there any more nobody can say what it promised.
fn unseen(slot: &str) -> Judgement {
    let text = format!("the {slot} that it was made with is no longer in the store");
    let reasons = vec![Change { effect: Effect::Unclear, symbol: String::new(), text }];
    Judgement { verdict: Verdict::Unknown, evidence: Vec::new(), reasons, is_used: true }
}

/// Consumers that move from one provider to another.
struct Group<'a> {
    old: &'a Candidate,
    new: &'a Candidate,
    members: &'a [Member],
    moved: &'a [Moved],
    those: &'a [usize],
}

impl Group<'_> {
    fn judge(&self, sides: &Sides, demand: Demand, judgements: &mut [Vec<Judgement>]) -> Outcome<()> {
        let (old, new) = (sides.provider(self.old)?, sides.provider(self.new)?);
        let mut consumers: Vec<(&Side, &Binary)> = Vec::new();
        let (mut whose, mut opened) = (Vec::new(), Vec::new());
        for &at in self.those {
            let side = sides.of(&self.members[self.moved[at].consumer].candidate)?;
            for consumer in side.consumers().filter(|(_, binary)| needs(binary, &old)) {
                consumers.push(consumer);
                whose.push(at);
            }
            let by_name = opened_by(side, &self.moved[at]);
            opened.extend(by_name.into_iter().map(|library| (at, library)));
        }
        let process = self.process();
        let others = process.iter().filter(|other| **other != self.new && **other != self.old);
        let others = others.map(|other| sides.of(other)).collect::<Outcome<Vec<&Side>>>()?;
        let with = |provider| others.iter().copied().chain([provider]).collect::<Vec<&Side>>();
        let others = [with(&old), with(&new)];
        let work = |consumers| work((&old, &new), consumers, [&others[0], &others[1]], demand);
        if !consumers.is_empty() {
            for judged in work(&consumers).judge().into_iter().filter(|judged| judged.judgement.is_used) {
                judgements[whose[judged.consumer.expect("there are consumers")]].push(judged.judgement);
            }
        }
        // Who opens a library by its name may use any of it.
        if !opened.is_empty() {
            for judged in work(&[]).judge() {
                let those = opened.iter().filter(|(_, library)| **library == judged.library);
                those.for_each(|(at, _)| judgements[*at].push(judged.judgement.clone()));
            }
        }
        Ok(())
    }

    /// Everything that may be in a process with one of the consumers.
    fn process(&self) -> BTreeSet<&Candidate> {
        let mut todo: Vec<usize> = self.those.iter().map(|&at| self.moved[at].consumer).collect();
        let mut reached: BTreeSet<usize> = todo.iter().copied().collect();
        while let Some(at) = todo.pop() {
            todo.extend(self.members[at].slots.values().filter(|&&provider| reached.insert(provider)));
        }
        reached.into_iter().map(|at| &self.members[at].candidate).collect()
    }
}

/// The libraries of a slot that no file of its consumer needs: they are opened by name, when it runs.
fn opened_by<'a>(consumer: &Side, moved: &'a Moved) -> Vec<&'a String> {
    let is_needed = |library: &str| {
        let name = |needed: &[u8]| needed.rsplit(|byte| *byte == b'/').next() == Some(library.as_bytes());
        // The dynamic linker is nobody's to call.
        library.starts_with("ld-linux") || consumer.binaries.iter().any(|binary| binary.facts.needed().any(name))
    };
    moved.libraries.iter().filter(|library| !is_needed(library)).collect()
}

/// The binaries of all that counts.
struct Sides {
    stored: Stored,
    rows: HashMap<ComponentId, ComponentRow>,
    known: HashMap<ComponentId, Side>,
}

impl Sides {
    fn read(stored: Stored, natives: &Natives<'_>, members: &[Member], moved: &[Moved]) -> Outcome<Self> {
        let mut rows = HashMap::new();
        for candidate in
            members.iter().map(|member| &member.candidate).chain(moved.iter().filter_map(|one| one.old.as_ref()))
        {
            let row = natives.row(&candidate.id).ok_or_else(|| missing(candidate))?;
            rows.insert(candidate.id, row.clone());
        }
        let all: Vec<ComponentRow> = rows.values().cloned().collect();
        let sides = stored.sides(&all)?;
        let known = all.iter().map(|row| row.id).zip(sides).collect();
        Ok(Self { stored, rows, known })
    }

    fn of(&self, candidate: &Candidate) -> Outcome<&Side> {
        self.known.get(&candidate.id).ok_or_else(|| missing(candidate))
    }

    /// With what it promises.
    fn provider(&self, candidate: &Candidate) -> Outcome<Side> {
        let row = self.rows.get(&candidate.id).ok_or_else(|| missing(candidate))?;
        Ok(self.stored.provider(row)?.shared_only())
    }
}

fn missing(candidate: &Candidate) -> Failure {
    Failure::new(format!("the store does not know {} {}", candidate.name, candidate.version))
}
