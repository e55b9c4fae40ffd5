//! The set that was found, with every slot filled.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use super::universe::{ChoiceNumber, Demand, Group, PackageNumber, Universe};
use crate::apt::index::Candidate;

/// A set of packages that meets a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution<'a> {
    /// The packages, sorted by name and architecture.
    pub packages: Vec<Chosen<'a>>,
}

/// One package of a solution.
#[derive(Clone, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture, `all` included.
    pub architecture: &'a str,
    /// Its control stanza.
    pub stanza: &'a str,
    /// Where it is on offer; nothing if only the view has it, and then `kept` is set.
    pub candidate: Option<Candidate<'a>>,
    /// Its position in the request's [`keep`](super::Request::keep), if the view holds exactly this one.
    pub kept: Option<usize>,
    /// Whether it meets a want of the request itself.
    pub requested: bool,
    /// For each group of `Pre-Depends` and `Depends`, and of `Recommends` where something meets it: the slot's name,
    /// which is that of the first alternative, and the position in [`Solution::packages`] of what fills it. Where two
    /// groups that start with one name are filled by different packages, the second slot is called `name#2`.
    pub slots: BTreeMap<String, usize>,
}

/// `name=version:architecture` and the slots.
impl fmt::Debug for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{} {:?}", self.name, self.version, self.architecture, self.slots)
    }
}

/// A set of choices.
struct Marked(Vec<bool>);

impl Marked {
    fn of(choices: &[ChoiceNumber]) -> Self {
        let mut marks = vec![false; choices.iter().max().map_or(0, |&last| last as usize + 1)];
        for &choice in choices {
            marks[choice as usize] = true;
        }
        Self(marks)
    }

    fn has(&self, choice: ChoiceNumber) -> bool {
        self.0.get(choice as usize) == Some(&true)
    }

    /// Says whether it was there.
    fn remove(&mut self, choice: ChoiceNumber) -> bool {
        self.0.get_mut(choice as usize).is_some_and(std::mem::take)
    }
}

/// What of `chosen` the demands need, in the order in which apt would come to it.
pub(super) fn reach(universe: &mut Universe<'_>, demands: &[Demand], chosen: &[ChoiceNumber]) -> Vec<ChoiceNumber> {
    let mut open = Marked::of(chosen);
    let mut order = Vec::new();
    let roots = demands.iter().flat_map(|demand| &demand.choices).copied();
    let mut stack: Vec<ChoiceNumber> = roots.filter(|&choice| open.has(choice)).collect();
    stack.reverse();
    while let Some(choice) = stack.pop() {
        if !open.remove(choice) {
            continue;
        }
        order.push(choice);
        let relations = universe.relations(choice);
        let solutions = relations.hard.iter().chain(&relations.recommends).flat_map(|group| &group.solutions);
        let start = stack.len();
        stack.extend(solutions.filter(|&&choice| open.has(choice)));
        stack[start..].reverse();
    }
    order
}

/// Whether what the demands need of `chosen`, which has at most one choice per package, is complete and without
/// conflict.
pub(super) fn fits(universe: &mut Universe<'_>, demands: &[Demand], chosen: &[ChoiceNumber]) -> bool {
    let needed = reach(universe, demands, chosen);
    let marks = Marked::of(&needed);
    let has = |choices: &[ChoiceNumber]| choices.iter().any(|&choice| marks.has(choice));
    demands.iter().all(|demand| has(&demand.choices))
        && needed.iter().all(|&choice| {
            let relations = universe.relations(choice);
            relations.malformed.is_none()
                && relations.hard.iter().all(|group| has(&group.solutions))
                && !relations.excludes.iter().any(|exclusion| has(&exclusion.choices))
        })
}

/// Makes the solution from the solver's choices; what nothing needs is left out.
pub(super) fn assemble<'a>(mut universe: Universe<'a>, demands: &[Demand], chosen: &[ChoiceNumber]) -> Solution<'a> {
    let mut chosen = reach(&mut universe, demands, chosen);
    let name = |choice: &ChoiceNumber| {
        let package = universe.package_of(*choice);
        (package.name, package.architecture)
    };
    chosen.sort_by(|a, b| name(a).cmp(&name(b)));
    let positions: HashMap<PackageNumber, (usize, ChoiceNumber)> = chosen
        .iter()
        .enumerate()
        .map(|(position, &choice)| (universe.choices[choice as usize].package, (position, choice)))
        .collect();
    let requested: HashSet<ChoiceNumber> =
        demands.iter().filter(|demand| demand.requested).flat_map(|demand| &demand.choices).copied().collect();
    let packages = chosen.iter().map(|&number| {
        let relations = universe.relations(number);
        let mut slots = BTreeMap::new();
        for group in relations.hard.iter().chain(&relations.recommends) {
            if let Some(position) = filled(&universe, &positions, group, number) {
                add_slot(&mut slots, group.slot, position);
            }
        }
        let choice = &universe.choices[number as usize];
        Chosen {
            name: universe.package_of(number).name,
            version: choice.version.as_str(),
            architecture: choice.architecture,
            stanza: choice.stanza,
            candidate: choice.candidate,
            kept: choice.kept,
            requested: requested.contains(&number),
            slots,
        }
    });
    Solution { packages: packages.collect() }
}

/// The position of what fills a group of `consumer`; nothing if it does so itself, or if nothing does.
fn filled(
    universe: &Universe<'_>,
    positions: &HashMap<PackageNumber, (usize, ChoiceNumber)>,
    group: &Group<'_>,
    consumer: ChoiceNumber,
) -> Option<usize> {
    if group.solutions.contains(&consumer) {
        return None;
    }
    group.solutions.iter().find_map(|solution| {
        let (position, chosen) = positions.get(&universe.choices[*solution as usize].package)?;
        (chosen == solution).then_some(*position)
    })
}

fn add_slot(slots: &mut BTreeMap<String, usize>, name: &str, position: usize) {
    let mut slot = name.to_owned();
    let mut count = 1;
    while slots.get(&slot).is_some_and(|&other| other != position) {
        count += 1;
        slot = format!("{name}#{count}");
    }
    slots.insert(slot, position);
}
