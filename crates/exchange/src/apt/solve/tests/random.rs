//! Random small worlds, compared with trying every set.

use proptest::prelude::*;

use super::*;

/// A relation: to `p0`… or `v0`…, with a version constraint or none.
type Alternative = (u8, Option<(Operator, u8)>);

use crate::apt::relation::Operator;

/// One version of a package.
#[derive(Clone, Debug, Default)]
struct Version {
    depends: Vec<Vec<Alternative>>,
    conflicts: Vec<Alternative>,
    provides: Vec<(u8, Option<u8>)>,
}

/// Packages by number, each in versions 1 and 2.
type World = Vec<[Version; 2]>;

const PACKAGES: u8 = 5;
/// Names from here on are virtual.
const NAMES: u8 = 7;

fn name(number: u8) -> String {
    if number < PACKAGES { format!("p{number}") } else { format!("v{number}") }
}

fn alternative() -> impl Strategy<Value = Alternative> {
    let operator = prop_oneof![Just(Operator::Earlier), Just(Operator::Exactly), Just(Operator::AtLeast)];
    (0..NAMES, proptest::option::of((operator, 1..=2_u8)))
}

fn version() -> impl Strategy<Value = Version> {
    let depends = proptest::collection::vec(proptest::collection::vec(alternative(), 1..3), 0..3);
    let conflicts = proptest::collection::vec(alternative(), 0..2);
    let provides = proptest::collection::vec((PACKAGES..NAMES, proptest::option::of(1..=2_u8)), 0..2);
    (depends, conflicts, provides).prop_map(|(depends, conflicts, provides)| Version { depends, conflicts, provides })
}

fn worlds() -> impl Strategy<Value = World> {
    proptest::collection::vec([version(), version()], PACKAGES as usize)
}

fn text(world: &World) -> String {
    let alternative = |(number, constraint): &Alternative| match constraint {
        None => name(*number),
        Some((operator, version)) => format!("{} ({} {version})", name(*number), operator.as_str()),
    };
    let group = |group: &Vec<Alternative>| group.iter().map(alternative).collect::<Vec<_>>().join(" | ");
    let provided = |(number, version): &(u8, Option<u8>)| match version {
        None => name(*number),
        Some(version) => format!("{} (= {version})", name(*number)),
    };
    let mut text = String::new();
    for (number, versions) in world.iter().enumerate() {
        for (at, version) in versions.iter().enumerate() {
            let depends = version.depends.iter().map(group).collect::<Vec<_>>().join(", ");
            let conflicts = version.conflicts.iter().map(alternative).collect::<Vec<_>>().join(", ");
            let provides = version.provides.iter().map(provided).collect::<Vec<_>>().join(", ");
            let version = at + 1;
            text += &format!("p{number} {version} Depends: {depends}; Breaks: {conflicts}; Provides: {provides}\n");
        }
    }
    text
}

/// A set: per package no version, or one.
type Set = Vec<Option<usize>>;

fn admits(constraint: Option<(Operator, u8)>, version: u8) -> bool {
    constraint.is_none_or(|(operator, other)| match operator {
        Operator::Earlier => version < other,
        Operator::Exactly => version == other,
        _ => version >= other,
    })
}

/// Whether a member of `set` other than `owner` matches.
fn matches(world: &World, set: &Set, (wanted, constraint): Alternative, owner: Option<usize>) -> bool {
    set.iter().enumerate().filter(|&(package, _)| Some(package) != owner).any(|(package, version)| {
        let Some(version) = *version else { return false };
        let itself = package == wanted as usize && admits(constraint, version as u8 + 1);
        let provides = world[package][version].provides.iter().any(|&(provided, version)| {
            provided == wanted && (constraint.is_none() || version.is_some_and(|version| admits(constraint, version)))
        });
        itself || provides
    })
}

fn valid(world: &World, set: &Set) -> bool {
    set.iter().enumerate().all(|(package, version)| {
        let Some(version) = *version else { return true };
        let version = &world[package][version];
        let met = |group: &Vec<Alternative>| group.iter().any(|&one| matches(world, set, one, None));
        version.depends.iter().all(met) && !version.conflicts.iter().any(|&one| matches(world, set, one, Some(package)))
    })
}

/// Whether any set that has all of `wanted` is valid.
fn satisfiable(world: &World, wanted: &[usize]) -> bool {
    let sets = 3_usize.pow(world.len() as u32);
    (0..sets).any(|mut code| {
        let set: Set = world
            .iter()
            .map(|_| {
                let digit = code % 3;
                code /= 3;
                digit.checked_sub(1)
            })
            .collect();
        wanted.iter().all(|&package| set[package].is_some()) && valid(world, &set)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_set_is_found_exactly_where_there_is_one(world in worlds(), wanted in proptest::sample::subsequence(vec![0, 1, 2], 1..=3)) {
        let (_directory, index) = super::world(&text(&world));
        let wants = wanted.iter().map(|package| format!("p{package}")).collect::<Vec<_>>().join(" ");
        let request = request(&wants);
        let set = |solution: &Solution<'_>| -> Set {
            let mut set = vec![None; world.len()];
            for chosen in &solution.packages {
                let package: usize = chosen.name[1..].parse().unwrap();
                set[package] = Some(chosen.version.parse::<usize>().unwrap() - 1);
            }
            set
        };
        let expected = satisfiable(&world, &wanted);
        let result = solve(&index, &request);
        prop_assert_eq!(result.is_ok(), expected, "{:?}", result);
        // The solver without apt's choices as the answer.
        let mut universe = universe::Universe::new(&index, &request);
        let demands = universe::demands(&mut universe).unwrap();
        let marks = mark::mark(&mut universe, &demands);
        let direct = provider::run(universe, &demands, &marks)
            .map(|(universe, chosen)| solution::assemble(universe, &demands, &chosen));
        prop_assert_eq!(direct.is_ok(), expected, "{:?}", direct);
        for solution in [result, direct] {
            match solution {
                Ok(solution) => prop_assert!(valid(&world, &set(&solution)), "{:?}", solution),
                Err(error) => {
                    prop_assert!(!error.reasons.is_empty() && !error.to_string().contains("do not fit together"), "{}", error);
                }
            }
        }
    }
}
