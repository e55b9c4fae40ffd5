//! The request as a problem for the SAT solver.
//!
//! A package is a name of the solver's and a choice is a solvable. A group of alternatives becomes a union of version
//! sets, one for each package that satisfies it, because all members of a version set must share one name. A
//! recommendation is a *gate*: a name of its own with one solvable that requires the group, which the solver is asked to
//! install if it can.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt::Display,
    rc::Rc,
};

use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider, Interner, KnownDependencies, NameId, Problem,
    Requirement, SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::{
    Unsolvable, explain,
    mark::Marks,
    solution::reach,
    universe::{ChoiceNumber, Demand, Group, PackageNumber, Universe},
};

/// A name without solvables, for what nobody offers. Gates count from 1.
const NOTHING: Thing = Thing::Gate(0);

/// A solvable or a name, by its number: even numbers are choices and packages, odd ones are gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    /// A choice, or a package.
    Own(u32),
    /// A gate.
    Gate(u32),
}

impl Thing {
    pub(super) fn of(raw: u32) -> Self {
        if raw.is_multiple_of(2) { Self::Own(raw / 2) } else { Self::Gate(raw / 2) }
    }

    fn raw(self) -> u32 {
        match self {
            Self::Own(number) => number * 2,
            Self::Gate(number) => number * 2 + 1,
        }
    }
}

pub(super) fn solvable(choice: ChoiceNumber) -> SolvableId {
    SolvableId::from_raw(Thing::Own(choice).raw())
}

/// Some choices of one package.
struct Set {
    name: NameId,
    members: Rc<[SolvableId]>,
}

/// The solver's view of the universe.
pub(super) struct Provider<'a> {
    pub(super) state: Rc<RefCell<State<'a>>>,
}

pub(super) struct State<'a> {
    pub(super) universe: Universe<'a>,
    /// What apt would choose.
    preferred: Vec<bool>,
    sets: Vec<Set>,
    known_sets: HashMap<(u32, Rc<[SolvableId]>), VersionSetId>,
    unions: Vec<Rc<[VersionSetId]>>,
    requirements: HashMap<*const Group<'a>, Requirement>,
    gates: Vec<Rc<Group<'a>>>,
    gated: HashSet<*const Group<'a>>,
    strings: Vec<String>,
}

impl<'a> State<'a> {
    fn new(universe: Universe<'a>, preferred: Vec<bool>) -> Self {
        Self {
            universe,
            preferred,
            sets: Vec::new(),
            known_sets: HashMap::new(),
            unions: Vec::new(),
            requirements: HashMap::new(),
            gates: Vec::new(),
            gated: HashSet::new(),
            strings: Vec::new(),
        }
    }

    /// Adds gates for what `chosen` recommends. Of packages that apt would choose, only recommendations that it would
    /// follow get one. Says whether there were any that had none.
    fn add_gates(&mut self, demands: &[Demand], chosen: &[ChoiceNumber]) -> bool {
        let before = self.gates.len();
        let is_preferred = |state: &Self, choice: ChoiceNumber| state.preferred.get(choice as usize) == Some(&true);
        for choice in reach(&mut self.universe, demands, chosen) {
            for group in &self.universe.relations(choice).recommends {
                let follow = match is_preferred(self, choice) {
                    true => group.solutions.iter().any(|&choice| is_preferred(self, choice)),
                    false => !group.solutions.is_empty(),
                };
                if follow && self.gated.insert(Rc::as_ptr(group)) {
                    self.gates.push(group.clone());
                }
            }
        }
        self.gates.len() > before
    }

    fn set(&mut self, package: PackageNumber, members: Vec<SolvableId>) -> VersionSetId {
        self.set_of(Thing::Own(package), members)
    }

    fn set_of(&mut self, name: Thing, members: Vec<SolvableId>) -> VersionSetId {
        let name = name.raw();
        let members: Rc<[SolvableId]> = members.into();
        let sets = &mut self.sets;
        *self.known_sets.entry((name, members.clone())).or_insert_with(|| {
            sets.push(Set { name: NameId::from_raw(name), members });
            VersionSetId(sets.len() as u32 - 1)
        })
    }

    /// The requirement of one of `choices`, which are in order of preference.
    fn require(&mut self, choices: &[ChoiceNumber]) -> Requirement {
        let mut packages: Vec<(PackageNumber, Vec<SolvableId>, bool)> = Vec::new();
        for &choice in choices {
            let package = self.universe.choices[choice as usize].package;
            let preferred = self.preferred.get(choice as usize).copied().unwrap_or(false);
            match packages.iter_mut().find(|(other, ..)| *other == package) {
                Some((_, members, any)) => {
                    members.push(solvable(choice));
                    *any |= preferred;
                }
                None => packages.push((package, vec![solvable(choice)], preferred)),
            }
        }
        packages.sort_by_key(|&(_, _, preferred)| !preferred);
        let mut sets: Vec<VersionSetId> =
            packages.into_iter().map(|(package, members, _)| self.set(package, members)).collect();
        if sets.is_empty() {
            sets.push(self.set_of(NOTHING, Vec::new()));
        }
        match *sets {
            [set] => Requirement::Single(set),
            _ => {
                self.unions.push(sets.into());
                Requirement::Union(VersionSetUnionId(self.unions.len() as u32 - 1))
            }
        }
    }

    pub(super) fn require_group(&mut self, group: &Rc<Group<'a>>) -> Requirement {
        if let Some(&known) = self.requirements.get(&Rc::as_ptr(group)) {
            return known;
        }
        let requirement = self.require(&group.solutions);
        self.requirements.insert(Rc::as_ptr(group), requirement);
        requirement
    }

    /// The sets that must hold where `excluded` must not be.
    pub(super) fn constrain(&mut self, excluded: &[ChoiceNumber]) -> Vec<VersionSetId> {
        let mut packages: Vec<PackageNumber> =
            excluded.iter().map(|&choice| self.universe.choices[choice as usize].package).collect();
        packages.sort_unstable();
        packages.dedup();
        packages
            .into_iter()
            .map(|package| {
                let choices = &self.universe.packages[package as usize].choices;
                let allowed = choices.iter().filter(|choice| !excluded.contains(choice));
                let allowed = allowed.map(|&choice| solvable(choice)).collect();
                self.set(package, allowed)
            })
            .collect()
    }

    /// Why a choice was found unusable.
    pub(super) fn reason(&self, string: StringId) -> String {
        self.strings[string.0 as usize].clone()
    }

    fn dependencies(&mut self, thing: Thing) -> Dependencies {
        let mut known = KnownDependencies::default();
        match thing {
            Thing::Gate(gate) => {
                let group = self.gates[gate as usize - 1].clone();
                known.requirements.push(self.require_group(&group).into());
            }
            Thing::Own(choice) => {
                let relations = self.universe.relations(choice);
                if let Some(message) = &relations.malformed {
                    self.strings.push(message.clone());
                    return Dependencies::Unknown(StringId(self.strings.len() as u32 - 1));
                }
                for group in &relations.hard {
                    // What a package needs and is itself, it has.
                    if !group.solutions.contains(&choice) {
                        known.requirements.push(self.require_group(group).into());
                    }
                }
                for exclusion in &relations.excludes {
                    known.constrains.extend(self.constrain(&exclusion.choices));
                }
            }
        }
        Dependencies::Known(known)
    }
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let universe = &self.state.borrow().universe;
        match Thing::of(solvable.into_raw()) {
            Thing::Own(number) => {
                let choice = &universe.choices[number as usize];
                format!("{} {}", universe.label(choice.package), choice.version)
            }
            Thing::Gate(_) => "a recommendation".to_owned(),
        }
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let universe = &self.state.borrow().universe;
        match Thing::of(name.into_raw()) {
            Thing::Own(number) if (number as usize) < universe.packages.len() => universe.label(number),
            _ => "nothing".to_owned(),
        }
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let state = self.state.borrow();
        let version = |solvable: &SolvableId| match Thing::of(solvable.into_raw()) {
            Thing::Own(number) => state.universe.choices[number as usize].version.to_string(),
            Thing::Gate(_) => String::new(),
        };
        state.sets[set.0 as usize].members.iter().map(version).collect::<Vec<_>>().join(" or ")
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        self.state.borrow().reason(string)
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.state.borrow().sets[set.0 as usize].name
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        match Thing::of(solvable.into_raw()) {
            Thing::Own(number) => {
                let package = self.state.borrow().universe.choices[number as usize].package;
                NameId::from_raw(Thing::Own(package).raw())
            }
            gate @ Thing::Gate(_) => NameId::from_raw(gate.raw()),
        }
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let sets = self.state.borrow().unions[union.0 as usize].clone();
        (0..sets.len()).map(move |at| sets[at])
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement here has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let members = self.state.borrow().sets[set.0 as usize].members.clone();
        candidates.iter().copied().filter(|candidate| members.contains(candidate) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let state = self.state.borrow();
        let candidates = match Thing::of(name.into_raw()) {
            Thing::Own(number) => {
                let package = state.universe.packages.get(number as usize)?;
                package.choices.iter().map(|&choice| solvable(choice)).collect()
            }
            NOTHING => Vec::new(),
            gate @ Thing::Gate(_) => vec![SolvableId::from_raw(gate.raw())],
        };
        Some(Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let state = self.state.borrow();
        // Numbers fall with rank; what apt would choose comes first.
        solvables.sort_by_key(|solvable| {
            let raw = solvable.into_raw();
            (!state.preferred.get(raw as usize / 2).copied().unwrap_or(false), raw)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        self.state.borrow_mut().dependencies(Thing::of(solvable.into_raw()))
    }
}

/// How often the recommendations of packages that only now came in are looked at.
const ROUNDS: usize = 4;

/// Solves. Returns the choices, among them possibly some that nothing needs.
pub(super) fn run<'a>(
    universe: Universe<'a>,
    demands: &[Demand],
    marks: &Marks,
) -> Result<(Universe<'a>, Vec<ChoiceNumber>), Unsolvable> {
    let preferred = (0..universe.choices.len() as u32).map(|choice| marks.contains(&universe, choice)).collect();
    let state = Rc::new(RefCell::new(State::new(universe, preferred)));
    let mut solver = Solver::new(Provider { state: state.clone() });
    let required: Vec<Requirement> = {
        let mut state = state.borrow_mut();
        demands.iter().map(|demand| state.require(&demand.choices)).collect()
    };
    let marked: Vec<ChoiceNumber> = marks.chosen.iter().flatten().copied().collect();
    state.borrow_mut().add_gates(demands, &marked);
    let mut round = 0;
    let chosen = loop {
        let gates = state.borrow().gates.len() as u32;
        let soft = (1..=gates).map(|gate| SolvableId::from_raw(Thing::Gate(gate).raw()));
        let problem = Problem::new()
            .requirements(required.iter().map(|&requirement| requirement.into()).collect())
            .soft_requirements(soft);
        let solvables = match solver.solve(problem) {
            Ok(solvables) => solvables,
            Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
                return Err(explain::explain(&solver, &conflict, demands, &required));
            }
            Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels it"),
        };
        let own = |solvable: SolvableId| match Thing::of(solvable.into_raw()) {
            Thing::Own(choice) => Some(choice),
            Thing::Gate(_) => None,
        };
        let chosen: Vec<ChoiceNumber> = solvables.into_iter().filter_map(own).collect();
        round += 1;
        if round > ROUNDS || !state.borrow_mut().add_gates(demands, &chosen) {
            break chosen;
        }
    };
    drop(solver);
    let state = Rc::into_inner(state).expect("the solver was dropped").into_inner();
    Ok((state.universe, chosen))
}
