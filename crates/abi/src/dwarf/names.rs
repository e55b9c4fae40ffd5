//! Names with their scopes. An entry does not say what it is in: that is where its place lies between the places at
//! which namespaces and classes start and end.

use gimli::constants as dw;

use super::{
    entry::Entry,
    units::{Die, Units},
};

/// What stands for a namespace without a name, as demanglers have it.
pub(super) const ANONYMOUS: &str = "(anonymous namespace)";

/// How deep scopes may be nested.
const DEEPEST: usize = 64;

/// The namespaces and outermost classes of one unit.
pub(super) struct Scopes {
    /// In the order in which they start.
    all: Vec<Scope>,
}

struct Scope {
    start: usize,
    end: usize,
    /// The name, and those of the scopes around it.
    path: String,
    /// The scope around it.
    parent: Option<usize>,
    class: bool,
}

impl Scopes {
    /// Reads the scopes of a unit.
    ///
    /// # Errors
    ///
    /// Where the unit cannot be read to its end.
    pub(super) fn read(units: &Units<'_>, unit: u32) -> gimli::Result<Self> {
        let mut raw = units.units[unit as usize].inner.entries_raw(None)?;
        let mut all: Vec<Scope> = Vec::new();
        let mut open: Vec<Option<usize>> = Vec::new();
        let mut entry = Entry::default();
        while !raw.is_empty() {
            units.spend(1)?;
            if !entry.read(&mut raw)? {
                let Some(closed) = open.pop() else { break };
                if let Some(at) = closed {
                    all[at].end = entry.offset;
                }
                if open.is_empty() {
                    break;
                }
                continue;
            }
            if open.is_empty() {
                if !entry.has_children {
                    break;
                }
                open.push(None);
                continue;
            }
            let class = match entry.tag {
                Some(dw::DW_TAG_namespace) => false,
                Some(dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type) => true,
                _ => {
                    entry.skip_children(units, unit, &mut raw)?;
                    continue;
                }
            };
            if !entry.has_children {
                continue;
            }
            let parent = open.last().copied().flatten();
            let start = entry.offset;
            if class {
                entry.skip_children(units, unit, &mut raw)?;
                let end = raw.next_offset().0;
                // The path of a class is only needed where something is nested in it, which is rare.
                all.push(Scope { start, end, path: String::new(), parent, class });
            } else if open.len() < DEEPEST {
                let mut path = parent.map_or(String::new(), |at| all[at].path.clone());
                match entry.text(units, unit, dw::DW_AT_name) {
                    Some(name) => path.push_str(&name.to_string_lossy()),
                    None => path.push_str(ANONYMOUS),
                }
                path.push_str("::");
                units.spend(path.len() as u64 / 16)?;
                open.push(Some(all.len()));
                all.push(Scope { start, end: usize::MAX, path, parent, class });
            } else {
                entry.skip_children(units, unit, &mut raw)?;
            }
        }
        Ok(Self { all })
    }

    /// The scopes around an entry, as they stand before its name.
    pub(super) fn path(&self, units: &Units<'_>, die: Die) -> String {
        let before = self.all.partition_point(|scope| scope.start < die.offset);
        let mut at = before.checked_sub(1);
        while let Some(scope) = at.and_then(|at| self.all.get(at)) {
            if die.offset < scope.end {
                if !scope.class {
                    return scope.path.clone();
                }
                let mut path = scope.parent.map_or(String::new(), |at| self.all[at].path.clone());
                // What cannot be read has no scope: its name is merely shorter.
                let _ = nested(units, Die { unit: die.unit, offset: scope.start }, die, &mut path);
                return path;
            }
            at = scope.parent;
        }
        String::new()
    }
}

/// Adds the names of the classes from `outer` down to the one that `die` stands in.
fn nested(units: &Units<'_>, outer: Die, die: Die, path: &mut String) -> gimli::Result<()> {
    let mut entry = Entry::default();
    let mut raw = units.raw(outer)?;
    let mut depth = 0;
    while raw.next_offset().0 < die.offset && depth < DEEPEST {
        units.spend(1)?;
        if !entry.read(&mut raw)? {
            break;
        }
        let mut probe = raw.clone();
        entry.skip_children(units, outer.unit, &mut probe)?;
        if probe.next_offset().0 <= die.offset {
            raw = probe;
            continue;
        }
        depth += 1;
        let name = entry.text(units, outer.unit, dw::DW_AT_name);
        match (entry.tag, name) {
            (Some(dw::DW_TAG_subprogram), Some(name)) => {
                path.push_str(&name.to_string_lossy());
                path.push_str("()::");
            }
            (_, Some(name)) => {
                path.push_str(&name.to_string_lossy());
                path.push_str("::");
            }
            (_, None) => path.push_str("(anonymous)::"),
        }
    }
    Ok(())
}
