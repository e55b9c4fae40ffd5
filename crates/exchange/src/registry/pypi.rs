//! Where pip gets projects from. Source: pip's documentation of its configuration; the Python Packaging User Guide, "Simple
//! repository API".

use std::{collections::BTreeMap, str::FromStr as _};

use aleph_component::Digest;
use html5gum::{Token, Tokenizer};
use pep440_rs::Version;
use serde::Deserialize;

use super::{Found, RegistryError, Vouched, settings::settings};
use crate::net::Uri;

const TOOL: &str = "pip";
/// The form in which an index is to answer, if it knows several.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";
const END: &str = ".tar.gz";

/// The index by the texts of pip's configuration, those that count first at the beginning.
pub fn index<'a>(texts: &[&'a str]) -> Option<&'a str> {
    let find = |text: &'a str, section: &str| {
        let is_it = |(of, name, _): &(&str, &str, &str)| *of == section && matches!(*name, "index-url" | "index_url");
        settings(text).filter(is_it).map(|(.., value)| value).last()
    };
    // What a command is told counts before what all are.
    let found =
        ["download", "global"].into_iter().find_map(|section| texts.iter().find_map(|text| find(text, section)));
    found.filter(|value| !value.is_empty())
}

/// Where an index tells of a project.
pub fn document(index: &Uri, name: &str) -> Uri {
    index.join(&format!("{}/", normal(name)))
}

/// A name as indexes have it.
fn normal(name: &str) -> String {
    let words: Vec<&str> = name.split(['-', '_', '.']).filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// A file of a project.
#[derive(Deserialize)]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    /// A reason or a truth.
    #[serde(default)]
    yanked: serde_json::Value,
}

/// The source distribution of a version of a project, or of the newest one, in what an index tells at `page`.
///
/// # Errors
/// If that cannot be understood, or there is none.
pub fn find(bytes: &[u8], page: &Uri, name: &str, wanted: Option<&str>) -> Result<Found, RegistryError> {
    #[derive(Deserialize)]
    struct Project {
        files: Vec<File>,
    }
    let wrong = |error: serde_json::Error| RegistryError::Answer {
        tool: TOOL,
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let files = match bytes.trim_ascii_start().first() {
        Some(b'<') => anchors(bytes),
        _ => serde_json::from_slice::<Project>(bytes).map_err(wrong)?.files,
    };
    let distributions = files.into_iter().filter_map(|file| {
        let (of, version) = file.filename.strip_suffix(END)?.rsplit_once('-')?;
        let version = Version::from_str(version).ok().filter(|_| normal(of) == normal(name))?;
        Some((version, file))
    });
    let found = match wanted {
        Some(wanted) => {
            let wanted = Version::from_str(wanted).ok();
            distributions.into_iter().find(|(version, _)| Some(version) == wanted.as_ref())
        }
        None => {
            let is_yanked =
                |file: &File| matches!(&file.yanked, serde_json::Value::Bool(true) | serde_json::Value::String(_));
            let newest = distributions.filter(|(_, file)| !is_yanked(file));
            newest.max_by_key(|(version, _)| (!version.any_prerelease(), version.clone()))
        }
    };
    let missing = || RegistryError::Missing { tool: TOOL, name: name.to_owned(), version: wanted.map(str::to_owned) };
    let (version, file) = found.ok_or_else(missing)?;
    let sha256 = file.hashes.get("sha256").and_then(|text| text.parse::<Digest>().ok());
    let vouched = sha256.map_or(Vouched::Nothing, Vouched::Sha256);
    Ok(Found { version: version.to_string(), uri: page.relative(&file.url)?, vouched })
}

/// The files that a page links to.
fn anchors(page: &[u8]) -> Vec<File> {
    let mut files = Vec::new();
    for Ok(token) in Tokenizer::new(page) {
        let Token::StartTag(tag) = token else { continue };
        let get = |name: &[u8]| tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let Some(href) = get(b"href").filter(|_| tag.name.as_slice() == b"a") else { continue };
        let (url, fragment) = href.split_once('#').unwrap_or((&href, ""));
        let hashes = fragment.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let filename = url.rsplit('/').next().unwrap_or_default().to_owned();
        let yanked = get(b"data-yanked").map_or(serde_json::Value::Null, serde_json::Value::String);
        files.push(File { filename, url: url.to_owned(), hashes: hashes.into_iter().collect(), yanked });
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn the_index_is_found_as_pip_does() {
        let user = "[global]\n# a comment = x\nindex_url = https://user.example/simple\n";
        let site =
            "[global]\nindex-url = https://site.example/simple\n[download]\nindex-url=https://load.example/simple";
        assert_eq!(index(&[user]), Some("https://user.example/simple"));
        assert_eq!(index(&[user, site]), Some("https://load.example/simple"));
        assert_eq!(index(&["[install]\nindex-url = https://x\n", "[list]\na = b"]), None);
        let at = document(&"https://user.example/simple".parse().unwrap(), "Zope.Interface_x");
        assert_eq!(at.to_string(), "https://user.example/simple/zope-interface-x/");
    }

    fn check(page: &str, wanted: Option<&str>, expected: Result<(&str, &str), &str>) {
        let at = "https://m.example/simple/my-tool/".parse().unwrap();
        let found = find(page.as_bytes(), &at, "My.Tool", wanted);
        match (found, expected) {
            (Ok(found), Ok((version, uri))) => {
                assert_eq!((found.version.as_str(), found.uri.to_string().as_str()), (version, uri));
                assert_eq!(found.vouched, Vouched::Sha256(SHA256.parse().unwrap()));
            }
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn source_distributions_are_found_in_both_forms() {
        let json = |name: &str, yanked: &str| {
            format!(
                "{{\"filename\": {name:?}, \"url\": \"../../f/{name}\", \"hashes\": {{\"sha256\": {SHA256:?}}}, \"yanked\": {yanked}}}"
            )
        };
        let html = |name: &str, yanked: &str| {
            let yanked = if yanked == "false" { String::new() } else { format!(" data-yanked={yanked}") };
            format!("<a href=\"../../f/{name}#sha256={SHA256}\"{yanked}>{name}</a><br>")
        };
        let files = [
            ("my_tool-1.9.tar.gz", "false"),
            ("my_tool-1.10.tar.gz", "false"),
            ("my_tool-1.11-py3-none-any.whl", "false"),
            ("my_tool-2.0rc1.tar.gz", "false"),
            ("my-tool-3.0.tar.gz", "\"broken\""),
            ("my-tool-extra-4.0.tar.gz", "false"),
        ];
        let all = |one: &dyn Fn(&str, &str) -> String| files.map(|(name, yanked)| one(name, yanked));
        let pages = [
            format!("{{\"files\": [{}]}}", all(&json).join(",")),
            format!("<!DOCTYPE html><html><body>{}</body></html>", all(&html).concat()),
        ];
        for page in pages {
            check(&page, None, Ok(("1.10", "https://m.example/f/my_tool-1.10.tar.gz")));
            check(&page, Some("3.0"), Ok(("3.0", "https://m.example/f/my-tool-3.0.tar.gz")));
            check(&page, Some("1.11"), Err("there is no version 1.11 of My.Tool where pip has packages from"));
        }
        check("no page", None, Err("cannot be understood"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", tag in "<a href=\\PC*>\\PC*") {
            let at: Uri = "https://m.example/simple/a/".parse().unwrap();
            let _ = (index(&[&text]), find(text.as_bytes(), &at, "a", None), find(tag.as_bytes(), &at, "a", Some("1")));
        }
    }
}
