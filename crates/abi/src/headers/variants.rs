//! Which declarations of one name belong together: several stand for overloads, or under different conditions.

use std::collections::HashMap;

use super::{condition, item::Item};

/// What is left of the declarations of one name when those that are the same on both sides are taken away.
#[derive(Debug, Default)]
pub(super) struct Leftover<'a> {
    pub(super) old: Vec<&'a Item>,
    pub(super) new: Vec<&'a Item>,
    /// Those that are the same, once per pair.
    pub(super) same: Vec<(&'a Item, &'a Item)>,
}

/// Takes away what has the same spelling on both sides, preferably under the same conditions. `old` and `new` come with
/// their spelling.
pub(super) fn leftover<'a>(old: &[(&'a Item, String)], new: &[(&'a Item, String)]) -> Leftover<'a> {
    let mut result = Leftover::default();
    let mut exact: HashMap<(&str, &[condition::Literal]), Vec<usize>> = HashMap::new();
    for (index, (item, spelling)) in new.iter().enumerate() {
        exact.entry((spelling, &item.under)).or_default().push(index);
    }
    let mut is_taken = vec![false; new.len()];
    let mut others = Vec::new();
    for (item, spelling) in old {
        match exact.get_mut(&(spelling.as_str(), &*item.under)).and_then(Vec::pop) {
            Some(index) => {
                if let (Some(taken), Some((other, _))) = (is_taken.get_mut(index), new.get(index)) {
                    *taken = true;
                    result.same.push((item, other));
                }
            }
            None => others.push((*item, spelling)),
        }
    }
    let mut spelt: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (_, spelling)) in new.iter().enumerate().filter(|(index, _)| !is_taken.get(*index).is_some_and(|t| *t))
    {
        spelt.entry(spelling).or_default().push(index);
    }
    // One that is there twice on one side is there.
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (index, (_, spelling)) in new.iter().enumerate() {
        known.entry(spelling).or_insert(index);
    }
    for (item, spelling) in others {
        let index = spelt.get_mut(spelling.as_str()).and_then(Vec::pop);
        if let Some(taken) = index.and_then(|index| is_taken.get_mut(index)) {
            *taken = true;
        }
        match index.or_else(|| known.get(spelling.as_str()).copied()).and_then(|index| new.get(index)) {
            Some((other, _)) => result.same.push((item, other)),
            None => result.old.push(item),
        }
    }
    let before: std::collections::HashSet<&str> = old.iter().map(|(_, spelling)| spelling.as_str()).collect();
    let rest = new.iter().zip(is_taken).filter(|((_, spelling), taken)| !taken && !before.contains(spelling.as_str()));
    result.new.extend(rest.map(|((item, _), _)| *item));
    result
}

/// Looking for a partner costs the product of both sides: beyond so many, the first one is taken.
const MOST_PARTNERS: usize = 64;

impl<'a> Leftover<'a> {
    /// Pairs what is left: the best of the other side for each of the old side, by a score; those without a partner are
    /// gone.
    pub(super) fn pairs(&self, score: impl Fn(&Item, &Item) -> u32) -> Vec<(&'a Item, Option<&'a Item>)> {
        let mut free: Vec<&Item> = self.new.clone();
        free.reverse();
        let mut pairs = Vec::new();
        for old in &self.old {
            let first = free.len().saturating_sub(MOST_PARTNERS);
            let candidates = free.iter().enumerate().skip(first);
            let best = candidates.max_by_key(|(index, new)| (score(old, new), *index)).map(|(index, _)| index);
            pairs.push((*old, best.map(|index| free.remove(index))));
        }
        pairs
    }
}

/// How much alike the conditions are: the same, or at least possible together.
pub(super) fn likeness(old: &Item, new: &Item) -> u32 {
    if old.under == new.under { 2 } else { u32::from(!condition::exclude(&old.under, &new.under)) }
}
