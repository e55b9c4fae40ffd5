//! The one printer: answers to standard output, everything else to standard error.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    sync::OnceLock,
};

use serde::Serialize;

use crate::{
    cli::{Color, Format, Global},
    failure::Failure,
    progress::Progress,
};

/// The version of the JSON answers; it only grows.
const SCHEMA: u32 = 1;

/// Prints.
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    progress: Progress,
    /// Why an answer could not be written.
    unwritten: OnceLock<std::io::Error>,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: u32,
    kind: &'a str,
    data: &'a T,
}

/// An envelope that says the most important things at its top.
#[derive(Serialize)]
struct HeadedEnvelope<'a, H, T> {
    schema: u32,
    kind: &'a str,
    #[serde(flatten)]
    head: &'a H,
    data: &'a T,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let quiet = global.quiet;
        Self {
            json: global.format == Format::Json,
            quiet,
            progress: Progress::new(!quiet && std::io::stderr().is_terminal()),
            unwritten: OnceLock::new(),
        }
    }

    /// How the process exits: not well if an answer could not be written, to a full disk say.
    pub(crate) fn finish(mut self, code: ExitCode) -> ExitCode {
        let Some(error) = self.unwritten.take() else { return code };
        self.failure(&Failure::new(format!("the answer could not be written: {error}")));
        if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// An answer: `data` as JSON of this kind, or what `human` makes of it.
    pub(crate) fn answer<T: Serialize>(&self, kind: &str, data: &T, human: impl FnOnce(&T) -> String) {
        self.print(&Envelope { schema: SCHEMA, kind, data }, || human(data));
    }

    /// An answer whose JSON has the fields of `head` beside `data`.
    pub(crate) fn headed_answer<H: Serialize, T: Serialize>(
        &self,
        kind: &str,
        head: &H,
        data: &T,
        human: impl FnOnce(&T) -> String,
    ) {
        self.print(&HeadedEnvelope { schema: SCHEMA, kind, head, data }, || human(data));
    }

    fn print(&self, envelope: &impl Serialize, human: impl FnOnce() -> String) {
        let text = if self.json { serde_json::to_string_pretty(envelope).unwrap_or_default() } else { human() };
        if !text.is_empty() {
            self.line(&text);
        }
    }

    /// A line of an answer that is always text.
    pub(crate) fn line(&self, text: &str) {
        self.progress.suspend(|| {
            let mut out = anstream::stdout().lock();
            // A reader that went away ends the process by signal.
            let written = out.write_all(text.trim_end_matches('\n').as_bytes()).and_then(|()| out.write_all(b"\n"));
            if let Err(error) = written.and_then(|()| out.flush()) {
                let _ = self.unwritten.set(error);
            }
        });
    }

    /// Something worth knowing while work goes on.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.error_line(text);
        }
    }

    /// Something that should be looked at.
    pub(crate) fn warning(&self, text: &str) {
        self.error_line(&format!("{}: {text}", yellow("warning")));
    }

    /// What went wrong and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.progress.clear();
        let chain = failure.chain();
        if self.json {
            let data = serde_json::json!({ "message": chain.join(": "), "hints": failure.hints() });
            let envelope = Envelope { schema: SCHEMA, kind: "error", data: &data };
            self.error_line(&serde_json::to_string(&envelope).unwrap_or_default());
            return;
        }
        let mut text = format!("{}: {}", red("error"), chain.first().map_or("", String::as_str));
        for cause in chain.iter().skip(1) {
            text.push_str(&format!("\n  because: {}", cause.replace('\n', "\n  ")));
        }
        for hint in failure.hints() {
            text.push_str(&format!("\n  {}: {hint}", cyan("try")));
        }
        self.error_line(&text);
    }

    /// The progress display.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    fn error_line(&self, text: &str) {
        self.progress.suspend(|| {
            let mut err = anstream::stderr().lock();
            let _ = writeln!(err, "{text}");
        });
    }
}

fn styled(code: &str, text: &str) -> String {
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(crate) fn red(text: &str) -> String {
    styled("1;31", text)
}

pub(crate) fn yellow(text: &str) -> String {
    styled("33", text)
}

pub(crate) fn green(text: &str) -> String {
    styled("32", text)
}

pub(crate) fn cyan(text: &str) -> String {
    styled("36", text)
}

pub(crate) fn bold(text: &str) -> String {
    styled("1", text)
}

pub(crate) fn dim(text: &str) -> String {
    styled("2", text)
}

/// A length in bytes for people, in powers of 1024.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 package`, `2 packages`, `3 libraries`, `4 processes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix("ry") {
        Some(stem) => format!("{number} {stem}ries"),
        None if noun.ends_with("ss") => format!("{number} {noun}es"),
        None => format!("{number} {noun}s"),
    }
}

/// Rows with their columns aligned; the last column is left ragged.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad = if column + 1 < row.len() { widths[column] - cell.chars().count() } else { 0 };
            format!("{cell}{}", " ".repeat(pad))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_tables_read_well() {
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(1 << 30)], ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]);
        assert_eq!(
            [count(1, "package"), count(2, "package"), count(2, "process")],
            ["1 package", "2 packages", "2 processes"]
        );
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["aaa".to_owned(), String::new()]];
        assert_eq!(table(&rows), "a    b\naaa");
    }
}
