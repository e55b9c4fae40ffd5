//! The source package that a recipe builds, as those name it who say what is wrong with one.

use aleph_component::Source as SourcePackage;

use super::{Patches, Recipe};

impl Recipe {
    /// Debian's source package with its version, where all of Debian's changes are applied; else the recipe's own name and
    /// version.
    pub fn source_package(&self) -> SourcePackage {
        let debians = self.sources.iter().find_map(|source| {
            let package = source.debian.as_ref()?;
            let Patches::Debian { debian, .. } = &source.patches else { return None };
            let rest = debian.strip_prefix(package.as_str())?.strip_prefix('_')?;
            let (version, _) = rest.split_once(".debian.tar")?;
            Some(SourcePackage { name: package.clone(), version: version.to_owned() })
        });
        debians.unwrap_or_else(|| SourcePackage { name: self.name.clone(), version: self.version.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn who_takes_debians_changes_builds_debians_package() {
        let head = "name = 'glibc'\nversion = '2.36'\nsummary = 's'\nlicense = 'MIT'\n";
        let source =
            format!("[[source]]\ndebian = 'glibc'\nfile = 'glibc_2.36.orig.tar.xz'\nsha256 = '{}'\n", "0".repeat(64));
        let patches =
            format!("patches = {{ debian = 'glibc_2.36-9+deb12u14.debian.tar.xz', sha256 = '{}' }}\n", "1".repeat(64));
        let package = |text: &str| {
            let package = Recipe::parse(text, Path::new("glibc.toml")).unwrap().source_package();
            (package.name, package.version)
        };
        let glibc = |version: &str| ("glibc".to_owned(), version.to_owned());
        assert_eq!(package(&format!("{head}{source}")), glibc("2.36"));
        assert_eq!(package(&format!("{head}{source}{patches}")), glibc("2.36-9+deb12u14"));
    }
}
