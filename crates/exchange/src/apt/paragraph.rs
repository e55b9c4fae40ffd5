//! Paragraphs of `Name: value` fields, with the line numbers that messages need.

/// One field. Continuation lines are kept, each without its first blank, separated by line feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// Fields up to an empty line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paragraph<'a> {
    pub(crate) fields: Vec<Field<'a>>,
}

/// A line is neither a field nor a continuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAField {
    pub(crate) line: usize,
}

impl Paragraph<'_> {
    /// The first field called `name`; case does not matter.
    pub(crate) fn field(&self, name: &str) -> Option<&Field<'_>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first field called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.field(name).map(|field| field.value.as_str())
    }

    /// Where it begins.
    pub(crate) fn line(&self) -> usize {
        self.fields.first().map_or(0, |field| field.line)
    }
}

/// Splits `text`. Lines that begin with `#` are comments, also between the lines of one field.
pub(crate) fn paragraphs(text: &str) -> Result<Vec<Paragraph<'_>>, NotAField> {
    let mut all = Vec::new();
    let mut current = Paragraph::default();
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim_end(), index + 1);
        if line.starts_with('#') {
            continue;
        }
        if line.is_empty() {
            if !current.fields.is_empty() {
                all.push(std::mem::take(&mut current));
            }
        } else if let Some(rest) = line.strip_prefix([' ', '\t']) {
            let field = current.fields.last_mut().ok_or(NotAField { line: number })?;
            field.value.push('\n');
            field.value.push_str(rest);
        } else {
            let (name, value) = line.split_once(':').ok_or(NotAField { line: number })?;
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(NotAField { line: number });
            }
            current.fields.push(Field { name, value: value.trim().to_owned(), line: number });
        }
    }
    if !current.fields.is_empty() {
        all.push(current);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_continue_and_comments_vanish() {
        let text = "# top\nA: 1\n 2\n# between\n  3\nB:\n x\n\n\nC: d\n";
        let found = paragraphs(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("a"), Some("1\n2\n 3"));
        assert_eq!(found[0].get("B"), Some("\nx"));
        assert_eq!(found[1].field("C").unwrap().line, 10);
        assert_eq!(paragraphs("A: 1\n\n x\n"), Err(NotAField { line: 3 }));
        assert_eq!(paragraphs("no colon"), Err(NotAField { line: 1 }));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[A: #\\n\\tx]*") {
            let _ = paragraphs(&text);
        }
    }
}
