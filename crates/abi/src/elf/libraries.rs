//! Well-known libraries, and the words in their own code by which a copy of it is recognised.
//!
//! The words are of the library's implementation: what its headers put into every consumer (`SQLITE_VERSION`,
//! `OPENSSL_VERSION_TEXT`) would be no evidence.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// A library that is often copied into others.
pub(super) struct Library {
    /// What it is called.
    pub(super) name: &'static str,
    /// What its shared objects' sonames begin with, up to the version.
    sonames: &'static [&'static str],
    /// Words that only its own code has.
    mark: &'static str,
    /// Whether a version comes right after the mark.
    has_version: bool,
}

const fn library(
    name: &'static str,
    sonames: &'static [&'static str],
    mark: &'static str,
    has_version: bool,
) -> Library {
    Library { name, sonames, mark, has_version }
}

const LIBRARIES: &[Library] = &[
    library("zlib", &["libz.so."], " deflate ", true),
    library("zlib", &["libz.so."], " inflate ", true),
    library("openssl", &["libcrypto.so.", "libssl.so."], "crypto/evp/digest.c", false),
    library(
        "sqlite",
        &["libsqlite3.so."],
        "CREATE TABLE x(type text,name text,tbl_name text,rootpage int,sql text)",
        false,
    ),
    library("curl", &["libcurl.so.", "libcurl-gnutls.so.", "libcurl-nss.so."], "CLIENT libcurl ", true),
    library("expat", &["libexpat.so.", "libexpatw.so."], "expat_", true),
    library("libpng", &["libpng12.so.", "libpng16.so."], "libpng version ", true),
    library(
        "libjpeg",
        &["libjpeg.so.", "libturbojpeg.so."],
        "Caution: quantization tables are too coarse for baseline JPEG",
        false,
    ),
    library("libjpeg-turbo", &["libjpeg.so.", "libturbojpeg.so."], "libjpeg-turbo version ", true),
    library("bzip2", &["libbz2.so."], "bzip2/libbzip2: internal error number ", false),
    library("zstd", &["libzstd.so."], "Frame requires too much memory for decoding", false),
    library("lz4", &["liblz4.so."], "ERROR_frameHeader_incomplete", false),
    library("libssh2", &["libssh2.so."], "SSH-2.0-libssh2_", true),
    library(
        "glibc",
        &["libc.so.", "libpthread.so.", "libm.so.", "libdl.so.", "ld-linux"],
        "FATAL: kernel too old",
        false,
    ),
    library("libxml2", &["libxml2.so."], "xmlSAXUserParseFile", false),
    library(
        "pcre2",
        &["libpcre2-8.so.", "libpcre2-16.so.", "libpcre2-32.so."],
        "lookbehind assertion is not fixed length\0a relative value of zero is not allowed",
        false,
    ),
];

/// A copy of a library's code, as its words show.
pub(super) struct Match<'data> {
    pub(super) library: &'static Library,
    pub(super) version: Option<&'data str>,
}

/// The longest version that is believed.
const LONGEST: usize = 24;

/// Finds marks in the read-only data of a file.
pub(super) fn search(data: &[u8]) -> impl Iterator<Item = Match<'_>> {
    static MARKS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let marks = LIBRARIES.iter().map(|library| library.mark);
        AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(marks).ok()
    });
    let found = MARKS.as_ref().map(|marks| marks.find_iter(data));
    found.into_iter().flatten().filter_map(|found| {
        let library = LIBRARIES.get(found.pattern().as_usize())?;
        let version = version(&data[found.end()..]);
        // Many words come before ` deflate `; a version comes after one only.
        (version.is_some() || !library.has_version)
            .then_some(Match { library, version: version.filter(|_| library.has_version) })
    })
}

/// Digits and points, beginning with a digit, with a point among them.
fn version(rest: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let length = rest.iter().take(LONGEST).take_while(|byte| plain(byte)).count();
    let text = std::str::from_utf8(&rest[..length]).ok()?.trim_end_matches('.');
    (text.starts_with(|first: char| first.is_ascii_digit()) && text.contains('.')).then_some(text)
}

/// Whether code of the library with this name is what a soname stands for.
pub(crate) fn is_provided_by(name: &str, soname: &[u8]) -> bool {
    let of_name = LIBRARIES.iter().filter(|library| library.name == name);
    of_name.flat_map(|library| library.sonames).any(|prefix| soname.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, expected: &[(&str, Option<&str>)]) {
        let found: Vec<_> = search(data.as_bytes()).map(|found| (found.library.name, found.version)).collect();
        assert_eq!(found, expected, "{data}");
    }

    #[test]
    fn marks_are_found_with_their_versions() {
        check("xx deflate 1.2.13 Copyright 1995-2022 Jean-loup Gailly", &[("zlib", Some("1.2.13"))]);
        check("expat_2.5.0\0", &[("expat", Some("2.5.0"))]);
        check("crypto/evp/digest.c", &[("openssl", None)]);
        check("we inflate it and deflate 3 of them; expat_config.h", &[]);
        check("", &[]);
    }

    #[test]
    fn sonames_belong_to_libraries() {
        assert!(is_provided_by("zlib", b"libz.so.1") && is_provided_by("libjpeg-turbo", b"libjpeg.so.62"));
        assert!(!is_provided_by("zlib", b"libzip.so.4") && !is_provided_by("zlib", b"libpng16.so.16"));
    }
}
