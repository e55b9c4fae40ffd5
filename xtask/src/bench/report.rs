//! What was found: one section for each comparison, targets first, kept between runs, written as BENCHMARKS.md.

use std::fmt::Write as _;

use super::{Bench, machine, measure::Series};
use crate::tool::{Outcome, project};

/// What one comparison found.
pub(super) struct Section {
    /// How it was done, for those who do it again.
    pub(super) about: String,
    pub(super) series: Vec<Series>,
    pub(super) targets: Vec<Target>,
    /// What is not a time: sets, sizes, versions.
    pub(super) notes: Vec<String>,
}

/// A number that is to be reached.
pub(super) struct Target {
    what: String,
    value: f64,
    limit: f64,
    unit: Unit,
    at_least: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Ratio,
    Milliseconds,
    Mebibytes,
}

impl Target {
    /// Our median by the peer's must be at most `limit`.
    pub(super) fn ratio(ours: &Series, peer: &Series, limit: f64) -> Self {
        let what = format!("{} / {}", ours.name, peer.name);
        Self { what, value: ours.median() / peer.median(), limit, unit: Unit::Ratio, at_least: false }
    }

    /// A throughput that must be at least `limit` times the peer's.
    pub(super) fn throughput(what: &str, value: f64, limit: f64) -> Self {
        Self { what: what.to_owned(), value, limit, unit: Unit::Ratio, at_least: true }
    }

    /// A ratio that must be at most `limit`.
    pub(super) fn growth(what: &str, value: f64, limit: f64) -> Self {
        Self { what: what.to_owned(), value, limit, unit: Unit::Ratio, at_least: false }
    }

    /// Our median must be at most so many milliseconds.
    pub(super) fn milliseconds(ours: &Series, limit: f64) -> Self {
        let value = ours.median() * 1e3;
        Self { what: ours.name.clone(), value, limit, unit: Unit::Milliseconds, at_least: false }
    }

    /// Our peak memory must be at most 300 MiB.
    pub(super) fn memory(ours: &Series) -> Self {
        let what = format!("{}: peak memory", ours.name);
        Self { what, value: ours.peak_mib(), limit: 300.0, unit: Unit::Mebibytes, at_least: false }
    }

    fn is_met(&self) -> bool {
        if self.at_least { self.value >= self.limit } else { self.value <= self.limit }
    }

    fn to_row(&self) -> String {
        let bound = if self.at_least { "≥" } else { "≤" };
        let met = if self.is_met() { "yes" } else { "**no**" };
        let [value, limit] = match self.unit {
            Unit::Ratio if self.value < 0.1 => [format!("{:.3}", self.value), self.limit.to_string()],
            Unit::Ratio => [format!("{:.2}", self.value), self.limit.to_string()],
            Unit::Milliseconds => [format!("{:.1} ms", self.value), format!("{} ms", self.limit)],
            Unit::Mebibytes => [format!("{:.0} MiB", self.value), format!("{} MiB", self.limit)],
        };
        format!("| {} | {value} | {bound} {limit} | {met} |", self.what)
    }
}

impl Section {
    /// The section's text, under a heading.
    pub(super) fn to_markdown(&self, name: &str) -> String {
        let mut text = format!("## {name}\n\n{}\n\n", self.about);
        text.push_str("| | median | fastest – slowest | CPU | runs | peak memory |\n|---|--:|--:|--:|--:|--:|\n");
        for series in &self.series {
            let (low, high) = series.range();
            let (median, low, high, cpu) = (time(series.median()), time(low), time(high), time(series.cpu()));
            let memory = match series.peak_mib() {
                peak if peak > 0.0 => format!("{peak:.0} MiB"),
                _ => "–".to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {median} | {low} – {high} | {cpu} | {} | {memory} |",
                series.name,
                series.rounds()
            );
        }
        for note in &self.notes {
            let _ = write!(text, "\n- {note}");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text
    }

    fn to_rows(&self) -> String {
        self.targets.iter().map(|target| target.to_row() + "\n").collect()
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds.is_nan() => "–".to_owned(),
        seconds if seconds < 0.1 => format!("{:.2} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

/// Keeps a section for the next time that the page is written, with the day and the commit.
pub(super) fn keep(bench: &Bench, name: &str, section: &Section) -> Outcome {
    let results = bench.work.join("results");
    let when = format!("\nMeasured {} at {}.\n", machine::today(), machine::commit());
    std::fs::write(results.join(format!("{name}.md")), section.to_markdown(name) + &when)?;
    std::fs::write(results.join(format!("{name}.targets")), section.to_rows())?;
    eprintln!("{}", section.to_rows());
    Ok(())
}

/// Writes the page from all sections that are kept.
pub(super) fn write<'a>(bench: &Bench, names: impl Iterator<Item = &'a str>) -> Outcome {
    let results = bench.work.join("results");
    let (mut targets, mut sections) = (String::new(), String::new());
    for name in names {
        let read = |suffix: &str| std::fs::read_to_string(results.join(format!("{name}.{suffix}"))).unwrap_or_default();
        targets.push_str(&read("targets"));
        let section = read("md");
        if !section.is_empty() {
            sections.push('\n');
            sections.push_str(&section);
        }
    }
    let page = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`. Every comparison runs Aleph and the other tool in turn (A B A B) on the \
         same inputs on the same\nfile system, one round uncounted. Ratios are Aleph's median by the peer's: compare these, \
         not seconds between machines.\n\nMachine: {}.\n\n| target | measured | wanted | met |\n|---|--:|--:|---|\n{targets}{sections}",
        machine::describe(&bench.work)
    );
    std::fs::write(project().join("BENCHMARKS.md"), page)?;
    Ok(())
}
