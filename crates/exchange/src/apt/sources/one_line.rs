//! The one-line form: `deb [option=value ...] uri suite component ...`.

use std::path::Path;

use super::{AptSource, Defaults, Mistake, Options, Place, SourcesError, check_components, kind};

/// Reads the text of a `sources.list`. `file` is only named in errors and places.
///
/// # Errors
/// At the first line that is malformed.
pub fn parse_one_line_sources(text: &str, file: &Path, defaults: &Defaults) -> Result<Vec<AptSource>, SourcesError> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: file.to_owned(), line: index + 1 };
        match entry(line, defaults, &place) {
            Ok(entry) => all.extend(entry),
            Err(mistake) => return Err(SourcesError::Malformed { place, mistake }),
        }
    }
    Ok(all)
}

fn entry(line: &str, defaults: &Defaults, place: &Place) -> Result<Option<AptSource>, Mistake> {
    let line = line.split('#').next().unwrap_or("").trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (word, rest) = split_word(line);
    let kind = kind(&word)?;
    let (options, rest) = options(rest)?;
    let (uri, rest) = split_word(rest);
    let (suite, rest) = split_word(rest);
    if uri.is_empty() {
        return Err(Mistake::Missing("URI"));
    }
    if suite.is_empty() {
        return Err(Mistake::Missing("suite"));
    }
    let components: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    check_components(&suite, &components)?;
    Ok(Some(options.source(kind, &uri, &suite, &components, (defaults, place.clone()))))
}

fn options(text: &str) -> Result<(Options, &str), Mistake> {
    let mut options = Options::default();
    let Some(inside) = text.strip_prefix('[') else { return Ok((options, text)) };
    let (inside, rest) = inside.split_once(']').ok_or(Mistake::Options)?;
    for option in inside.split_whitespace() {
        let (name, value) = option.split_once('=').ok_or(Mistake::Options)?;
        options.set(name, value.trim_matches('"'))?;
    }
    Ok((options, rest.trim_start()))
}

/// The first word, in which quotes and brackets keep blanks together (`cdrom:[A name]/`), and the rest.
fn split_word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let (mut quoted, mut bracketed) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if c.is_whitespace() && !quoted && !bracketed => return (word, text[at..].trim_start()),
            _ => {
                bracketed = (bracketed || c == '[') && c != ']';
                word.push(c);
            }
        }
    }
    (word, "")
}
