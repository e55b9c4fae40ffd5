//! What changed between two sets of headers, for someone who was compiled against the old ones.

use std::collections::{BTreeMap, HashMap};

use super::{
    Headers, attributes, condition, enumeration, function,
    item::{Item, Kind},
    prototype, record, text,
    token::Token,
    variants::{self, Leftover},
};
use crate::{Change, Effect};

/// What is known besides the headers.
pub trait Known {
    /// Whether something of this name, qualified or plain, was compared completely by types on both sides: a record, an
    /// enumeration, a `typedef`, a variable or a function.
    fn is_compared(&self, name: &str) -> bool;

    /// Whether the consumer imports a function of this name, qualified (`Shape::sides`) or plain. `Some(false)` makes a
    /// changed prototype harmless.
    fn uses(&self, function: &str) -> Option<bool>;
}

/// Finds what changed, the worst first. What cannot concern anybody who was compiled against the old headers is left out.
pub fn compare(old: &Headers, new: &Headers, known: &dyn Known) -> Vec<Change> {
    let mut comparison = Comparison { old, new, known, changes: Vec::new(), breaks: 0, values: HashMap::new() };
    for name in old.unread.iter().chain(&new.unread) {
        comparison.found(Effect::Unclear, "", format!("the header {} is too large to be read", text::name(name)));
    }
    comparison.values = values(&new.items);
    let outside = Within { is_record: false, is_compared: false, depth: 0 };
    comparison.groups(&old.items, &new.items, &outside);
    comparison.changes.sort_by(|a, b| (b.effect, a).cmp(&(a.effect, b)));
    comparison.changes.dedup();
    comparison.changes
}

/// Where declarations are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    /// Whether in the body of a record.
    pub(super) is_record: bool,
    /// Whether that record was compared by types.
    pub(super) is_compared: bool,
    /// How many records are around.
    pub(super) depth: usize,
}

/// What is compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Macro,
    Function,
    Record,
    Enumeration,
    Alias,
    Variable,
    Other,
}

fn class(kind: Kind) -> Option<Class> {
    Some(match kind {
        Kind::Macro => Class::Macro,
        Kind::Function | Kind::Inline => Class::Function,
        Kind::Record => Class::Record,
        Kind::Enumeration => Class::Enumeration,
        Kind::Alias => Class::Alias,
        Kind::Variable => Class::Variable,
        Kind::Other => Class::Other,
        Kind::Forward | Kind::Label => return None,
    })
}

type Key<'a> = (Class, &'a str, &'a str);

fn grouped(items: &[Item]) -> BTreeMap<Key<'_>, Vec<&Item>> {
    let mut groups: BTreeMap<Key<'_>, Vec<&Item>> = BTreeMap::new();
    for item in items {
        if let Some(class) = class(item.kind) {
            groups.entry((class, &item.scope, &item.name)).or_default().push(item);
        }
    }
    groups
}

/// The values of all enumerators, by name; several where there are conditions.
fn values(items: &[Item]) -> HashMap<String, Vec<enumeration::Value>> {
    let mut values: HashMap<String, Vec<enumeration::Value>> = HashMap::new();
    for item in items.iter().filter(|item| item.kind == Kind::Enumeration) {
        for (name, value) in enumeration::enumerators(&item.tokens) {
            values.entry(name).or_default().push(value);
        }
    }
    values
}

pub(super) struct Comparison<'a> {
    old: &'a Headers,
    new: &'a Headers,
    known: &'a dyn Known,
    changes: Vec<Change>,
    breaks: usize,
    values: HashMap<String, Vec<enumeration::Value>>,
}

impl Comparison<'_> {
    pub(super) fn found(&mut self, effect: Effect, symbol: &str, text: String) {
        self.breaks += usize::from(effect == Effect::Breaks);
        self.changes.push(Change { effect, symbol: symbol.to_owned(), text });
    }

    /// How many differences that break were found.
    pub(super) fn breaks(&self) -> usize {
        self.breaks
    }

    /// Whether types say all about this declaration: by its name, or by the name that stands behind its body.
    pub(super) fn is_compared(&self, item: &Item, within: &Within) -> bool {
        let is_known = |name: &str| !name.is_empty() && self.known.is_compared(name);
        let is_named = is_known(&item.qualified()) || is_known(&item.name);
        is_named
            || super::declaration::declared_behind(&item.tokens).is_some_and(|name| is_known(&name))
            || within.is_compared && item.name.is_empty()
    }

    /// Compares all declarations of one place.
    pub(super) fn groups(&mut self, old: &[Item], new: &[Item], within: &Within) {
        let after = grouped(new);
        for (key, items) in grouped(old) {
            let others = after.get(&key).map_or(&[][..], Vec::as_slice);
            self.group(key.0, &items, others, new, within);
        }
    }

    fn group(&mut self, class: Class, old: &[&Item], new: &[&Item], all: &[Item], within: &Within) {
        let spelt = |items: &[&'_ Item]| -> Vec<String> { items.iter().map(|item| spelling(item)).collect() };
        let (before, after) = (spelt(old), spelt(new));
        let old: Vec<(&Item, String)> = old.iter().copied().zip(before).collect();
        let new: Vec<(&Item, String)> = new.iter().copied().zip(after).collect();
        let left = variants::leftover(&old, &new);
        let likeness = |old: &Item, new: &Item| {
            let same_parameters = class == Class::Function && parameters(old) == parameters(new);
            variants::likeness(old, new) + 4 * u32::from(same_parameters) + 2 * u32::from(old.kind == new.kind)
        };
        for (old, other) in left.pairs(likeness) {
            match other {
                Some(other) => self.pair(class, old, other, within),
                None if new.is_empty() => self.removed(class, old, all, within),
                None => self.fewer(class, old, &left),
            }
        }
        if class != Class::Function && left.old.is_empty() {
            self.conditions(class, &left);
        }
    }

    /// One of several definitions is gone: whoever had it may have another one now.
    fn fewer(&mut self, class: Class, old: &Item, left: &Leftover<'_>) {
        let is_settled = left.same.iter().all(|(before, after)| before.under == after.under);
        if class != Class::Function && !(is_settled && left.new.is_empty()) {
            let name = old.qualified();
            let definition = text::shown(&old.tokens);
            self.found(
                Effect::Unclear,
                &name,
                format!("{} is `{definition}` no more, under any condition", described(class, &name)),
            );
        }
    }

    /// All definitions are still there, and perhaps more, or under other conditions.
    fn conditions(&mut self, class: Class, left: &Leftover<'_>) {
        let Some((first, _)) = left.same.first() else { return };
        let excludes_all =
            |new: &&Item| left.same.iter().take(64).all(|(old, _)| condition::exclude(&old.under, &new.under));
        let is_value =
            matches!(class, Class::Macro | Class::Record | Class::Enumeration | Class::Variable | Class::Other);
        let name = first.qualified();
        if let Some(new) = left.new.iter().find(|new| !excludes_all(new)).filter(|_| is_value && !name.is_empty()) {
            let definition = text::shown(&new.tokens);
            self.found(
                Effect::Unclear,
                &name,
                format!(
                    "{} may now be `{definition}` instead of `{}`, as conditions say",
                    described(class, &name),
                    text::shown(&first.tokens)
                ),
            );
        } else if let Some((old, _)) = left.same.iter().find(|(old, new)| old.under != new.under)
            && left.same.iter().any(|(other, _)| other.tokens != old.tokens)
        {
            self.found(
                Effect::Unclear,
                &name,
                format!(
                    "{} is `{}` under other conditions than before",
                    described(class, &name),
                    text::shown(&old.tokens)
                ),
            );
        }
    }

    fn removed(&mut self, class: Class, old: &Item, all: &[Item], within: &Within) {
        let name = old.qualified();
        match class {
            Class::Enumeration => self.enumeration(old, None, within),
            Class::Record if !self.is_compared(old, within) => {
                let is_named = !old.name.is_empty();
                if is_named && all.iter().any(|item| item.kind == Kind::Forward && item.name == old.name) {
                    self.found(
                        Effect::Unclear,
                        &name,
                        format!("{} no longer shows what it holds", described(class, &name)),
                    );
                }
            }
            Class::Macro if self.is_enumerator(old) => {}
            Class::Macro | Class::Variable => {
                let now = match class {
                    Class::Variable if function::top_level(&old.tokens, "=").is_none() => None,
                    Class::Variable => self.new.macros(&old.name).next().map(|_| "a macro"),
                    _ if prototype::replacement(old).is_empty() => None,
                    _ if self.values.contains_key(&*old.name) => Some("an enumerator"),
                    _ => self.declared_as(&old.name),
                };
                let is_itself = class == Class::Macro
                    && prototype::replacement(old).first().is_some_and(|first| first.text == old.name);
                if let Some(now) = now.filter(|_| !is_itself) {
                    let definition = text::shown(&old.tokens);
                    self.found(
                        Effect::Unclear,
                        &name,
                        format!("{} was `{definition}` and is now {now}", described(class, &name)),
                    );
                }
            }
            _ => {}
        }
    }

    /// Whether a number that was a macro is now an enumerator with this value.
    fn is_enumerator(&self, old: &Item) -> bool {
        let number = enumeration::number(&old.tokens);
        let values = self.values.get(&*old.name).map_or(&[][..], Vec::as_slice);
        !values.is_empty() && number.is_some() && values.iter().all(|value| value.number() == number)
    }

    /// Whether an enumerator is now a macro with this number.
    fn is_now_macro(&self, name: &str, value: &enumeration::Value) -> bool {
        let mut macros = self.new.macros(name).peekable();
        macros.peek().is_some()
            && value.number().is_some()
            && macros.all(|now| enumeration::number(&now.tokens) == value.number())
    }

    /// What a name is now that was a macro.
    fn declared_as(&self, name: &str) -> Option<&'static str> {
        let kinds =
            [(Kind::Variable, "a variable"), (Kind::Inline, "an inline function"), (Kind::Function, "a function")];
        let item = self
            .new
            .items
            .iter()
            .find(|item| *item.name == *name && kinds.iter().any(|(kind, _)| *kind == item.kind))?;
        kinds.iter().find(|(kind, _)| *kind == item.kind).map(|(_, text)| *text)
    }

    fn pair(&mut self, class: Class, old: &Item, new: &Item, within: &Within) {
        let name = old.qualified();
        match class {
            Class::Macro => self.macro_changed(old, new, &name),
            Class::Function => self.function(old, new, &name, within),
            Class::Record => record::compare(self, old, new, within),
            Class::Enumeration => self.enumeration(old, Some(new), within),
            Class::Variable => self.variable(old, new, &name, within),
            Class::Alias | Class::Other => {
                if !(class == Class::Alias && (self.is_compared(old, within) || within.is_compared)) {
                    let (from, to) = text::both(&old.tokens, &new.tokens);
                    self.found(
                        Effect::Unclear,
                        &name,
                        format!("{} is `{to}` instead of `{from}`", described(class, &name)),
                    );
                }
            }
        }
    }

    fn macro_changed(&mut self, old: &Item, new: &Item, name: &str) {
        let (before, after) =
            (attributes::split(prototype::replacement(old)), attributes::split(prototype::replacement(new)));
        let matters = |attributes: &[String]| -> Vec<String> {
            attributes.iter().filter(|one| attributes::weight(one) != attributes::Weight::Harmless).cloned().collect()
        };
        let same_parameters = parameter_names(&old.tokens) == parameter_names(&new.tokens);
        if before.1 == after.1 && same_parameters && matters(&before.0) == matters(&after.0) {
            return;
        }
        let (from, to) = text::both(prototype::replacement(old), prototype::replacement(new));
        let (from, to) = if from == to { text::both(&old.tokens, &new.tokens) } else { (from, to) };
        let empty = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
        self.found(
            Effect::Breaks,
            name,
            format!(
                "macro {} is {} instead of {}; whoever was compiled with it has the old value inside",
                text::name(name),
                empty(to),
                empty(from)
            ),
        );
    }

    fn function(&mut self, old: &Item, new: &Item, name: &str, within: &Within) {
        let what = match (old.is_template, within.is_record) {
            (true, _) => "template",
            (_, true) => "method",
            _ => "function",
        };
        let (before, after) = (bodyless(&old.tokens), bodyless(&new.tokens));
        let (old_body, new_body) = (old.tokens.get(before.len()..), new.tokens.get(after.len()..));
        if old.kind == Kind::Inline && new.kind == Kind::Inline && old_body != new_body {
            let (from, to) = text::both(old_body.unwrap_or_default(), new_body.unwrap_or_default());
            self.found(Effect::Breaks, name, format!("inline {what} {} does `{to}` instead of `{from}`; whoever was compiled with it has the old code inside", text::name(name)));
        } else if old.kind == Kind::Inline && new.kind == Kind::Function {
            let is_made = old_body.is_some_and(|body| body.first().is_some_and(|first| first.is("=")));
            if !(is_made && within.is_compared) {
                let code = text::shown(old_body.unwrap_or_default());
                self.found(Effect::Unclear, name, format!("inline {what} {} no longer shows its code; whoever was compiled with it has the old `{code}` inside", text::name(name)));
            }
        }
        let is_virtual =
            old.tokens.iter().any(|token| ["virtual", "override", "final"].iter().any(|word| token.is(word)));
        let uses = self.known.uses(name).or_else(|| self.known.uses(&old.name));
        if uses == Some(false) && !is_virtual && old.kind == Kind::Function && !old.is_template {
            return;
        }
        let is_compared = self.is_compared(old, within) || within.is_compared;
        for (effect, text) in prototype::differences((self.old, before), (self.new, after), is_compared) {
            if effect != Effect::Compatible {
                self.found(effect, name, format!("{what} {} {text}", text::name(name)));
            }
        }
    }

    fn variable(&mut self, old: &Item, new: &Item, name: &str, within: &Within) {
        let (before, old_value) = initialised(&old.tokens);
        let (after, new_value) = initialised(&new.tokens);
        let what = if within.is_record { "member" } else { "constant" };
        if old_value != new_value && (within.is_record || !old_value.is_empty()) {
            let empty = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
            let (from, to) = text::both(old_value, new_value);
            let effect = if new_value.is_empty() && !within.is_record { Effect::Unclear } else { Effect::Breaks };
            self.found(
                effect,
                name,
                format!(
                    "{what} {} is {} instead of {}; whoever was compiled with it has the old value inside",
                    text::name(name),
                    empty(to),
                    empty(from)
                ),
            );
        }
        let is_silent = |token: &&Token| !token.is("extern");
        let same = before.iter().filter(is_silent).eq(after.iter().filter(is_silent));
        // Of a record, the types say it, or the comparison of all of it.
        if !same && !within.is_record && !self.is_compared(old, within) {
            let (from, to) = text::both(before, after);
            self.found(
                Effect::Unclear,
                name,
                format!("variable {} is declared `{to}` instead of `{from}`", text::name(name)),
            );
        }
    }

    /// Compares an enumeration with the one of the same name, if there is one, or with all enumerators that there are.
    fn enumeration(&mut self, old: &Item, new: Option<&Item>, within: &Within) {
        let name = old.qualified();
        let is_nameless = old.name.is_empty();
        if !is_nameless && self.is_compared(old, within) {
            return;
        }
        let what = if is_nameless { "the nameless enum".to_owned() } else { format!("enum {}", text::name(&name)) };
        if let Some(new) = new.filter(|_| !is_nameless) {
            let heads = (
                attributes::without(enumeration::head(&old.tokens)),
                attributes::without(enumeration::head(&new.tokens)),
            );
            if heads.0 != heads.1 {
                let (from, to) = text::both(&heads.0, &heads.1);
                self.found(Effect::Breaks, &name, format!("{what} is declared `{to}` instead of `{from}`"));
            }
        }
        let own: HashMap<String, enumeration::Value> =
            new.map(|new| enumeration::enumerators(&new.tokens).into_iter().collect()).unwrap_or_default();
        for (enumerator, value) in enumeration::enumerators(&old.tokens) {
            let in_own = own.get(&enumerator);
            let now = in_own.or_else(|| {
                let all = self.values.get(&enumerator).filter(|_| !within.is_record || is_nameless)?;
                all.iter().find(|other| **other == value).or_else(|| all.first())
            });
            let label = text::name(&enumerator);
            match now {
                Some(now) if *now == value => {}
                Some(now) => {
                    let text = format!(
                        "{label} of {what} is {now} instead of {value}; whoever was compiled with it has the old value inside"
                    );
                    self.found(Effect::Breaks, &name, text);
                }
                // Another name for the same value is a new name.
                None if own.values().any(|other| *other == value) => {}
                None if self.is_now_macro(&enumerator, &value) => {}
                None if self.new.macros(&enumerator).next().is_some() => {
                    self.found(Effect::Unclear, &name, format!("{label} of {what} was {value} and is now a macro"));
                }
                None if new.is_some() && !is_nameless => {
                    self.found(Effect::Unclear, &name, format!("{what} has no {label} any more, which was {value}"));
                }
                None => {}
            }
        }
    }
}

fn described(class: Class, name: &str) -> String {
    let what = match class {
        Class::Macro => "macro",
        Class::Function => "function",
        Class::Record => "record",
        Class::Enumeration => "enum",
        Class::Alias => "type",
        Class::Variable => "constant",
        Class::Other => "",
    };
    format!("{what} {}", text::name(name)).trim().to_owned()
}

/// One spelling for all that means the same.
fn spelling(item: &Item) -> String {
    match item.kind {
        Kind::Macro => {
            let names = parameter_names(&item.tokens);
            let Some(names) = names else { return format!("= {}", text::canonical(&item.tokens)) };
            let index: HashMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
            let mut spelling = format!("({}) ", names.len());
            let variadic = item.tokens.iter().take_while(|token| !token.is(")")).any(|token| token.is("..."));
            spelling.push_str(if variadic { "... " } else { "" });
            for token in prototype::replacement(item) {
                match index.get(&*token.text) {
                    Some(index) => spelling.push_str(&format!("${index} ")),
                    None => spelling.push_str(&format!("{} ", token.text)),
                }
            }
            spelling
        }
        Kind::Function => {
            let prototype = function::prototype(&item.tokens);
            format!("{prototype:?}")
        }
        Kind::Record => text::canonical(&item.pack) + &text::canonical(&item.tokens),
        Kind::Variable => {
            let first = usize::from(item.tokens.first().is_some_and(|first| first.is("extern")));
            text::canonical(item.tokens.get(first..).unwrap_or_default())
        }
        _ => text::canonical(&item.tokens),
    }
}

/// The names of a macro's parameters, if it looks like a function.
fn parameter_names(tokens: &[Token]) -> Option<Vec<&str>> {
    let first = tokens.first().filter(|first| first.is("(") && first.is_glued);
    first.map(|_| {
        let inner = tokens.iter().skip(1).take_while(|token| !token.is(")"));
        inner.filter(|token| token.is_word()).map(|token| &*token.text).collect()
    })
}

fn parameters(item: &Item) -> String {
    function::prototype(bodyless(&item.tokens)).rest
}

/// A function without its body, its initialisers, or `= default`.
fn bodyless(tokens: &[Token]) -> &[Token] {
    let brace = tokens.iter().position(|token| token.is("{")).unwrap_or(tokens.len());
    let head = tokens.get(..brace).unwrap_or_default();
    let made = head
        .windows(2)
        .position(|pair| matches!(pair, [equals, word] if equals.is("=") && (word.is("default") || word.is("delete"))));
    let start = head
        .windows(2)
        .position(|pair| matches!(pair, [close, colon] if (close.is(")") || close.is("noexcept")) && colon.is(":")));
    let end = made.or(start.map(|at| at + 1)).unwrap_or(brace);
    tokens.get(..end).unwrap_or_default()
}

/// A declaration and its initialiser.
fn initialised(tokens: &[Token]) -> (&[Token], &[Token]) {
    let equals = function::top_level(tokens, "=");
    let brace = tokens.iter().position(|token| token.is("{"));
    match (equals, brace) {
        (Some(at), brace) if brace.is_none_or(|brace| at < brace) => {
            (tokens.get(..at).unwrap_or_default(), tokens.get(at + 1..).unwrap_or_default())
        }
        (_, Some(at)) => tokens.split_at(at),
        _ => (tokens, &[]),
    }
}
