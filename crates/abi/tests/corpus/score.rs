//! Who was right how often.

use std::fmt::{self, Display, Formatter};

use crate::{build::Variant, case::Answer};

/// One answer to one case.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) who: &'static str,
    pub(crate) variant: Variant,
    pub(crate) case: String,
    /// What the case expects.
    pub(crate) expect: Answer,
    /// What is true, where the case expects that nobody knows.
    pub(crate) truth: Answer,
    pub(crate) answer: Answer,
}

/// All answers.
#[derive(Debug, Default)]
pub(crate) struct Score {
    marks: Vec<Mark>,
}

impl Score {
    pub(crate) fn add(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    fn of(&self, who: &str, variant: Variant) -> Row<'_> {
        let marks = self.marks.iter().filter(|mark| mark.who == who && mark.variant == variant);
        let mut row = Row::default();
        for mark in marks {
            match mark.answer {
                answer if [mark.expect, mark.truth].contains(&answer) => row.right += 1,
                Answer::Unknown => row.unknown += 1,
                Answer::Relink => row.false_relinks.push(&mark.case),
                Answer::Rebuild => row.false_rebuilds.push(&mark.case),
            }
        }
        row.false_relinks.sort_unstable();
        row.false_rebuilds.sort_unstable();
        row
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for mark in &self.marks {
            if !names.contains(&mark.who) {
                names.push(mark.who);
            }
        }
        names.sort_unstable();
        names
    }
}

#[derive(Debug, Default)]
struct Row<'a> {
    right: usize,
    unknown: usize,
    false_relinks: Vec<&'a str>,
    false_rebuilds: Vec<&'a str>,
}

impl Display for Score {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:<9} {:>6} {:>14} {:>15} {:>8}",
            "", "files", "right", "false relinks", "false rebuilds", "unknown"
        )?;
        for variant in Variant::ALL {
            for who in self.names() {
                let row = self.of(who, variant);
                let (relinks, rebuilds) = (row.false_relinks.len(), row.false_rebuilds.len());
                let (variant, right, unknown) = (variant.name(), row.right, row.unknown);
                writeln!(f, "{who:<20} {variant:<9} {right:>6} {relinks:>14} {rebuilds:>15} {unknown:>8}")?;
            }
        }
        for who in self.names() {
            let row = self.of(who, Variant::Full);
            writeln!(f, "\n{who}, whole files\n  false relinks: {}", row.false_relinks.join(" "))?;
            writeln!(f, "  false rebuilds: {}", row.false_rebuilds.join(" "))?;
        }
        Ok(())
    }
}
