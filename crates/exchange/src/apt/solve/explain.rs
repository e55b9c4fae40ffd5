//! From the solver's conflict to reasons in words.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use resolvo::{
    Requirement, SolvableId, Solver, VersionSetId,
    conflict::{Conflict, ConflictCause, ConflictEdge, ConflictGraph, ConflictNode},
};

use super::{
    Unsolvable,
    error::{Offer, Reason, Step},
    provider::{Provider, State, Thing},
    universe::{ChoiceNumber, Demand, Exclusion, Group, PackageNumber},
};
use crate::apt::relation::parse_relations;

/// At most so many reasons are given.
const REASONS: usize = 3;

/// Puts a conflict into words.
pub(super) fn explain(
    solver: &Solver<Provider<'_>>,
    conflict: &Conflict,
    demands: &[Demand],
    required: &[Requirement],
) -> Unsolvable {
    let graph = conflict.graph(solver);
    let reasons = {
        let mut state = solver.provider().state.borrow_mut();
        let mut explainer = Explainer::new(&mut state, &graph, demands, required);
        explainer.reasons()
    };
    if !reasons.is_empty() {
        return Unsolvable { reasons };
    }
    let text = conflict.display_user_friendly(solver).to_string();
    Unsolvable { reasons: vec![Reason::Other { text }] }
}

/// A node of the graph, by index: the root, or a choice.
type Node = usize;

/// A requirement: of whom, which, and what would meet it.
struct Need {
    from: Node,
    requirement: Requirement,
    targets: Vec<Node>,
}

struct Explainer<'s, 'a> {
    state: &'s mut State<'a>,
    demands: &'s [Demand],
    required: &'s [Requirement],
    /// The choice that a node is; nothing for the root and for others.
    nodes: HashMap<Node, ChoiceNumber>,
    root: Node,
    needs: Vec<Need>,
    /// Requirements that nothing meets.
    unmet: Vec<(Node, Requirement)>,
    /// Choices that cannot be used, with the reason.
    unusable: Vec<(Node, String)>,
    exclusions: Vec<(Node, Node, VersionSetId)>,
    /// Packages of which more than one version is needed.
    torn: Vec<PackageNumber>,
    /// How each node is reached from the root by the fewest steps: from where, by which requirement, and how many of
    /// its solutions are preferred to this one.
    before: HashMap<Node, (Node, Requirement, usize)>,
}

impl<'s, 'a> Explainer<'s, 'a> {
    fn new(
        state: &'s mut State<'a>,
        graph: &ConflictGraph<SolvableId>,
        demands: &'s [Demand],
        required: &'s [Requirement],
    ) -> Self {
        let mut explainer = Self {
            state,
            demands,
            required,
            nodes: HashMap::new(),
            root: graph.root_node.index(),
            needs: Vec::new(),
            unmet: Vec::new(),
            unusable: Vec::new(),
            exclusions: Vec::new(),
            torn: Vec::new(),
            before: HashMap::new(),
        };
        explainer.read(graph);
        explainer.find_ways();
        explainer
    }

    fn read(&mut self, graph: &ConflictGraph<SolvableId>) {
        let graph = &graph.graph;
        for node in graph.node_indices() {
            if let ConflictNode::Solvable(solvable) = graph[node]
                && let Thing::Own(choice) = Thing::of(solvable.into_raw())
            {
                self.nodes.insert(node.index(), choice);
            }
        }
        for edge in graph.edge_indices() {
            let Some((from, to)) = graph.edge_endpoints(edge) else { continue };
            let (from, target) = (from.index(), to.index());
            match graph[edge] {
                ConflictEdge::Requires(requirement) if graph[to] == ConflictNode::UnresolvedDependency => {
                    self.unmet.push((from, requirement));
                }
                ConflictEdge::Requires(requirement) => {
                    let same = |need: &&mut Need| need.from == from && need.requirement == requirement;
                    match self.needs.iter_mut().find(same) {
                        Some(need) => need.targets.push(target),
                        None => self.needs.push(Need { from, requirement, targets: vec![target] }),
                    }
                }
                ConflictEdge::Conflict(ConflictCause::Constrains(set)) => self.exclusions.push((from, target, set)),
                ConflictEdge::Conflict(ConflictCause::ForbidMultipleInstances) => {
                    if let Some(&choice) = self.nodes.get(&from) {
                        self.torn.push(self.state.universe.choices[choice as usize].package);
                    }
                }
                ConflictEdge::Conflict(ConflictCause::Excluded) => {
                    if let ConflictNode::Excluded(reason) = graph[to] {
                        self.unusable.push((from, self.state.reason(reason)));
                    }
                }
                ConflictEdge::Conflict(ConflictCause::Locked(_)) => {}
            }
        }
        for at in 0..self.needs.len() {
            let solutions = self.solutions(self.needs[at].from, self.needs[at].requirement);
            let nodes = &self.nodes;
            let place = |target: &Node| solutions.iter().position(|solution| nodes.get(target) == Some(solution));
            self.needs[at].targets.sort_by_key(place);
        }
        self.torn.sort_unstable();
        self.torn.dedup();
    }

    fn find_ways(&mut self) {
        let mut queue = VecDeque::from([self.root]);
        while let Some(node) = queue.pop_front() {
            for need in self.needs.iter().filter(|need| need.from == node) {
                for (place, &target) in need.targets.iter().enumerate() {
                    if target != self.root && !self.before.contains_key(&target) {
                        self.before.insert(target, (node, need.requirement, place));
                        queue.push_back(target);
                    }
                }
            }
        }
    }

    fn reasons(&mut self) -> Vec<Reason> {
        // Each with what it is sorted by: short ways first, then those over the best candidates.
        let mut reasons: Vec<(usize, usize, Reason)> = Vec::new();
        for (from, requirement) in std::mem::take(&mut self.unmet) {
            let path = self.path(from);
            reasons.push((path.len(), self.rank(from), self.unmet(path, from, requirement)));
        }
        for (node, problem) in std::mem::take(&mut self.unusable) {
            let path = self.path(node);
            reasons.push((path.len(), self.rank(node), Reason::Unusable { path, problem }));
        }
        for (left, right, set) in std::mem::take(&mut self.exclusions) {
            let (one, other) = (self.path(left), self.path(right));
            let relation = self.exclusion_text(left, right, set);
            let rank = self.rank(left) + self.rank(right);
            let length = one.len() + other.len();
            let conflict = Reason::Conflict { left: one, right: other, alternatives: Vec::new(), relation };
            reasons.push((length, rank, conflict));
        }
        for package in std::mem::take(&mut self.torn) {
            let paths = self.opposed(package);
            if paths.len() > 1 {
                let length = paths.iter().map(Vec::len).sum();
                reasons.push((length, 0, Reason::Versions { name: self.state.universe.label(package), paths }));
            }
        }
        reasons.sort_by_key(|&(length, rank, _)| (length, rank));
        let mut told: Vec<Reason> = Vec::new();
        for (_, _, reason) in reasons {
            if !told.iter_mut().any(|before| covers(before, &reason)) {
                told.push(reason);
            }
        }
        told.truncate(REASONS);
        told
    }

    /// How far from the best candidates the way to a node is.
    fn rank(&self, mut node: Node) -> usize {
        let mut rank = 0;
        while let Some(&(from, _, place)) = self.before.get(&node) {
            rank += place;
            node = from;
        }
        rank
    }

    /// What meets a requirement, the best first.
    fn solutions(&mut self, from: Node, requirement: Requirement) -> Vec<ChoiceNumber> {
        match self.group(from, requirement) {
            Some(group) => group.solutions.clone(),
            None => self.demand(requirement).map(|demand| demand.choices.clone()).unwrap_or_default(),
        }
    }

    /// The group of a choice's dependencies that a requirement stands for.
    fn group(&mut self, from: Node, requirement: Requirement) -> Option<Rc<Group<'a>>> {
        let relations = self.state.universe.relations(*self.nodes.get(&from)?);
        relations.hard.iter().find(|group| self.state.require_group(group) == requirement).cloned()
    }

    /// The demand that a requirement of the root stands for.
    fn demand(&self, requirement: Requirement) -> Option<&'s Demand> {
        self.demands.get(self.required.iter().position(|&other| other == requirement)?)
    }

    fn step(&mut self, node: Node, from: Node, requirement: Requirement) -> Step {
        let needed_as = self.text(from, requirement);
        let (package, version) = match self.nodes.get(&node) {
            Some(&choice) => {
                let universe = &self.state.universe;
                let choice = &universe.choices[choice as usize];
                (universe.label(choice.package), choice.version.to_string())
            }
            None => (String::new(), String::new()),
        };
        Step { package, version, needed_as }
    }

    /// The way from the root to a node.
    fn path(&mut self, mut node: Node) -> Vec<Step> {
        let mut path = Vec::new();
        while let Some(&(from, requirement, _)) = self.before.get(&node) {
            path.push(self.step(node, from, requirement));
            node = from;
        }
        path.reverse();
        path
    }

    /// A requirement as its owner wrote it.
    fn text(&mut self, from: Node, requirement: Requirement) -> String {
        match self.group(from, requirement) {
            Some(group) => one_line(group.text),
            None => self.demand(requirement).map(|demand| demand.text.clone()).unwrap_or_default(),
        }
    }

    fn unmet(&mut self, path: Vec<Step>, from: Node, requirement: Requirement) -> Reason {
        let needs = self.text(from, requirement);
        let mut offers: Vec<(String, Offer)> = Vec::new();
        let mut forbidden = Vec::new();
        let group = self.group(from, requirement);
        let parsed = group.and_then(|group| parse_relations(group.text).ok()).unwrap_or_default();
        for relation in parsed.iter().flatten() {
            let name = relation.name.as_str();
            if self.state.universe.request.forbidden.contains(name) {
                forbidden.push(name.to_owned());
            }
            let found = self.state.universe.offers(name);
            offers.extend(found.into_iter().map(|offer| (name.to_owned(), offer)));
        }
        Reason::Unmet { path, needs, offers, forbidden }
    }

    /// The relation by which `left` excludes `right`.
    fn exclusion_text(&mut self, left: Node, right: Node, set: VersionSetId) -> String {
        let (Some(&left), Some(&right)) = (self.nodes.get(&left), self.nodes.get(&right)) else {
            return String::new();
        };
        let relations = self.state.universe.relations(left);
        let mut excludes = relations.excludes.iter().filter(|exclusion| exclusion.choices.contains(&right));
        let exact = |exclusion: &&Exclusion<'_>| self.state.constrain(&exclusion.choices).contains(&set);
        let Some(exclusion) = excludes.clone().find(exact).or_else(|| excludes.next()) else { return String::new() };
        match exclusion.field {
            "Conflicts" => format!("conflicts with {}", one_line(exclusion.text)),
            "Breaks" => format!("breaks {}", one_line(exclusion.text)),
            _ => format!("cannot share a view with every {} of another architecture", exclusion.text),
        }
    }

    /// Ways to a package that end in versions which exclude each other.
    fn opposed(&mut self, package: PackageNumber) -> Vec<Vec<Step>> {
        let universe = &self.state.universe;
        let is_target = |node: &Node| {
            self.nodes.get(node).is_some_and(|&choice| universe.choices[choice as usize].package == package)
        };
        let mut needs: Vec<(Node, Requirement, Vec<Node>, bool)> = Vec::new();
        for need in &self.needs {
            let targets: Vec<Node> = need.targets.iter().copied().filter(is_target).collect();
            if !targets.is_empty() && (need.from == self.root || self.before.contains_key(&need.from)) {
                needs.push((need.from, need.requirement, targets, false));
            }
        }
        'pairs: for left in 0..needs.len() {
            for right in left + 1..needs.len() {
                if needs[left].2.iter().all(|node| !needs[right].2.contains(node)) {
                    needs[left].3 = true;
                    needs[right].3 = true;
                    break 'pairs;
                }
            }
        }
        if needs.iter().any(|need| need.3) {
            needs.retain(|need| need.3);
        }
        needs.truncate(3);
        let mut paths: Vec<Vec<Step>> = needs
            .into_iter()
            .map(|(from, requirement, targets, _)| {
                let mut path = self.path(from);
                path.push(self.step(targets[0], from, requirement));
                path
            })
            .collect();
        paths.sort_by_key(Vec::len);
        paths
    }
}

/// Whether a reason that is told already says what another one does; an alternative to its end is added to it.
fn covers(told: &mut Reason, other: &Reason) -> bool {
    let package = |path: &[Step]| path.last().map(|step| step.package.clone()).unwrap_or_default();
    match (told, other) {
        (
            Reason::Conflict { left, right, alternatives, .. },
            Reason::Conflict { left: other_left, right: other_right, .. },
        ) => {
            let (l, r, ol, or) = (package(left), package(right), package(other_left), package(other_right));
            if (&l, &r) == (&ol, &or) || (&l, &r) == (&or, &ol) {
                return true;
            }
            let (Some((last, way)), Some((_, same))) = (other_right.split_last(), right.split_last()) else {
                return false;
            };
            // The same requirement, met by another package which the same one excludes.
            let parallel = l == ol && packages(way).eq(packages(same));
            let name = |text: &String| text.split(' ').next() == Some(&last.package);
            if parallel && !alternatives.iter().any(name) {
                alternatives.push(last.to_string());
            }
            parallel
        }
        (Reason::Unmet { path, needs, .. }, Reason::Unmet { path: other, needs: also, .. }) => {
            needs == also && package(path) == package(other)
        }
        (Reason::Versions { name, .. }, Reason::Versions { name: other, .. }) => name == other,
        _ => false,
    }
}

/// The packages on a way.
fn packages(path: &[Step]) -> impl Iterator<Item = &str> {
    path.iter().map(|step| step.package.as_str())
}

/// Folded fields become one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
