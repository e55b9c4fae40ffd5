//! What a header declares, by name.

use std::sync::Arc;

use super::{condition::Path, token::Token};

/// What kind of thing is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// `#define`; the tokens are those after the name.
    Macro,
    /// A function without its body.
    Function,
    /// A function with its body.
    Inline,
    /// A struct, class or union with its body.
    Record,
    /// An enumeration with its body.
    Enumeration,
    /// `typedef`, `using … =`.
    Alias,
    /// A variable, a constant or a field.
    Variable,
    /// A name without more.
    Forward,
    /// `public:` and its like.
    Label,
    /// A macro that is used like a declaration, and whatever else there is.
    Other,
}

/// One declaration.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// The namespaces and records around it, if any.
    pub(super) scope: Arc<str>,
    /// The name; empty if it has none.
    pub(super) name: Arc<str>,
    /// All of it, without the `;`; of a macro, what follows its name.
    pub(super) tokens: Vec<Token>,
    /// The conditions under which it stands.
    pub(super) under: Path,
    pub(super) is_template: bool,
    /// What is aligned otherwise by a `#pragma pack` before it: its words.
    pub(super) pack: Arc<[Token]>,
}

impl Item {
    /// The name with what is around it.
    pub(super) fn qualified(&self) -> String {
        if self.scope.is_empty() || self.name.is_empty() {
            self.name.to_string()
        } else {
            format!("{}::{}", self.scope, self.name)
        }
    }
}
