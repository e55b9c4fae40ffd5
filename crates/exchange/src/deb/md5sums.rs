//! The control member `md5sums`: what a package says of its own files.

use std::collections::BTreeMap;

use super::Refusal;

/// An MD5 sum.
pub(super) type Md5 = [u8; 16];

/// Parses lines of 32 hexadecimal digits, two characters, and a path without its leading slash.
pub(super) fn parse_md5sums(text: &[u8]) -> Result<BTreeMap<String, Md5>, Refusal> {
    let mut sums = BTreeMap::new();
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let (path, sum) = parse_line(line).ok_or(Refusal::Md5Line { line: index + 1 })?;
        sums.insert(path, sum);
    }
    Ok(sums)
}

fn parse_line(line: &[u8]) -> Option<(String, Md5)> {
    let (digits, rest) = line.split_at_checked(32)?;
    let path = std::str::from_utf8(rest).ok()?;
    let path = path.strip_prefix("  ").or_else(|| path.strip_prefix(" *"))?.trim_end_matches('\r');
    let path = path.trim_start_matches("./").trim_start_matches('/');
    Some((path.to_owned(), parse_md5(std::str::from_utf8(digits).ok()?)?)).filter(|_| !path.is_empty())
}

/// Parses 32 hexadecimal digits.
pub(super) fn parse_md5(digits: &str) -> Option<Md5> {
    let mut sum = [0; 16];
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in sum.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let value = |digit: u8| (digit as char).to_digit(16);
        *byte = (value(pair[0])? * 16 + value(pair[1])?) as u8;
    }
    Some(sum)
}

/// 32 hexadecimal digits.
pub(super) fn format_md5(sum: &Md5) -> String {
    use std::fmt::Write as _;
    sum.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_or_named() {
        let text = b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/a b\n\nD41D8CD98F00B204E9800998ECF8427E  ./x\\x2d\n";
        let sums = parse_md5sums(text).unwrap();
        assert_eq!(sums.keys().collect::<Vec<_>>(), ["usr/bin/a b", "x\\x2d"]);
        assert_eq!(format_md5(&sums["usr/bin/a b"]), "d41d8cd98f00b204e9800998ecf8427e");
        for bad in ["x", "d41d8cd98f00b204e9800998ecf8427e", "g41d8cd98f00b204e9800998ecf8427e  a"] {
            let text = format!("d41d8cd98f00b204e9800998ecf8427e  a\n{bad}\n");
            assert!(matches!(parse_md5sums(text.as_bytes()), Err(Refusal::Md5Line { line: 2 })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn sums_come_out_as_they_went_in(sums in prop::collection::btree_map("[a-zü]{1,4}(/[a-z ]{1,3}[a-z]){0,2}", any::<Md5>(), 0..6)) {
            let text: String = sums.iter().map(|(path, sum)| format!("{}  {path}\n", format_md5(sum))).collect();
            prop_assert_eq!(parse_md5sums(text.as_bytes()).unwrap(), sums);
        }

        #[test]
        fn any_lines_are_read_or_refused(bytes in "([0-9a-f]{31,33}|[ *./ü\r\n]|x){0,20}", noise in any::<[u8; 4]>()) {
            let _ = parse_md5sums(bytes.as_bytes());
            let _ = parse_md5sums(&[bytes.as_bytes(), &noise].concat());
        }
    }
}
