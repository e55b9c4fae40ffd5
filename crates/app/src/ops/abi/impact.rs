//! What a change of a view means for the packages that stay as they are, before it is made.

use std::collections::{BTreeMap, HashMap};

use aleph_abi::{Judgement, Verdict};
use aleph_component::ComponentId;
use aleph_store::ComponentRow;
use aleph_view::{Demand, Pinned};

use super::{
    judging::{TypesFrom, Work, combine},
    side::{Binary, Side},
    stored::Stored,
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
};

/// The components of a view's packages, by what names these among the packages of one view. `None`: not in the store yet.
pub(crate) type Holding = BTreeMap<String, Option<ComponentId>>;

/// A package that stays and uses what changes.
pub(crate) struct Affected {
    /// What names it in its view.
    pub(crate) package: String,
    pub(crate) judgement: Judgement,
    /// What it uses: the provider's name and what it is then, with the verdict for just that.
    pub(crate) uses: Vec<(String, ComponentId, Judgement)>,
}

/// What a change means.
#[derive(Default)]
pub(crate) struct Impact {
    pub(crate) affected: Vec<Affected>,
    /// What the change brings and the store does not have yet; if there is any, nothing was judged.
    pub(crate) absent: Vec<String>,
}

impl Impact {
    /// Fails if a package that stays would not work any more; where the types are demanded, also if that cannot be told.
    pub(crate) fn refuse_breaks(&self, demand: Demand) -> Outcome<()> {
        let fails = |one: &&Affected| one.judgement.verdict == Verdict::Rebuild;
        let is_unproven = |one: &&Affected| demand == Demand::Types && one.judgement.verdict == Verdict::Unknown;
        let (broken, what) = match self.affected.iter().filter(fails).count() {
            0 => (self.affected.iter().filter(is_unproven).collect::<Vec<_>>(), "may not work any more"),
            _ => (self.affected.iter().filter(fails).collect(), "would not work any more"),
        };
        let Some(first) = broken.first() else { return Ok(()) };
        let others = if broken.len() == 1 { String::new() } else { format!(" (and {} more)", broken.len() - 1) };
        let reason = first.judgement.reasons.first().map(|reason| format!(": {}", reason.text)).unwrap_or_default();
        let name = &first.package;
        Err(Failure::new(format!("{name}{others} {what}{reason}"))
            .with_code(UNSATISFIABLE)
            .hint("`--accept-breaks` changes the view all the same; -n shows what each package would meet"))
    }

    /// Adds what uses something, by package.
    pub(crate) fn add(&mut self, package: &str, provider: (String, ComponentId), judgement: Judgement) {
        let used = (provider.0, provider.1, judgement.clone());
        match self.affected.iter_mut().find(|known| known.package == package) {
            Some(known) => {
                known.judgement = combine([&known.judgement, &judgement].into_iter());
                known.uses.push(used);
            }
            None => self.affected.push(Affected { package: package.to_owned(), judgement, uses: vec![used] }),
        }
    }
}

/// How a change from one provider to another is judged, with the other libraries of the process before and after. What a
/// maintainer promises is relied on, unless the types are demanded; what nobody promises has to be seen.
pub(super) fn work<'a>(
    (old, new): (&'a Side, &'a Side),
    consumers: &'a [(&'a Side, &'a Binary)],
    others: [&'a [&'a Side]; 2],
    demand: Demand,
) -> Work<'a> {
    let is_promised = old.package.as_ref().is_some_and(|package| !package.shlibs.is_empty());
    let types = match demand {
        Demand::Symbols => TypesFrom::Nowhere,
        Demand::Declared if is_promised => TypesFrom::Nowhere,
        Demand::Declared | Demand::Types => TypesFrom::DebugInformation(&[]),
    };
    let accept_symbols = demand == Demand::Symbols;
    Work { old, new, consumers, others, places: &[], types, headers: None, known: &[], accept_symbols }
}

/// What a view holds in its tree.
pub(crate) fn holding(packages: &[Pinned]) -> Holding {
    let foreign = packages.iter().filter(|package| !package.is_native());
    foreign.map(|package| (package.key(), Some(package.component))).collect()
}

/// Judges every package that is in both holdings for each library that is another one then, or gone. By symbols and by what
/// packages declare; where they declare nothing, by the types in the libraries' debug information.
pub(crate) fn judge(host: &Host, before: &Holding, after: &Holding, demand: Demand) -> Outcome<Impact> {
    if before.is_empty() {
        return Ok(Impact::default());
    }
    let absent: Vec<String> = after.iter().filter(|(_, id)| id.is_none()).map(|(key, _)| key.clone()).collect();
    let stays = |key: &String, id: &Option<ComponentId>| before.get(key) == Some(id) && after.get(key) == Some(id);
    if !absent.is_empty() || before.iter().all(|(key, id)| stays(key, id)) {
        return Ok(Impact { affected: Vec::new(), absent });
    }
    let stored = &Stored::open(host)?;
    let rows = Rows::read(stored)?;
    let moving = |holding: &Holding| {
        let those =
            holding.iter().filter(|(key, id)| !stays(key, id)).filter_map(|(key, id)| Some((key.clone(), (*id)?)));
        those.map(|(key, id)| Ok((key, stored.provider(rows.of(&id)?)?))).collect::<Outcome<BTreeMap<String, Side>>>()
    };
    let leaving = moving(before)?;
    if !leaving.values().flat_map(|old| &old.binaries).any(|binary| binary.facts.soname().is_some()) {
        return Ok(Impact::default());
    }
    let (coming, none) = (moving(after)?, Side::none());
    let (staying, ids): (Vec<&String>, Vec<&Option<ComponentId>>) =
        after.iter().filter(|(key, id)| stays(key, id)).unzip();
    let components =
        ids.into_iter().flatten().map(|id| rows.of(id).cloned()).collect::<Outcome<Vec<ComponentRow>>>()?;
    let stay = stored.sides(&components)?;
    let others = [&leaving, &coming].map(|with| stay.iter().chain(with.values()).collect::<Vec<&Side>>());
    let mut impact = Impact::default();
    for (key, old) in &leaving {
        let new = coming.get(key).unwrap_or(&none);
        let (packages, consumers): (Vec<usize>, Vec<(&Side, &Binary)>) = stay
            .iter()
            .enumerate()
            .flat_map(|(package, side)| side.consumers().map(move |consumer| (package, consumer)))
            .filter(|(_, (_, binary))| needs(binary, old))
            .unzip();
        if consumers.is_empty() {
            continue;
        }
        let work = work((old, new), &consumers, [&others[0], &others[1]], demand);
        let mut verdicts: BTreeMap<usize, Vec<Judgement>> = BTreeMap::new();
        for judged in work.judge().into_iter().filter(|judged| judged.judgement.is_used) {
            let package = packages[judged.consumer.expect("there are consumers")];
            verdicts.entry(package).or_default().push(judged.judgement);
        }
        // Of a provider that goes, what came in its place is not known.
        let to = after.get(key).copied().flatten().or_else(|| before.get(key).copied().flatten());
        let (name, to) = (key.split(':').next().unwrap_or(key), to.expect("it was in one of them"));
        for (package, judgements) in verdicts {
            impact.add(staying[package], (name.to_owned(), to), combine(judgements.iter()));
        }
    }
    impact.affected.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(impact)
}

/// What the store says of its components.
struct Rows(HashMap<ComponentId, ComponentRow>);

impl Rows {
    fn read(stored: &Stored) -> Outcome<Self> {
        Ok(Self(stored.store().component_rows(None)?.into_iter().map(|row| (row.id, row)).collect()))
    }

    fn of(&self, id: &ComponentId) -> Outcome<&ComponentRow> {
        self.0.get(id).ok_or_else(|| Failure::new(format!("the store does not know its component {id}")))
    }
}

/// Whether the dynamic linker loads a library of this provider for it.
pub(crate) fn needs(consumer: &Binary, provider: &Side) -> bool {
    let is_needed = |library: &Binary| {
        library.facts.platform() == consumer.facts.platform()
            && library.facts.soname().is_some_and(|soname| consumer.facts.needed().any(|needed| needed == soname))
    };
    provider.binaries.iter().any(is_needed)
}
