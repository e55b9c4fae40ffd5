//! Enumerators and their values, as far as the text tells them.

use std::sync::Arc;

use super::{
    condition, function, text,
    token::{Kind, Token},
};

/// A value: so much more than what this text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    base: Arc<str>,
    offset: i128,
}

impl Value {
    /// The plain number that it is, if it is one.
    pub(super) fn number(&self) -> Option<i128> {
        self.base.is_empty().then_some(self.offset)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base: String = self.base.trim_end().chars().take(60).collect();
        match (base.as_str(), self.offset) {
            ("", offset) => write!(f, "{offset}"),
            (base, 0) => write!(f, "{base}"),
            (base, offset) => write!(f, "{base} + {offset}"),
        }
    }
}

/// What stands before the body, without directives.
pub(super) fn head(tokens: &[Token]) -> &[Token] {
    let open = tokens.iter().position(|token| token.is("{")).unwrap_or(tokens.len());
    tokens.get(..open).unwrap_or_default()
}

/// The names and values of an enumeration, in order.
pub(super) fn enumerators(tokens: &[Token]) -> Vec<(String, Value)> {
    let Some(open) = tokens.iter().position(|token| token.is("{")) else { return Vec::new() };
    let body = tokens.get(open + 1..super::declaration::close(tokens, open)).unwrap_or_default();
    let mut next = Value { base: "".into(), offset: 0 };
    let mut all = Vec::new();
    for part in function::split(body) {
        let mut rest = part;
        // What a condition leaves out is not counted: the values behind it are those of this text only.
        while let Some((directive, behind)) = condition::directive(rest) {
            next = Value { base: text::canonical(directive).into(), offset: 0 };
            rest = behind;
        }
        let end = rest.iter().position(|token| token.kind == Kind::Hash).unwrap_or(rest.len());
        let (declared, behind) = rest.split_at(end);
        if let Some(name) = declared.first().filter(|name| name.is_word()) {
            let equals = declared.iter().position(|token| token.is("="));
            if let Some(value) = equals.and_then(|equals| declared.get(equals + 1..)) {
                next = match number(value) {
                    Some(offset) => Value { base: "".into(), offset },
                    None => Value { base: text::canonical(value).into(), offset: 0 },
                };
            }
            all.push((name.text.to_string(), next.clone()));
            next.offset = next.offset.saturating_add(1);
        }
        if let Some((directive, _)) = condition::directive(behind) {
            next = Value { base: text::canonical(directive).into(), offset: 0 };
        }
    }
    all
}

/// The value of a plain number.
pub(super) fn number(tokens: &[Token]) -> Option<i128> {
    let (negative, token) = match tokens {
        [minus, token] if minus.is("-") => (true, token),
        [token] => (false, token),
        [open, inner @ .., close] if open.is("(") && close.is(")") && inner.len() <= 2 => return number(inner),
        _ => return None,
    };
    if token.kind != Kind::Number {
        return None;
    }
    let text = token.text.replace('\'', "").to_ascii_lowercase();
    let text = text.trim_end_matches(['u', 'l']);
    let value = match text {
        _ if text.starts_with("0x") => i128::from_str_radix(text.get(2..)?, 16),
        _ if text.starts_with("0b") => i128::from_str_radix(text.get(2..)?, 2),
        _ if text.len() > 1 && text.starts_with('0') => i128::from_str_radix(text, 8),
        _ => text.parse(),
    };
    value.ok().map(|value| if negative { -value } else { value })
}
