//! Choosing as apt chooses: depth first, the first alternative that can be had, never going back.
//!
//! Follows the behaviour of apt 2.6's `pkgDepCache::MarkInstall`. Its outcome is a preference, not a solution: where
//! the choices do not fit together, the solver finds others.

use std::rc::Rc;

use super::universe::{ChoiceNumber, Demand, Group, PackageNumber, Universe};

/// What would be chosen.
pub(super) struct Marks {
    /// Per package, the choice made; packages that were read later have none.
    pub(super) chosen: Vec<Option<ChoiceNumber>>,
}

impl Marks {
    /// Whether a choice was made.
    pub(super) fn contains(&self, universe: &Universe<'_>, choice: ChoiceNumber) -> bool {
        let package = universe.choices[choice as usize].package as usize;
        self.chosen.get(package).copied().flatten() == Some(choice)
    }
}

/// How deep a chain of dependencies is followed before the rest is put off, so that no index exhausts the stack.
const DEPTH: u32 = 400;

/// Chooses packages for `demands`.
pub(super) fn mark(universe: &mut Universe<'_>, demands: &[Demand]) -> Marks {
    let mut marker = Marker { universe, states: Vec::new(), deferred: Vec::new() };
    // As apt does, everything asked for is taken first, so that it satisfies what the others need.
    for demand in demands {
        // The best choice that meets whatever else is demanded of the package.
        let package = marker.package(demand.choices[0]);
        let same = |other: &&Demand| marker.package(other.choices[0]) == package;
        let meets = |choice: &&ChoiceNumber| demands.iter().filter(same).all(|other| other.choices.contains(choice));
        let choice = *demand.choices.iter().find(meets).unwrap_or(&demand.choices[0]);
        let state = marker.state(marker.package(choice));
        state.candidate = Some(choice);
        state.chosen = Some(choice);
        state.protected = true;
    }
    for demand in demands {
        let package = marker.package(demand.choices[0]);
        marker.install(package, true, 0);
        while let Some(package) = marker.deferred.pop() {
            marker.install(package, true, 0);
        }
    }
    Marks { chosen: marker.states.into_iter().map(|state| state.chosen).collect() }
}

/// What is known of a package while marking.
#[derive(Clone, Copy, Default)]
struct State {
    /// Whether `candidate` has been set.
    read: bool,
    /// The only choice considered; nothing once it was discarded.
    candidate: Option<ChoiceNumber>,
    chosen: Option<ChoiceNumber>,
    /// Asked for, or without alternative for something asked for.
    protected: bool,
    /// Whether its dependencies have been followed.
    followed: bool,
}

struct Marker<'u, 'a> {
    universe: &'u mut Universe<'a>,
    states: Vec<State>,
    deferred: Vec<PackageNumber>,
}

impl<'a> Marker<'_, 'a> {
    fn package(&self, choice: ChoiceNumber) -> PackageNumber {
        self.universe.choices[choice as usize].package
    }

    fn state(&mut self, package: PackageNumber) -> &mut State {
        if self.states.len() <= package as usize {
            self.states.resize(self.universe.packages.len(), State::default());
        }
        let state = &mut self.states[package as usize];
        if !state.read {
            state.read = true;
            state.candidate = self.universe.packages[package as usize].choices.first().copied();
        }
        state
    }

    fn is_chosen(&mut self, choice: ChoiceNumber) -> bool {
        let package = self.package(choice);
        self.state(package).chosen == Some(choice)
    }

    fn is_candidate(&mut self, choice: ChoiceNumber) -> bool {
        let package = self.package(choice);
        self.state(package).candidate == Some(choice)
    }

    fn satisfied(&mut self, group: &Group<'_>) -> bool {
        group.solutions.iter().any(|&choice| self.is_chosen(choice))
    }

    /// Chooses a package and what it needs. Says whether that was possible.
    fn install(&mut self, package: PackageNumber, by_user: bool, depth: u32) -> bool {
        let state = *self.state(package);
        let Some(choice) = state.candidate else { return false };
        if state.chosen.is_some() && (state.followed || !state.protected) {
            return true;
        }
        let relations = self.universe.relations(choice);
        let possible = |marker: &mut Self, group: &Rc<Group<'a>>| {
            group.solutions.iter().any(|&one| marker.is_candidate(one) || marker.is_chosen(one))
        };
        let hopeless = relations.malformed.is_some() || !relations.hard.iter().all(|group| possible(self, group));
        // Candidates that protected packages exclude were discarded when those were chosen.
        if !state.protected && hopeless {
            self.state(package).candidate = None;
            return false;
        }
        let protected = state.protected;
        for exclusion in &relations.excludes {
            if !self.exclude(&exclusion.choices, protected) && !protected {
                return false;
            }
        }
        let state = self.state(package);
        state.chosen = Some(choice);
        state.followed = true;
        if depth > DEPTH {
            state.followed = false;
            self.deferred.push(package);
            return true;
        }
        for group in &relations.hard {
            if !self.follow(group, protected, true, depth) && !protected && !by_user {
                *self.state(package) = State { read: true, ..State::default() };
                return false;
            }
        }
        for group in &relations.recommends {
            self.follow(group, false, false, depth);
        }
        true
    }

    /// Drops what a package excludes. Fails if something of it cannot be dropped.
    fn exclude(&mut self, choices: &[ChoiceNumber], protected: bool) -> bool {
        for &other in choices {
            let package = self.package(other);
            let state = self.state(package);
            if state.chosen == Some(other) {
                if state.protected {
                    return false;
                }
                state.chosen = None;
                state.followed = false;
            }
            if protected && state.candidate == Some(other) {
                state.candidate = None;
            }
        }
        true
    }

    /// Chooses something for a group of alternatives, unless it is satisfied.
    fn follow(&mut self, group: &Group<'a>, protected: bool, hard: bool, depth: u32) -> bool {
        let satisfied = self.satisfied(group);
        if satisfied && !(protected && hard) {
            return true;
        }
        let mut solutions = group.solutions.clone();
        solutions.retain(|&choice| self.is_candidate(choice));
        // What is there already comes first, whichever alternative it is.
        solutions.sort_by_key(|&choice| !self.universe.package_of(choice).kept);
        let single = protected && hard && solutions.len() == 1;
        if satisfied {
            // What has no alternative to it is as good as asked for.
            if single {
                let package = self.package(solutions[0]);
                if !self.state(package).protected {
                    self.state(package).protected = true;
                    self.state(package).followed = false;
                    return self.install(package, false, depth + 1);
                }
            }
            return true;
        }
        for choice in solutions {
            let package = self.package(choice);
            if !self.is_candidate(choice) {
                continue;
            }
            if single {
                let state = self.state(package);
                state.chosen = Some(choice);
                state.protected = true;
            }
            if self.install(package, false, depth + 1) {
                return true;
            }
        }
        false
    }
}
