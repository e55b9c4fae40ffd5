//! Differences that somebody looked at and found harmless.

use crate::{Change, Effect};

/// One difference, or several alike, that is known to be harmless, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The symbol through which it is met, as [`Change::symbol`] has it, with or without its version; any if it is not
    /// given.
    pub symbol: Option<String>,
    /// A part of [`Change::text`]; any if it is not given.
    pub text: Option<String>,
    /// Why it is harmless.
    pub reason: String,
}

impl Suppression {
    fn covers(&self, change: &Change) -> bool {
        let name = change.symbol.split('@').next().unwrap_or_default();
        let is_symbol = |symbol: &String| *symbol == change.symbol || symbol == name;
        self.symbol.as_ref().is_none_or(is_symbol) && self.text.as_ref().is_none_or(|text| change.text.contains(text))
    }
}

/// Makes a difference harmless that is known to be.
pub(super) fn apply(suppressions: &[Suppression], mut change: Change) -> Change {
    if change.effect != Effect::Compatible
        && let Some(known) = suppressions.iter().find(|known| known.covers(&change))
    {
        change.effect = Effect::Compatible;
        change.text = format!("{} (known to be harmless: {})", change.text, known.reason);
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_forgiven() {
        let check = |symbol: Option<&str>, text: Option<&str>, expected: Effect| {
            let known = Suppression {
                symbol: symbol.map(str::to_owned),
                text: text.map(str::to_owned),
                reason: "nobody calls it".into(),
            };
            let change = Change { effect: Effect::Breaks, symbol: "f@V1".into(), text: "function `f` is gone".into() };
            assert_eq!(apply(&[known], change).effect, expected, "{symbol:?} {text:?}");
        };
        check(Some("f"), None, Effect::Compatible);
        check(Some("f@V1"), Some("is gone"), Effect::Compatible);
        check(None, Some("is gone"), Effect::Compatible);
        check(Some("f@V2"), None, Effect::Breaks);
        check(Some("g"), None, Effect::Breaks);
        check(Some("f"), Some("grew"), Effect::Breaks);
    }
}
