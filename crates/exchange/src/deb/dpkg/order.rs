//! In which order packages are configured: what a package needs comes before it, as far as circles allow.

use std::collections::HashMap;

use aleph_component::Manifest;

use super::Package;
use crate::apt::relation::{parse_provides, parse_relations};

/// Essential packages on which others rely without saying so, in the order in which a system is begun.
const FIRST: [&str; 9] = ["base-passwd", "libc6", "dpkg", "perl-base", "mawk", "base-files", "dash", "bash", "debconf"];

/// The indexes of `packages` in the order in which they are configured.
pub fn configure_order(packages: &[Package<'_>]) -> Vec<usize> {
    let manifests: Vec<&Manifest> = packages.iter().map(|package| package.manifest).collect();
    let providers = providers(&manifests);
    let needs: Vec<Vec<usize>> = manifests.iter().map(|manifest| needs(manifest, &providers)).collect();
    let mut begin: Vec<usize> = (0..packages.len()).collect();
    begin.sort_by_cached_key(|&index| {
        let manifest = manifests[index];
        let place = FIRST.iter().position(|name| *name == manifest.name).unwrap_or(FIRST.len());
        (place, manifest.field("Essential") != "yes", manifest.name.clone(), manifest.architecture.clone())
    });
    let mut order = Vec::with_capacity(packages.len());
    let mut seen = vec![false; packages.len()];
    // Depth first, by hand: a hostile set may be one long chain.
    for start in begin {
        let mut stack = vec![(start, 0)];
        while let Some((package, next)) = stack.pop() {
            if next == 0 && std::mem::replace(&mut seen[package], true) {
                continue;
            }
            match needs[package].get(next) {
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
    order
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

/// What a package needs, `Pre-Depends` first; versions are the solver's business.
fn needs(manifest: &Manifest, providers: &HashMap<&str, Vec<usize>>) -> Vec<usize> {
    let mut needs = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        // A field that does not parse was accepted by nobody's solver.
        for group in parse_relations(manifest.field(field)).unwrap_or_default() {
            let found = group.iter().find_map(|relation| providers.get(relation.name.as_str()));
            needs.extend(found.into_iter().flatten().copied());
        }
    }
    needs
}
