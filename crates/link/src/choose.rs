//! Which native components a view has, and what their slots are filled with.

use std::collections::BTreeMap;

use aleph_component::ComponentId;
use foldhash::{HashMap, HashSet};

use crate::{
    Candidate, Hold, Offers,
    keep::{World, seen_from, world_of},
};

/// What is asked of a view.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// What it is to have, by name, some at a version.
    pub wanted: &'a [(String, Option<String>)],
    /// What it has, by name.
    pub held: &'a BTreeMap<String, ComponentId>,
    /// What is to move on to the newest.
    pub moves: &'a Moves,
    /// The versions that some of it moves to: name and version.
    pub at: &'a [(String, String)],
    /// What stays for single consumers.
    pub holds: &'a [Hold],
}

impl Asked<'_> {
    /// The version that a name moves to.
    fn version(&self, name: &str) -> Option<&String> {
        self.at.iter().find(|(known, _)| known == name).map(|(_, version)| version)
    }
}

/// What moves on to the newest version there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Moves {
    /// Nothing.
    #[default]
    None,
    /// Everything.
    All,
    /// What has one of these names.
    Names(Vec<String>),
}

impl Moves {
    /// Whether what has a name moves.
    pub fn moves(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Names(names) => names.iter().any(|known| known == name),
        }
    }
}

/// A component of a view, with its slots filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The component.
    pub candidate: Candidate,
    /// Whether it was asked for.
    pub requested: bool,
    /// Who keeps it: where a view has several of a name, all but one are kept for what was asked for under this name.
    pub kept_for: Option<String>,
    /// Slot to the index of its provider among the members.
    pub slots: BTreeMap<String, usize>,
}

/// Why there is no choice.
#[derive(Debug)]
pub enum ChooseError<E> {
    /// A component could not be read.
    Offers(E),
    /// Nothing has this name, or not at this version.
    Unknown {
        /// What was asked for.
        name: String,
        /// At which version.
        version: Option<String>,
    },
    /// Nothing fills a slot.
    Unfilled {
        /// Whose slot.
        consumer: Candidate,
        /// The slot.
        slot: String,
    },
    /// A binding cannot be.
    Blocked(Box<Blocked>),
    /// Two things that one program needs keep different versions of a third.
    Apart {
        /// What was asked for.
        root: String,
        /// The slot.
        slot: String,
        /// The versions.
        versions: [String; 2],
    },
}

impl<E> From<E> for ChooseError<E> {
    fn from(error: E) -> Self {
        Self::Offers(error)
    }
}

/// A binding that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Whose slot.
    pub consumer: Candidate,
    /// What does not fit into it.
    pub provider: Candidate,
    /// Why not.
    pub why: Why,
}

/// Why a binding cannot be, however compatible the interfaces are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The provider has no library where the consumer looks for it.
    Lacks {
        /// What is needed.
        soname: String,
        /// Where, below the provider's directory.
        path: String,
    },
    /// The consumer can be linked to nothing but what it was made with, in words.
    Fixed(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lacks { soname, path } => write!(f, "it has no {soname} at {path}"),
            Self::Fixed(why) => f.write_str(why),
        }
    }
}

/// One component for each name.
pub(crate) type Picks = HashMap<String, Candidate>;

/// Chooses the components of a view, and what fills their slots: one for each name. What the view holds stays, unless it is
/// to move on; else it is what the consumers were made with, and of several the newest. What reaches a consumer that keeps
/// its provider has a choice of its own in this one name.
///
/// # Errors
/// If something is missing, a binding cannot be, or consumers keep what cannot be in one process.
pub fn choose<O: Offers>(offers: &mut O, asked: &Asked<'_>) -> Result<Vec<Member>, ChooseError<O::Error>> {
    let wanted = asked.wanted.iter();
    let roots: Vec<(&str, Option<&String>)> =
        wanted.map(|(name, version)| (name.as_str(), asked.version(name).or(version.as_ref()))).collect();
    let common = pick(offers, asked, &roots, &World::new(), &Picks::default())?;
    let mut worlds: BTreeMap<World, Picks> = BTreeMap::new();
    let mut found = Found::default();
    for &root in &roots {
        let name = root.0;
        // What is kept may need what is kept in its turn.
        let mut world = world_of(offers, name, &common, asked.holds, &World::new())?;
        let mut own = Picks::default();
        while !world.is_empty() {
            own = pick(offers, asked, &[root], &world, &common)?;
            let wider = world_of(offers, name, &own, asked.holds, &world)?;
            if wider == world {
                break;
            }
            world = wider;
        }
        let picks = if world.is_empty() {
            &common
        } else {
            // Another root of the same world may reach what the first one does not.
            let known = worlds.entry(world.clone()).or_default();
            known.extend(own);
            known
        };
        found.add(offers, name, picks, &world)?;
    }
    found.into_members(offers)
}

/// One component for each name that the roots reach, in a world. What `common` has stays.
fn pick<O: Offers>(
    offers: &mut O,
    asked: &Asked<'_>,
    roots: &[(&str, Option<&String>)],
    world: &World,
    common: &Picks,
) -> Result<Picks, ChooseError<O::Error>> {
    let kept = |offers: &O, name: &str| {
        let held = asked.held.get(name).filter(|_| !asked.moves.moves(name))?;
        offers.with_id(name, held)
    };
    let mut picks = Picks::default();
    let mut todo: Vec<Candidate> = Vec::new();
    for (name, version) in roots {
        let found = match (world.get(*name), version) {
            (Some(id), _) => offers.with_id(name, id),
            (None, Some(version)) => Some(at(offers, name, version)?),
            (None, None) => kept(offers, name).or_else(|| offers.newest(name)),
        };
        let unknown = || ChooseError::Unknown { name: (*name).to_owned(), version: None };
        let found = found.ok_or_else(unknown)?;
        picks.insert((*name).to_owned(), found.clone());
        todo.push(found);
    }
    let settled: HashSet<&str> = roots.iter().map(|(name, _)| *name).collect();
    while let Some(consumer) = todo.pop() {
        for (name, slot) in &offers.native(&consumer)?.slots {
            let decided = match world.get(name) {
                Some(id) => offers.with_id(name, id),
                None => common.get(name).cloned(),
            };
            let version = asked.version(name).filter(|_| decided.is_none());
            let found = match (&decided, version) {
                (Some(decided), _) => Some(decided.clone()),
                (None, Some(version)) => Some(at(offers, name, version)?),
                (None, None) => {
                    let made_with = slot.built_with.filter(|_| !asked.moves.moves(name));
                    let made_with = made_with.and_then(|id| offers.with_id(name, &id));
                    kept(offers, name).or(made_with).or_else(|| offers.newest(name))
                }
            };
            let unfilled = || ChooseError::Unfilled { consumer: consumer.clone(), slot: name.clone() };
            let found = found.ok_or_else(unfilled)?;
            let is_better = picks.get(name).is_none_or(|known| offers.rank(&found) < offers.rank(known));
            if is_better && !settled.contains(name.as_str()) {
                picks.insert(name.clone(), found.clone());
                todo.push(found);
            }
        }
    }
    Ok(picks)
}

/// The one of this name that has a version.
fn at<O: Offers>(offers: &O, name: &str, version: &str) -> Result<Candidate, ChooseError<O::Error>> {
    let found = offers.named(name).iter().find(|known| known.version == version).cloned();
    found.ok_or_else(|| ChooseError::Unknown { name: name.to_owned(), version: Some(version.to_owned()) })
}

/// What is reached from the roots: a name may be there once for each part of a world that it can tell from the others.
#[derive(Default)]
struct Found {
    index: HashMap<String, Vec<usize>>,
    nodes: Vec<Node>,
}

struct Node {
    candidate: Candidate,
    /// What it sees of the world that it is in.
    sees: World,
    /// From where it was reached first.
    root: String,
    is_requested: bool,
    slots: BTreeMap<String, usize>,
}

impl Found {
    /// Everything that a root reaches.
    fn add<O: Offers>(
        &mut self,
        offers: &mut O,
        root: &str,
        picks: &Picks,
        world: &World,
    ) -> Result<(), ChooseError<O::Error>> {
        let mut todo = Vec::new();
        let start = self.node(offers, root, (root, picks, world), &mut todo)?;
        self.nodes[start].is_requested = true;
        while let Some(at) = todo.pop() {
            let candidate = self.nodes[at].candidate.clone();
            for slot in offers.native(&candidate)?.slots.keys() {
                let provider = self.node(offers, slot, (root, picks, world), &mut todo)?;
                self.nodes[at].slots.insert(slot.clone(), provider);
            }
        }
        Ok(())
    }

    /// The node of a name; a new one is to be looked at.
    fn node<O: Offers>(
        &mut self,
        offers: &mut O,
        name: &str,
        (root, picks, world): (&str, &Picks, &World),
        todo: &mut Vec<usize>,
    ) -> Result<usize, ChooseError<O::Error>> {
        let sees = seen_from(offers, name, picks, world)?;
        let known = self.index.get(name).into_iter().flatten().copied();
        if let Some(at) = known.into_iter().find(|&at| self.nodes[at].sees == sees) {
            return Ok(at);
        }
        let at = self.nodes.len();
        let candidate = picks[name].clone();
        self.nodes.push(Node { candidate, sees, root: root.to_owned(), is_requested: false, slots: BTreeMap::new() });
        self.index.entry(name.to_owned()).or_default().push(at);
        todo.push(at);
        Ok(at)
    }

    /// All of them, if every binding can be.
    fn into_members<O: Offers>(self, offers: &mut O) -> Result<Vec<Member>, ChooseError<O::Error>> {
        for node in &self.nodes {
            for &provider in node.slots.values() {
                check(offers, &node.candidate, &self.nodes[provider].candidate)?;
            }
        }
        // Of several with a name one is just that: what was asked for, else what everybody else has.
        let mut plain: HashMap<&str, usize> = HashMap::default();
        for (at, node) in self.nodes.iter().enumerate() {
            let rank = |node: &Node| (!node.is_requested, !node.sees.is_empty());
            let known = plain.entry(&node.candidate.name).or_insert(at);
            if rank(node) < rank(&self.nodes[*known]) {
                *known = at;
            }
        }
        let members = self.nodes.iter().enumerate().map(|(at, node)| {
            let is_plain = plain[node.candidate.name.as_str()] == at;
            Member {
                candidate: node.candidate.clone(),
                requested: node.is_requested,
                kept_for: (!is_plain).then(|| node.root.clone()),
                slots: node.slots.clone(),
            }
        });
        Ok(members.collect())
    }
}

/// Whether a slot can be filled with this at all.
fn check<O: Offers>(offers: &mut O, consumer: &Candidate, provider: &Candidate) -> Result<(), ChooseError<O::Error>> {
    let blocked = |why| {
        let (consumer, provider) = (consumer.clone(), provider.clone());
        Err(ChooseError::Blocked(Box::new(Blocked { consumer, provider, why })))
    };
    let native = offers.native(consumer)?;
    let slot = &native.slots[&provider.name];
    let is_as_made = slot.built_with.is_none_or(|id| id == provider.id);
    if let Some(why) = native.fixed.clone().filter(|_| !is_as_made) {
        return blocked(Why::Fixed(why));
    }
    let of = offers.native(provider)?;
    match slot.libraries.iter().find(|(soname, path)| of.library(soname) != Some(path)) {
        Some((soname, path)) => blocked(Why::Lacks { soname: soname.clone(), path: path.to_string() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

    use aleph_component::{Digest, Native, TreePath, native::Slot};
    use proptest::prelude::*;

    use super::*;

    /// Components `n0`, `n1`, … in several versions each.
    #[derive(Clone, Debug)]
    struct World {
        by_name: BTreeMap<String, Vec<Candidate>>,
        natives: HashMap<ComponentId, Arc<Native>>,
    }

    impl Offers for World {
        type Error = Infallible;

        fn named(&self, name: &str) -> &[Candidate] {
            self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
        }

        fn native(&mut self, candidate: &Candidate) -> Result<Arc<Native>, Infallible> {
            Ok(Arc::clone(&self.natives[&candidate.id]))
        }
    }

    const NAMES: usize = 6;
    const VERSIONS: usize = 3;

    /// What each version of each name is made with: of every name before it a version, or nothing.
    fn worlds() -> impl Strategy<Value = World> {
        let needs = prop::collection::vec(prop::option::weighted(0.5, 0..VERSIONS), NAMES * VERSIONS * NAMES);
        needs.prop_map(|needs| {
            let library = |name: usize| (format!("lib{name}.so"), TreePath::new(&format!("lib/lib{name}.so")).unwrap());
            let id = |name: usize, version: usize| {
                ComponentId::from_digest(Digest::of(format!("{name} {version}").as_bytes()))
            };
            let mut world = World { by_name: BTreeMap::new(), natives: HashMap::default() };
            for name in 0..NAMES {
                for version in (0..VERSIONS).rev() {
                    let mut native = Native { offers: [library(name)].into(), ..Native::default() };
                    for other in 0..name {
                        if let Some(made_with) = needs[(name * VERSIONS + version) * NAMES + other] {
                            let built_with = Some(id(other, made_with));
                            native
                                .slots
                                .insert(format!("n{other}"), Slot { built_with, libraries: [library(other)].into() });
                        }
                    }
                    let id = id(name, version);
                    world.natives.insert(id, Arc::new(native));
                    let candidate = Candidate { name: format!("n{name}"), version: version.to_string(), id };
                    world.by_name.entry(format!("n{name}")).or_default().push(candidate);
                }
            }
            world
        })
    }

    /// The members that are reached from one.
    fn closure(members: &[Member], from: usize) -> BTreeSet<usize> {
        let (mut reached, mut todo) = (BTreeSet::from([from]), vec![from]);
        while let Some(at) = todo.pop() {
            todo.extend(members[at].slots.values().filter(|&&provider| reached.insert(provider)));
        }
        reached
    }

    proptest! {
        #[test]
        fn no_process_has_a_name_twice_and_who_holds_something_has_it(
            world in worlds(),
            roots in prop::collection::btree_set(2..NAMES, 1..4),
            held in prop::collection::vec((0..NAMES, 0..NAMES, 0..VERSIONS), 0..4),
            everything_moves: bool,
        ) {
            let mut world = world;
            let wanted: Vec<_> = roots.iter().map(|root| (format!("n{root}"), None)).collect();
            let moves = if everything_moves { Moves::All } else { Moves::None };
            let holds: Vec<Hold> = held
                .iter()
                .map(|(consumer, slot, version)| {
                    let slot = format!("n{slot}");
                    let provider = world.named(&slot)[*version].id;
                    Hold { consumer: format!("n{consumer}"), slot, provider }
                })
                .collect();
            let nothing = BTreeMap::new();
            let asked = Asked { wanted: &wanted, held: &nothing, moves: &moves, at: &[], holds: &holds };
            let members = match choose(&mut world, &asked) {
                Ok(members) => members,
                Err(ChooseError::Apart { .. }) => return Ok(()),
                Err(error) => panic!("{error:?}"),
            };
            for (name, _) in &wanted {
                let is_root = |member: &&Member| member.requested && member.candidate.name == *name;
                prop_assert_eq!(members.iter().filter(is_root).count(), 1);
            }
            let mut keys = BTreeSet::new();
            for (at, member) in members.iter().enumerate() {
                prop_assert!(keys.insert((member.candidate.name.clone(), member.kept_for.clone())));
                let slots: BTreeSet<&String> = member.slots.keys().collect();
                let native = world.native(&member.candidate).unwrap();
                prop_assert_eq!(slots, native.slots.keys().collect::<BTreeSet<_>>());
                prop_assert!(member.slots.iter().all(|(slot, &provider)| members[provider].candidate.name == *slot));
                if !member.requested {
                    continue;
                }
                let reached = closure(&members, at);
                let names: BTreeSet<&str> = reached.iter().map(|&at| members[at].candidate.name.as_str()).collect();
                prop_assert_eq!(names.len(), reached.len(), "a name twice in the process of {}", member.candidate.name);
                for hold in &holds {
                    let consumer = reached.iter().map(|&at| &members[at]).find(|one| one.candidate.name == hold.consumer);
                    if let Some(&provider) = consumer.and_then(|consumer| consumer.slots.get(&hold.slot)) {
                        prop_assert_eq!(members[provider].candidate.id, hold.provider);
                    }
                }
            }
            // Who has nothing to do with what is held is as everybody would be.
            let free = Asked { holds: &[], ..asked.clone() };
            let common = choose(&mut world, &free).unwrap();
            if holds.is_empty() {
                prop_assert_eq!(members, common);
            }
        }
    }
}
