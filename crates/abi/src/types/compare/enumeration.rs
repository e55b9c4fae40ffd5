//! Enumerations: names for numbers that consumers have compiled in.

use std::collections::HashMap;

use super::walk::{Local, Walk};
use crate::types::record::Enumeration;

/// Names that stand for how many there are, and change when one is added.
const COUNTS: &[&str] = &["last", "max", "count", "num", "total", "end", "sentinel", "size", "nb", "limit"];

/// Compares two enumerations.
pub(super) fn compare(walk: &Walk<'_>, old: &Enumeration, new: &Enumeration, local: &mut Local) {
    let (from, to) = (&walk.old.graph, &walk.new.graph);
    let name = match old.name {
        Some(name) => format!("enum {}", from.text(name)),
        None => "an enumeration without a name".to_owned(),
    };
    if old.declaration || new.declaration {
        if old.declaration != new.declaration && !old.declaration {
            local.unclear(format!("{name} is no longer defined"));
        }
        return;
    }
    if old.size != new.size {
        local.breaks(format!("{name} has {} bytes instead of {}", new.size, old.size));
    }
    let negative = |enumeration: &Enumeration| enumeration.enumerators.iter().any(|(_, value)| *value < 0);
    if old.signed.is_some() && new.signed.is_some() && old.signed != new.signed && old.size < 4 {
        local.breaks(format!("{name} has changed the sign of its underlying type"));
    } else if negative(new) && !negative(old) {
        local.compatible(format!("{name} has negative values now"));
    }
    let before: HashMap<&str, i128> = old.enumerators.iter().map(|(name, value)| (from.text(*name), *value)).collect();
    let after: HashMap<&str, i128> = new.enumerators.iter().map(|(name, value)| (to.text(*name), *value)).collect();
    let highest = |enumeration: &Enumeration| enumeration.enumerators.iter().map(|(_, value)| *value).max();
    for (text, value) in &old.enumerators {
        let text = from.text(*text);
        match after.get(text) {
            Some(now) if now == value => {}
            Some(now) if is_count(text) && highest(old) == Some(*value) && highest(new) == Some(*now) => {
                local.unclear(format!("{text} of {name}, which counts the others, is {now} instead of {value}"));
            }
            Some(now) => local.breaks(format!("{text} of {name} is {now} instead of {value}")),
            None => match after.iter().filter(|(other, now)| *now == value && !before.contains_key(*other)).min() {
                Some((other, _)) => local.compatible(format!("{text} of {name} is now called {other}")),
                None => local.breaks(format!("{text} of {name} is gone")),
            },
        }
    }
    let values: Vec<i128> = before.values().copied().collect();
    for (text, value) in &new.enumerators {
        let text = to.text(*text);
        if !before.contains_key(text) && !values.contains(value) {
            local.compatible(format!("{name} has a new value {text}"));
        }
    }
}

/// Whether a name is that of a count: `COLOR_MAX`, `N_COLORS`.
fn is_count(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split('_').filter(|word| !word.is_empty());
    words.clone().any(|word| COUNTS.contains(&word)) || words.next() == Some("n")
}
