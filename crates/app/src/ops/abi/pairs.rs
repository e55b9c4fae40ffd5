//! Which library of the new side stands for which of the old one.

use std::collections::{HashMap, HashSet};

use aleph_abi::elf::{Facts, FileKind};

use super::side::{Binary, Side};

/// An old library, and what stands for it.
pub(crate) struct Matched<'a> {
    pub(crate) old: &'a Binary,
    pub(crate) new: Option<&'a Binary>,
}

/// Finds for each library of the old side the one with the same soname, or else with the same name before `.so`.
pub(crate) fn matched<'a>(old: &'a Side, new: &'a Side) -> Vec<Matched<'a>> {
    if let ([old_binary], [new_binary], true, true) = (&*old.binaries, &*new.binaries, old.is_file, new.is_file) {
        return vec![Matched { old: old_binary, new: Some(new_binary) }];
    }
    let mut by_key: HashMap<Vec<u8>, Vec<&Binary>> = HashMap::new();
    for binary in &new.binaries {
        if let Some(key) = key(binary) {
            by_key.entry(key).or_default().push(binary);
        }
    }
    let old_keys: HashSet<Vec<u8>> = old.binaries.iter().filter_map(key).collect();
    let mut pairs = Vec::new();
    for binary in &old.binaries {
        let Some(own) = key(binary) else { continue };
        let fits = |candidate: &&&Binary| candidate.facts.platform() == binary.facts.platform();
        let same = by_key.get(&own).into_iter().flatten().filter(fits).min_by_key(|candidate| {
            // Several builds of one library for different processors lie in different directories.
            candidate.label != binary.label
        });
        let renamed = || {
            let candidates = new.binaries.iter().filter(|candidate| {
                let is_new = key(candidate).is_some_and(|key| !old_keys.contains(&key));
                is_new && stem(&candidate.facts).is_some() && stem(&candidate.facts) == stem(&binary.facts)
            });
            candidates.min_by(|a, b| a.label.cmp(&b.label))
        };
        pairs.push(Matched { old: binary, new: same.copied().or_else(renamed) });
    }
    pairs
}

/// What others name it by: the soname of a library, the file name of an archive; nothing of what nobody links to.
fn key(binary: &Binary) -> Option<Vec<u8>> {
    match binary.facts.kind() {
        FileKind::Shared => binary.facts.soname().map(<[u8]>::to_vec),
        FileKind::Archive => binary.label.rsplit('/').next().map(|name| name.as_bytes().to_vec()),
        _ => None,
    }
}

/// What comes before `.so`.
fn stem(facts: &Facts) -> Option<&[u8]> {
    let soname = facts.soname()?;
    let end = soname.windows(3).position(|window| window == b".so")?;
    soname.get(..end)
}
