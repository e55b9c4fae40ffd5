//! How the tour is set: chapters, text wrapped to the terminal, commands that can be copied, what programs printed.

use std::cell::Cell;

use crate::{
    host::Host,
    output::{Printer, bold, cyan, dim, green, yellow},
};

/// What stands before every line below a chapter's title.
const MARGIN: &str = "   ";
/// A space that no line is broken at.
const SOLID: char = '\u{a0}';
/// The width of text where nobody knows how wide the reader's window is.
const USUAL: usize = 80;

/// The page that the tour is written on.
pub(super) struct Page<'a> {
    printer: &'a Printer,
    silent: bool,
    width: usize,
    terminal: bool,
    chapter: Cell<u32>,
    /// Texts to set apart in what programs print: the older versions and the newer.
    marks: Vec<(String, Mark)>,
}

/// How a version is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Older,
    Newer,
}

impl<'a> Page<'a> {
    /// A page for whoever reads standard output; nothing is written if answers are JSON or the user wants quiet.
    pub(super) fn new(host: &Host, printer: &'a Printer) -> Self {
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
        let columns = size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self {
            printer,
            silent: printer.is_json() || host.global.quiet,
            width: columns.map_or(USUAL, |columns| columns.clamp(50, 100)),
            terminal: columns.is_some(),
            chapter: Cell::new(0),
            marks: Vec::new(),
        }
    }

    /// From now on sets these versions apart in what programs print.
    pub(super) fn tell_apart(&mut self, older: &str, newer: &str) {
        let pairs = [(upstream(older), upstream(newer)), (older, newer)];
        for (older, newer) in pairs.into_iter().filter(|(older, newer)| older != newer) {
            self.marks.push((older.to_owned(), Mark::Older));
            self.marks.push((newer.to_owned(), Mark::Newer));
        }
        self.marks.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// The name of it all.
    pub(super) fn title(&self, text: &str) {
        self.line(&bold(text));
    }

    /// Begins a chapter.
    pub(super) fn chapter(&self, title: &str) {
        self.chapter.set(self.chapter.get() + 1);
        self.line("");
        self.line(&bold(&format!("{}. {title}", self.chapter.get())));
    }

    /// The last part, which has no number.
    pub(super) fn epilogue(&self, title: &str) {
        self.line("");
        self.line(&bold(title));
    }

    /// A paragraph.
    pub(super) fn say(&self, text: &str) {
        for line in wrapped(text, self.width - MARGIN.len()) {
            self.line(&format!("{MARGIN}{line}"));
        }
    }

    /// A paragraph of small print.
    pub(super) fn aside(&self, text: &str) {
        for line in wrapped(text, self.width - MARGIN.len()) {
            self.line(&format!("{MARGIN}{}", dim(&line)));
        }
    }

    /// A line that is not wrapped.
    pub(super) fn row(&self, text: &str) {
        self.line(&format!("{MARGIN}  {}", self.cut(text, MARGIN.len() + 2)));
    }

    /// A command of quoted words, on as many lines as it takes, so that it can be copied.
    pub(super) fn command(&self, words: &[String]) {
        let lines = filled(words.iter().map(String::as_str), self.width - MARGIN.len() - 6);
        let last = lines.len().saturating_sub(1);
        for (index, line) in lines.iter().enumerate() {
            let prompt = if index == 0 { "$ " } else { "    " };
            let more = if index == last { "" } else { " \\" };
            self.line(&format!("{MARGIN}{}{}", dim(prompt), cyan(&format!("{line}{more}"))));
        }
    }

    /// What a program printed, cut to the window.
    pub(super) fn output(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("{MARGIN}{} {}", dim("│"), self.marked(&self.cut(line, MARGIN.len() + 2))));
        }
    }

    fn line(&self, text: &str) {
        if !self.silent {
            self.printer.line(&text.replace(SOLID, " "));
        }
    }

    fn cut(&self, line: &str, used: usize) -> String {
        let room = self.width.saturating_sub(used);
        if !self.terminal || visible(line) <= room {
            return line.to_owned();
        }
        line.chars().take(room.saturating_sub(1)).chain(['…']).collect()
    }

    fn marked(&self, line: &str) -> String {
        let (mut text, mut rest, mut before) = (String::new(), line, ' ');
        while let Some(first) = rest.chars().next() {
            let found = self.marks.iter().find(|(mark, _)| !before.is_ascii_alphanumeric() && begins(rest, mark));
            let taken = match found {
                Some((version, Mark::Older)) => yellow(version),
                Some((version, Mark::Newer)) => green(version),
                None => first.to_string(),
            };
            text.push_str(&taken);
            rest = &rest[found.map_or(first.len_utf8(), |(version, _)| version.len())..];
            before = first;
        }
        text
    }
}

/// Whether `text` begins with `version` and not with a longer one.
fn begins(text: &str, version: &str) -> bool {
    text.strip_prefix(version).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Text that stays on one line: `52.7 MiB`.
pub(super) fn solid(text: impl std::fmt::Display) -> String {
    text.to_string().replace(' ', &SOLID.to_string())
}

/// A number with its digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A version without epoch and revision.
pub(super) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// Lines of at most `width` characters, broken between words; a longer word has a line of its own. Escape sequences
/// take no room.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    filled(text.split(' ').filter(|word| !word.is_empty()), width)
}

fn filled<'w>(words: impl Iterator<Item = &'w str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if visible(line) + 1 + visible(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The number of characters that a terminal shows.
fn visible(text: &str) -> usize {
    let mut escape = false;
    text.chars()
        .filter(|c| {
            let hidden = escape || *c == '\x1b';
            escape = hidden && *c != 'm';
            !hidden
        })
        .count()
}

/// An argument as a shell reads it.
pub(super) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./=:+~,@%-".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_colours_take_no_room() {
        let check = |text: &str, expected: &[&str]| assert_eq!(wrapped(text, 8), expected);
        check("", &[]);
        check("one two three", &["one two", "three"]);
        check("incomprehensible is it", &["incomprehensible", "is it"]);
        check(&format!("a b {}", solid("c d e")), &["a b", "c\u{a0}d\u{a0}e"]);
        check("\x1b[1mone\x1b[0m two a", &["\x1b[1mone\x1b[0m two", "a"]);
    }

    #[test]
    fn commands_can_be_copied() {
        let check = |argument: &str, expected: &str| assert_eq!(quoted(argument), expected);
        check("openssl=3.0.20-1~deb12u2", "openssl=3.0.20-1~deb12u2");
        check("{a: 1}", "'{a: 1}'");
        check("", "''");
        check("it's", r"'it'\''s'");
    }

    #[test]
    fn numbers_are_grouped() {
        let check = |number: u64, expected: &str| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn versions_are_told_apart_by_what_differs() {
        let check = |version: &str, expected: &str| assert_eq!(upstream(version), expected);
        check("3.0.20-1~deb12u2", "3.0.20");
        check("1:2.39.5-0+deb12u3", "2.39.5");
        check("37", "37");
        assert!(begins("3.0.2 and more", "3.0.2"));
        assert!(!begins("3.0.22", "3.0.2"));
    }
}
