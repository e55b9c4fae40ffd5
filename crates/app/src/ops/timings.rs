//! How long each phase of a change took.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Serialize, Serializer};

/// Wall-clock time by phase.
#[derive(Default)]
pub(crate) struct Timings(BTreeMap<&'static str, Duration>);

impl Timings {
    /// Runs `work` and counts its time under `phase`.
    pub(crate) fn measure<T>(&mut self, phase: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = work();
        *self.0.entry(phase).or_default() += start.elapsed();
        value
    }

    /// The time of all phases.
    pub(crate) fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// Adds another's times to these.
    pub(crate) fn add(&mut self, other: Self) {
        for (phase, time) in other.0 {
            *self.0.entry(phase).or_default() += time;
        }
    }
}

impl Serialize for Timings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Milliseconds with three decimals.
        serializer.collect_map(self.0.iter().map(|(phase, time)| (phase, (time.as_secs_f64() * 1e6).round() / 1e3)))
    }
}
