//! What a declaration declares, told by its words alone: no name is looked up.

use super::{
    attributes,
    function::{self, Place},
    item::Kind,
    token::{Kind as TokenKind, Token},
};

/// What a brace that opens belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Record,
    Enumeration,
    Function,
    Other,
}

/// A declaration that was recognised.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) is_template: bool,
    /// How many tokens at its beginning mean nothing.
    pub(super) skip: usize,
}

const STORAGE: &[&str] = &[
    "typedef",
    "extern",
    "static",
    "inline",
    "constexpr",
    "consteval",
    "constinit",
    "friend",
    "virtual",
    "explicit",
    "const",
    "volatile",
    "mutable",
    "register",
    "__inline",
    "__inline__",
    "__extension__",
    "thread_local",
    "_Thread_local",
    "__thread",
    "export",
];

/// Whether the word says how something is declared, and is no type.
pub(super) fn is_storage(token: &Token) -> bool {
    token.is_word() && STORAGE.contains(&&*token.text)
}

/// Whether the word begins a record.
fn is_class_key(token: &Token) -> bool {
    ["struct", "class", "union"].iter().any(|key| token.is(key))
}

/// A word without small letters, or with underscores before it: a macro by custom.
pub(super) fn looks_like_macro(token: &Token) -> bool {
    let has_small = token.text.bytes().any(|byte| byte.is_ascii_lowercase());
    token.is_word() && (!has_small || token.text.starts_with("__"))
}

/// Where the bracket that opens at `open` closes, or the end.
pub(super) fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match &*token.text {
            "(" | "[" | "{" if token.kind == TokenKind::Mark => depth += 1,
            ")" | "]" | "}" if token.kind == TokenKind::Mark => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The number of tokens of `template <…>` at the beginning, however often.
pub(super) fn template_length(tokens: &[Token]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| token.is("template"))
        && let Some(length) = tokens.get(at + 1..).and_then(angles)
    {
        at += 1 + length;
    }
    at
}

/// The number of tokens of the `<…>` at the beginning.
fn angles(tokens: &[Token]) -> Option<usize> {
    if !tokens.first()?.is("<") {
        return None;
    }
    let (mut angle, mut depth) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate() {
        match &*token.text {
            _ if token.kind != TokenKind::Mark => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            "<" if depth == 0 => angle += 1,
            ">" if depth == 0 => {
                angle -= 1;
                if angle == 0 {
                    return Some(index + 1);
                }
            }
            ";" if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What the brace behind these tokens belongs to.
pub(super) fn shape(head: &[Token]) -> Shape {
    let head = attributes::without(head.get(template_length(head)..).unwrap_or_default());
    let start = head.iter().position(|token| !is_storage(token)).unwrap_or(head.len());
    let rest = head.get(start..).unwrap_or_default();
    if rest.first().is_some_and(|token| token.is("enum")) && !rest.iter().any(|token| token.is("(") || token.is("=")) {
        return Shape::Enumeration;
    }
    if rest.first().is_some_and(is_class_key) && is_record_head(rest.get(1..).unwrap_or_default()) {
        return Shape::Record;
    }
    if function::place(&head).is_some() { Shape::Function } else { Shape::Other }
}

/// Whether these tokens between `struct` and `{` are the name of a record and its bases.
fn is_record_head(head: &[Token]) -> bool {
    let mut at = 0;
    let mut plain = 0;
    while let Some(token) = head.get(at) {
        if token.is(":") {
            return true;
        }
        if token.is("(") {
            // `struct EXPORT(x) name {`, but not `struct name make() const {`.
            let end = close(head, at);
            let is_name = |next: &Token| next.is_word() && !is_storage(next) && !attributes::is_word(next);
            if !head.get(end + 1).is_some_and(is_name) {
                return false;
            }
            at = end;
        } else if token.is("<") {
            let Some(length) = head.get(at..).and_then(angles) else { return false };
            at += length - 1;
        } else if token.is("=") || token.is("[") || token.is("*") || token.is("&") {
            return false;
        } else if token.is_word()
            && !looks_like_macro(token)
            && !(at > 0 && head.get(at - 1).is_some_and(|t| t.is("::")))
        {
            plain += 1;
        }
        at += 1;
    }
    // `struct point origin {1, 2}` is a variable.
    plain < 2
}

/// Finds out what a declaration declares, at the top or in the body of the record of this plain name. None for what
/// matters to nobody.
pub(super) fn classify(tokens: &[Token], record: Option<&str>) -> Option<Found> {
    let skip = match tokens {
        [first, quoted, ..] if first.is("extern") && quoted.kind == TokenKind::Quoted => 2,
        _ => 0,
    };
    let all = tokens.get(skip..).unwrap_or_default();
    let template = template_length(all);
    let found = |kind, name| Some(Found { kind, name, is_template: template > 0, skip });
    let rest = attributes::without(all.get(template..).unwrap_or_default());
    let first = rest.first()?;
    if !is_balanced(&rest) {
        return found(Kind::Other, key(&rest));
    }
    if ["static_assert", "_Static_assert", "using"].iter().any(|word| first.is(word)) {
        let is_alias = first.is("using") && rest.get(2).is_some_and(|token| token.is("="));
        let name = rest.get(1).map(|token| token.text.to_string()).unwrap_or_default();
        return if is_alias { found(Kind::Alias, name) } else { None };
    }
    let brace = rest.iter().position(|token| token.is("{"));
    let head = rest.get(..brace.unwrap_or(rest.len())).unwrap_or_default();
    match brace.map(|_| shape(head)) {
        Some(Shape::Record) => return found(Kind::Record, body_name(&rest)),
        Some(Shape::Enumeration) => return found(Kind::Enumeration, body_name(&rest)),
        _ => {}
    }
    let start = rest.iter().position(|token| !is_storage(token)).unwrap_or(rest.len());
    if first.is("typedef") {
        return found(Kind::Alias, alias_name(&rest));
    }
    let declared = rest.get(start..).unwrap_or_default();
    if brace.is_none() && is_forward(declared) {
        let name = declared.iter().rev().find(|token| token.is_word()).map(|token| token.text.to_string());
        return found(Kind::Forward, name.unwrap_or_default());
    }
    if let Some(place) = function::place(&rest) {
        let name = function_name(&rest, &place);
        let has_body = rest.get(place.close..).unwrap_or_default().iter().any(|token| token.is("{"));
        let is_made =
            rest.get(place.close..).unwrap_or_default().windows(2).any(
                |pair| matches!(pair, [equals, word] if equals.is("=") && (word.is("default") || word.is("delete"))),
            );
        let is_lonely = place.name == start && record != rest.get(place.name).map(|name| &*name.text);
        if is_lonely && !has_body && !is_made && !rest.get(place.name).is_some_and(|name| name.is("operator")) {
            return found(Kind::Other, key(&rest));
        }
        return found(if has_body || is_made { Kind::Inline } else { Kind::Function }, name);
    }
    if rest.len() == 1 && looks_like_macro(first) {
        return found(Kind::Other, key(&rest));
    }
    match variable_name(&rest) {
        Some(name) => found(Kind::Variable, name),
        None => found(Kind::Other, key(&rest)),
    }
}

fn is_balanced(tokens: &[Token]) -> bool {
    let mut depth = 0_i64;
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Mark) {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Something to know a declaration again by that has no name: its first words, up to the first argument.
fn key(tokens: &[Token]) -> String {
    let end = tokens.iter().take(16).position(|token| token.is(",") || token.is(")"));
    let head = tokens.get(..end.unwrap_or(tokens.len().min(4))).unwrap_or_default();
    super::text::shown(head)
}

/// `struct x`, `class EXPORT x`, `enum x : int`.
fn is_forward(tokens: &[Token]) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return false };
    if !is_class_key(first) && !first.is("enum") {
        return false;
    }
    let end = rest.iter().position(|token| token.is(":")).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    let words = rest.iter().filter(|token| !token.is("class") && !token.is("struct"));
    let mut names = 0;
    for token in words {
        if !token.is_word() && !token.is("::") {
            return false;
        }
        names += usize::from(token.is_word() && !looks_like_macro(token));
    }
    names <= 1
}

/// The name of a record or an enumeration with a body: its tag, else what is declared behind it.
fn body_name(tokens: &[Token]) -> String {
    let Some(open) = tokens.iter().position(|token| token.is("{")) else { return String::new() };
    let head = tokens.get(..open).unwrap_or_default();
    let end = head.iter().position(|token| token.is(":")).unwrap_or(open);
    let head = head.get(..end).unwrap_or_default();
    let mut name = String::new();
    let key = head.iter().rposition(|token| is_class_key(token) || token.is("enum"));
    let mut at = key.map_or(0, |key| key + 1);
    while let Some(token) = head.get(at) {
        if token.is("<") {
            let Some(length) = head.get(at..).and_then(angles) else { break };
            for token in head.get(at..at + length).unwrap_or_default() {
                name.push_str(&token.text);
            }
            at += length;
            continue;
        }
        if token.is("(") {
            at = close(head, at) + 1;
            continue;
        }
        if token.is_word() && !token.is("final") {
            if name.ends_with("::") { name.push_str(&token.text) } else { name = token.text.to_string() }
        } else if token.is("::") {
            name.push_str("::");
        }
        at += 1;
    }
    if name.is_empty() { declared_behind(tokens).unwrap_or_default() } else { name }
}

/// The first name that is declared behind a body: `typedef struct {…} name;`.
pub(super) fn declared_behind(tokens: &[Token]) -> Option<String> {
    let open = tokens.iter().position(|token| token.is("{"))?;
    let behind = attributes::without(tokens.get(close(tokens, open) + 1..)?);
    behind.iter().find(|token| token.is_word() && !is_storage(token)).map(|token| token.text.to_string())
}

/// The name that a `typedef` gives: `(*name)(…)`, `name[3]`, `name`.
fn alias_name(tokens: &[Token]) -> String {
    let mut depth = 0_usize;
    let mut name = "";
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        match &*token.text {
            "(" => {
                let inner = tokens.get(index + 1..).unwrap_or_default();
                let is_pointer = inner.iter().take(4).any(|token| token.is("*") || token.is("&") || token.is("^"));
                if depth == 0 && is_pointer && inner.first().is_some_and(|token| token.is("*") || token.is_word()) {
                    let end = inner.iter().take(8).position(|token| token.is(")")).unwrap_or(0);
                    let word = inner.get(..end).unwrap_or_default().iter().rev().find(|token| token.is_word());
                    if let Some(word) = word
                        && !before.is_some_and(|before| {
                            before.is_word() && index + 1 < tokens.len() && name_ends(tokens, index)
                        })
                    {
                        return word.text.to_string();
                    }
                }
                depth += 1;
            }
            "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => break,
            _ if depth == 0 && token.is_word() => name = &token.text,
            _ => {}
        }
    }
    name.to_owned()
}

/// Whether the group that opens at `open` is the last thing of a `typedef int name(int *);`.
fn name_ends(tokens: &[Token], open: usize) -> bool {
    close(tokens, open) + 1 >= tokens.len()
}

fn function_name(tokens: &[Token], place: &Place) -> String {
    let mut from = place.name;
    // `A<T>::f`, `~X`.
    while from > 0 {
        let Some(before) = tokens.get(from - 1) else { break };
        let is_inside = tokens.get(from).is_some_and(|token| token.is("::"));
        if before.is("~") || before.is("::") || is_inside && before.is_word() && !is_storage(before) {
            from -= 1;
        } else if is_inside && before.is(">") {
            let open = tokens.get(..from).unwrap_or_default().iter().rposition(|token| token.is("<"));
            let Some(open) = open else { break };
            from = open.saturating_sub(1);
        } else {
            break;
        }
    }
    let named = tokens.get(from..place.open).unwrap_or_default();
    let mut name = String::new();
    for (index, token) in named.iter().enumerate() {
        let is_second_word = token.is_word() && index > 0 && named.get(index - 1).is_some_and(Token::is_word);
        name.push_str(if is_second_word { " " } else { "" });
        name.push_str(&token.text);
    }
    name
}

/// The name of a variable, or of the first of several.
fn variable_name(tokens: &[Token]) -> Option<String> {
    let mut name: Option<&Token> = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match &*token.text {
            _ if token.kind == TokenKind::Hash => {
                at += tokens.get(at..)?.iter().position(|token| token.kind == TokenKind::End).unwrap_or(0);
            }
            "=" | "[" | "{" | "," | ":" if name.is_some() => break,
            "(" => {
                // A pointer to a function, or a macro that is used like a type.
                let end = close(tokens, at);
                let inner = tokens.get(at + 1..end)?;
                if inner.iter().take(3).any(|token| token.is("*") || token.is("&") || token.is("^")) {
                    let end = inner.iter().position(|token| token.is("(") || token.is("[")).unwrap_or(inner.len());
                    return inner.get(..end)?.iter().rev().find(|token| token.is_word()).map(|t| t.text.to_string());
                }
                at = end;
            }
            // Without an end it is an operator, and what follows is no name.
            "<" => match angles(tokens.get(at..)?) {
                Some(length) => at += length - 1,
                None => break,
            },
            _ if token.is_word() => name = Some(token),
            _ => {}
        }
        at += 1;
    }
    name.map(|token| token.text.to_string())
}
