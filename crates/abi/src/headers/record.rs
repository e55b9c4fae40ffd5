//! Comparison of two records: what is compiled into whoever includes them, and all of it where no types were compared.

use super::{
    attributes::{self, Weight},
    compare::{Comparison, Within},
    declaration::{close, is_storage},
    enumeration,
    item::{Item, Kind},
    scan, text,
    token::Token,
};
use crate::Effect;

/// Records within records within records are compared as text.
const DEEPEST: usize = 16;

/// Compares two records of one name.
pub(super) fn compare(comparison: &mut Comparison<'_>, old: &Item, new: &Item, within: &Within) {
    let name = old.qualified();
    let is_compared = comparison.is_compared(old, within);
    if within.depth >= DEEPEST {
        let effect = if is_compared { Effect::Unclear } else { Effect::Breaks };
        comparison.found(effect, &name, format!("record {} changed", text::name(&name)));
        return;
    }
    let count = comparison.breaks();
    head(comparison, old, new, &name, is_compared);
    let (before, after) = (scan::body(body(&old.tokens), &name), scan::body(body(&new.tokens), &name));
    let inner = Within { is_record: true, is_compared, depth: within.depth + 1 };
    comparison.groups(&before, &after, &inner);
    if !is_compared && comparison.breaks() == count {
        let layouts = (layout(old, &before), layout(new, &after));
        if layouts.0 != layouts.1 {
            let (from, to) = text::both(body(&old.tokens), body(&new.tokens));
            let what = old.tokens.iter().find(|token| ["struct", "class", "union"].iter().any(|key| token.is(key)));
            let what = what.map_or("record", |token| &token.text);
            comparison.found(
                Effect::Breaks,
                &name,
                format!(
                    "{what} {} holds `{to}` instead of `{from}`; whoever was compiled with it has the old one",
                    text::name(&name)
                ),
            );
        }
    }
}

/// What stands between the braces.
pub(super) fn body(tokens: &[Token]) -> &[Token] {
    let Some(open) = tokens.iter().position(|token| token.is("{")) else { return &[] };
    tokens.get(open + 1..close(tokens, open)).unwrap_or_default()
}

/// Whether a record has virtual functions, or may inherit some.
fn is_polymorphic(tokens: &[Token]) -> bool {
    let has_virtual = tokens.iter().any(|token| token.is("virtual") || token.is("override"));
    has_virtual || enumeration::head(tokens).iter().any(|token| token.is(":"))
}

/// `final` and attributes of the record itself.
fn head(comparison: &mut Comparison<'_>, old: &Item, new: &Item, name: &str, is_compared: bool) {
    let (before, after) = (attributes::split(&old.tokens).0, attributes::split(&new.tokens).0);
    let missing = |from: &[String], other: &[String]| -> Vec<String> {
        from.iter().filter(|one| !other.contains(one)).take(64).cloned().collect()
    };
    let lost = missing(&before, &after).into_iter().map(|attribute| ("is no longer", attribute));
    let gained = missing(&after, &before).into_iter().map(|attribute| ("is now", attribute));
    for (verb, attribute) in lost.chain(gained) {
        let is_layout =
            ["[packed", "[aligned", "[alignas", "[_Alignas"].iter().any(|layout| attribute.starts_with(layout));
        // Without virtual functions and bases, it only keeps others from deriving.
        let is_final_alone = attribute == "final" && !is_polymorphic(&old.tokens) && !is_polymorphic(&new.tokens);
        let is_harmless =
            attributes::weight(&attribute) == Weight::Harmless || is_layout && is_compared || is_final_alone;
        if !is_harmless {
            let attribute = attribute.trim_start_matches('[').trim_end_matches(']');
            let attribute: String = attribute.chars().take(60).collect();
            comparison.found(
                Effect::Breaks,
                name,
                format!(
                    "{} {verb} `{attribute}`, of which whoever was compiled with it knows nothing",
                    text::name(name)
                ),
            );
        }
    }
}

/// What the layout and the way it is passed may depend on: all but ordinary functions.
fn layout(record: &Item, members: &[Item]) -> String {
    let mut layout = text::canonical(&record.pack);
    let head = attributes::without(enumeration::head(&record.tokens)).into_iter();
    layout.push_str(&text::canonical(&head.filter(|token| !is_storage(token)).collect::<Vec<_>>()));
    for member in members {
        let is_function = matches!(member.kind, Kind::Function | Kind::Inline);
        let is_special = member.name == record.name
            || member.name.starts_with('~')
            || member.name.starts_with("operator")
            || member.tokens.iter().any(|token| token.is("virtual") || token.is("override"));
        let is_silent = matches!(member.kind, Kind::Alias | Kind::Forward | Kind::Macro);
        if is_silent || is_function && !is_special {
            continue;
        }
        let tokens = attributes::split(&member.tokens);
        let until = member.tokens.iter().position(|token| is_function && token.is("{"));
        let declared = until.and_then(|until| member.tokens.get(..until)).unwrap_or(&tokens.1);
        layout.push_str(&text::canonical(declared));
        for attribute in tokens.0.iter().filter(|attribute| attribute.starts_with('[')) {
            layout.push_str(attribute);
        }
        for condition in member.under.iter() {
            layout.push_str(&format!("{condition:?}"));
        }
        layout.push(';');
    }
    layout
}
