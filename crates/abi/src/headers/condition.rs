//! `#if` and its like: under which conditions something stands.

use std::sync::Arc;

use super::{
    text,
    token::{Kind, Token},
};

/// A condition that holds, or does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    text: Arc<str>,
    holds: bool,
}

/// The conditions under which something stands, the innermost ones if there are very many.
pub(super) type Path = Arc<[Literal]>;

/// More than these are not kept: two paths then look alike more often, which only hides that they exclude each other.
const MOST: usize = 16;

/// Whether nothing can stand under both.
pub(super) fn exclude(left: &[Literal], right: &[Literal]) -> bool {
    left.iter().any(|one| right.iter().any(|other| one.text == other.text && one.holds != other.holds))
}

/// The open conditions at a place of a file.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// For each open `#if`: its branches so far, of which the last is the one we are in.
    open: Vec<Vec<Literal>>,
    /// How many more are open than are kept.
    ignored: usize,
    path: Option<Path>,
}

impl Conditions {
    /// Reads a directive, given without its `#`. An include guard says nothing.
    pub(super) fn read(&mut self, directive: &[Token], is_guard: bool) {
        let Some(name) = directive.first() else { return };
        self.path = None;
        match &*name.text {
            "if" | "ifdef" | "ifndef" if self.open.len() >= 64 => self.ignored += 1,
            "if" | "ifdef" | "ifndef" => {
                self.open.push(if is_guard { Vec::new() } else { vec![literal(directive)] });
            }
            "endif" if self.ignored > 0 => self.ignored -= 1,
            "endif" => {
                self.open.pop();
            }
            "elif" | "elifdef" | "elifndef" | "else" if self.ignored == 0 => {
                let Some(branches) = self.open.last_mut() else { return };
                let other = match branches.pop() {
                    Some(last) if &*last.text == "else" => return,
                    other => other,
                };
                branches.extend(other.map(|other| Literal { holds: !other.holds, ..other }));
                if branches.len() >= MOST {
                    branches.remove(0);
                }
                if &*name.text != "else" {
                    branches.push(literal(directive));
                } else {
                    branches.push(Literal { text: "else".into(), holds: true });
                }
            }
            _ => {}
        }
    }

    /// Whether nothing here is ever seen by a compiler.
    pub(super) fn is_dead(&self) -> bool {
        let is_never = |literal: &Literal| &*literal.text == "0" && literal.holds;
        self.open.iter().any(|branches| branches.iter().any(is_never))
    }

    /// The conditions here.
    pub(super) fn path(&mut self) -> Path {
        if let Some(path) = &self.path {
            return Arc::clone(path);
        }
        let all = self.open.iter().flatten().filter(|literal| &*literal.text != "else");
        let mut path: Vec<Literal> = all.cloned().collect();
        path.drain(..path.len().saturating_sub(MOST));
        path.sort();
        path.dedup();
        let path: Path = path.into();
        self.path = Some(Arc::clone(&path));
        path
    }
}

fn literal(directive: &[Token]) -> Literal {
    let (name, rest) = match directive {
        [name, rest @ ..] => (&*name.text, rest),
        [] => ("", directive),
    };
    let defined = |word: &Token, holds| Literal { text: format!("defined {}", word.text).into(), holds };
    match (name, rest) {
        ("ifdef" | "elifdef", [word]) => defined(word, true),
        ("ifndef" | "elifndef", [word]) => defined(word, false),
        (_, [is, word]) if is.is("defined") && word.is_word() => defined(word, true),
        (_, [is, open, word, close]) if is.is("defined") && open.is("(") && close.is(")") => defined(word, true),
        (_, [not, is, word]) if not.is("!") && is.is("defined") && word.is_word() => defined(word, false),
        (_, [not, is, open, word, close]) if not.is("!") && is.is("defined") && open.is("(") && close.is(")") => {
            defined(word, false)
        }
        _ => Literal { text: text::canonical(rest).trim_end().into(), holds: true },
    }
}

/// The name of the guard, if the file begins with one: `#ifndef X`, or `#if !defined(X)`, and then `#define X`.
pub(super) fn guard(tokens: &[Token]) -> Option<Arc<str>> {
    let (first, rest) = directive(tokens)?;
    // Some files say `#pragma once` too, first.
    if first.first().is_some_and(|name| name.is("pragma")) {
        return guard(rest);
    }
    let (second, _) = directive(rest)?;
    let condition = literal(first);
    let [define, name] = second else { return None };
    let is_condition = first.first().is_some_and(|name| name.is("ifndef") || name.is("if"));
    let is_guard = is_condition
        && !condition.holds
        && define.is("define")
        && condition.text.strip_prefix("defined ") == Some(&*name.text);
    is_guard.then(|| Arc::clone(&name.text))
}

/// The directive that begins here, without `#`, and what follows it.
pub(super) fn directive(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let (hash, rest) = tokens.split_first()?;
    if hash.kind != Kind::Hash {
        return None;
    }
    let end = rest.iter().position(|token| token.kind == Kind::End).unwrap_or(rest.len());
    Some((rest.get(..end)?, rest.get(end + 1..).unwrap_or_default()))
}
