//! The control file of a package: one deb822 paragraph whose values become names of directories and files.

use std::{collections::BTreeMap, path::Path};

use aleph_component::Source;

use crate::apt::relation::{Version, parse_provides, parse_relations};

/// The longest control file that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// The most fields that a control file may have.
const MOST_FIELDS: usize = 256;
/// The longest name or version, in bytes.
const LONGEST_NAME: usize = 200;
/// The longest architecture: `NAME:ARCHITECTURE.postrm` has to be the name of a file.
const LONGEST_ARCHITECTURE: usize = 40;

/// What a control file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// `Package`: letters, digits and `+-._`, beginning with a letter or digit.
    pub name: String,
    /// `Version`: letters, digits and `+-.~:`.
    pub version: String,
    /// `Architecture`: letters, digits and `-`.
    pub architecture: String,
    /// `Source`, or what it is by default.
    pub source: Source,
    /// The first line of `Description`.
    pub summary: String,
    /// All other fields, with their continuation lines' indentation removed.
    pub fields: BTreeMap<String, String>,
}

/// Why a control file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is too long.
    #[error("it has {found} bytes; at most {LONGEST} are read")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// It is not in deb822 form.
    #[error("it is not a paragraph of fields")]
    Syntax(#[source] deb822_fast::Error),
    /// It has no paragraph, or several.
    #[error("it has {found} paragraphs instead of one")]
    Paragraphs {
        /// How many it has.
        found: usize,
    },
    /// It has too many fields.
    #[error("it has {found} fields; at most {MOST_FIELDS} are read")]
    Fields {
        /// How many it has.
        found: usize,
    },
    /// A field occurs twice.
    #[error("field `{field}` occurs twice")]
    Duplicate {
        /// The field.
        field: String,
    },
    /// A field that must be there is not.
    #[error("field `{field}` is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field has a value that cannot be allowed.
    #[error("field `{field}` has the value {value:?}, which cannot be allowed")]
    Value {
        /// The field.
        field: String,
        /// The beginning of its value.
        value: String,
    },
}

/// Parses the text of a control file.
///
/// # Errors
/// If it is not exactly one paragraph, or lacks a field, or a value cannot serve as a name.
pub fn parse_control(text: &[u8]) -> Result<Control, ControlError> {
    if text.len() > LONGEST {
        return Err(ControlError::TooLong { found: text.len() });
    }
    let text = std::str::from_utf8(text).map_err(|_| ControlError::NotUtf8)?;
    let paragraphs: Vec<_> = text.parse::<deb822_fast::Deb822>().map_err(ControlError::Syntax)?.into();
    let [paragraph] = paragraphs.as_slice() else {
        return Err(ControlError::Paragraphs { found: paragraphs.len() });
    };
    if paragraph.len() > MOST_FIELDS {
        return Err(ControlError::Fields { found: paragraph.len() });
    }
    let mut fields = BTreeMap::<String, String>::new();
    for (name, value) in paragraph.iter() {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            return Err(bad("", name));
        }
        if value.bytes().any(|byte| byte == 0) {
            return Err(bad(name, value));
        }
        if fields.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(ControlError::Duplicate { field: name.to_owned() });
        }
        fields.insert(name.to_owned(), value.trim_end().to_owned());
    }
    describe(fields)
}

fn describe(mut fields: BTreeMap<String, String>) -> Result<Control, ControlError> {
    let name = take(&mut fields, "Package", is_package_name)?;
    let version = take(&mut fields, "Version", is_version)?;
    let architecture = take(&mut fields, "Architecture", is_architecture)?;
    let source = match remove(&mut fields, "Source") {
        Some(text) => parse_source(&text, &version)?,
        None => Source { name: name.clone(), version: version.clone() },
    };
    check_fields(&fields)?;
    let description = remove(&mut fields, "Description").unwrap_or_default();
    let summary = description.lines().next().unwrap_or_default();
    let summary = summary.chars().filter(|c| !c.is_control()).take(400).collect();
    Ok(Control { name, version, architecture, source, summary, fields })
}

/// Checks what dpkg checks before it takes a stanza into its database, where one bad one spoils all.
fn check_fields(fields: &BTreeMap<String, String>) -> Result<(), ControlError> {
    for (name, value) in fields {
        let fine = match name.to_ascii_lowercase().as_str() {
            "depends" | "pre-depends" | "recommends" | "suggests" | "enhances" | "conflicts" | "breaks"
            | "replaces" => parse_relations(value).is_ok(),
            "provides" => parse_provides(value).is_ok(),
            "essential" | "protected" => ["yes", "no"].contains(&value.as_str()),
            "multi-arch" => ["no", "same", "foreign", "allowed"].contains(&value.as_str()),
            _ => true,
        };
        if !fine {
            return Err(bad(name, value));
        }
    }
    Ok(())
}

fn remove(fields: &mut BTreeMap<String, String>, name: &str) -> Option<String> {
    let key = fields.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    fields.remove(&key)
}

fn take(
    fields: &mut BTreeMap<String, String>,
    name: &'static str,
    allowed: fn(&str) -> bool,
) -> Result<String, ControlError> {
    let value = remove(fields, name).ok_or(ControlError::Missing { field: name })?;
    if allowed(&value) { Ok(value) } else { Err(bad(name, &value)) }
}

fn bad(field: &str, value: &str) -> ControlError {
    ControlError::Value { field: field.to_owned(), value: value.chars().take(80).collect() }
}

/// `name` or `name (version)`.
fn parse_source(text: &str, version: &str) -> Result<Source, ControlError> {
    let (name, version) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')').unwrap_or_default().trim()),
        None => (text.trim(), version),
    };
    if !is_package_name(name) || !is_version(version) {
        return Err(bad("Source", text));
    }
    Ok(Source { name: name.to_owned(), version: version.to_owned() })
}

/// Whether dpkg takes it as the name of a package.
pub fn is_package_name(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    text.len() <= LONGEST_NAME
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(rest)
}

/// Whether dpkg takes it as a version whose upstream part begins with a letter or digit.
fn is_version(text: &str) -> bool {
    let upstream = text.split_once(':').map_or(text, |(_, upstream)| upstream);
    text.len() <= LONGEST_NAME
        && upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
        && Version::new(text).is_ok()
}

fn is_architecture(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.len() <= LONGEST_ARCHITECTURE
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(plain)
}

/// The bytes of a control member of the component in the directory `component`, `control` being one of them.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read_control_member(component: &Path, member: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(component.join(".aleph/control").join(member))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &str = "Package: a1\nVersion: 1:2-3\nArchitecture: amd64\n";

    #[test]
    fn fields_are_read_with_their_defaults() {
        let control = parse_control(SMALL.as_bytes()).unwrap();
        assert_eq!((control.name.as_str(), control.version.as_str()), ("a1", "1:2-3"));
        assert_eq!(control.source, Source { name: "a1".into(), version: "1:2-3".into() });
        let text = format!("{SMALL}Source: src (4)\nDepends: b,\n c\nDescription: first\n more\n");
        let control = parse_control(text.as_bytes()).unwrap();
        assert_eq!(control.source, Source { name: "src".into(), version: "4".into() });
        assert_eq!((control.summary.as_str(), control.fields["Depends"].as_str()), ("first", "b,\nc"));
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        let check = |text: String, expected: &str| {
            let error = parse_control(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        };
        check(SMALL.replace("a1", "../a"), "`Package`");
        check(SMALL.replace("a1", "a/b"), "`Package`");
        check(SMALL.replace("a1", ".a"), "`Package`");
        check(SMALL.replace("a1", &"a".repeat(201)), "`Package`");
        check(SMALL.replace("1:2-3", "x:2"), "`Version`");
        check(SMALL.replace("1:2-3", "1/2"), "`Version`");
        check(SMALL.replace("1:2-3", ""), "`Version`");
        check(SMALL.replace("1:2-3", "+1:2"), "`Version`");
        check(SMALL.replace("1:2-3", "2-"), "`Version`");
        check(SMALL.replace("amd64", "am d64"), "`Architecture`");
        check(SMALL.replace("amd64", &"a".repeat(41)), "`Architecture`");
        check(SMALL.replace("Package: a1\n", ""), "`Package` is missing");
        check(format!("{SMALL}\n{SMALL}"), "2 paragraphs");
        check(String::new(), "0 paragraphs");
        check(format!("{SMALL}version: 3\n"), "twice");
        check(format!("{SMALL}Source: a (b\n"), "`Source`");
        check(format!("{SMALL}Depends: a (>= 1\n"), "`Depends`");
        check(format!("{SMALL}Provides: a b\n"), "`Provides`");
        check(format!("{SMALL}Essential: perhaps\n"), "`Essential`");
        check(format!("{SMALL}multi-arch: x\n"), "`multi-arch`");
        check(format!("{SMALL}X: {}\n", "x".repeat(LONGEST)), "bytes");
        check((0..300).fold(SMALL.to_owned(), |text, n| format!("{text}X{n}: x\n")), "fields");
        assert!(matches!(parse_control(b"Package: \xff\n"), Err(ControlError::NotUtf8)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_control(&bytes);
        }

        #[test]
        fn any_lines_are_read_or_refused(text in "(Package|Version|Architecture|Source|X)?[: \ta-z0-9()\n.~-]{0,60}") {
            for text in [text.clone(), format!("{SMALL}{text}"), format!("{text}\n{SMALL}")] {
                if let Ok(control) = parse_control(text.as_bytes()) {
                    prop_assert!(is_package_name(&control.name) && !control.version.contains('/'));
                }
            }
        }

        #[test]
        fn fields_come_out_as_they_went_in(fields in prop::collection::btree_map("X-[a-z]{1,8}", "[!-~]{1,9}( [!-~]{1,9}){0,2}(\n[!-~]{1,9}){0,2}", 0..6)) {
            let lines = |value: &String| value.replace('\n', "\n ");
            let text: String = fields.iter().map(|(name, value)| format!("{name}: {}\n", lines(value))).collect();
            prop_assert_eq!(parse_control(format!("{text}{SMALL}").as_bytes()).unwrap().fields, fields);
        }

        /// What is taken for a version here is compared as one later.
        #[test]
        fn versions_are_versions_everywhere(version in "[+]?([0-9]{1,2}:)?[0-9a-b:.~+-]{1,6}") {
            if let Ok(control) = parse_control(SMALL.replace("1:2-3", &version).as_bytes()) {
                prop_assert!(Version::new(&control.version).is_ok(), "{}", version);
            }
        }
    }
}
