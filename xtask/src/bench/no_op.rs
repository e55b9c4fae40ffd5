//! Adding what is there.

use super::{
    Bench,
    measure::{Contender, in_turn, process},
    report::{Section, Target},
};
use crate::tool::Outcome;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let store = bench.store()?;
    let contenders = vec![Contender::new("aleph add curl, which is there", |_| {
        Ok(process(&bench.work, bench.aleph(store).args(["--quiet", "add", "curl"]))?.sample)
    })];
    let series = in_turn(bench.rounds.unwrap_or(40), contenders)?;
    let targets = vec![Target::milliseconds(&series[0], 40.0), Target::memory(&series[0])];
    let about = "Whole processes, in a store whose view has the closure.".to_owned();
    Ok(Section { about, series, targets, notes: Vec::new() })
}
