//! Triggers (deb-triggers(5)): who is interested in what, and what a change of packages sets off.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::Manifest;

use super::{Package, Placement};

/// A line of a package's `triggers` control member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// It wants to be told of this trigger; whether those who set it off wait.
    Interest { trigger: String, wait: bool },
    /// Changing its state sets off this trigger.
    Activate { trigger: String },
}

/// Reads the member. Lines that dpkg would refuse are left out: it was accepted where it was built.
pub(super) fn parse_triggers(text: &[u8]) -> Vec<Directive> {
    let text = String::from_utf8_lossy(text);
    let mut directives = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(word), Some(trigger), None) = (words.next(), words.next(), words.next()) else { continue };
        let trigger = trigger.to_owned();
        match word {
            "interest" | "interest-await" => directives.push(Directive::Interest { trigger, wait: true }),
            "interest-noawait" => directives.push(Directive::Interest { trigger, wait: false }),
            "activate" | "activate-await" | "activate-noawait" => directives.push(Directive::Activate { trigger }),
            _ => {}
        }
    }
    directives
}

/// Who is interested: trigger to lines `package` or `package/noawait`.
fn interests(packages: &[Package<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut interests = BTreeMap::<String, Vec<String>>::new();
    for package in packages {
        for directive in &package.triggers {
            if let Directive::Interest { trigger, wait } = directive {
                let suffix = if *wait { "" } else { "/noawait" };
                interests.entry(trigger.clone()).or_default().push(package.qualified_name() + suffix);
            }
        }
    }
    interests
}

/// What dpkg itself has in `triggers/`.
const OWN_FILES: [&str; 3] = ["File", "Lock", "Unincorp"];

/// `triggers/File` and one file per named trigger, and `Unincorp` with `activated`.
pub(super) fn trigger_placements(packages: &[Package<'_>], activated: &BTreeSet<String>) -> Vec<Placement> {
    let mut files = String::new();
    let mut placements = Vec::new();
    for (trigger, interested) in interests(packages) {
        if trigger.starts_with('/') {
            interested.iter().for_each(|package| files.push_str(&format!("{trigger} {package}\n")));
        } else if is_file_name(&trigger) && !OWN_FILES.contains(&trigger.as_str()) {
            let text = interested.iter().fold(String::new(), |text, package| text + package + "\n");
            placements.push(Placement::bytes(&format!("var/lib/dpkg/triggers/{trigger}"), text, true));
        }
    }
    placements.push(Placement::bytes("var/lib/dpkg/triggers/File", files, true));
    let pending = activated.iter().fold(String::new(), |text, trigger| text + trigger + " -\n");
    placements.push(Placement::bytes("var/lib/dpkg/triggers/Unincorp", pending, true));
    placements
}

fn is_file_name(trigger: &str) -> bool {
    aleph_component::TreePath::new(trigger).is_ok_and(|path| path.parent().is_none())
}

/// The triggers that a change sets off among those that somebody in `packages` is interested in. `changed` are the
/// packages that come, go or change, as they were and as they are; `directives` are those of the ones that come or go.
pub(super) fn set_off<'a>(
    packages: &[Package<'_>],
    changed: impl Iterator<Item = &'a Manifest>,
    directives: impl Iterator<Item = &'a Directive>,
) -> BTreeSet<String> {
    let interests = interests(packages);
    let mut activated: BTreeSet<String> = directives
        .filter_map(|directive| match directive {
            Directive::Activate { trigger } => Some(trigger.clone()),
            Directive::Interest { .. } => None,
        })
        .filter(|trigger| interests.contains_key(trigger))
        .collect();
    let places: Vec<&str> = interests.keys().filter_map(|trigger| trigger.strip_prefix('/')).collect();
    for manifest in changed {
        for place in &places {
            let first = manifest.tree.partition_point(|entry| entry.path.as_str() < *place);
            let inside =
                |path: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // Names such as `place.d` sort between `place` and `place/x`.
            let mut later = manifest.tree[first..].iter().map(|entry| entry.path.as_str());
            if later.by_ref().take_while(|path| path.starts_with(place)).any(inside) {
                activated.insert(format!("/{place}"));
            }
        }
    }
    activated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_as_dpkg_does() {
        let text = b"# x\ninterest-noawait /usr/share/fonts\ninterest a\nactivate-noawait ldconfig # y\nbad\n";
        let interest = |trigger: &str, wait| Directive::Interest { trigger: trigger.to_owned(), wait };
        let activate = Directive::Activate { trigger: "ldconfig".to_owned() };
        assert_eq!(parse_triggers(text), [interest("/usr/share/fonts", false), interest("a", true), activate]);
    }

    proptest::proptest! {
        #[test]
        fn names_are_single_words(text in "((interest|activate)(-noawait|-await)?|[ \t#\r\n/ü]|[a-z]{1,3}){0,20}") {
            for directive in parse_triggers(text.as_bytes()) {
                let (Directive::Interest { trigger, .. } | Directive::Activate { trigger }) = directive;
                proptest::prop_assert!(!trigger.is_empty() && !trigger.contains(char::is_whitespace), "{:?}", trigger);
            }
        }
    }
}
