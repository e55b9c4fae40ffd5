//! The comparison of two interfaces, for a consumer that was compiled against the old one and runs with the new one.
//!
//! It starts from the symbols that the consumer uses and follows what changed, never what is equal. Each pair of types
//! is looked at once for each way of using it; what is found there is found again by every symbol that leads there.
//! `docs/abi-rules.md` explains the rules; the modules below are the rules.

mod classify;
mod conventions;
mod enumeration;
mod fields;
mod function;
mod record;
mod scalar;
mod unseen;
mod vtable;
mod walk;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    sync::OnceLock,
};

use super::{
    interface::{Interface, Item, Role, Symbol},
    text::symbol_name,
    view::View,
};
use crate::{Change, Effect};
use walk::{Finding, How, Pair, Use, Walk};

/// How many changes are listed for one symbol, the worst ones first.
const MOST_CHANGES: usize = 16;

/// Who asks.
pub struct Query<'q> {
    /// Whether the consumer uses a symbol of the old interface: imports it, or defines and exports one of that name
    /// itself, as it does with the type information of exceptions.
    pub wanted: &'q dyn Fn(&Symbol) -> bool,
    /// Whether the consumer has a copy of the variable (a copy relocation).
    pub copied: &'q dyn Fn(&Symbol) -> bool,
    /// What the consumer's own debug information shows it to know.
    pub view: Option<&'q View>,
    /// Whether a file of this base name is a public header. Types that stand elsewhere are opaque to consumers. `None`
    /// where headers are not known: then all but source files count as public.
    pub public: Option<&'q dyn Fn(&str) -> bool>,
}

/// Two interfaces, with what is the same for all consumers worked out once.
pub struct Comparison<'c> {
    old: &'c Interface,
    new: &'c Interface,
    /// Symbols whose type, conventions or role are not equal, by symbol of the old side.
    changed: Vec<(&'c Symbol, &'c Item, &'c Item)>,
    /// Symbols that nothing describes, and on which side.
    undescribed: Vec<(&'c Symbol, &'static str)>,
    /// What is described completely on both sides, by name with scopes and without.
    described: OnceLock<HashSet<String>>,
}

impl<'c> Comparison<'c> {
    /// Finds the symbols that are not equal. Equal interfaces compare in one step.
    pub fn new(old: &'c Interface, new: &'c Interface) -> Self {
        let nowhere = |symbol| (symbol, "no debug information describes it");
        let mut found = Self {
            old,
            new,
            changed: Vec::new(),
            undescribed: old.unknown.iter().map(nowhere).collect(),
            described: OnceLock::new(),
        };
        if old.fingerprint() == new.fingerprint() {
            return found;
        }
        for (symbol, item) in &old.items {
            match new.find(symbol) {
                Some((_, other)) if equal(old, item, new, other) => {}
                Some((_, other)) => found.changed.push((symbol, item, other)),
                None if new.is_unknown(symbol) => {
                    found.undescribed.push((symbol, "no debug information of the new library describes it"));
                }
                None => {}
            }
        }
        found
    }

    /// Whether something of this name, with its scopes or without, is described completely on both sides: a class, an
    /// enumeration, a `typedef`, a function or a variable.
    pub fn describes(&self, name: &str) -> bool {
        let described = self.described.get_or_init(|| {
            let new: HashSet<String> = self.new.names().collect();
            self.old.names().filter(|name| new.contains(name)).collect()
        });
        described.contains(name)
    }

    /// What changes for one consumer, by symbol, the worst first.
    ///
    /// Symbols that are in one interface only are not reported: which symbols there are is not a question of types. A
    /// symbol that nothing describes on one of the sides is [`Effect::Unclear`].
    pub fn changes(&self, query: &Query<'_>) -> Vec<Change> {
        let undescribed = self.undescribed.iter().filter(|(symbol, _)| (query.wanted)(symbol));
        let mut changes: Vec<Change> = undescribed.map(|(symbol, why)| unclear(symbol, why)).collect();
        if let Some(view) = query.view {
            unseen::undescribed(self.old, view, query, &mut changes);
        }
        unseen::compare(&self.changed, self.old, self.new, query, &mut changes);
        let mut wanted = self.changed.iter().filter(|(symbol, ..)| (query.wanted)(symbol)).peekable();
        if wanted.peek().is_some() {
            let mut walk = Walk::new(self.old, self.new, query);
            for (symbol, item, other) in wanted {
                let copied = (query.copied)(symbol);
                one(&mut walk, (symbol, copied), item, other, &mut changes);
            }
        }
        changes
    }
}

/// Compares what one consumer uses: see [`Comparison::changes`].
pub fn compare(old: &Interface, new: &Interface, query: &Query<'_>) -> Vec<Change> {
    Comparison::new(old, new).changes(query)
}

/// Whether nothing about an item can matter.
fn equal(old: &Interface, item: &Item, new: &Interface, other: &Item) -> bool {
    item.role == other.role
        && item.conventions == other.conventions
        && item.alignment == other.alignment
        && old.fingerprint_of(item.of) == new.fingerprint_of(other.of)
}

fn unclear(symbol: &Symbol, why: &str) -> Change {
    let text = format!("{}: {why}", symbol_name(&symbol.name));
    Change { effect: Effect::Unclear, symbol: symbol.to_string(), text }
}

/// Compares one symbol.
fn one(walk: &mut Walk<'_>, (symbol, copied): (&Symbol, bool), old: &Item, new: &Item, changes: &mut Vec<Change>) {
    let name = symbol_name(&symbol.name);
    let mut found: BTreeSet<(Reverse<Effect>, String)> = BTreeSet::new();
    let mut add = |effect, text| {
        found.insert((Reverse(effect), text));
    };
    if old.role != new.role {
        add(Effect::Breaks, format!("{name} is {} instead of {}", role(new.role), role(old.role)));
    } else {
        for Finding { effect, text } in conventions::compare(walk, old, new) {
            add(effect, format!("{name}: {text}"));
        }
        let root = match old.role {
            Role::Function => Use::direct(),
            // Of what is weak the consumer may have a definition of its own, of the size that it knows.
            Role::Variable => Use { variable: !old.weak, ..Use::variable(walk.is_constant(old.of)) },
            Role::Class => Use::part(),
        };
        if copied && new.alignment > old.alignment {
            add(Effect::Breaks, format!("{name} is aligned to {} bytes now; the program's copy is not", new.alignment));
        }
        if old.role == Role::Variable {
            for Finding { effect, text } in walk.variable(old.of, new.of) {
                add(effect, format!("{name} {text}"));
            }
        }
        walk.reach(Pair { old: old.of, new: new.of, usage: root }, |pair, Finding { effect, text }| {
            add(*effect, with_context(text, &name, pair, old.role));
        });
    }
    let symbol = symbol.to_string();
    changes.extend(found.into_iter().take(MOST_CHANGES).map(|(effect, text)| Change {
        effect: effect.0,
        symbol: symbol.clone(),
        text,
    }));
}

/// Adds how the symbol meets the type: "struct foo grew from 24 to 32 bytes; bar takes it by value".
fn with_context(text: &str, name: &str, pair: &Pair, role: Role) -> String {
    match (pair.usage.how, role) {
        (How::Call, _) => format!("{name} {text}"),
        (How::Parameter, Role::Function) if !pair.usage.callback => format!("{text}; {name} takes it by value"),
        (How::Return, Role::Function) if !pair.usage.callback => format!("{text}; {name} returns it by value"),
        _ => format!("{text}; reached through {name}"),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Function => "a function",
        Role::Variable => "a variable",
        Role::Class => "a part of a class",
    }
}
