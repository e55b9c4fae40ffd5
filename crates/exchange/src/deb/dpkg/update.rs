//! What has to run in a view whose packages changed.

use std::collections::{BTreeMap, BTreeSet};

use aleph_component::{Manifest, TreePath};

use super::{
    ConfigurePlan, Contents, Cover, Package, PackageError, Placement, Step, configure_order,
    divert::in_force,
    info::info_placements,
    plan::{bring, dpkg_version, has_to_run, info_path, preinst_step},
    script::{self, Told},
    status::{State, configured, field, stanza, stanzas, state},
    triggers::{set_off, trigger_placements},
    view_path,
};

/// Where the `postrm` of packages that are gone is while steps run.
const OLD_SCRIPTS: &str = "run/aleph-old-scripts";

/// What the generation before left.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// The text of its `/var/lib/dpkg/status`.
    pub status: &'a str,
    /// Conffiles (absolute paths) that were changed or removed since they were put there, by scripts or by hand.
    pub changed_conffiles: &'a BTreeSet<String>,
}

/// How a view gets from one set of packages to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdatePlan {
    /// On top of what scripts wrote before.
    Update {
        /// What to run in the tree as it was, with its `/var/lib/dpkg`, before anything else. Covers apply here too.
        leaving: Vec<Step>,
        /// What to place in and run on the tree as it will be, with what was written so far on top.
        plan: ConfigurePlan,
        /// What is to be dropped of what scripts wrote before: changed conffiles of packages that go.
        forget: Vec<TreePath>,
    },
    /// It has to be begun anew, with [`super::fresh`].
    NeedsFresh {
        /// Why, in words.
        reason: String,
    },
}

/// What becomes of the packages.
struct Changes<'a> {
    /// As it was and as it will be.
    upgraded: Vec<(&'a Package<'a>, &'a Package<'a>)>,
    added: Vec<&'a Package<'a>>,
    removed: Vec<&'a Package<'a>>,
}

type Key<'a> = (&'a str, &'a str);

/// The stanzas of the status file before.
type Known<'a> = BTreeMap<Key<'a>, &'a str>;

fn key<'a>(package: &'a Package<'_>) -> Key<'a> {
    (&package.manifest.name, &package.manifest.architecture)
}

/// The plan for a view whose packages were `before` and will be `after`: what dpkg does when it upgrades, installs and
/// purges. Conffiles that were changed stay as they are, and the package's own lies beside them as `.dpkg-dist`.
///
/// # Errors
/// If `contents` does not give what the manifests list.
pub fn update(
    before: &[Package<'_>],
    after: &[Package<'_>],
    previous: Previous<'_>,
    contents: &Contents<'_>,
) -> Result<UpdatePlan, PackageError> {
    let needs_fresh = |reason: &str| Ok(UpdatePlan::NeedsFresh { reason: reason.to_owned() });
    let known = stanzas(previous.status);
    if before.iter().any(|package| !known.contains_key(&key(package))) {
        return needs_fresh("the status file of the generation before does not list all of its packages");
    }
    let dpkg = |packages: &[Package<'_>]| packages.iter().any(|package| package.manifest.name == "dpkg");
    if dpkg(before) != dpkg(after) {
        return needs_fresh("dpkg itself comes or goes");
    }
    if in_force(before) != in_force(after) {
        return needs_fresh("a diversion comes into force, or ends");
    }
    let changes = changes(before, after);
    let leaving = leaving(before, &changes, &known);
    let activated = activated(after, &changes);
    let mut placements = info_placements(after);
    placements.extend(trigger_placements(after, &activated));
    for (old, new) in &changes.upgraded {
        placements.extend(kept_conffiles(old, new, &previous, contents)?);
    }
    placements.push(Placement::bytes("var/lib/dpkg/status", status(after, &changes, &known, contents)?, true));
    let waiting = |package: &Package<'_>| {
        known.get(&key(package)).is_some_and(|text| field(text, "Status") != Some("install ok installed"))
    };
    let runs = |package: &Package<'_>| has_to_run(package) || package.has_script("preinst");
    let leaves = |(old, _): &(&Package<'_>, &Package<'_>)| old.has_script("postrm");
    let has_to_come = coming(&changes).any(runs)
        || changes.upgraded.iter().any(leaves)
        || !activated.is_empty()
        || after.iter().any(waiting);
    let (steps, covers) = steps(after, &changes, has_to_come, contents)?;
    let nothing = steps.is_empty() && leaving.is_empty();
    let plan = ConfigurePlan { placements, covers: if nothing { Vec::new() } else { covers }, steps };
    let forget = forgotten(after, &changes, &previous);
    Ok(UpdatePlan::Update { leaving, plan, forget })
}

/// The changed conffiles of packages that go, in the merged tree, unless another that stays or comes has them too.
fn forgotten(after: &[Package<'_>], changes: &Changes<'_>, previous: &Previous<'_>) -> Vec<TreePath> {
    let place = |path: &String| view_path(path);
    let kept: BTreeSet<TreePath> =
        after.iter().flat_map(|package| &package.manifest.conffiles).filter_map(place).collect();
    let gone = changes.removed.iter().flat_map(|package| &package.manifest.conffiles);
    let changed = gone.filter(|path| previous.changed_conffiles.contains(*path)).filter_map(place);
    changed.filter(|path| !kept.contains(path)).collect::<BTreeSet<_>>().into_iter().collect()
}

fn coming<'a>(changes: &Changes<'a>) -> impl Iterator<Item = &'a Package<'a>> {
    changes.upgraded.iter().map(|(_, new)| *new).chain(changes.added.iter().copied())
}

fn changes<'a>(before: &'a [Package<'a>], after: &'a [Package<'a>]) -> Changes<'a> {
    let old: BTreeMap<Key<'_>, &Package<'_>> = before.iter().map(|package| (key(package), package)).collect();
    let new: BTreeSet<Key<'_>> = after.iter().map(key).collect();
    let mut changes = Changes { upgraded: Vec::new(), added: Vec::new(), removed: Vec::new() };
    for package in after {
        // dpkg takes `all` and an architecture's own for the same package.
        let same = old.get(&key(package)).or_else(|| {
            let other = if package.manifest.architecture == "all" { None } else { Some("all") };
            let mut named = before.iter().filter(|old| old.manifest.name == package.manifest.name);
            named
                .find(|old| other.is_none_or(|other| old.manifest.architecture == other))
                .map(|found| &old[&key(found)])
        });
        match same {
            Some(old) if old.manifest == package.manifest => {}
            Some(old) => changes.upgraded.push((old, package)),
            None => changes.added.push(package),
        }
    }
    let upgraded: BTreeSet<Key<'_>> = changes.upgraded.iter().map(|(old, _)| key(old)).collect();
    changes.removed =
        before.iter().filter(|package| !new.contains(&key(package)) && !upgraded.contains(&key(package))).collect();
    changes
}

/// The scripts of packages that go or change, to be run while they are still there.
fn leaving(before: &[Package<'_>], changes: &Changes<'_>, known: &Known<'_>) -> Vec<Step> {
    let told = Told::new(dpkg_version(before), before);
    let prerm = |package: &Package<'_>, arguments: &[&str]| {
        let path = info_path(package, "prerm");
        // dpkg asks nothing of a package whose `postinst` never ran.
        let entered =
            !known.get(&key(package)).is_some_and(|text| ["unpacked", "half-installed"].contains(&state(text)));
        (entered && package.has_script("prerm")).then(|| script::script(package, "prerm", path, arguments, &told))
    };
    let place: BTreeMap<Key<'_>, usize> =
        configure_order(before).into_iter().enumerate().map(|(place, index)| (key(&before[index]), place)).collect();
    // What others need goes last.
    let mut removed = changes.removed.clone();
    removed.sort_by_key(|package| std::cmp::Reverse(place.get(&key(package)).copied()));
    let removed = removed.into_iter().filter_map(|package| prerm(package, &["remove"]));
    let upgraded = changes.upgraded.iter();
    removed.chain(upgraded.filter_map(|(old, new)| prerm(old, &["upgrade", &new.manifest.version]))).collect()
}

/// The script of a package whose files are gone.
fn postrm(package: &Package<'_>, arguments: &[&str], told: &Told<'_>) -> Option<Step> {
    let path = format!("/{}", old_script(package));
    package.has_script("postrm").then(|| script::script(package, "postrm", path, arguments, told))
}

/// What puts that script in place.
fn postrm_cover(package: &Package<'_>, contents: &Contents<'_>) -> Result<Option<Cover>, PackageError> {
    let text = package.member("postrm", contents)?;
    Ok(text.map(|text| Cover::new(&old_script(package), text)))
}

fn old_script(package: &Package<'_>) -> String {
    format!("{OLD_SCRIPTS}/{}.postrm", package.qualified_name())
}

/// The scripts of packages that go, come or change, once the files have changed.
fn steps(
    after: &[Package<'_>],
    changes: &Changes<'_>,
    has_to_come: bool,
    contents: &Contents<'_>,
) -> Result<(Vec<Step>, Vec<Cover>), PackageError> {
    let mut told = Told::new(dpkg_version(after), after.iter().chain(changes.removed.iter().copied()));
    let (mut steps, mut covers) = (Vec::new(), script::covers(after));
    let gone = changes.removed.iter().copied().chain(changes.upgraded.iter().map(|(old, _)| *old));
    for package in gone {
        covers.extend(postrm_cover(package, contents)?);
    }
    for package in &changes.removed {
        steps.extend(postrm(package, &["remove"], &told));
        steps.extend(postrm(package, &["purge"], &told));
        told.leave(package);
    }
    let old: BTreeMap<Key<'_>, &Package<'_>> = changes.upgraded.iter().map(|(old, new)| (key(new), *old)).collect();
    let enter = |package: &Package<'_>| -> Vec<Step> {
        let version = package.manifest.version.as_str();
        match old.get(&key(package)) {
            Some(old) => {
                let left = postrm(old, &["upgrade", version], &told);
                let entered = preinst_step(package, &["upgrade", &old.manifest.version, version], &told);
                entered.into_iter().chain(left).collect()
            }
            None => preinst_step(package, &["install"], &told).into_iter().collect(),
        }
    };
    if has_to_come {
        let coming: BTreeSet<Key<'_>> = coming(changes).map(key).collect();
        steps.extend(bring(after, &|package| coming.contains(&key(package)), &enter));
    }
    Ok((steps, covers))
}

/// The triggers that the change sets off.
fn activated(after: &[Package<'_>], changes: &Changes<'_>) -> BTreeSet<String> {
    let changed = || {
        let old = changes.upgraded.iter().map(|(old, _)| *old);
        old.chain(changes.removed.iter().copied()).chain(coming(changes))
    };
    let manifests: Vec<&Manifest> = changed().map(|package| package.manifest).collect();
    set_off(after, manifests.into_iter(), changed().flat_map(|package| &package.triggers))
}

fn status(
    after: &[Package<'_>],
    changes: &Changes<'_>,
    known: &Known<'_>,
    contents: &Contents<'_>,
) -> Result<String, PackageError> {
    let upgraded: BTreeMap<Key<'_>, &Package<'_>> =
        changes.upgraded.iter().map(|(old, new)| (key(new), *old)).collect();
    let mut text = String::new();
    for package in after {
        match (upgraded.get(&key(package)), known.get(&key(package))) {
            (None, Some(kept)) => {
                text.push_str(kept.trim_end());
                text.push_str("\n\n");
            }
            (old, _) if has_to_run(package) => {
                let configured = old.and_then(|old| known.get(&key(old))).and_then(|text| configured(text));
                text.push_str(&stanza(package, State::Unpacked { configured }, contents)?);
            }
            _ => text.push_str(&stanza(package, State::Installed, contents)?),
        }
    }
    Ok(text)
}

/// The new package's own conffiles beside those that were changed, where they are not what the old one had.
fn kept_conffiles(
    old: &Package<'_>,
    new: &Package<'_>,
    previous: &Previous<'_>,
    contents: &Contents<'_>,
) -> Result<Vec<Placement>, PackageError> {
    let before = old.conffiles(contents)?;
    let changed = |(path, _): &&(String, String)| previous.changed_conffiles.contains(path);
    let after = new.conffiles(contents)?;
    let different = after.iter().filter(changed).filter(|conffile| !before.contains(conffile));
    Ok(different.filter_map(|(path, _)| new.place_beside(path, ".dpkg-dist")).collect())
}
