//! Shell patterns, as apt matches them: like fnmatch(3), and mostly without regard to case.

use std::fmt;

/// A text with `*` for anything, `?` for one character and `[...]` for one of several.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
    Among { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Reads a pattern. Every text is one.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text.chars();
        // One bracket without an end says that those after it have none: they are not looked for.
        let mut closed = true;
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' if parts.last() == Some(&Part::Any) => continue,
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Exactly(rest.next().unwrap_or('\\')),
                '[' if closed => match among(rest.as_str()) {
                    Some((part, after)) => {
                        rest = after.chars();
                        part
                    }
                    None => {
                        closed = false;
                        Part::Exactly('[')
                    }
                },
                c => Part::Exactly(c),
            });
        }
        Self { text: text.to_owned(), parts }
    }

    /// True if it stands for the package name `name`. As in apt, case counts only where there are no wildcards.
    pub fn fits_name(&self, name: &str) -> bool {
        match self.parts.iter().all(|part| matches!(part, Part::Exactly(_))) {
            true => self.text == name,
            false => self.fits(name),
        }
    }

    /// True if it stands for `text`; case does not matter.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on when the last `*` has to stand for more.
        let mut again: Option<(usize, usize)> = None;
        loop {
            let here = text.get(at);
            match (self.parts.get(part), here) {
                (Some(Part::Any), _) => {
                    again = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                (None, None) => return true,
                (Some(wanted), Some(&c)) if wanted.fits(c) => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            match again {
                Some((after, from)) if from < text.len() => {
                    again = Some((after, from + 1));
                    (part, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Exactly(wanted) => wanted.eq_ignore_ascii_case(&c),
            Self::Among { negated, ranges } => {
                let either = [c.to_ascii_lowercase(), c.to_ascii_uppercase()];
                let mut hits = ranges.iter().filter(|(low, high)| either.iter().any(|c| (low..=high).contains(&c)));
                hits.next().is_some() != *negated
            }
        }
    }
}

/// What stands between brackets, and what follows; `None` if they are not closed.
fn among(text: &str) -> Option<(Part, &str)> {
    let (negated, body) = text.strip_prefix(['!', '^']).map_or((false, text), |body| (true, body));
    // A closing bracket that comes first is a member.
    let end = body.char_indices().skip(1).find(|(_, c)| *c == ']')?.0;
    let members: Vec<char> = body[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        match members.get(at + 1..at + 3) {
            Some(['-', high]) => {
                ranges.push((members[at], *high));
                at += 3;
            }
            _ => {
                ranges.push((members[at], members[at]));
                at += 1;
            }
        }
    }
    Some((Part::Among { negated, ranges }, &body[end + 1..]))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, fitting: &[&str], others: &[&str]) {
        let found = Pattern::new(pattern);
        fitting.iter().for_each(|text| assert!(found.fits(text), "{pattern} should fit {text}"));
        others.iter().for_each(|text| assert!(!found.fits(text), "{pattern} should not fit {text}"));
    }

    #[test]
    fn patterns() {
        check("abc", &["abc"], &["ab", "abcd", ""]);
        check("*", &["", "x"], &[]);
        check("lib*-dev", &["lib-dev", "liba-b-dev"], &["lib", "liba-devx"]);
        check("a?c", &["abc", "aéc"], &["ac", "abbc"]);
        check("[a-c]x[!0-9]", &["axy", "cx-"], &["dxy", "ax1"]);
        check("[]x]", &["]", "x"], &["y"]);
        check("a[b", &["a[b"], &["ab"]);
        check("[a][b[!]", &["ab", "a["], &["a[b[!]"]);
        check("[a][b[", &["a[b["], &["ab["]);
        check(&"[".repeat(100_000), &[], &["["]);
        check("1.2*", &["1.2", "1.2-3"], &["1.1"]);
        check("\\*", &["*"], &["x"]);
        check("o=Deb*[A-C]", &["O=dEbianb"], &["o=debiand"]);
        check("*a*b*c", &["xaybzc", "abc", "aabbcc"], &["abcx", "acb"]);
    }

    #[test]
    fn the_case_of_plain_names_counts() {
        assert!(Pattern::new("libc6").fits_name("libc6"));
        assert!(!Pattern::new("LIBC6").fits_name("libc6"));
        assert!(Pattern::new("LIB*").fits_name("libc6"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(pattern in "[a\\[\\]!^*?é\\\\-]*", text in "[a\\[é-]*") {
            let _ = Pattern::new(&pattern).fits(&text);
        }
    }
}
