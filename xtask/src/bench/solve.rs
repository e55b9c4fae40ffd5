//! Which packages are needed.

use std::{cell::RefCell, collections::BTreeSet};

use super::{
    Bench,
    compose::phase,
    inputs::{SEEDS, discard, installed},
    machine,
    measure::{Contender, Sample, Series, in_turn, process},
    report::{Section, Target},
};
use crate::tool::Outcome;

/// What both found, and the phases of ours.
#[derive(Default)]
struct Found {
    load: Vec<Sample>,
    solve: Vec<Sample>,
    ours: BTreeSet<String>,
    peers: BTreeSet<String>,
}

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let store = bench.fresh();
    let found = RefCell::new(Found::default());
    let contenders = vec![
        Contender::new("aleph add --dry-run, whole process", |round| {
            let mut command = bench.aleph(&store);
            let finished = process(&bench.work, command.args(["--format", "json", "--dry-run", "add"]).args(SEEDS))?;
            let found = &mut found.borrow_mut();
            found.ours = planned(&finished.stdout)?;
            if round > 0 {
                found.load.push(Sample::phase(phase(&finished.stdout, "load_index")?));
                found.solve.push(Sample::phase(phase(&finished.stdout, "solve")?));
            }
            Ok(finished.sample)
        }),
        Contender::new("apt-get -s install", |_| {
            let finished = process(&bench.work, &mut bench.apt_simulation()?)?;
            found.borrow_mut().peers = installed(&finished.stdout).into_iter().collect();
            Ok(finished.sample)
        }),
    ];
    let mut series = in_turn(bench.rounds.unwrap_or(5), contenders)?;
    discard(bench, &store)?;
    let found = found.into_inner();
    series.push(Series::of("aleph: load the index", found.load));
    series.push(Series::of("aleph: solve", found.solve));
    let [whole, peer, load, solve] = &series[..] else { return Err("four were measured".into()) };
    let targets = vec![
        Target::ratio(whole, peer, 1.0),
        Target::milliseconds(load, 100.0),
        Target::milliseconds(solve, 50.0),
        Target::memory(whole),
    ];
    let about = format!(
        "{} requests against all sources of the host, into an empty view; apt {} with an empty status file and without\n\
         recommendations.",
        SEEDS.len(),
        machine::version("apt"),
    );
    Ok(Section { about, notes: vec![compared(&found.ours, &found.peers)], series, targets })
}

/// The packages of a plan, `NAME=VERSION`.
fn planned(answer: &str) -> Outcome<BTreeSet<String>> {
    let answer: serde_json::Value = serde_json::from_str(answer)?;
    let packages = answer["data"]["packages"].as_array().ok_or("the plan lists no packages")?;
    let one =
        |package: &serde_json::Value| Some(format!("{}={}", package["name"].as_str()?, package["version"].as_str()?));
    Ok(packages.iter().filter_map(one).collect())
}

/// Whether both sets are the same, and how they differ.
fn compared(ours: &BTreeSet<String>, peers: &BTreeSet<String>) -> String {
    if ours == peers {
        return format!("Both find the same {} packages.", ours.len());
    }
    let list = |set: Vec<&String>| set.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let (more, less) = (list(ours.difference(peers).collect()), list(peers.difference(ours).collect()));
    format!("**The sets differ**: {} and {} packages; only Aleph: {more}; only apt: {less}.", ours.len(), peers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_sets_compared() {
        let answer = r#"{"schema":1,"kind":"plan","data":{"packages":[{"name":"a","version":"1:2"},{"name":"b","version":"3"}]}}"#;
        let ours = planned(answer).expect("a plan");
        assert_eq!(compared(&ours, &ours), "Both find the same 2 packages.");
        let peers = BTreeSet::from(["a=1:2".to_owned(), "c=1".to_owned()]);
        assert_eq!(compared(&ours, &peers), "**The sets differ**: 2 and 2 packages; only Aleph: b=3; only apt: c=1.");
        assert!(planned("{}").is_err());
    }
}
