//! Plans the update of one component under a whole distribution, for the benchmark: `plan GRAPH LIBRARY OLD NEW PROGRAM…`.
//!
//! GRAPH has a line for each package, its name and what it depends on. Every package is taken for a native component that
//! is linked to all that. LIBRARY is the one that moves; OLD and NEW are its shared objects. What nobody downloaded has
//! the facts of the PROGRAMs, in turn. Prints as JSON what the plan is, and the milliseconds that it took.

#![allow(clippy::disallowed_macros, reason = "it prints for the benchmark")]

use std::{collections::BTreeMap, convert::Infallible, fs, sync::Arc, time::Instant};

use aleph_abi::{Options, Pair, elf};
use aleph_component::{ComponentId, Digest, Native, native::Slot};
use aleph_link::{Asked, Candidate, Member, Moves, Offers, choose};
use foldhash::HashMap;

struct World {
    by_name: HashMap<String, Vec<Candidate>>,
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

fn id(name: &str, version: u32) -> ComponentId {
    ComponentId::from_digest(Digest::of(format!("{name} {version}").as_bytes()))
}

impl World {
    fn read(graph: &str) -> Self {
        let mut world = Self { by_name: HashMap::default(), natives: HashMap::default() };
        let names: HashMap<&str, ()> =
            graph.lines().filter_map(|line| Some((line.split_whitespace().next()?, ()))).collect();
        for line in graph.lines() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let mut native = Native::default();
            for needed in words.filter(|needed| names.contains_key(needed) && *needed != name) {
                let built_with = Some(id(needed, 1));
                native.slots.insert(needed.to_owned(), Slot { built_with, libraries: BTreeMap::new() });
            }
            world.add(name, 1, native);
        }
        world
    }

    fn add(&mut self, name: &str, version: u32, native: Native) {
        let candidate = Candidate { name: name.to_owned(), version: version.to_string(), id: id(name, version) };
        self.natives.insert(candidate.id, Arc::new(native));
        self.by_name.entry(name.to_owned()).or_default().insert(0, candidate);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph, library, old, new, programs @ ..] = arguments.as_slice() else {
        panic!("plan GRAPH LIBRARY OLD NEW PROGRAM…");
    };
    let facts = |path: &String| elf::read(&fs::read(path).expect("it can be read")).expect("it is an ELF file");
    let (old, new) = (facts(old), facts(new));
    let programs: Vec<elf::Facts> = programs.iter().map(facts).collect();
    let mut world = World::read(&fs::read_to_string(graph).expect("it can be read"));
    let held: BTreeMap<String, ComponentId> =
        world.by_name.iter().map(|(name, known)| (name.clone(), known[0].id)).collect();
    let mut wanted: Vec<(String, Option<String>)> = held.keys().map(|name| (name.clone(), None)).collect();
    wanted.sort();
    let moving = world.newest(library).expect("the library is in the graph");
    let native = Native::clone(&world.natives[&moving.id]);
    world.add(library, 2, native);

    let start = Instant::now();
    let moves = Moves::Names(vec![library.clone()]);
    let asked = Asked { wanted: &wanted, held: &held, moves: &moves, at: &[], holds: &[] };
    let members = choose(&mut world, &asked).unwrap_or_else(|error| panic!("{error:?}"));
    let to = id(library, 2);
    let is_bound = |member: &&Member| member.slots.values().any(|&provider| members[provider].candidate.id == to);
    let consumers = members.iter().filter(is_bound);
    let pair = Pair::new(&old, &new);
    let options = Options { is_declared: true, ..Options::NONE };
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let judged =
        consumers.zip(programs.iter().cycle()).map(|(_, facts)| aleph_abi::judge(Some(facts), &pair, &options));
    judged.for_each(|judgement| *verdicts.entry(judgement.verdict.as_str()).or_default() += 1);
    let took = start.elapsed().as_secs_f64() * 1e3;

    let verdicts: Vec<String> = verdicts.iter().map(|(verdict, number)| format!("\"{verdict}\":{number}")).collect();
    let bindings: usize = members.iter().map(|member| member.slots.len()).sum();
    println!(
        "{{\"packages\":{},\"bindings\":{bindings},\"verdicts\":{{{}}},\"milliseconds\":{took}}}",
        members.len(),
        verdicts.join(",")
    );
}
