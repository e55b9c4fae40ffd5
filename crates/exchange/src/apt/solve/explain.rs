//! From the solver's conflict to reasons in words.

use std::collections::{HashMap, VecDeque};

use resolvo::{
    Requirement, SolvableId, Solver, VersionSetId,
    conflict::{Conflict, ConflictCause, ConflictEdge, ConflictGraph, ConflictNode},
};

use super::{
    Unsolvable,
    error::{Offer, Reason, Step},
    provider::{Provider, State, Thing},
    universe::{ChoiceNumber, Demand, PackageNumber},
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
    exclusions: Vec<(Node, Node, VersionSetId)>,
    /// Packages of which more than one version is needed.
    torn: Vec<PackageNumber>,
    /// How each node is reached from the root by the fewest steps.
    before: HashMap<Node, (Node, Requirement)>,
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
                ConflictEdge::Conflict(ConflictCause::Locked(_) | ConflictCause::Excluded) => {}
            }
        }
        // The best candidates first: lower numbers have a higher rank.
        let nodes = &self.nodes;
        for need in &mut self.needs {
            need.targets.sort_by_key(|target| nodes.get(target));
        }
        self.torn.sort_unstable();
        self.torn.dedup();
    }

    fn find_ways(&mut self) {
        let mut queue = VecDeque::from([self.root]);
        while let Some(node) = queue.pop_front() {
            for need in self.needs.iter().filter(|need| need.from == node) {
                for &target in &need.targets {
                    if target != self.root && !self.before.contains_key(&target) {
                        self.before.insert(target, (node, need.requirement));
                        queue.push_back(target);
                    }
                }
            }
        }
    }

    fn reasons(&mut self) -> Vec<Reason> {
        let mut reasons: Vec<(usize, Reason)> = Vec::new();
        for (from, requirement) in std::mem::take(&mut self.unmet) {
            let path = self.path(from);
            reasons.push((path.len(), self.unmet(path, from, requirement)));
        }
        for (left, right, set) in std::mem::take(&mut self.exclusions) {
            let (one, other) = (self.path(left), self.path(right));
            let relation = self.exclusion_text(left, right, set);
            reasons.push((one.len() + other.len(), Reason::Conflict { left: one, right: other, relation }));
        }
        for package in std::mem::take(&mut self.torn) {
            let paths = self.opposed(package);
            if paths.len() > 1 {
                let length = paths.iter().map(Vec::len).sum();
                reasons.push((length, Reason::Versions { name: self.state.universe.label(package), paths }));
            }
        }
        reasons.sort_by_key(|(length, _)| *length);
        let mut reasons: Vec<Reason> = reasons.into_iter().map(|(_, reason)| reason).collect();
        let mut seen = Vec::new();
        reasons.retain(|reason| {
            let subject = subject(reason);
            let new = !seen.contains(&subject);
            seen.push(subject);
            new
        });
        reasons.truncate(REASONS);
        reasons
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
        while let Some(&(from, requirement)) = self.before.get(&node) {
            path.push(self.step(node, from, requirement));
            node = from;
        }
        path.reverse();
        path
    }

    /// A requirement as its owner wrote it.
    fn text(&mut self, from: Node, requirement: Requirement) -> String {
        let Some(&choice) = self.nodes.get(&from) else {
            let demand = self.required.iter().position(|&other| other == requirement);
            return demand.map(|at| self.demands[at].text.clone()).unwrap_or_default();
        };
        let relations = self.state.universe.relations(choice);
        let group = relations.hard.iter().find(|group| self.state.require_group(group) == requirement);
        group.map(|group| one_line(group.text)).unwrap_or_default()
    }

    fn unmet(&mut self, path: Vec<Step>, from: Node, requirement: Requirement) -> Reason {
        let needs = self.text(from, requirement);
        let mut offers: Vec<(String, Offer)> = Vec::new();
        let mut forbidden = Vec::new();
        if let Some(&choice) = self.nodes.get(&from) {
            let relations = self.state.universe.relations(choice);
            let group = relations.hard.iter().find(|group| self.state.require_group(group) == requirement);
            let parsed = group.and_then(|group| parse_relations(group.text).ok()).unwrap_or_default();
            for relation in parsed.iter().flatten() {
                let name = relation.name.as_str();
                if self.state.universe.request.forbidden.contains(name) {
                    forbidden.push(name.to_owned());
                }
                let found = self.state.universe.offers(name);
                offers.extend(found.into_iter().map(|offer| (name.to_owned(), offer)));
            }
        }
        Reason::Unmet { path, needs, offers, forbidden }
    }

    /// The relation by which `left` excludes `right`.
    fn exclusion_text(&mut self, left: Node, right: Node, set: VersionSetId) -> String {
        let (Some(&left), Some(&right)) = (self.nodes.get(&left), self.nodes.get(&right)) else {
            return String::new();
        };
        let relations = self.state.universe.relations(left);
        let excludes = relations.excludes.iter().filter(|exclusion| exclusion.choices.contains(&right));
        let mut texts = excludes.map(|exclusion| {
            let exact = self.state.constrain(&exclusion.choices).contains(&set);
            let text = match exclusion.field {
                "" => format!("no place beside {} of another architecture or version", exclusion.text),
                field => format!("{field}: {}", one_line(exclusion.text)),
            };
            (!exact, text)
        });
        let first = texts.next();
        texts
            .fold(first, |best, next| best.map(|best| if next.0 < best.0 { next } else { best }))
            .map(|(_, text)| text)
            .unwrap_or_default()
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
        needs
            .into_iter()
            .map(|(from, requirement, targets, _)| {
                let mut path = self.path(from);
                path.push(self.step(targets[0], from, requirement));
                path
            })
            .collect()
    }
}

/// What a reason is about, so that it is told once.
fn subject(reason: &Reason) -> String {
    let last = |path: &[Step]| path.last().map(|step| step.package.clone()).unwrap_or_default();
    match reason {
        Reason::Conflict { left, right, .. } => {
            let mut names = [last(left), last(right)];
            names.sort();
            names.join(" ")
        }
        Reason::Unmet { path, needs, .. } => format!("{} {needs}", last(path)),
        Reason::Versions { name, .. } => name.clone(),
        other => other.to_string(),
    }
}

/// Folded fields become one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
