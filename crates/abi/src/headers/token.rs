//! The words of C and C++: comments, spaces and spliced lines are gone, and directives have a beginning and an end.
//!
//! As in translation phases 1 to 3 of ISO C 5.1.1.2, with two exceptions: `>` is always a token of its own, so that
//! `> >` and `>>` are the same, and lines are spliced in raw strings too.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// A string or a character, with its quotes and its prefix.
    Quoted,
    Mark,
    /// The `#` that begins a directive.
    Hash,
    /// The end of a directive's line.
    End,
}

/// One token. Two are the same if their text is, wherever the spaces are.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: Arc<str>,
    pub(super) kind: Kind,
    /// Whether nothing is between it and the one before.
    pub(super) is_glued: bool,
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

impl Token {
    /// Whether it is this mark or this word.
    pub(super) fn is(&self, text: &str) -> bool {
        &*self.text == text && !matches!(self.kind, Kind::Hash | Kind::End)
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// Every text once.
#[derive(Debug, Default)]
pub(super) struct Words(HashSet<Arc<str>>);

impl Words {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// The text of a file. Bytes that are no UTF-8 are taken for Latin-1, which loses nothing.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The text without the ends of lines that a backslash hides; GCC allows spaces behind it.
fn splice(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') && !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    let mut spliced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\r']) {
        let (before, after) = rest.split_at(at);
        spliced.push_str(before);
        let is_backslash = after.starts_with('\\');
        let behind = after.get(1..).unwrap_or_default();
        let line = behind.trim_start_matches([' ', '\t', '\r', '\u{b}', '\u{c}']);
        rest = match line.strip_prefix('\n') {
            Some(next) if is_backslash => next,
            _ => {
                // All spaces that were looked at, so that none is looked at twice.
                spliced.push_str(if is_backslash { "\\" } else { " " });
                spliced.push_str(if is_backslash && line.len() < behind.len() { " " } else { "" });
                if is_backslash { line } else { behind }
            }
        };
    }
    spliced.push_str(rest);
    Cow::Owned(spliced)
}

/// Takes a text apart.
pub(super) fn tokenise(text: &str, words: &mut Words) -> Vec<Token> {
    let text = splice(text);
    let mut lexer = Lexer { text: &text, at: 0, words, tokens: Vec::new(), is_glued: false };
    lexer.run();
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    words: &'a mut Words,
    tokens: Vec<Token>,
    is_glued: bool,
}

const PAIRS: &[&[u8; 2]] = &[
    b"::", b"->", b"++", b"--", b"<<", b"<=", b"==", b"!=", b"&&", b"||", b"+=", b"-=", b"*=", b"/=", b"%=", b"&=",
    b"|=", b"^=", b"##",
];

impl Lexer<'_> {
    fn run(&mut self) {
        let (mut is_line_start, mut is_directive) = (true, false);
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => {
                    if is_directive {
                        self.push(Kind::End, self.at, self.at);
                    }
                    (is_line_start, is_directive) = (true, false);
                    self.space(1);
                }
                b' ' | b'\t' | b'\r' | 0xb | 0xc | 0 => self.space(1),
                b'/' if self.peek(1) == Some(b'/') => self.space(self.until("\n")),
                b'/' if self.peek(1) == Some(b'*') => {
                    let rest = self.text.get(self.at + 2..).unwrap_or_default();
                    self.space(rest.find("*/").map_or(rest.len() + 2, |length| length + 4));
                }
                b'#' if is_line_start => {
                    (is_line_start, is_directive) = (false, true);
                    self.push(Kind::Hash, self.at, self.at + 1);
                }
                _ => {
                    is_line_start = false;
                    let (kind, length) = self.token(byte);
                    self.push(kind, self.at, self.at + length);
                }
            }
        }
        if is_directive {
            self.push(Kind::End, self.at, self.at);
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn until(&self, end: &str) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.find(end).unwrap_or(rest.len())
    }

    fn space(&mut self, length: usize) {
        self.at += length;
        self.is_glued = false;
    }

    fn push(&mut self, kind: Kind, from: usize, to: usize) {
        let text = self.words.get(self.text.get(from..to).unwrap_or_default());
        self.tokens.push(Token { text, kind, is_glued: self.is_glued });
        self.at = to;
        self.is_glued = true;
    }

    /// What begins here, and its length, which is at least one.
    fn token(&self, first: u8) -> (Kind, usize) {
        let count = |from: usize, holds: fn(u8) -> bool| {
            self.text.as_bytes().iter().skip(self.at + from).take_while(|byte| holds(**byte)).count()
        };
        match first {
            b'"' | b'\'' => (Kind::Quoted, self.quoted(0, first)),
            b'0'..=b'9' => (Kind::Number, self.number()),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => (Kind::Number, self.number()),
            _ if is_word(first) => {
                let length = count(0, is_word);
                let word = self.text.get(self.at..self.at + length).unwrap_or_default();
                match (word, self.peek(length)) {
                    ("R" | "LR" | "uR" | "UR" | "u8R", Some(b'"')) => (Kind::Quoted, self.raw(length)),
                    ("L" | "u" | "U" | "u8", Some(quote @ (b'"' | b'\''))) => {
                        (Kind::Quoted, self.quoted(length, quote))
                    }
                    _ => (Kind::Word, length),
                }
            }
            b'.' if self.peek(1) == Some(b'.') && self.peek(2) == Some(b'.') => (Kind::Mark, 3),
            _ => {
                let is_pair = self.peek(1).is_some_and(|second| PAIRS.contains(&&[first, second]));
                (Kind::Mark, if is_pair { 2 } else { 1 })
            }
        }
    }

    /// A preprocessing number: ISO C 6.4.8, with the separators of C++14.
    fn number(&self) -> usize {
        let mut length = 1;
        while let Some(byte) = self.peek(length) {
            let after = self.peek(length + 1);
            let is_exponent = matches!(byte, b'e' | b'E' | b'p' | b'P') && matches!(after, Some(b'+' | b'-'));
            length += match byte {
                _ if is_exponent => 2,
                b'.' => 1,
                b'\'' if after.is_some_and(|after| after.is_ascii_alphanumeric()) => 2,
                _ if is_word(byte) => 1,
                _ => break,
            };
        }
        length
    }

    /// To the closing quote, or to the end of a line that has none.
    fn quoted(&self, prefix: usize, quote: u8) -> usize {
        let mut length = prefix + 1;
        while let Some(byte) = self.peek(length) {
            match byte {
                b'\n' => return length,
                b'\\' if self.peek(length + 1).is_some_and(|byte| byte.is_ascii() && byte != b'\n') => length += 2,
                _ if byte == quote => return length + 1,
                _ => length += 1,
            }
        }
        length
    }

    /// `R"mark(…)mark"`.
    fn raw(&self, prefix: usize) -> usize {
        let rest = self.text.get(self.at + prefix + 1..).unwrap_or_default();
        // ISO C++ [lex.string]: at most 16 characters.
        let open = rest.bytes().take(17).take_while(|byte| *byte != b'\n').position(|byte| byte == b'(');
        let mark = open.and_then(|open| rest.get(..open));
        let Some(mark) = mark else { return self.quoted(prefix, b'"') };
        let end = format!("){mark}\"");
        prefix + 1 + rest.find(&end).map_or(rest.len(), |at| at + end.len())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let tokens = tokenise(text, &mut Words::default());
        let texts: Vec<&str> =
            tokens.iter().map(|token| if token.kind == Kind::End { "end" } else { &*token.text }).collect();
        assert_eq!(texts, expected, "{text}");
    }

    #[test]
    fn comments_and_spliced_lines_are_gone() {
        check("a/* b\n */c // d\\\n e\nf", &["a", "c", "f"]);
        check("in\\\nt x\\  \r\n;", &["int", "x", ";"]);
        check("a \\ b", &["a", "\\", "b"]);
        check("/* open", &[]);
    }

    #[test]
    fn literals_are_one_token() {
        check(
            "\"a\\\"b\" L'x' u8\"y\" 1'000.5e+3f .5 0x1p-2",
            &["\"a\\\"b\"", "L'x'", "u8\"y\"", "1'000.5e+3f", ".5", "0x1p-2"],
        );
        check("R\"x(a \" /* )x\" b", &["R\"x(a \" /* )x\"", "b"]);
        check("'open\nb R\"open", &["'open", "b", "R\"open"]);
        check("a>>b a->b ... a&&b", &["a", ">", ">", "b", "a", "->", "b", "...", "a", "&&", "b"]);
    }

    #[test]
    fn directives_begin_and_end() {
        check(" # define A \\\n 1 /* \n */ 2\nx # y", &["#", "define", "A", "1", "2", "end", "x", "#", "y"]);
        check("#", &["#", "end"]);
    }

    #[test]
    fn other_bytes_stay_distinct() {
        assert_ne!(decode(b"\"\xe9\""), decode(b"\"\xe8\""));
    }
}
