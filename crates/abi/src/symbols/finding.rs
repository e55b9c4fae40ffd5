//! A difference as it is found, before it is weighed against other evidence.

use crate::{Change, Effect};

/// A difference, and whether somebody who sees the types knows better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) change: Change,
    /// Symbols only hint at it: where types were compared, theirs is the word.
    pub(crate) is_hint: bool,
    /// It is fine if the types are, which a comparison of these two files cannot see.
    pub(crate) is_elsewhere: bool,
}

impl Finding {
    pub(crate) fn new(effect: Effect, symbol: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            change: Change { effect, symbol: symbol.into(), text: text.into() },
            is_hint: false,
            is_elsewhere: false,
        }
    }

    pub(crate) fn breaks(symbol: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Effect::Breaks, symbol, text)
    }

    pub(crate) fn unclear(symbol: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Effect::Unclear, symbol, text)
    }

    pub(crate) fn compatible(symbol: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Effect::Compatible, symbol, text)
    }

    pub(crate) fn elsewhere(self) -> Self {
        Self { is_elsewhere: true, ..self }
    }

    pub(crate) fn hint(self) -> Self {
        Self { is_hint: true, ..self }
    }
}
