//! Sources that name the same archive and suite, together.

use std::{collections::BTreeSet, fs};

use super::{SourceFailure, SourceWarning};
use crate::{
    apt::{
        config::AptConfig,
        release::Release,
        sources::{AptSource, Kind},
    },
    net::Uri,
};

/// One suite of one archive, and all that is wanted of it.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    /// The address as it is written.
    pub(super) uri: String,
    pub(super) suite: String,
    pub(super) sources: Vec<&'a AptSource>,
    /// Components and architectures.
    pub(super) wanted: BTreeSet<(String, String)>,
    contradicts: bool,
    mirrors: Option<std::path::PathBuf>,
}

/// Puts sources of binary packages together, in the order in which they first name an archive and suite.
pub(super) fn group<'a>(sources: &'a [AptSource], config: &AptConfig) -> Vec<Archive<'a>> {
    let mut archives: Vec<Archive<'a>> = Vec::new();
    for source in sources.iter().filter(|source| source.kind == Kind::Binary) {
        let uri = source.uri.trim_end_matches('/');
        let known = archives.iter_mut().find(|archive| archive.uri == uri && archive.suite == source.suite);
        let archive = match known {
            Some(archive) => archive,
            None => {
                let mirrors = uri.strip_prefix("mirror+file:").map(|path| {
                    let path = format!("/{}", path.trim_start_matches('/'));
                    config.locate(&config.root, &path)
                });
                archives.push(Archive {
                    uri: uri.to_owned(),
                    suite: source.suite.clone(),
                    sources: Vec::new(),
                    wanted: BTreeSet::new(),
                    contradicts: false,
                    mirrors,
                });
                archives.last_mut().expect("one was just added")
            }
        };
        let first = archive.sources.first();
        let differs = first.is_some_and(|f| (&f.signed_by, f.trusted) != (&source.signed_by, source.trusted));
        archive.contradicts |= differs;
        archive.sources.push(source);
        let components = if source.suite.ends_with('/') { &[String::new()][..] } else { &source.components };
        for component in components {
            let with = |name: &String| (component.clone(), name.clone());
            archive.wanted.extend(source.architectures.iter().map(with));
        }
    }
    archives
}

impl Archive<'_> {
    /// The first of its sources, whose options count.
    pub(super) fn first(&self) -> &AptSource {
        self.sources[0]
    }

    /// The address without user name and password.
    pub(super) fn shown_uri(&self) -> String {
        self.uri.parse::<Uri>().map_or_else(|_| self.uri.clone(), |uri| uri.to_string())
    }

    /// True for an archive that is one directory, without components.
    pub(super) fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// Fails if its sources say that it is not to be used, or contradict each other.
    pub(super) fn check_sources(&self) -> Result<(), SourceFailure> {
        match (self.contradicts, self.first().trusted) {
            (true, _) => Err(SourceFailure::Contradiction),
            (_, Some(false)) => Err(SourceFailure::Distrusted),
            _ => Ok(()),
        }
    }

    /// Whether an index is one of those wanted. A flat archive has but one.
    pub(super) fn wants(&self, component: &str, architecture: &str) -> bool {
        let mut wanted = self.wanted.iter();
        let is_this =
            |(one, other): &(String, String)| one == component && (other == architecture || architecture == "all");
        self.is_flat() || wanted.any(is_this)
    }

    /// Where it is: one address, or those that its list of mirrors names, the preferred first.
    pub(super) fn bases(&self) -> Result<Vec<Uri>, SourceFailure> {
        self.check_sources()?;
        let Some(path) = &self.mirrors else { return Ok(vec![self.uri.parse()?]) };
        let failed = |source| SourceFailure::Mirrors { path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(|error| failed(Some(error)))?;
        let mirrors = parse_mirrors(&text);
        if mirrors.is_empty() { Err(failed(None)) } else { Ok(mirrors) }
    }

    /// The directory of the suite in the archive at `base`.
    pub(super) fn directory(&self, base: &Uri) -> Uri {
        match self.is_flat() {
            true => base.join(&self.suite),
            false => base.join(&format!("dists/{}/", self.suite)),
        }
    }

    /// What to call the `Packages` file of a component, below the suite's directory.
    pub(super) fn index_path(&self, component: &str, architecture: &str) -> String {
        match self.is_flat() {
            true => "Packages".to_owned(),
            false => format!("{component}/binary-{architecture}/Packages"),
        }
    }

    /// A warning if the Release file is that of another suite. Parts after a slash, as in `name/updates`, do not count.
    pub(super) fn check_name(&self, release: &Release) -> Option<SourceWarning> {
        let expected = self.suite.split('/').next().unwrap_or("");
        let names = [&release.suite, &release.codename];
        let fits = names.iter().any(|name| name.split('/').next() == Some(expected) || **name == self.suite);
        let unnamed = names.iter().all(|name| name.is_empty());
        (!self.is_flat() && !fits && !unnamed).then(|| SourceWarning::OtherSuite {
            expected: self.suite.clone(),
            suite: release.suite.clone(),
            codename: release.codename.clone(),
        })
    }
}

/// A list of mirrors as apt-transport-mirror(1) describes it: an address per line, perhaps a tab and `priority:N`.
fn parse_mirrors(text: &str) -> Vec<Uri> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut mirrors: Vec<(u32, Uri)> = lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let uri = words.next()?.parse().ok()?;
            let priority = words.find_map(|word| word.strip_prefix("priority:")?.parse().ok());
            Some((priority.unwrap_or(u32::MAX), uri))
        })
        .collect();
    mirrors.sort_by_key(|(priority, _)| *priority);
    mirrors.into_iter().map(|(_, uri)| uri).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn mirrors_come_by_priority_and_then_in_order(priorities in proptest::collection::vec(proptest::option::of(0..3u32), 0..6), noise in "[# \\t\\nü]{0,6}") {
            let mut lines: Vec<_> = priorities
                .into_iter()
                .enumerate()
                .map(|(number, priority)| (priority.unwrap_or(u32::MAX), format!("http://m{number}.example/debian"), priority))
                .collect();
            let write = |(_, uri, priority): &(u32, String, Option<u32>)| {
                format!("{uri}{}\n{noise}\n", priority.map_or(String::new(), |priority| format!("\tpriority:{priority}")))
            };
            let text: String = lines.iter().map(write).collect();
            lines.sort_by_key(|(priority, ..)| *priority);
            let found: Vec<_> = parse_mirrors(&text).iter().map(Uri::to_string).collect();
            proptest::prop_assert_eq!(found, lines.into_iter().map(|(_, uri, _)| uri).collect::<Vec<_>>());
        }

        #[test]
        fn any_list_is_read(text in "(https?://|file:/|priority:|[a-z]{1,3}|[0-9]{1,11}|[:/@\\[\\]# \\t\\nü]){0,30}") {
            let _ = parse_mirrors(&text);
        }
    }
}
