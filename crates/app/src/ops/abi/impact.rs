//! What a change of a view means for the packages that stay as they are, before it is made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aleph_abi::{Judgement, Verdict};
use aleph_component::ComponentId;
use aleph_store::ComponentRow;
use aleph_view::Pinned;

use super::{
    judging::{TypesFrom, Work, combine},
    side::{Binary, Side},
    stored::Stored,
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    ops::native::Natives,
};

/// The components of a view's packages, by what names these among the packages of one view. `None`: not in the store yet.
pub(crate) type Holding = BTreeMap<String, Option<ComponentId>>;

/// A package that stays and uses what changes.
pub(crate) struct Affected {
    /// What names it in its view.
    pub(crate) package: String,
    pub(crate) judgement: Judgement,
    /// Whether it is linked here, rather than by a distribution that tries its packages together.
    pub(crate) is_native: bool,
}

/// What a change means.
#[derive(Default)]
pub(crate) struct Impact {
    pub(crate) affected: Vec<Affected>,
    /// What the change brings and the store does not have yet; if there is any, nothing was judged.
    pub(crate) absent: Vec<String>,
}

impl Impact {
    /// Fails if a package that stays would not work any more, or if that cannot be told of a native one: nobody tried it.
    pub(crate) fn refuse_breaks(&self) -> Outcome<()> {
        let fails = |one: &&Affected| one.judgement.verdict == Verdict::Rebuild;
        let is_unproven = |one: &&Affected| one.is_native && one.judgement.verdict == Verdict::Unknown;
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
}

/// What a view holds.
pub(crate) fn holding(packages: &[Pinned]) -> Holding {
    packages.iter().map(|package| (package.key(), Some(package.component))).collect()
}

/// Judges every package that is in both holdings for each library that is another one then, or gone; and every native
/// package that is not linked to what it was made with. By symbols and by what packages declare; where they declare
/// nothing, by the types in the libraries' debug information.
pub(crate) fn judge(host: &Host, before: &Holding, after: &Holding) -> Outcome<Impact> {
    let mut impact = changed(host, before, after)?;
    if !impact.absent.is_empty() {
        return Ok(impact);
    }
    for ((provider, made_with), consumers) in unlike_made(host, before, after)? {
        let mut assumed = after.clone();
        assumed.insert(provider, Some(made_with));
        let found = changed(host, &assumed, after)?.affected;
        for one in found.into_iter().filter(|one| consumers.contains(&one.package)) {
            match impact.affected.iter_mut().find(|known| known.package == one.package) {
                Some(known) => known.judgement = combine([&known.judgement, &one.judgement].into_iter()),
                None => impact.affected.push(one),
            }
        }
    }
    impact.affected.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(impact)
}

/// What fills a slot otherwise than when its consumers were made: the provider's key and what they were made with, and the
/// consumers' keys. Not what the view has already, nor what it leaves just now.
fn unlike_made(
    host: &Host,
    before: &Holding,
    after: &Holding,
) -> Outcome<BTreeMap<(String, ComponentId), BTreeSet<String>>> {
    let mut unlike: BTreeMap<(String, ComponentId), BTreeSet<String>> = BTreeMap::new();
    let store = host.store_to_read()?;
    let mut natives = Natives::read(&store)?;
    let rows: HashMap<ComponentId, ComponentRow> = natives.rows().map(|row| (row.id, row.clone())).collect();
    let row = |id: &Option<ComponentId>| id.and_then(|id| rows.get(&id));
    let providers: HashMap<&str, (&String, &ComponentRow)> =
        after.iter().filter_map(|(key, id)| row(id).map(|row| (row.name.as_str(), (key, row)))).collect();
    for (key, id) in after {
        let Some(consumer) = row(id) else { continue };
        let stays = before.get(key) == Some(id);
        for (slot, filled) in &natives.native(consumer)?.1.slots {
            let (Some(made_with), Some((provider, now))) = (filled.built_with, providers.get(slot.as_str())) else {
                continue;
            };
            let was = before.get(*provider).copied().flatten();
            let is_known = stays && (was == Some(now.id) || was == Some(made_with));
            // What is no longer in the store cannot be looked at: what the view had in its place was.
            if made_with != now.id && !is_known && rows.contains_key(&made_with) {
                unlike.entry(((*provider).clone(), made_with)).or_default().insert(key.clone());
            }
        }
    }
    Ok(unlike)
}

/// Judges every package that is in both holdings for each library that is another one then.
fn changed(host: &Host, before: &Holding, after: &Holding) -> Outcome<Impact> {
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
    let natives: HashSet<ComponentId> = stored.store().native_rows()?.into_iter().map(|row| row.id).collect();
    let others = [&leaving, &coming].map(|with| stay.iter().chain(with.values()).collect::<Vec<&Side>>());
    let mut verdicts: BTreeMap<usize, Vec<Judgement>> = BTreeMap::new();
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
        // What a maintainer promises is relied on; what nobody promises has to be seen.
        let is_promised = old.package.as_ref().is_some_and(|package| !package.shlibs.is_empty());
        let work = Work {
            old,
            new,
            consumers: &consumers,
            others: [&others[0], &others[1]],
            places: &[],
            types: if is_promised { TypesFrom::Nowhere } else { TypesFrom::DebugInformation(&[]) },
            headers: None,
            known: &[],
            accept_symbols: false,
        };
        for judged in work.judge().into_iter().filter(|judged| judged.judgement.is_used) {
            let package = packages[judged.consumer.expect("there are consumers")];
            verdicts.entry(package).or_default().push(judged.judgement);
        }
    }
    let affected = verdicts.into_iter().map(|(package, judgements)| Affected {
        package: staying[package].clone(),
        judgement: combine(judgements.iter()),
        is_native: natives.contains(&components[package].id),
    });
    Ok(Impact { affected: affected.collect(), absent })
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
fn needs(consumer: &Binary, provider: &Side) -> bool {
    let is_needed = |library: &Binary| {
        library.facts.platform() == consumer.facts.platform()
            && library.facts.soname().is_some_and(|soname| consumer.facts.needed().any(|needed| needed == soname))
    };
    provider.binaries.iter().any(is_needed)
}
