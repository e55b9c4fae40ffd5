//! Comparison of two prototypes: default arguments, attributes, and what is left to types.

use std::collections::BTreeSet;

use super::{
    Headers,
    attributes::{self, Weight},
    function::{self, Prototype},
    item::Item,
    token::Token,
};
use crate::Effect;

/// What differs, worst first, each with its effect and the end of a sentence that begins with the function's name.
pub(super) fn differences(
    (old_headers, old): (&Headers, &[Token]),
    (new_headers, new): (&Headers, &[Token]),
    is_compared: bool,
) -> Vec<(Effect, String)> {
    let mut before = function::prototype(old);
    let mut after = function::prototype(new);
    expand(old_headers, &mut before);
    expand(new_headers, &mut after);
    let mut found = Vec::new();
    for (index, value) in &before.defaults {
        let other = after.defaults.iter().find(|(other, _)| other == index).map(|(_, value)| value);
        let number = index + 1;
        match other {
            Some(other) if other == value => {}
            Some(other) => found.push((
                Effect::Breaks,
                format!("takes {} instead of {} for its argument {number} where none is given; whoever was compiled with it passes the old value", short(other), short(value)),
            )),
            None => found.push((
                Effect::Compatible,
                format!("no longer has {} for its argument {number} where none is given", short(value)),
            )),
        }
    }
    let lost = missing(&before.attributes, &after.attributes);
    let gained = missing(&after.attributes, &before.attributes);
    for attribute in &lost {
        let effect = match attributes::weight(attribute) {
            Weight::Harmless => continue,
            Weight::Promise | Weight::Matters => Effect::Breaks,
            Weight::Unknown => Effect::Unclear,
        };
        found.push((
            effect,
            format!("is no longer `{}`, on which whoever was compiled with it may build", plain(attribute)),
        ));
    }
    for attribute in &gained {
        let effect = match attributes::weight(attribute) {
            Weight::Harmless | Weight::Promise => continue,
            Weight::Matters => Effect::Breaks,
            Weight::Unknown => Effect::Unclear,
        };
        found.push((
            effect,
            format!("is now `{}`, of which whoever was compiled with it knows nothing", plain(attribute)),
        ));
    }
    let (lost, gained) = (missing(&before.head, &after.head), missing(&after.head, &before.head));
    let is_decoration = |words: &[&String]| {
        words
            .iter()
            .all(|word| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit()))
    };
    if (lost.is_empty() || gained.is_empty())
        && !(lost.is_empty() && gained.is_empty())
        && is_decoration(&lost)
        && is_decoration(&gained)
    {
        let words = |words: &[&String]| words.iter().map(|word| short(word)).collect::<Vec<_>>().join(" ");
        let text =
            if gained.is_empty() { format!("lost `{}`", words(&lost)) } else { format!("is now `{}`", words(&gained)) };
        found.push((Effect::Unclear, text));
    } else if before.head != after.head || before.rest != after.rest {
        let effect = if is_compared { Effect::Compatible } else { Effect::Unclear };
        let (old, new) = super::text::both(old, new);
        found.push((effect, format!("is declared `{new}` instead of `{old}`")));
    }
    found.sort_by(|a, b| b.cmp(a));
    found
}

fn short(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}

fn plain(attribute: &str) -> String {
    short(attribute.trim_start_matches('[').trim_end_matches(']'))
}

fn missing<'a>(from: &'a [String], in_that: &[String]) -> Vec<&'a String> {
    let known: BTreeSet<&String> = in_that.iter().collect();
    from.iter().filter(|one| !known.contains(one)).collect()
}

/// Puts in the place of macros what they stand for, where that is attributes or nothing.
fn expand(headers: &Headers, prototype: &mut Prototype) {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut look = |word: &str| match decoration(headers, word, 0) {
        Some(attributes) => {
            found.extend(attributes);
            false
        }
        None => true,
    };
    // The last word of the head is the name.
    let name = prototype.head.pop();
    prototype.head.retain(|word| look(word));
    prototype.head.extend(name);
    prototype.attributes.retain(|word| {
        let is_known = attributes::weight(word) != Weight::Unknown;
        is_known || look(word.split(' ').next().unwrap_or_default())
    });
    prototype.attributes.extend(found);
    prototype.attributes.sort();
    prototype.attributes.dedup();
}

/// The attributes that a macro stands for, under any condition, if it stands for nothing else.
fn decoration(headers: &Headers, word: &str, depth: usize) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut definitions = headers.macros(word).take(16).peekable();
    definitions.peek()?;
    for definition in definitions {
        let body = replacement(definition);
        if body.len() > 64 {
            return None;
        }
        let (attributes, rest) = attributes::split(body);
        all.extend(attributes);
        for token in &rest {
            if token.is("extern") || token.is("static") || token.is("inline") {
                continue;
            }
            if !token.is_word() || depth > 3 {
                return None;
            }
            all.extend(decoration(headers, &token.text, depth + 1)?);
        }
    }
    Some(all)
}

/// What a macro is replaced with.
pub(super) fn replacement(definition: &Item) -> &[Token] {
    match definition.tokens.first() {
        Some(open) if open.is("(") && open.is_glued => {
            let close = definition.tokens.iter().position(|token| token.is(")"));
            close.and_then(|close| definition.tokens.get(close + 1..)).unwrap_or_default()
        }
        _ => &definition.tokens,
    }
}
