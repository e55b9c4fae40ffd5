//! Reading control stanzas in place.

/// The value of a stanza's field, trimmed, continuation lines included. Field names are compared without case.
pub fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    fields(stanza).find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The fields of a stanza in order.
pub(crate) fn fields(stanza: &str) -> Fields<'_> {
    Fields { text: stanza, position: 0 }
}

/// See [`fields`].
pub(crate) struct Fields<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while self.position < bytes.len() {
            let start = self.position;
            let mut end = line_end(bytes, start);
            // A line that starts with white space continues the field before it.
            while bytes.get(end + 1).is_some_and(|&byte| byte == b' ' || byte == b'\t') {
                end = line_end(bytes, end + 1);
            }
            self.position = end + 1;
            // Lines without a colon are no fields.
            if let Some((name, value)) = self.text.get(start..end).and_then(|line| line.split_once(':')) {
                return Some((name, value.trim()));
            }
        }
        None
    }
}

/// The position of the next line feed, or the end.
fn line_end(bytes: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at)
}

/// The byte ranges of the stanzas of a text: runs of lines that are not empty.
pub(super) fn stanzas(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let bytes = text.as_bytes();
    let mut position = 0;
    std::iter::from_fn(move || {
        while bytes.get(position).is_some_and(|&byte| byte == b'\n' || byte == b'\r') {
            position += 1;
        }
        if position >= bytes.len() {
            return None;
        }
        let start = position;
        loop {
            position = line_end(bytes, position) + 1;
            if bytes.get(position).is_none_or(|&byte| byte == b'\n' || byte == b'\r') {
                let end = position.min(bytes.len());
                return Some((start, end));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn stanzas_are_all_lines_that_are_not_empty(text in "(a: b|[\\n\\r :ü]){0,40}") {
            let (mut end, mut kept) = (0, String::new());
            for (from, to) in stanzas(&text) {
                proptest::prop_assert!(end <= from && from < to);
                proptest::prop_assert!(text[end..from].chars().all(|c| "\r\n".contains(c)));
                kept.push_str(&text[from..to]);
                end = to;
                let _ = field(&text[from..to], "A");
            }
            proptest::prop_assert!(text[end..].chars().all(|c| "\r\n".contains(c)));
            let letters = |text: &str| text.chars().filter(|c| !"\r\n".contains(*c)).collect::<String>();
            proptest::prop_assert_eq!(letters(&kept), letters(&text));
        }
    }
}
