//! `/var/lib/dpkg/status`.

use std::collections::BTreeMap;

use super::{Contents, Package, PackageError};

/// How far dpkg is with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// Its scripts have run, or it has none.
    Installed,
    /// It waits for its scripts; the version that was configured before, if one was.
    Unpacked { configured: Option<&'a str> },
}

/// The stanza of a package, with an empty line after it.
pub(super) fn stanza(package: &Package<'_>, state: State<'_>, contents: &Contents<'_>) -> Result<String, PackageError> {
    let control = package.stanza(contents)?;
    let mut text = String::with_capacity(control.len() + 200);
    let (first, rest) = control.split_once('\n').unwrap_or((&control, ""));
    text.push_str(first);
    text.push('\n');
    match state {
        State::Installed => text.push_str("Status: install ok installed\n"),
        State::Unpacked { configured } => {
            text.push_str("Status: install ok unpacked\n");
            if let Some(version) = configured {
                text.push_str(&format!("Config-Version: {version}\n"));
            }
        }
    }
    text.push_str(rest);
    let conffiles = package.conffiles(contents)?;
    if !conffiles.is_empty() {
        text.push_str("Conffiles:\n");
        conffiles.iter().for_each(|(path, sum)| text.push_str(&format!(" {path} {sum}\n")));
    }
    text.push('\n');
    Ok(text)
}

/// The stanzas of a status file by name and architecture, verbatim, each with its empty line.
pub(super) fn stanzas(status: &str) -> BTreeMap<(&str, &str), &str> {
    let mut stanzas = BTreeMap::new();
    for text in status.split_inclusive("\n\n") {
        if let (Some(name), Some(architecture)) = (field(text, "Package"), field(text, "Architecture")) {
            stanzas.insert((name, architecture), text);
        }
    }
    stanzas
}

/// The first line of a field's value.
pub(super) fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// How far dpkg is, in its words.
pub(super) fn state(stanza: &str) -> &str {
    field(stanza, "Status").and_then(|status| status.split_whitespace().nth(2)).unwrap_or("unknown")
}

/// The version that was configured last, if one was.
pub(super) fn configured(stanza: &str) -> Option<&str> {
    match state(stanza) {
        "installed" | "triggers-awaited" | "triggers-pending" => field(stanza, "Version"),
        _ => field(stanza, "Config-Version"),
    }
}

/// A package that dpkg could not finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfigured {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// How far dpkg is: `unpacked`, `half-configured`, `triggers-pending`, …
    pub state: String,
}

/// The packages in the text of a status file that are not fully installed.
pub fn unconfigured(status: &str) -> Vec<Unconfigured> {
    let mut found = Vec::new();
    for ((name, architecture), text) in stanzas(status) {
        let state = state(text);
        if state != "installed" {
            let (name, architecture) = (name.to_owned(), architecture.to_owned());
            found.push(Unconfigured { name, architecture, state: state.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn stanzas_are_the_text_cut_in_pieces(text in "((Package|Architecture|Status|Version|Config-Version): |a|install ok unpacked|ü|\n){0,40}") {
            let found = stanzas(&text);
            for ((name, architecture), stanza) in &found {
                proptest::prop_assert!(text.contains(stanza));
                proptest::prop_assert_eq!(field(stanza, "Package"), Some(*name));
                proptest::prop_assert_eq!(field(stanza, "Architecture"), Some(*architecture));
                let _ = configured(stanza);
            }
            proptest::prop_assert!(unconfigured(&text).len() <= found.len());
        }
    }
}
