//! Fingerprints: 128 bits per type that are equal exactly where two types are, also across graphs.
//!
//! The graph is cut into strongly connected components (Tarjan, without recursion). A type outside cycles is hashed
//! from what it says and from the fingerprints of what it refers to. Within a cycle the types start from what they say
//! and are hashed over each other until the number of different hashes grows no more (partition refinement); how many
//! rounds that takes depends on the component alone, so that equal components of different graphs come out equal.
//!
//! A fingerprint leaves out what means nothing to a consumer: typedef names, keywords, files. The hash is a plain one
//! (folded multiplication): it guards against accidents, not against someone who builds a library to fool it, who can
//! as well put harm into the library's code.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Type, TypeId};

/// What a type or an interface is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Fingerprint(pub u128);

/// Collects what a fingerprint is made from.
#[derive(Clone, Debug)]
pub(crate) struct Hasher(u64, u64);

impl Hasher {
    pub(crate) fn new(tag: u64) -> Self {
        let mut hasher = Self(0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);
        hasher.number(tag);
        hasher
    }

    pub(crate) fn number(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value, 0xa076_1d64_78bd_642f);
        self.1 = fold(self.1.wrapping_add(value).rotate_left(29), 0xe703_7ed1_a0b4_28db);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }

    pub(crate) fn fingerprint(&mut self, value: Fingerprint) {
        self.number(value.0 as u64);
        self.number((value.0 >> 64) as u64);
    }

    pub(crate) fn finish(&self) -> Fingerprint {
        let (low, high) = (fold(self.0, self.1 | 1), fold(self.1 ^ 0x8ebc_6af0_9c88_c6e3, self.0 | 1));
        Fingerprint(u128::from(low) | (u128::from(high) << 64))
    }
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    // The sum keeps zeros from swallowing everything that came before.
    (product as u64 ^ (product >> 64) as u64).wrapping_add(left.rotate_left(31))
}

/// The fingerprints of all types of a graph, by number.
pub(crate) fn fingerprints(graph: &Graph) -> Vec<Fingerprint> {
    let labels: Vec<Fingerprint> = graph.iter().map(|(_, kind)| label(graph, kind)).collect();
    let mut edges: Vec<Vec<TypeId>> = graph.iter().map(|(_, kind)| edges(kind)).collect();
    let targets: Vec<TypeId> = graph.iter().map(|(id, _)| graph.strip_typedefs(id)).collect();
    for to in edges.iter_mut().flatten() {
        *to = targets.get(to.index()).copied().unwrap_or(*to);
    }
    let mut prints = labels.clone();
    for component in components(&edges) {
        let cyclic = match component.as_slice() {
            [one] => edges[*one].iter().any(|to| to.index() == *one),
            _ => true,
        };
        if cyclic {
            refine(&component, &labels, &edges, &mut prints);
        } else if let [one] = component.as_slice() {
            prints[*one] = mix(labels[*one], &edges[*one], &prints);
        }
    }
    // A typedef is what it names.
    targets.iter().map(|target| prints[target.index()]).collect()
}

fn mix(label: Fingerprint, edges: &[TypeId], prints: &[Fingerprint]) -> Fingerprint {
    let mut hasher = Hasher::new(1);
    hasher.fingerprint(label);
    for to in edges {
        hasher.fingerprint(prints.get(to.index()).copied().unwrap_or_default());
    }
    hasher.finish()
}

/// How often a component is hashed over. Components of real programs take twenty rounds; one that was built to take as
/// many as it has types is hashed as it stands.
const MOST_ROUNDS: u32 = 100;

/// Hashes the types of one component over each other until no more of them can be told apart.
fn refine(component: &[usize], labels: &[Fingerprint], edges: &[Vec<TypeId>], prints: &mut [Fingerprint]) {
    for at in component {
        prints[*at] = labels[*at];
    }
    let mut different = 0;
    for _ in 0..MOST_ROUNDS {
        let round: Vec<Fingerprint> = component.iter().map(|at| mix(prints[*at], &edges[*at], prints)).collect();
        let now = round.iter().collect::<HashSet<_>>().len();
        for (at, print) in component.iter().zip(&round) {
            prints[*at] = *print;
        }
        if now <= different {
            return join(component, prints);
        }
        different = now;
    }
    as_it_stands(component, labels, edges, prints);
}

/// Mixes the hashes of a whole component into each of its types: they all reach each other, so that two of them are equal
/// only where everything in their components is. What can be told apart in one graph has been by now, but a difference
/// from another graph has only come as far as there were rounds.
fn join(component: &[usize], prints: &mut [Fingerprint]) {
    let mut all: Vec<Fingerprint> = component.iter().map(|at| prints[*at]).collect();
    all.sort_unstable();
    all.dedup();
    let mut whole = Hasher::new(4);
    for print in all {
        whole.fingerprint(print);
    }
    for at in component {
        let mut hasher = whole.clone();
        hasher.fingerprint(prints[*at]);
        prints[*at] = hasher.finish();
    }
}

/// Hashes a component with the numbers that its types have in it. Equal hashes still mean equal types; equal types that
/// are numbered otherwise get different ones, which costs a comparison.
fn as_it_stands(component: &[usize], labels: &[Fingerprint], edges: &[Vec<TypeId>], prints: &mut [Fingerprint]) {
    let places: HashMap<usize, u64> = component.iter().copied().zip(0..).collect();
    let mut whole = Hasher::new(2);
    for at in component {
        whole.fingerprint(labels[*at]);
        for to in &edges[*at] {
            match places.get(&to.index()) {
                Some(place) => whole.number(*place),
                None => whole.fingerprint(prints.get(to.index()).copied().unwrap_or_default()),
            }
        }
    }
    for (at, place) in &places {
        let mut hasher = whole.clone();
        hasher.number(*place);
        prints[*at] = hasher.finish();
    }
}

/// Strongly connected components, those that are referred to before those that refer to them.
fn components(edges: &[Vec<TypeId>]) -> Vec<Vec<usize>> {
    const NEW: u32 = u32::MAX;
    let count = edges.len();
    let (mut order, mut low) = (vec![NEW; count], vec![0_u32; count]);
    let (mut on_stack, mut stack, mut found) = (vec![false; count], Vec::new(), Vec::new());
    let mut calls: Vec<(usize, usize)> = Vec::new();
    let mut next = 0;
    for root in 0..count {
        if order[root] != NEW {
            continue;
        }
        calls.push((root, 0));
        while let Some((at, edge)) = calls.pop() {
            if edge == 0 {
                (order[at], low[at]) = (next, next);
                next += 1;
                stack.push(at);
                on_stack[at] = true;
            }
            if let Some(to) = edges[at].get(edge).map(|to| to.index()) {
                calls.push((at, edge + 1));
                if to >= count {
                    continue;
                }
                if order[to] == NEW {
                    calls.push((to, 0));
                } else if on_stack[to] {
                    low[at] = low[at].min(order[to]);
                }
                continue;
            }
            if let Some((parent, _)) = calls.last() {
                low[*parent] = low[*parent].min(low[at]);
            }
            if low[at] == order[at] {
                let start = stack.iter().rposition(|other| *other == at).unwrap_or(0);
                let component = stack.split_off(start);
                component.iter().for_each(|at| on_stack[*at] = false);
                found.push(component);
            }
        }
    }
    found
}

/// What a type refers to, in a fixed order.
pub(crate) fn edges(kind: &Type) -> Vec<TypeId> {
    match kind {
        Type::Void | Type::Unknown(_) | Type::Unspecified(_) | Type::Base(_) | Type::Enumeration(_) => Vec::new(),
        Type::Pointer(to)
        | Type::Reference { to, .. }
        | Type::Qualified { of: to, .. }
        | Type::Typedef { of: to, .. }
        | Type::Array { of: to, .. }
        | Type::Vector { of: to, .. } => vec![*to],
        Type::MemberPointer { class, to } => vec![*class, *to],
        Type::Function(function) => {
            std::iter::once(function.returns).chain(function.parameters.iter().copied()).collect()
        }
        Type::Record(record) => {
            let members = record.members.iter().map(|member| member.of);
            let bases = record.bases.iter().map(|base| base.of);
            members.chain(bases).chain(record.virtuals.iter().map(|method| method.of)).collect()
        }
    }
}

/// What a type says by itself.
fn label(graph: &Graph, kind: &Type) -> Fingerprint {
    let name = |hasher: &mut Hasher, name| hasher.bytes(graph.text(name).as_bytes());
    let option = |hasher: &mut Hasher, value: Option<u64>| {
        hasher.number(u64::from(value.is_some()));
        hasher.number(value.unwrap_or(0));
    };
    let mut hasher = Hasher::new(0);
    match kind {
        Type::Void => hasher.number(1),
        Type::Unknown(source) => {
            hasher.number(2);
            hasher.number(*source);
        }
        Type::Unspecified(text) => {
            hasher.number(3);
            name(&mut hasher, *text);
        }
        Type::Base(scalar) => {
            hasher.number(4);
            name(&mut hasher, scalar.name);
            hasher.bytes(format!("{:?}", scalar.encoding).as_bytes());
            hasher.number(scalar.size);
            hasher.number(u64::from(scalar.big_endian));
            option(&mut hasher, scalar.bits);
        }
        Type::Pointer(_) => hasher.number(5),
        Type::Reference { rvalue, .. } => hasher.number(6 + u64::from(*rvalue)),
        Type::MemberPointer { .. } => hasher.number(8),
        Type::Qualified { qualifier, .. } => {
            hasher.number(9);
            hasher.bytes(format!("{qualifier:?}").as_bytes());
        }
        Type::Typedef { .. } => hasher.number(10),
        Type::Array { count, .. } => {
            hasher.number(11);
            option(&mut hasher, *count);
        }
        Type::Vector { count, .. } => {
            hasher.number(12);
            hasher.number(*count);
        }
        Type::Function(function) => {
            hasher.number(13);
            hasher.number(function.parameters.len() as u64);
            hasher.number(u64::from(function.variadic) | (u64::from(function.prototyped) << 1));
            hasher.number(u64::from(function.noreturn));
        }
        Type::Record(record) => {
            hasher.number(14);
            hasher.number(u64::from(record.kind == super::record::RecordKind::Union));
            hasher.bytes(record.name.map_or("", |text| graph.text(text)).as_bytes());
            hasher.number(u64::from(record.declaration));
            hasher.number(record.size);
            option(&mut hasher, record.alignment);
            option(&mut hasher, record.vptr);
            hasher.bytes(format!("{:?}", record.passing).as_bytes());
            for member in &record.members {
                hasher.bytes(member.name.map_or("", |text| graph.text(text)).as_bytes());
                hasher.number(member.offset);
                option(&mut hasher, member.bits);
            }
            for base in &record.bases {
                option(&mut hasher, base.offset);
                hasher.number(u64::from(base.is_virtual));
            }
            for method in &record.virtuals {
                name(&mut hasher, method.name);
                hasher.bytes(method.linkage.map_or("", |text| graph.text(text)).as_bytes());
                option(&mut hasher, method.slot);
                hasher.number(u64::from(method.pure_virtual));
            }
        }
        Type::Enumeration(enumeration) => {
            hasher.number(15);
            hasher.bytes(enumeration.name.map_or("", |text| graph.text(text)).as_bytes());
            hasher.number(u64::from(enumeration.declaration));
            hasher.number(enumeration.size);
            hasher.number(u64::from(enumeration.scoped));
            hasher.bytes(format!("{:?}", enumeration.signed).as_bytes());
            for (text, value) in &enumeration.enumerators {
                name(&mut hasher, *text);
                hasher.number(*value as u64);
                hasher.number((*value >> 64) as u64);
            }
        }
    }
    hasher.finish()
}
