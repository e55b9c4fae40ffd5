//! Tokens as text: one spelling to compare, and one to read.

use super::token::{Kind, Token};

/// The one spelling of these tokens, for comparisons.
pub(super) fn canonical(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        text.push_str(if token.kind == Kind::End { "\n" } else { &token.text });
        text.push(' ');
    }
    text
}

/// How long a text may be in a reason.
const LONGEST: usize = 60;

/// These tokens as their author spaced them, shortened.
pub(super) fn shown(tokens: &[Token]) -> String {
    shown_around(tokens, 0)
}

/// These tokens, shortened so that the one at `at` can be seen.
pub(super) fn shown_around(tokens: &[Token], at: usize) -> String {
    // If it is far behind, a little of what is before it is enough.
    let length = |token: &Token| token.text.len() + 1;
    let before = tokens.get(..at).unwrap_or_default();
    let is_far = before.iter().map(length).sum::<usize>() > LONGEST - 20;
    let mut room = 24_usize;
    let near = before.iter().rev().take_while(|token| {
        let fits = room >= length(token);
        room = room.saturating_sub(length(token));
        fits
    });
    let from = if is_far { before.len() - near.count() } else { 0 };
    let mut text = String::new();
    if from > 0 {
        text.push('…');
    }
    for (index, token) in tokens.iter().enumerate().skip(from) {
        if token.kind == Kind::End {
            continue;
        }
        if !token.is_glued && index > from {
            text.push(' ');
        }
        text.push_str(&token.text);
        if text.len() > LONGEST {
            let more = tokens.len() > index + 1 || text.len() > LONGEST + 20;
            return if more { shortened(&text) } else { text };
        }
    }
    text
}

fn shortened(text: &str) -> String {
    let mut text: String = text.chars().take(LONGEST).collect();
    text.push('…');
    text
}

/// Both texts, from a little before the place where they begin to differ.
pub(super) fn both(old: &[Token], new: &[Token]) -> (String, String) {
    let at = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    (shown_around(old, at), shown_around(new, at))
}

/// A name, shortened.
pub(super) fn name(name: &str) -> String {
    if name.chars().nth(200).is_some() { name.chars().take(200).chain(['…']).collect() } else { name.to_owned() }
}
