//! Whether the root tree we are in has a locale.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

/// Whether the C library of the present root knows the locale `name`.
pub(crate) fn available(name: &str) -> bool {
    let plain = name.split('@').next().unwrap_or(name);
    if matches!(plain, "" | "C" | "POSIX")
        || plain.eq_ignore_ascii_case("C.UTF-8")
        || plain.eq_ignore_ascii_case("C.utf8")
    {
        return true;
    }
    if name.contains('/') {
        return false;
    }
    let normal = normalise(name);
    let directory = Path::new("/usr/lib/locale");
    directory.join(&normal).join("LC_CTYPE").exists()
        || directory.join(name).join("LC_CTYPE").exists()
        || archive_has(&directory.join("locale-archive"), normal.as_bytes()).unwrap_or(false)
}

/// The name as glibc files it: `en_US.UTF-8@x` is `en_US.utf8@x`.
fn normalise(name: &str) -> String {
    let (base, modifier) = name.split_once('@').map_or((name, None), |(b, m)| (b, Some(m)));
    let mut normal = match base.split_once('.') {
        Some((language, codeset)) => {
            let codeset: String = codeset.chars().filter(char::is_ascii_alphanumeric).collect();
            let digits = !codeset.is_empty() && codeset.chars().all(|c| c.is_ascii_digit());
            format!("{language}.{}{}", if digits { "iso" } else { "" }, codeset.to_ascii_lowercase())
        }
        None => base.to_owned(),
    };
    if let Some(modifier) = modifier {
        normal = format!("{normal}@{modifier}");
    }
    normal
}

/// Whether glibc's locale archive lists `name`. Only its string table is read (a few kilobytes): a header of 32-bit
/// words, of which the 6th and 7th are the table's offset and used length.
fn archive_has(path: &Path, name: &[u8]) -> Option<bool> {
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut head = [0u8; 56];
    rustix::io::pread(&file, &mut head, 0).ok().filter(|n| *n == head.len())?;
    let word = |i: usize| u32::from_ne_bytes(head[i * 4..i * 4 + 4].try_into().expect("four bytes"));
    let (offset, used) = (word(5), word(6).min(1 << 20));
    let mut table = vec![0u8; used as usize];
    let n = rustix::io::pread(&file, &mut table, u64::from(offset)).ok()?;
    Some(table[..n].split(|b| *b == 0).any(|entry| entry == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_glibc_does() {
        let check = |name: &str, expected: &str| assert_eq!(normalise(name), expected);
        check("en_US.UTF-8", "en_US.utf8");
        check("de_DE.ISO-8859-15@euro", "de_DE.iso885915@euro");
        check("de_DE.8859-1", "de_DE.iso88591");
        check("tr_TR", "tr_TR");
        check("a.", "a.");
    }

    #[test]
    fn the_c_locales_are_always_there() {
        for name in ["", "C", "POSIX", "C.UTF-8", "C.utf8"] {
            assert!(available(name), "{name}");
        }
        assert!(!available("../../etc"));
        assert!(!available("xx_XX.UTF-8"));
    }
}
