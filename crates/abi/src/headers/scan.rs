//! From tokens to declarations: at the top of a file, or in the body of a record.
//!
//! Nothing is expanded and no condition is decided: what stands in any branch is declared there. Where branches open
//! different numbers of brackets, each `#else` begins where its `#if` did.

use std::sync::Arc;

use super::{
    condition::{self, Conditions},
    declaration::{self, Shape},
    item::{Item, Kind},
    token::{Kind as TokenKind, Token},
};

/// Finds what a file declares.
pub(super) fn file(tokens: &[Token], out: &mut Vec<Item>) {
    let guard = condition::guard(tokens);
    Scanner::new(tokens, "", None, guard, out).run();
}

/// Finds what the body of the record `name` declares. `body` is what stands between its braces.
pub(super) fn body(body: &[Token], name: &str) -> Vec<Item> {
    let mut out = Vec::new();
    let plain = name.rsplit("::").next().unwrap_or(name);
    let plain = plain.split('<').next().unwrap_or(plain).trim();
    Scanner::new(body, name, Some(plain), None, &mut out).run();
    out
}

/// Names of namespaces are not followed further, so that deep ones cost no more than they are long.
const LONGEST_SCOPE: usize = 1024;

struct Scanner<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The namespaces that are open, each with its full name; `extern "C"` adds none.
    scopes: Vec<Arc<str>>,
    prefix: Arc<str>,
    /// The plain name of the record whose body this is.
    record: Option<&'a str>,
    guard: Option<Arc<str>>,
    conditions: Conditions,
    /// How many scopes were open at each open `#if`.
    saved: Vec<usize>,
    pack: Arc<[Token]>,
    out: &'a mut Vec<Item>,
}

impl<'a> Scanner<'a> {
    fn new(
        tokens: &'a [Token],
        prefix: &str,
        record: Option<&'a str>,
        guard: Option<Arc<str>>,
        out: &'a mut Vec<Item>,
    ) -> Self {
        Self {
            tokens,
            at: 0,
            scopes: Vec::new(),
            prefix: prefix.into(),
            record,
            guard,
            conditions: Conditions::default(),
            saved: Vec::new(),
            pack: Arc::new([]),
            out,
        }
    }

    fn run(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            if token.kind == TokenKind::Hash {
                self.directive(true);
            } else if token.is("}") {
                self.scopes.pop();
                self.at += 1;
            } else if token.is(";") || token.is(")") || token.is("]") || token.kind == TokenKind::End {
                self.at += 1;
            } else if let Some(length) =
                self.label().or_else(|| self.scope()).or_else(|| self.bracket_macro()).or_else(|| self.macro_use())
            {
                self.at += length;
            } else {
                self.declaration();
            }
        }
    }

    fn rest(&self) -> &'a [Token] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// Reads the directive that begins here. One that is inside of a declaration is not one of ours (`is_ours`).
    fn directive(&mut self, is_ours: bool) {
        let Some((directive, rest)) = condition::directive(self.rest()) else { return };
        self.at = self.tokens.len() - rest.len();
        let Some((name, words)) = directive.split_first() else { return };
        match &*name.text {
            "define" => self.define(words),
            "pragma" => self.pragma(words),
            _ if !is_ours => {}
            "if" | "ifdef" | "ifndef" => {
                let is_guard = self.is_guard(words);
                self.conditions.read(directive, is_guard);
                if self.saved.len() < 64 {
                    self.saved.push(self.scopes.len());
                }
            }
            "else" | "elif" | "elifdef" | "elifndef" => {
                self.conditions.read(directive, false);
                if let Some(depth) = self.saved.last() {
                    self.scopes.truncate(*depth);
                }
            }
            "endif" => {
                self.conditions.read(directive, false);
                self.saved.pop();
            }
            _ => {}
        }
    }

    fn is_guard(&self, words: &[Token]) -> bool {
        self.guard.as_ref().is_some_and(|guard| words.iter().any(|word| word.text == *guard))
    }

    fn pragma(&mut self, words: &[Token]) {
        if words.first().is_some_and(|word| word.is("pack")) {
            // `pack()` and `pack(pop)` go back to what was before, of which only the outermost is known.
            let is_end = words.len() <= 3 || words.iter().any(|word| word.is("pop"));
            let is_end = is_end && !words.iter().any(|word| word.kind == TokenKind::Number);
            let numbers = words.iter().filter(|word| word.kind == TokenKind::Number);
            self.pack = if is_end { Arc::new([]) } else { numbers.cloned().collect() };
        }
    }

    fn define(&mut self, words: &[Token]) {
        let Some((name, rest)) = words.split_first() else { return };
        if self.guard.as_ref() == Some(&name.text) && rest.is_empty() {
            return;
        }
        self.push(Kind::Macro, "".into(), Arc::clone(&name.text), rest.to_vec(), false);
    }

    fn push(&mut self, kind: Kind, scope: Arc<str>, name: Arc<str>, tokens: Vec<Token>, is_template: bool) {
        if !self.conditions.is_dead() {
            let under = self.conditions.path();
            let pack = Arc::clone(&self.pack);
            self.out.push(Item { kind, scope, name, tokens, under, is_template, pack });
        }
    }

    /// `public:`, `public slots:`.
    fn label(&mut self) -> Option<usize> {
        self.record?;
        let rest = self.rest();
        let length = match rest {
            [word, colon, ..] if word.is_word() && colon.is(":") => 2,
            [word, slots, colon, ..] if word.is_word() && slots.is_word() && colon.is(":") => 3,
            _ => return None,
        };
        let first = rest.first()?;
        let is_access = ["public", "protected", "private"].iter().any(|access| first.is(access));
        // `int : 3` is a field without a name.
        if length == 3 && !is_access
            || length == 2 && !is_access && rest.get(2).is_some_and(|next| next.kind == TokenKind::Number)
        {
            return None;
        }
        self.push(Kind::Label, "".into(), Arc::clone(&first.text), vec![first.clone()], false);
        Some(length)
    }

    /// `namespace x {`, `extern "C" {`.
    fn scope(&mut self) -> Option<usize> {
        let rest = self.rest();
        if let [word, quoted, open, ..] = rest
            && word.is("extern")
            && quoted.kind == TokenKind::Quoted
            && open.is("{")
        {
            self.open_scope("");
            return Some(3);
        }
        let inline = usize::from(rest.first()?.is("inline"));
        if !rest.get(inline)?.is("namespace") {
            return None;
        }
        let head = rest.get(inline + 1..)?;
        let end = head.iter().take(64).position(|token| token.is("{") || token.is(";") || token.is("="))?;
        if !head.get(end)?.is("{") {
            return None;
        }
        let names = head.get(..end)?.iter().skip_while(|token| token.is("[") || token.is("]") || token.is("inline"));
        let name: String =
            names.take_while(|token| token.is_word() || token.is("::")).fold(String::new(), |mut name, token| {
                // Words behind the name are attributes.
                if name.is_empty() || name.ends_with("::") || token.is("::") {
                    name.push_str(&token.text);
                }
                name
            });
        self.open_scope(if name.is_empty() { "(nameless)" } else { &name });
        Some(inline + 1 + end + 1)
    }

    fn open_scope(&mut self, name: &str) {
        let outer = self.scopes.last().unwrap_or(&self.prefix);
        let full = match (name, outer.len() + name.len()) {
            ("", _) | (_, LONGEST_SCOPE..) => Arc::clone(outer),
            _ if outer.is_empty() => name.into(),
            _ => format!("{outer}::{name}").into(),
        };
        self.scopes.push(full);
    }

    /// A macro that opens or closes `extern "C"` or a namespace: `__BEGIN_DECLS`.
    fn bracket_macro(&mut self) -> Option<usize> {
        let first = self.rest().first().filter(|token| token.is_word())?;
        let has = |part: &str| first.text.contains(part);
        let is_bracket = (has("BEGIN") || has("END")) && (has("DECLS") || has("NAMESPACE") || has("HEADER"))
            || has("BEGIN_C")
            || has("END_C");
        is_bracket.then_some(1)
    }

    /// `DECLARE(x)` without a `;`, before something that surely begins a declaration or another one of these.
    fn macro_use(&mut self) -> Option<usize> {
        let rest = self.rest();
        let is_loud = |token: &Token| token.is_word() && !token.text.bytes().any(|byte| byte.is_ascii_lowercase());
        let [name, open, ..] = rest else { return None };
        if !is_loud(name) || !open.is("(") {
            return None;
        }
        // Those that are long are read as declarations.
        let end = declaration::close(rest.get(..rest.len().min(256))?, 1) + 1;
        let next = rest.get(end)?;
        let begins = ["typedef", "extern", "static", "struct", "enum", "union", "class", "template", "namespace"];
        let is_other = is_loud(next) && rest.get(end + 1).is_some_and(|token| token.is("("));
        if !is_other && !begins.iter().any(|word| next.is(word)) {
            return None;
        }
        self.add(rest.get(..end)?.to_vec());
        Some(end)
    }

    /// Reads the declaration that begins here; at least one token.
    fn declaration(&mut self) {
        let mut tokens: Vec<Token> = Vec::new();
        let mut depth = 0_usize;
        let mut saved: Vec<usize> = Vec::new();
        let mut shape: Option<Shape> = None;
        // Macros that are defined inside of it come before it.
        while let Some(token) = self.tokens.get(self.at) {
            if token.kind == TokenKind::Hash {
                let Some((directive, _)) = condition::directive(self.rest()) else { break };
                let name = directive.first().map_or("", |name| &*name.text);
                let keeps = match name {
                    "if" | "ifdef" | "ifndef" => {
                        saved.push(depth);
                        true
                    }
                    "else" | "elif" | "elifdef" | "elifndef" | "endif" => {
                        // One that began before this declaration cuts it.
                        let Some(before) = saved.last() else { break };
                        if name == "endif" {
                            saved.pop();
                        } else {
                            depth = *before;
                        }
                        true
                    }
                    name => name == "include",
                };
                if keeps {
                    tokens.push(token.clone());
                    tokens.extend_from_slice(directive);
                    tokens.push(Token { text: "".into(), kind: TokenKind::End, is_glued: true });
                }
                self.directive(false);
                continue;
            }
            if depth == 0 && (token.is(";") || token.is("}")) {
                self.at += usize::from(token.is(";"));
                break;
            }
            match &*token.text {
                "{" if depth == 0 && shape.is_none() => {
                    shape = Some(declaration::shape(&tokens));
                    depth += 1;
                }
                "(" | "[" | "{" if token.kind == TokenKind::Mark => depth += 1,
                ")" | "]" | "}" if token.kind == TokenKind::Mark => depth = depth.saturating_sub(1),
                _ => {}
            }
            tokens.push(token.clone());
            self.at += 1;
            if depth == 0 && token.is("}") && shape == Some(Shape::Function) && self.is_function_over() {
                break;
            }
        }
        self.add(tokens);
    }

    /// Behind a brace that closes: `X() : a{1}, b{2} {}`, `try {} catch (…) {}`.
    fn is_function_over(&self) -> bool {
        !self.rest().first().is_some_and(|next| next.is("{") || next.is(",") || next.is("catch"))
    }

    fn add(&mut self, tokens: Vec<Token>) {
        if tokens.is_empty() {
            return;
        }
        let Some(found) = declaration::classify(&tokens, self.record) else { return };
        let scope = self.scopes.last().map_or_else(|| Arc::clone(&self.prefix), Arc::clone);
        let tokens = tokens.get(found.skip..).unwrap_or_default().to_vec();
        self.push(found.kind, scope, found.name.into(), tokens, found.is_template);
    }
}
