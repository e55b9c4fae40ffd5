//! Finding where a prefix is baked into a file.

use std::ops::Range;

use aleph_component::{
    TreePath,
    native::{Hole, HoleKind, Target, ends_name},
};
use memchr::memmem;

/// The shortest prefix that a path of a store can take the place of, in a file that cannot change its length.
const SHORTEST_PLACEHOLDER: usize = 64;

/// Where a file holds its prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) holes: Vec<Hole>,
    /// The first place without room for another path, if there is one.
    pub(super) cramped: Option<usize>,
}

/// Searches the bytes of a file. Of one that is mapped into memory only those ranges count that are; what it says of its
/// own making is for debuggers.
pub(super) fn search(path: &TreePath, bytes: &[u8], prefix: &str, mapped: Option<&[Range<usize>]>) -> Search {
    let mut search = Search::default();
    if prefix.is_empty() {
        return search;
    }
    let hole = |offset: usize, length: usize, kind| Hole {
        path: path.clone(),
        offset: offset as u64,
        length: length as u64,
        kind,
        target: Target::Own,
    };
    let is_text = mapped.is_none() && memchr::memchr(0, bytes).is_none();
    if is_text {
        let ends = |start: &usize| ends_name(bytes.get(start + prefix.len()));
        let found = memmem::find_iter(bytes, prefix).filter(ends);
        search.holes.extend(found.map(|start| hole(start, prefix.len(), HoleKind::Text)));
        return search;
    }
    for (kind, unit) in [(HoleKind::String, 1), (HoleKind::Wide16, 2), (HoleKind::Wide32, 4)] {
        let needle = widened(prefix, unit);
        let mut done = 0;
        for start in memmem::find_iter(bytes, &needle) {
            let is_mapped = mapped.is_none_or(|ranges| ranges.iter().any(|range| range.contains(&start)));
            let next = bytes.get(start + needle.len());
            if start < done || !is_mapped || !ends_name(next) {
                continue;
            }
            let end = end_of_string(bytes, start, unit);
            done = end;
            if prefix.len() < SHORTEST_PLACEHOLDER || end == bytes.len() {
                search.cramped.get_or_insert(start);
            } else {
                search.holes.push(hole(start, end - start, kind));
            }
        }
    }
    search.holes.sort_by_key(|hole| hole.offset);
    search
}

fn widened(text: &str, unit: usize) -> Vec<u8> {
    let mut wide = Vec::with_capacity(text.len() * unit);
    for byte in text.bytes() {
        wide.push(byte);
        wide.resize(wide.len() + unit - 1, 0);
    }
    wide
}

/// Behind the NUL that ends a string.
fn end_of_string(bytes: &[u8], start: usize, unit: usize) -> usize {
    let ends = |unit: &[u8]| unit.iter().all(|byte| *byte == 0);
    let at = bytes[start..].chunks_exact(unit).position(ends);
    at.map_or(bytes.len(), |at| start + (at + 1) * unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: &str = "/build/a-prefix-that-is-long-enough-for-the-path-of-any-store/placeholder";

    fn fill(
        bytes: &[u8],
        holes: &[&Hole],
        prefix: &str,
        target: impl Fn(&Hole) -> String,
    ) -> Result<Vec<u8>, aleph_component::native::FillError> {
        let mut filled = bytes.to_vec();
        aleph_component::native::fill(&mut filled, holes, prefix, target).map(|()| filled)
    }

    fn check(bytes: &[u8], prefix: &str, kinds: &[(usize, usize, HoleKind)], cramped: bool) -> Vec<Hole> {
        let path = TreePath::new("bin/x").unwrap();
        let found = search(&path, bytes, prefix, None);
        let holes: Vec<_> =
            found.holes.iter().map(|hole| (hole.offset as usize, hole.length as usize, hole.kind)).collect();
        assert_eq!((holes.as_slice(), found.cramped.is_some()), (kinds, cramped));
        found.holes
    }

    #[test]
    fn text_has_a_hole_for_each_path() {
        let text = b"#!/opt/x/bin/sh\nPATH=/opt/x/bin:/opt/x\n/opt/xyz /opt/x-2 -I/opt/x/include";
        let holes = check(
            text,
            "/opt/x",
            &[(2, 6, HoleKind::Text), (21, 6, HoleKind::Text), (32, 6, HoleKind::Text), (59, 6, HoleKind::Text)],
            false,
        );
        let filled = fill(text, &holes.iter().collect::<Vec<_>>(), "/opt/x", |_| "/a/far/away".to_owned()).unwrap();
        assert_eq!(
            filled,
            b"#!/a/far/away/bin/sh\nPATH=/a/far/away/bin:/a/far/away\n/opt/xyz /opt/x-2 -I/a/far/away/include"
        );
    }

    #[test]
    fn strings_of_programs_have_room_only_for_what_was_reserved() {
        check(b"\0/opt/x/share\0", "/opt/x", &[], true);
        let bytes = [b"\0".as_slice(), LONG.as_bytes(), b"/bin:", LONG.as_bytes(), b"/sbin\0rest\0"].concat();
        let holes = check(&bytes, LONG, &[(1, 2 * LONG.len() + 11, HoleKind::String)], false);
        let filled = fill(&bytes, &holes.iter().collect::<Vec<_>>(), LONG, |_| "/s".to_owned()).unwrap();
        assert_eq!(filled.len(), bytes.len());
        assert!(filled.starts_with(b"\0/s/bin:/s/sbin\0") && filled.ends_with(b"\0rest\0"));
        let too_long = "/s".repeat(LONG.len());
        assert!(fill(&bytes, &holes.iter().collect::<Vec<_>>(), LONG, |_| too_long.clone()).is_err());
    }

    #[test]
    fn wide_strings_are_found() {
        for (kind, unit) in [(HoleKind::Wide16, 2), (HoleKind::Wide32, 4)] {
            let bytes = [vec![1; 8], widened(&format!("{LONG}/x"), unit), vec![0; 8], vec![7; 8]].concat();
            let holes = check(&bytes, LONG, &[(8, (LONG.len() + 3) * unit, kind)], false);
            let filled = fill(&bytes, &holes.iter().collect::<Vec<_>>(), LONG, |_| "/s".to_owned()).unwrap();
            assert_eq!(filled.len(), bytes.len());
            assert!(filled[8..].starts_with(&widened("/s/x\0\0", unit)) && filled.ends_with(&[7; 8]));
        }
    }

    proptest! {
        #[test]
        fn what_is_filled_with_its_prefix_is_as_it_was(parts in proptest::collection::vec("[a/\\x00 ]{0,9}", 0..9)) {
            let bytes = parts.join(&format!("{LONG}/y")).into_bytes();
            let found = search(&TreePath::new("x").unwrap(), &bytes, LONG, None);
            let holes: Vec<&Hole> = found.holes.iter().collect();
            prop_assert_eq!(fill(&bytes, &holes, LONG, |_| LONG.to_owned()).unwrap(), bytes);
        }
    }
}
