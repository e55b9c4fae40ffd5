//! Debian source packages, by what the host's apt sources offer of their binary packages.

use aleph_exchange::apt::relation::Version;

use super::index::offers;
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::Host,
    output::Printer,
};

/// The newest version of a source package that is on offer, as Debian writes it; or the one that is wanted, which may be
/// upstream's.
pub(crate) fn source_version(host: &Host, printer: &Printer, package: &str, wanted: Option<&str>) -> Outcome<String> {
    let offers = offers(host, printer)?;
    let mut newest: Option<String> = None;
    for candidate in offers.index.all() {
        let source = candidate.field("Source").unwrap_or(candidate.name());
        let (name, version) = source.split_once(' ').unwrap_or((source, candidate.version()));
        let version = version.trim_matches(['(', ')', ' ']);
        let is_wanted = wanted.is_none_or(|wanted| version == wanted || upstream(version) == wanted);
        if name != package || !is_wanted {
            continue;
        }
        let Ok(parsed) = Version::new(version) else { continue };
        if newest.as_deref().and_then(|newest| Version::new(newest).ok()).is_none_or(|newest| newest < parsed) {
            newest = Some(version.to_owned());
        }
    }
    let wanted = wanted.map_or(String::new(), |wanted| format!(" {wanted}"));
    newest.ok_or_else(|| {
        Failure::new(format!("no source offers anything of a Debian source package `{package}`{wanted}"))
            .with_code(UNSATISFIABLE)
            .hint("`aleph source list` shows the sources; `aleph show NAME` what there is of a package")
    })
}

/// Upstream's part of a version.
pub(crate) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_upstreams_part() {
        for (version, expected) in [("2.10-3", "2.10"), ("1:2.0-rc1-2", "2.0-rc1"), ("3", "3")] {
            assert_eq!(upstream(version), expected);
        }
    }
}
