//! In which order packages are configured: what a package needs comes before it, as far as circles allow.

use std::collections::HashMap;

use aleph_component::Manifest;

use super::Package;
use crate::apt::relation::{parse_provides, parse_relations};

/// Essential packages on which others rely without saying so, in the order in which a system is begun.
const FIRST: [&str; 9] = ["base-passwd", "libc6", "dpkg", "perl-base", "mawk", "base-files", "dash", "bash", "debconf"];

/// Who needs whom in a set of packages, by index.
pub(super) struct Needs {
    /// What must be configured before the package is.
    depends: Vec<Vec<usize>>,
    /// What must be configured before its `preinst` runs.
    pre_depends: Vec<Vec<usize>>,
    /// Whether every other package may rely on it.
    essential: Vec<bool>,
}

/// The indexes of `packages` in the order in which they are configured.
pub fn configure_order(packages: &[Package<'_>]) -> Vec<usize> {
    Needs::of(packages).order(packages)
}

impl Needs {
    pub(super) fn of(packages: &[Package<'_>]) -> Self {
        let manifests: Vec<&Manifest> = packages.iter().map(|package| package.manifest).collect();
        let providers = providers(&manifests);
        let field = |name| manifests.iter().map(|manifest| needs(manifest, name, &providers)).collect::<Vec<_>>();
        let (pre_depends, mut depends) = (field("Pre-Depends"), field("Depends"));
        depends.iter_mut().zip(&pre_depends).for_each(|(all, pre)| drop(all.splice(..0, pre.iter().copied())));
        let essential = manifests.iter().map(|manifest| manifest.field("Essential") == "yes").collect();
        Self { depends, pre_depends, essential }
    }

    /// The order in which packages are configured.
    pub(super) fn order(&self, packages: &[Package<'_>]) -> Vec<usize> {
        let mut begin: Vec<usize> = (0..packages.len()).collect();
        begin.sort_by_cached_key(|&index| {
            let manifest = packages[index].manifest;
            let place = FIRST.iter().position(|name| *name == manifest.name).unwrap_or(FIRST.len());
            (place, !self.essential[index], manifest.name.clone(), manifest.architecture.clone())
        });
        let (mut order, mut seen) = (Vec::with_capacity(packages.len()), vec![false; packages.len()]);
        begin.into_iter().for_each(|start| self.visit(start, &mut seen, &mut order));
        order
    }

    /// The essential packages and all that they need.
    pub(super) fn essential(&self) -> Vec<bool> {
        let mut seen = vec![false; self.depends.len()];
        let essential = (0..self.essential.len()).filter(|&index| self.essential[index]);
        essential.for_each(|start| self.visit(start, &mut seen, &mut Vec::new()));
        seen
    }

    /// All that must be configured before the `preinst` of a package runs.
    pub(super) fn before_preinst(&self, package: usize) -> Vec<usize> {
        let (mut seen, mut order) = (vec![false; self.depends.len()], Vec::new());
        self.pre_depends[package].iter().for_each(|&start| self.visit(start, &mut seen, &mut order));
        order
    }

    /// Adds what `start` needs to `order`, and then itself. Depth first, by hand: a hostile set may be one long chain.
    fn visit(&self, start: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        let mut stack = vec![(start, 0)];
        while let Some((package, next)) = stack.pop() {
            if next == 0 && std::mem::replace(&mut seen[package], true) {
                continue;
            }
            match self.depends[package].get(next) {
                Some(&need) => {
                    stack.push((package, next + 1));
                    if !seen[need] {
                        stack.push((need, 0));
                    }
                }
                None => order.push(package),
            }
        }
    }
}

/// Real and virtual names to the packages that have them.
fn providers<'a>(manifests: &[&'a Manifest]) -> HashMap<&'a str, Vec<usize>> {
    let mut providers = HashMap::<&str, Vec<usize>>::new();
    for (index, manifest) in manifests.iter().enumerate() {
        providers.entry(&manifest.name).or_default().push(index);
        for provided in parse_provides(manifest.field("Provides")).unwrap_or_default() {
            providers.entry(provided.name.as_str()).or_default().push(index);
        }
    }
    providers
}

/// What a field of a package names; versions are the solver's business.
fn needs(manifest: &Manifest, field: &str, providers: &HashMap<&str, Vec<usize>>) -> Vec<usize> {
    // A field that does not parse was accepted by nobody's solver.
    let groups = parse_relations(manifest.field(field)).unwrap_or_default();
    let found = groups.iter().map(|group| group.iter().find_map(|relation| providers.get(relation.name.as_str())));
    found.flatten().flatten().copied().collect()
}
