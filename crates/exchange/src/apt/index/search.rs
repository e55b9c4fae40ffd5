//! Searching names and summaries.

use memchr::memmem;

use super::{Candidate, Candidates, PreparedIndex, format::Section};

/// A package that a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its newest candidate.
    pub candidate: Candidate<'a>,
    /// How well it fits: 0 the name itself, 1 the name's beginning, 2 in the name, 3 also in the summary.
    pub rank: u8,
}

impl PreparedIndex {
    /// The packages in whose name and summary every word of `query` occurs, without regard to case, the best first.
    /// An empty query finds nothing.
    pub fn search(&self, query: &str) -> Vec<Found<'_>> {
        let query = query.to_lowercase();
        let words: Vec<&str> = query.split_whitespace().collect();
        // The longest word is taken to be the rarest.
        let Some(longest) = words.iter().max_by_key(|word| word.len()) else { return Vec::new() };
        let text = self.section(Section::Search);
        let mut found = Vec::new();
        let mut position = 0;
        let finder = memmem::Finder::new(longest);
        while let Some(at) = text.get(position..).and_then(|rest| finder.find(rest)) {
            let start = memchr::memrchr(b'\n', &text[..position + at]).map_or(0, |end| end + 1);
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end);
            position = end + 1;
            let line = &text[start..end];
            if let Some(rank) = rank(line, &words)
                && let Some(candidate) = self.searched(start)
            {
                found.push((rank, candidate.name(), candidate));
            }
        }
        found.sort_by_key(|&(rank, name, _)| (rank, if rank == 1 { name.len() } else { 0 }, name));
        found.into_iter().map(|(rank, _, candidate)| Found { candidate, rank }).collect()
    }

    /// The newest candidate of the name whose search text starts at `offset`.
    fn searched(&self, offset: usize) -> Option<Candidate<'_>> {
        let offset = u32::try_from(offset).ok()?;
        let (mut low, mut high) = (0, self.name_count());
        // The last row of this offset or a smaller one: virtual names have no text and share the offset that follows.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name_row(middle)?.search <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let row = self.name_row(low.checked_sub(1)?)?;
        Candidates::new(self, row.entries).next()
    }

    /// Names that resemble `name`, the most similar first, at most `limit`: for "did you mean".
    pub fn similar(&self, name: &str, limit: usize) -> Vec<&str> {
        let name = name.to_lowercase();
        let most = match name.chars().count() {
            // Only what differs in nothing but its capitals.
            0..=2 => 0,
            3..=5 => 1,
            6..=9 => 2,
            _ => 3,
        };
        let mut similar: Vec<(usize, &str)> = self
            .names()
            .filter(|other| other.len().abs_diff(name.len()) <= most)
            .filter_map(|other| Some((distance(name.as_bytes(), other.as_bytes(), most)?, other)))
            .collect();
        similar.sort();
        similar.into_iter().take(limit).map(|(_, name)| name).collect()
    }
}

/// How well a line of the search text fits, if all words occur in it.
fn rank(line: &[u8], words: &[&str]) -> Option<u8> {
    let name = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let contains = |text: &[u8]| words.iter().all(|word| memmem::find(text, word.as_bytes()).is_some());
    if !contains(line) {
        return None;
    }
    Some(match words {
        [word] if word.as_bytes() == name => 0,
        [word, ..] if name.starts_with(word.as_bytes()) && contains(name) => 1,
        _ if contains(name) => 2,
        _ => 3,
    })
}

/// The edit distance with transpositions, if it is at most `most`.
fn distance(left: &[u8], right: &[u8], most: usize) -> Option<usize> {
    let width = right.len() + 1;
    let mut before = vec![0; width];
    let mut previous: Vec<usize> = (0..width).collect();
    let mut current = vec![0; width];
    for (i, &a) in left.iter().enumerate() {
        current[0] = i + 1;
        for (j, &b) in right.iter().enumerate() {
            let mut best = (previous[j] + usize::from(a != b)).min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                best = best.min(before[j - 1] + 1);
            }
            current[j + 1] = best;
        }
        if current.iter().all(|&cell| cell > most) {
            return None;
        }
        std::mem::swap(&mut before, &mut previous);
        std::mem::swap(&mut previous, &mut current);
    }
    Some(previous[width - 1]).filter(|&cells| cells <= most)
}
