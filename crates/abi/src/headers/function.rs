//! The parts of a function's prototype.

use super::{
    attributes,
    declaration::{close, is_storage},
    text,
    token::{Kind, Token},
};

/// Where the parts of a function are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The first token of the name (its last word, without qualification).
    pub(super) name: usize,
    /// The parameters' brackets.
    pub(super) open: usize,
    pub(super) close: usize,
}

/// Words before a bracket that are no function's name.
const NO_NAMES: &[&str] = &[
    "decltype",
    "alignas",
    "_Alignas",
    "asm",
    "__asm__",
    "__asm",
    "sizeof",
    "noexcept",
    "throw",
    "requires",
    "typeof",
    "__typeof__",
    "explicit",
    "void",
    "int",
    "char",
    "long",
    "short",
    "unsigned",
    "signed",
    "float",
    "double",
    "bool",
    "_Bool",
    "auto",
    "return",
    "const",
    "volatile",
];

/// Finds the name and the parameters in tokens that have no attributes.
pub(super) fn place(tokens: &[Token]) -> Option<Place> {
    let start = tokens.iter().position(|token| !is_storage(token)).unwrap_or(0);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.kind == Kind::Hash {
            at += tokens.get(at..)?.iter().position(|token| token.kind == Kind::End)?;
        } else if token.is("operator") {
            let call = tokens.get(at + 1)?.is("(") && tokens.get(at + 2)?.is(")");
            let from = if call { at + 3 } else { at + 1 };
            let open = from + tokens.get(from..)?.iter().take(32).position(|token| token.is("("))?;
            return Some(Place { name: at, open, close: close(tokens, open) });
        } else if token.is("=") || token.is("{") {
            return None;
        } else if token.is("[") {
            at = close(tokens, at);
        } else if token.is("(") {
            let end = close(tokens, at);
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            let is_name = |name: &Token| name.is_word() && !NO_NAMES.contains(&&*name.text);
            if before.is_some_and(is_name) {
                if !(at == start + 1 && is_macro_type(tokens, end)) {
                    return Some(Place { name: at - 1, open: at, close: end });
                }
            } else if before.is_some_and(|before| before.is(">")) && is_specialised(tokens, at) {
                let name = angle_before(tokens, at)?.checked_sub(1)?;
                return Some(Place { name, open: at, close: end });
            } else if let Some(place) = inner(tokens, at, end) {
                return place;
            }
            at = end;
        }
        at += 1;
    }
    None
}

/// `name<int>(…)`, which is no cast and no type.
fn is_specialised(tokens: &[Token], open: usize) -> bool {
    let angle = angle_before(tokens, open);
    let name = angle.and_then(|angle| angle.checked_sub(1)).and_then(|name| tokens.get(name));
    name.is_some_and(Token::is_word)
}

/// The last `<` before `end`, unless it is far away.
fn angle_before(tokens: &[Token], end: usize) -> Option<usize> {
    let from = end.saturating_sub(256);
    tokens.get(from..end)?.iter().rposition(|token| token.is("<")).map(|at| from + at)
}

/// `EXTERN(int) name(…)`: behind the first group, which closes at `end`, comes another name with a group.
fn is_macro_type(tokens: &[Token], end: usize) -> bool {
    let behind = tokens.get(end + 1..).unwrap_or_default();
    let name = behind.iter().take(8).position(|token| token.is("("));
    let begins = behind.first().is_some_and(|next| next.is("*") || next.is_word() && !is_storage(next));
    begins
        && name
            .and_then(|at| at.checked_sub(1))
            .and_then(|at| behind.get(at))
            .is_some_and(|token| token.is_word() && !NO_NAMES.contains(&&*token.text))
}

/// `(name)(…)` and `(*name(…))(…)`; `Some(None)` for a pointer to a function.
fn inner(tokens: &[Token], open: usize, end: usize) -> Option<Option<Place>> {
    let group = tokens.get(open + 1..end)?;
    if let [name] = group
        && name.is_word()
        && tokens.get(end + 1).is_some_and(|next| next.is("("))
    {
        return Some(Some(Place { name: open + 1, open: end + 1, close: close(tokens, end + 1) }));
    }
    if !group.iter().take(3).any(|token| token.is("*") || token.is("&")) {
        return None;
    }
    let params = group.iter().position(|token| token.is("("));
    let name = params.and_then(|at| at.checked_sub(1)).filter(|at| group.get(*at).is_some_and(Token::is_word));
    Some(match (name, params) {
        (Some(name), Some(params)) => {
            let params = open + 1 + params;
            Some(Place { name: open + 1 + name, open: params, close: close(tokens, params) })
        }
        _ => None,
    })
}

/// A prototype, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prototype {
    /// What is promised besides the type, sorted.
    pub(super) attributes: Vec<String>,
    /// The tokens before the parameters, without attributes and storage.
    pub(super) head: Vec<String>,
    /// The parameters without names and defaults, then what follows them.
    pub(super) rest: String,
    /// Default arguments, by the index of their parameter.
    pub(super) defaults: Vec<(usize, String)>,
}

/// Takes a prototype apart.
pub(super) fn prototype(tokens: &[Token]) -> Prototype {
    let (mut attributes, tokens) = attributes::split(tokens);
    let Some(place) = place(&tokens) else {
        attributes.sort();
        return Prototype { attributes, head: Vec::new(), rest: text::canonical(&tokens), defaults: Vec::new() };
    };
    let is_silent = |token: &Token| {
        ["extern", "inline", "friend", "explicit", "__inline", "__extension__"].iter().any(|word| token.is(word))
    };
    let head = tokens.get(..place.open).unwrap_or_default().iter().filter(|token| !is_silent(token));
    let head = head.map(|token| token.text.to_string()).collect();
    let parameters = tokens.get(place.open + 1..place.close).unwrap_or_default();
    let mut rest = String::from("(");
    let mut defaults = Vec::new();
    for (index, parameter) in split(parameters).enumerate() {
        let equals = top_level(parameter, "=");
        let (declared, default) = parameter.split_at(equals.unwrap_or(parameter.len()));
        if let Some(default) = default.get(1..) {
            defaults.push((index, text::canonical(default)));
        }
        rest.push_str(&text::canonical(&nameless(declared)));
        rest.push(',');
    }
    // `()` and `(void)` are the same where there are prototypes.
    if rest == "(void ," {
        rest.truncate(1);
    }
    rest.push(')');
    let behind = tokens.get(place.close + 1..).unwrap_or_default();
    // A word behind the parameters that is not known is a macro with an attribute.
    let mut at = 0;
    while let Some(token) = behind.get(at) {
        let is_type = token.is("->") || token.is("=") || token.is("requires") || token.is("asm") || token.is("__asm__");
        if is_type {
            rest.push_str(&text::canonical(behind.get(at..).unwrap_or_default()));
            break;
        }
        if token.is_word() && !token.is("const") && !token.is("volatile") {
            let has_arguments = behind.get(at + 1).is_some_and(|next| next.is("("));
            let end = if has_arguments { close(behind, at + 1) } else { at };
            attributes.push(text::canonical(behind.get(at..=end.min(behind.len() - 1)).unwrap_or_default()));
            at = end;
        } else {
            rest.push_str(&token.text);
            rest.push(' ');
        }
        at += 1;
    }
    attributes.sort();
    attributes.dedup();
    Prototype { attributes, head, rest, defaults }
}

/// The parts between commas that are in no brackets.
pub(super) fn split(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut rest = Some(tokens);
    std::iter::from_fn(move || {
        let tokens = rest?;
        match top_level(tokens, ",") {
            Some(at) => {
                rest = tokens.get(at + 1..);
                tokens.get(..at)
            }
            None => {
                rest = None;
                Some(tokens)
            }
        }
    })
}

/// The first place of a mark that is in no brackets, and not in `<…>` either.
pub(super) fn top_level(tokens: &[Token], mark: &str) -> Option<usize> {
    let (mut depth, mut angle) = (0_usize, 0_usize);
    let mut is_value = false;
    for (index, token) in tokens.iter().enumerate() {
        if depth == 0 && (angle == 0 || is_value) && token.is(mark) {
            return Some(index);
        }
        match &*token.text {
            _ if token.kind != Kind::Mark => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "<" if depth == 0 && !is_value => angle += 1,
            ">" if depth == 0 && !is_value => angle = angle.saturating_sub(1),
            "=" if depth == 0 && angle == 0 => is_value = true,
            _ => {}
        }
    }
    None
}

const TYPE_WORDS: &[&str] = &[
    "void", "int", "char", "long", "short", "unsigned", "signed", "float", "double", "bool", "_Bool", "auto", "const",
    "volatile", "struct", "union", "enum", "class", "typename", "register", "__int128", "wchar_t", "_Complex",
];

/// A parameter without its name.
pub(super) fn nameless(tokens: &[Token]) -> Vec<Token> {
    let mut tokens = tokens.to_vec();
    tokens.retain(|token| !token.is("register"));
    let name = match tokens.iter().position(|token| token.is("(")) {
        // `int (*name)(int)`.
        Some(open) => {
            let end = tokens.iter().skip(open).position(|token| token.is(")")).map_or(open, |length| open + length);
            let last = end.checked_sub(1);
            last.filter(|last| {
                *last > open + 1
                    && tokens.get(*last).is_some_and(Token::is_word)
                    && tokens.get(open + 1).is_some_and(|token| token.is("*") || token.is("&"))
            })
        }
        None => {
            let end = tokens.iter().position(|token| token.is("[")).unwrap_or(tokens.len());
            end.checked_sub(1).filter(|last| is_parameter_name(&tokens, *last))
        }
    };
    if let Some(name) = name {
        tokens.remove(name);
    }
    // `int x[]` is `int *x`; the number in `int x[3]` is for the reader.
    tokens
}

fn is_parameter_name(tokens: &[Token], at: usize) -> bool {
    let Some(token) = tokens.get(at).filter(|token| token.is_word() && !TYPE_WORDS.contains(&&*token.text)) else {
        return false;
    };
    let Some(before) = at.checked_sub(1).and_then(|before| tokens.get(before)) else { return false };
    if token.is("restrict") || token.is("__restrict") {
        return false;
    }
    if before.is("*") || before.is("&") || before.is("&&") || before.is(">") || before.is("...") {
        return true;
    }
    let is_mere = |token: &Token| {
        ["const", "volatile", "struct", "union", "enum", "class", "typename"].iter().any(|word| token.is(word))
    };
    before.is_word()
        && !tokens.iter().take(at).all(is_mere)
        && !(before.is("struct") || before.is("enum") || before.is("union") || before.is("class"))
}
