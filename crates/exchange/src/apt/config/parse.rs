//! The syntax of `apt.conf`, as apt.conf(5) and apt's own parser have it.

/// One step of a configuration file, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `key "value";` — a key that ends in `::` adds to a list.
    Set {
        /// The whole key, scopes included.
        key: String,
        /// The value.
        value: String,
    },
    /// `#clear key;`
    Clear {
        /// The whole key.
        key: String,
    },
    /// `#include "path";`
    Include {
        /// The file or directory.
        path: String,
    },
}

/// A configuration file is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseConfigError {
    /// A `}` too many.
    #[error("line {line}: a `}}` without a `{{`")]
    Unopened {
        /// Where.
        line: usize,
    },
    /// A `}` too few, or a last `;` is missing.
    #[error("line {line}: the file ends within a block or an unfinished statement")]
    Unfinished {
        /// Where it begins.
        line: usize,
    },
    /// A quote or a comment has no end.
    #[error("line {line}: a quote or comment has no end")]
    Unterminated {
        /// Where it begins.
        line: usize,
    },
    /// More than a key and a value.
    #[error("line {line}: something follows the value of `{key}`")]
    Junk {
        /// Where.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key with all that it is in is too long.
    #[error("line {line}: a key of more than {LONGEST_KEY} bytes, its blocks included")]
    Key {
        /// Where.
        line: usize,
    },
    /// A `#` directive that is neither `#clear` nor `#include`.
    #[error("line {line}: the directive `{name}` is unknown")]
    Unknown {
        /// Where.
        line: usize,
        /// The directive.
        name: String,
    },
}

/// The longest key in bytes. Every key is kept whole, so that nested blocks need many times their own length.
const LONGEST_KEY: usize = 1024;

/// Reads the text of a configuration file.
///
/// # Errors
/// If it is malformed; the error names the line.
pub fn parse_config(text: &str) -> Result<Vec<Directive>, ParseConfigError> {
    let mut parser = Parser { scopes: Vec::new(), words: Vec::new(), line: 1, begun: 1, out: Vec::new() };
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '\n' => {
                parser.line += 1;
                &rest[1..]
            }
            _ if next.is_whitespace() => &rest[next.len_utf8()..],
            '{' | '}' | ';' => {
                parser.delimiter(next)?;
                &rest[1..]
            }
            '#' if !is_directive(rest) => skip_line(rest),
            '/' if rest.starts_with("//") => skip_line(rest),
            '/' if rest.starts_with("/*") => parser.comment(rest)?,
            _ => parser.word(rest)?,
        };
    }
    match (parser.scopes.is_empty(), parser.words.is_empty()) {
        (true, true) => Ok(parser.out),
        _ => Err(ParseConfigError::Unfinished { line: parser.begun }),
    }
}

fn is_directive(text: &str) -> bool {
    ["#clear", "#include"].iter().any(|name| {
        let found = text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        found && text[name.len()..].starts_with([' ', '\t', '{'])
    })
}

fn skip_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end..])
}

struct Parser {
    scopes: Vec<String>,
    /// The words of the statement so far, and whether each is quoted throughout.
    words: Vec<(String, bool)>,
    line: usize,
    begun: usize,
    out: Vec<Directive>,
}

impl Parser {
    fn comment<'a>(&mut self, text: &'a str) -> Result<&'a str, ParseConfigError> {
        let end = text[2..].find("*/").ok_or(ParseConfigError::Unterminated { line: self.line })?;
        let (comment, rest) = text.split_at(end + 4);
        self.line += comment.matches('\n').count();
        Ok(rest)
    }

    /// Takes one word: bare, quoted, or a mixture like `Proxy::"host"`.
    fn word<'a>(&mut self, text: &'a str) -> Result<&'a str, ParseConfigError> {
        let mut word = String::new();
        let mut rest = text;
        let mut quoted = true;
        while let Some(next) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix('"') {
                let end = inside.find('"').ok_or(ParseConfigError::Unterminated { line: self.line })?;
                word.push_str(&inside[..end]);
                self.line += inside[..end].matches('\n').count();
                rest = &inside[end + 1..];
                continue;
            }
            if next.is_whitespace() || "{};".contains(next) || word_ends_in_comment(rest, &word) {
                break;
            }
            quoted = false;
            word.push(next);
            rest = &rest[next.len_utf8()..];
        }
        if self.words.is_empty() {
            self.begun = self.line;
        }
        self.words.push((word, quoted));
        Ok(rest)
    }

    fn delimiter(&mut self, delimiter: char) -> Result<(), ParseConfigError> {
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.statement(words, delimiter)?;
        } else if delimiter == '{' {
            self.scopes.push(self.scope());
        }
        if delimiter == '}' {
            self.scopes.pop().ok_or(ParseConfigError::Unopened { line: self.line })?;
        }
        Ok(())
    }

    fn scope(&self) -> String {
        self.scopes.last().cloned().unwrap_or_default()
    }

    fn key(&self, tag: &str) -> Result<String, ParseConfigError> {
        let scope = self.scopes.last().map_or("", String::as_str);
        if scope.len() + tag.len() > LONGEST_KEY {
            return Err(ParseConfigError::Key { line: self.line });
        }
        Ok(if scope.is_empty() { tag.to_owned() } else { format!("{scope}::{tag}") })
    }

    fn statement(&mut self, words: Vec<(String, bool)>, delimiter: char) -> Result<(), ParseConfigError> {
        let line = self.line;
        let mut words = words.into_iter();
        let (tag, _) = words.next().unwrap_or_default();
        // Several quoted strings in a row are one value, with blanks between them.
        let mut value: Option<(String, bool)> = None;
        for (word, quoted) in words {
            match &mut value {
                None => value = Some((word, quoted)),
                Some((text, true)) if quoted => {
                    text.push(' ');
                    text.push_str(&word);
                }
                Some(_) => return Err(ParseConfigError::Junk { line, key: tag }),
            }
        }
        let value = value.map(|(text, _)| text);
        if let Some(name) = tag.strip_prefix('#') {
            let argument = value.unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "clear" => self.out.push(Directive::Clear { key: argument }),
                "include" => self.out.push(Directive::Include { path: argument }),
                _ => return Err(ParseConfigError::Unknown { line, name: tag }),
            }
            if delimiter == '{' {
                self.scopes.push(String::new());
            }
            return Ok(());
        }
        match (value, delimiter) {
            (value, '{') => {
                let key = self.key(&tag)?;
                if let Some(value) = value {
                    self.out.push(Directive::Set { key: key.clone(), value });
                }
                self.scopes.push(key);
            }
            (Some(value), _) => {
                let key = self.key(&tag)?;
                self.out.push(Directive::Set { key, value });
            }
            // A word by itself is a member of the list that the block is.
            (None, _) => {
                let key = self.key("")?;
                let key = if key.is_empty() { "::".to_owned() } else { key };
                self.out.push(Directive::Set { key, value: tag });
            }
        }
        Ok(())
    }
}

/// `//` begins a comment after a word, but not within one: `http://host` is a word.
fn word_ends_in_comment(rest: &str, word: &str) -> bool {
    rest.starts_with("/*")
        || (rest.starts_with("//") && !word.ends_with(':'))
        || (rest.starts_with('#') && !word.is_empty())
}
